"""Regions of the sky: a cone, a polygon, the area of a MOC, or all of it.

A region knows the cone that holds it (`bounds`), on which side of its edge a circle lies, and which polygons, such as
the fields of cameras, share sky with it. How regions are cut into questions is `scrapers.tiling`'s business.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from mocpy import MOC

from manifests.errors import UsageError
from manifests.footprints import unit_vectors
from scrapers import mocs, sphere
from scrapers.sky import Cone, Side

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_FRAMES = frozenset({"icrs", "j2000", "fk5"})  # which agree to a twentieth of an arcsecond
_FLAT = 1e-8  # thickness in radians below which a polygon has no inside
_FINEST_TEST = 12  # order of cells of 51 arcseconds
_EXAMPLE = "'POLYGON ICRS 210.6 54.2 211.0 54.2 210.8 54.5'"


class Region(Protocol):
    """A part of the sky; its text continues a sentence: "no picture within 0.2 degrees of ..."."""

    @property
    def bounds(self) -> Cone:
        """A cone that holds the region."""
        ...

    def side(self, circle: Cone) -> Side:
        """Where a circle lies: wholly in the region, wholly out of it, or on its edge, which is a guess for a MOC."""
        ...

    def touches_polygon(self, corners: np.ndarray, slack_deg: float = 0.0) -> bool:
        """Whether a polygon, unit vectors (n, 3), shares a point with the region or comes within `slack_deg`."""
        ...


@dataclass(frozen=True)
class WholeSky:
    """All directions."""

    def __str__(self) -> str:
        return "on the whole sky"

    @property
    def bounds(self) -> Cone:
        """The cone of all directions."""
        return Cone(0.0, 0.0, 180.0)

    def side(self, circle: Cone) -> Side:
        """Always in."""
        return "in"

    def touches_polygon(self, corners: np.ndarray, slack_deg: float = 0.0) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class Polygon:
    """What lies within arcs of great circles from corner to corner, the last one joined to the first.

    Corners are RA and Dec in ICRS degrees, in either sense of rotation; see `polygon` for what they must be.
    """

    corners: tuple[tuple[float, float], ...]

    def __str__(self) -> str:
        where = self.bounds
        return f"in the polygon of {len(self.corners)} corners about RA {where.ra:.5f}, Dec {where.dec:+.5f}"

    @cached_property
    def vectors(self) -> np.ndarray:
        """The corners as unit vectors (n, 3)."""
        return unit_vectors(np.array(self.corners))

    @cached_property
    def bounds(self) -> Cone:
        """A cone about the mean of the corners that holds the polygon."""
        centre = sphere.middle(self.vectors)
        ra, dec = np.degrees(np.arctan2(centre[1], centre[0])) % 360.0, np.degrees(np.arcsin(centre[2]))
        reach = sphere.angles(self.vectors, centre).max()
        return Cone(float(ra), float(dec), float(reach) + 1e-9)

    @cached_property
    def _core(self) -> Cone | None:
        """The circle about the middle that just fits into the polygon, if that lies in it."""
        middle = replace(self.bounds, radius=0.0)
        here = middle.vector[None]
        if not sphere.inside(here, self.vectors)[0]:
            return None
        return replace(middle, radius=float(sphere.border_distances(here, self.vectors)[0]))

    def side(self, circle: Cone) -> Side:
        """Where a circle lies; most are settled by the polygon's own circles within and about it."""
        if self.bounds.side(circle) == "out":
            return "out"
        if self._core is not None and self._core.side(circle) == "in":
            return "in"
        here = circle.vector[None]
        if sphere.border_distances(here, self.vectors)[0] <= circle.radius:
            return "edge"
        return "in" if sphere.inside(here, self.vectors)[0] else "out"

    def touches_polygon(self, corners: np.ndarray, slack_deg: float = 0.0) -> bool:
        """Whether another polygon shares a point with this one, or comes within `slack_deg` of it."""
        return sphere.touch(self.vectors, corners, slack_deg)


