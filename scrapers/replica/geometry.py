"""Where a picture lies on the sphere: north-up tangent-plane grids, footprint polygons, cones that touch them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Point = tuple[float, float]
Polygon = tuple[Point, ...]


@dataclass(frozen=True)
class Grid:
    """A north-up picture of nx x ny px in gnomonic (TAN) projection about (ra, dec) in degrees.

    `reference` is the px that looks there, FITS counting; naxis/2 for whole products, as HLA has it.
    """

    ra: float
    dec: float
    nx: int
    ny: int
    scale_deg: float
    reference: Point | None = None

    @property
    def crpix(self) -> Point:
        """Reference px, FITS counting (the first px has its centre at 1)."""
        return self.reference or (self.nx / 2, self.ny / 2)

    def part(self, corner: Point, shape: tuple[int, int], shrink: float = 1.0) -> "Grid":
        """The grid of a cut-out that starts at px `corner`, of `shape` (columns, rows) px `shrink` times as wide."""
        x, y = ((at - 0.5 - start) / shrink + 0.5 for at, start in zip(self.crpix, corner, strict=True))
        return Grid(self.ra, self.dec, *shape, self.scale_deg * shrink, (x, y))

    def to_sky(self, x: float, y: float) -> Point:
        """Right ascension (0 to 360) and declination in degrees of a px position that counts from 0."""
        east = -np.radians((x + 1 - self.crpix[0]) * self.scale_deg)
        north = np.radians((y + 1 - self.crpix[1]) * self.scale_deg)
        sin_dec, cos_dec = np.sin(np.radians(self.dec)), np.cos(np.radians(self.dec))
        depth = cos_dec - north * sin_dec
        ra = self.ra + np.degrees(np.arctan2(east, depth))
        dec = np.degrees(np.arctan2(sin_dec + north * cos_dec, np.hypot(east, depth)))
        return float(ra % 360), float(dec)

    def to_pixel(self, ra: float, dec: float) -> Point | None:
        """Px position, counting from 0, of a place on the sky; None on the far half of the sphere."""
        offset = tangent_plane(ra, dec, self.ra, self.dec)
        if offset is None:
            return None
        return self.crpix[0] - 1 - offset[0] / self.scale_deg, self.crpix[1] - 1 + offset[1] / self.scale_deg


def tangent_plane(ra: float, dec: float, ra0: float, dec0: float) -> Point | None:
    """Standard coordinates (east, north) in degrees about (ra0, dec0); None where the plane has no such point."""
    turn, lat, lat0 = np.radians(ra - ra0), np.radians(dec), np.radians(dec0)
    depth = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(turn)
    if depth <= 1e-9:
        return None
    east = np.cos(lat) * np.sin(turn) / depth
    north = (np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(turn)) / depth
    return float(np.degrees(east)), float(np.degrees(north))


def unit(ra: float, dec: float) -> np.ndarray:
    """Unit vector of a place on the sky."""
    lon, lat = np.radians(ra), np.radians(dec)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def separation(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two unit vectors in degrees, exact for small and for large angles."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def contains(polygon: Polygon, ra: float, dec: float) -> bool:
    """Whether a small polygon holds a point. Lines and points, as HLA has them among its slivers, hold nothing."""
    if len(polygon) < 3:
        return False
    corners = [tangent_plane(*corner, ra, dec) for corner in polygon]
    inside = False
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        if start is None or end is None:
            return False
        if (start[1] > 0) != (end[1] > 0):
            crossing = start[0] - start[1] * (end[0] - start[0]) / (end[1] - start[1])
            inside ^= crossing > 0
    return inside


def touches(polygons: Sequence[Polygon], ra: float, dec: float, radius: float) -> bool:
    """Whether a cone touches any of the polygons; a cone of radius 0 is a point."""
    if radius >= 180:
        return True
    place = unit(ra, dec)
    for polygon in polygons:
        corners = [unit(*corner) for corner in polygon]
        if contains(polygon, ra, dec):
            return True
        if radius > 0 and any(
            _edge_distance(place, start, end) <= radius
            for start, end in zip(corners, corners[1:] + corners[:1], strict=True)
        ):
            return True
    return False


def _edge_distance(place: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Distance in degrees from a point to a great-circle arc."""
    pole = np.cross(start, end)
    length = np.linalg.norm(pole)
    if length > 1e-15:
        pole = pole / length
        foot = place - (place @ pole) * pole
        if np.cross(start, foot) @ pole >= 0 and np.cross(foot, end) @ pole >= 0:
            return float(np.degrees(np.arcsin(np.clip(abs(place @ pole), 0, 1))))
    return min(separation(place, start), separation(place, end))


def stcs(polygons: Sequence[Polygon]) -> str:
    """Footprint text as HLA writes it: `Polygon J2000 ra dec ...`, later polygons with two spaces, never closed."""
    texts = (" ".join(f"{ra:.8f} {dec:.8f}" for ra, dec in polygon) for polygon in polygons)
    return " Polygon J2000  ".join(texts).join(("Polygon J2000 ", ""))


def rotated(x: float, y: float, degrees: float) -> Point:
    """A point turned counter-clockwise about the origin."""
    turn = np.radians(degrees)
    return float(x * np.cos(turn) - y * np.sin(turn)), float(x * np.sin(turn) + y * np.cos(turn))
