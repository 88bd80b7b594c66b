"""Sets of HEALPix cells as MOCs (IVOA MOC 2.0): of circles and polygons, as text, and from many texts at once.

mocpy computes them; here are its calls in degrees and plain arrays.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
from astropy import units
from astropy.coordinates import Angle, Latitude, Longitude
from mocpy import MOC

DEEPEST = 29  # order of the finest cells a MOC knows
# No cell is wider than this times 2 to the power of minus its order, in degrees: 90 at order 0, 122 / 64 at order 6.
_WIDEST_DEG = 124.0
_RANGE = re.compile(r"(?:(\d+)/)?(\d+)?(?:-(\d+))?")


def widest_cell_deg(order: int) -> float:
    """An angle that the diameter of no cell of an order exceeds, in degrees."""
    return float(_WIDEST_DEG / 2**order)


def of_circles(ra: np.ndarray, dec: np.ndarray, radius_deg: float, order: int) -> list[MOC]:
    """The cells of an order that touch each of the circles about RA and Dec in degrees (n,)."""
    centres = {"lon": Longitude(ra, units.deg), "lat": Latitude(dec, units.deg)}
    # mocpy starts a pool of threads for every call and leaves it behind: a thousand calls, a thousand threads
    return list(MOC.from_cones(**centres, radius=Angle(radius_deg, units.deg), max_depth=order, n_threads=1))


def of_circle(ra: float, dec: float, radius_deg: float, order: int) -> MOC:
    """The cells of an order that touch a circle."""
    lon, lat = Longitude(ra, units.deg), Latitude(dec, units.deg)
    return MOC.from_cone(lon=lon, lat=lat, radius=Angle(radius_deg, units.deg), max_depth=order)


def of_polygon(corners: np.ndarray, order: int) -> MOC:
    """The cells of an order that touch a polygon of unit vectors (n, 3)."""
    ra = np.degrees(np.arctan2(corners[:, 1], corners[:, 0])) % 360.0
    dec = np.degrees(np.arcsin(np.clip(corners[:, 2], -1.0, 1.0)))
    return MOC.from_polygon(lon=Longitude(ra, units.deg), lat=Latitude(dec, units.deg), max_depth=order)


def within_circles(ra: np.ndarray, dec: np.ndarray, radius_deg: float, order: int) -> list[MOC]:
    """Cells of an order that lie wholly within each of the circles.

    They are those that touch the circle made smaller by a cell's width: never more than the circle, and all of it
    but a rim of at most that width.
    """
    return of_circles(ra, dec, radius_deg - widest_cell_deg(order), order)


def union(texts: Iterable[str]) -> MOC:
    """All cells of MOCs in ASCII form ("6/1023", "8/3-5 7 9/12"), empty for none.

    Fifty thousand texts of one cell each, as a crawl of the sky leaves them, take a fraction of a second.
    """
    ranges, deepest = [], 0
    for order, first, last in _cells(texts):
        shift = 2 * (DEEPEST - order)
        ranges.append((first << shift, (last + 1) << shift))
        deepest = max(deepest, order)
    return MOC.from_depth29_ranges(deepest, np.array(ranges, dtype=np.uint64).reshape(-1, 2))


def _cells(texts: Iterable[str]) -> Iterator[tuple[int, int, int]]:
    """The order and the first and last cell of each range."""
    for text in texts:
        order = 0
        for word in text.replace(",", " ").split():
            match = _RANGE.fullmatch(word)
            if match is None:
                raise ValueError(f"{text[:80]!r} is not a MOC in ASCII form")
            order = int(match[1] or order)
            if match[2]:
                yield order, int(match[2]), int(match[3] or match[2])