@dataclass(frozen=True)
class Area:
    """The cells of a MOC, given in its ASCII form; `name` says where it is from.

    What touches it is found by cells of at most order 12: what comes within 51 arcseconds of it may count as touching.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"in the area of {self.name}"

    @cached_property
    def moc(self) -> MOC:
        """The MOC."""
        return MOC.from_string(self.text)

    @property
    def bounds(self) -> Cone:
        """All directions: a MOC may be anywhere and in pieces."""
        return Cone(0.0, 0.0, 180.0)

    def side(self, circle: Cone) -> Side:
        """Out if the circle shares no cell with the MOC; else on the edge, for it is not known."""
        return "edge" if self._meets(mocs.of_circle(circle.ra, circle.dec, circle.radius, self._order)) else "out"

    def touches_polygon(self, corners: np.ndarray, slack_deg: float = 0.0) -> bool:
        """Whether a polygon shares a cell with the MOC."""
        return self._meets(mocs.of_polygon(corners, self._order))

    @property
    def _order(self) -> int:
        return min(_FINEST_TEST, int(self.moc.max_order))

    def _meets(self, other: MOC) -> bool:
        return not self.moc.intersection(other).empty()


def polygon(text: str) -> Polygon:
    """A polygon in STC-S, `POLYGON ICRS ra dec ra dec ...`, or its mere numbers; closed or not.

    The frame may be ICRS, J2000 or FK5; brackets and commas are read over.

    Raises:
        UsageError: it cannot be read, or is no polygon on the sky.
    """
    words = re.split(r"[\s,()]+", text.strip())
    values = [word for word in words if word]
    if values and values[0].lower() == "polygon":
        values = values[1:]
        if values and values[0].lower() in _FRAMES:
            values = values[1:]
    odd = next((word for word in values if not _NUMBER.fullmatch(word)), None)
    if odd is not None:
        raise UsageError(
            f"The polygon cannot be read at {odd!r}: give one polygon of ICRS or J2000 degrees, as {_EXAMPLE}."
        )
    if len(values) % 2:
        raise UsageError(f"The polygon has {len(values)} numbers; it needs pairs of RA and Dec, as {_EXAMPLE}.")
    numbers = [float(value) for value in values]
    corners: list[tuple[float, float]] = []
    for ra, dec in zip(numbers[::2], numbers[1::2], strict=True):
        if not (0.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
            raise UsageError(
                f"The corner {ra:g} {dec:g} of the polygon is not on the sky: RA runs from 0 to 360, Dec from -90 "
                "to 90."
            )
        corner = (ra % 360.0, dec)
        if not corners or corner != corners[-1]:
            corners.append(corner)
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    if len(corners) < 3:
        raise UsageError(f"A polygon needs at least three different corners, as {_EXAMPLE}.")
    return _checked(Polygon(tuple(corners)))


def _checked(region: Polygon) -> Polygon:
    vectors = region.vectors
    centre = sphere.middle(vectors)
    if not centre.any() or sphere.angles(vectors, centre).max() > sphere.LARGEST_REACH_DEG:
        raise UsageError(
            "The polygon is too large to tell its inside from its outside: cut it into polygons whose corners lie "
            f"within {sphere.LARGEST_REACH_DEG:g} degrees of their middle, or give a MOC."
        )
    if np.linalg.svd(vectors, compute_uv=False)[-1] < _FLAT:
        raise UsageError("The polygon has no area: its corners lie on one great circle.")
    if sphere.crossings(vectors, vectors).any():
        raise UsageError("The sides of the polygon cross each other: give its corners in order along the border.")
    return region


def area(path: Path) -> Area:
    """The area of a MOC in a file: FITS, JSON or ASCII, told by its bytes.

    Raises:
        UsageError: the file cannot be read, or is not the MOC of a part of the sky.
    """
    try:
        start = path.read_bytes()[:6]
        kind = "fits" if start == b"SIMPLE" else "json" if start.lstrip()[:1] == b"{" else "ascii"
        moc = MOC.load(path, format=kind)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a MOC of the sky"
        raise UsageError(f"The MOC {path} cannot be read: {reason}. Give a MOC as FITS, JSON or ASCII.") from error
    if not moc.sky_fraction > 0:
        raise UsageError(f"The MOC {path} covers no part of the sky.")
    return Area(path.name, moc.to_string())
