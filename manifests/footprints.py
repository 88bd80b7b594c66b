"""Footprints on the sphere: reading STC-S regions and finding which of them overlap."""

import math
import re
from collections.abc import Sequence

import numpy as np

_SHAPE = re.compile(r"(polygon|circle)\b([^a-z]*(?:icrs|j2000|fk5)?)((?:[^a-z]|(?<=\d)e(?=[-+]?\d))*)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_CIRCLE_CORNERS = 24


def parse_region(text: str | None) -> list[np.ndarray]:
    """Polygons of an STC-S `s_region` as float64 arrays (corners, 2) of RA and Dec in ICRS degrees.

    Several shapes may follow each other; circles become 24-gons; slivers of fewer than three corners that differ, which
    the Hubble Legacy Archive writes for WFPC2, are left out. Anything that cannot be read gives no polygon.
    """
    polygons = []
    for shape, _frame, numbers in _SHAPE.findall(text or ""):
        values = [float(number) for number in _NUMBER.findall(numbers)]
        if shape.lower() == "circle":
            if len(values) >= 3 and 0 < values[2] < 90 and np.isfinite(values[:2]).all():
                polygons.append(_circle(values[0], values[1], values[2]))
            continue
        corners = np.array(values[: len(values) // 2 * 2]).reshape(-1, 2)
        if len(corners) > 1 and np.allclose(corners[0], corners[-1], rtol=0.0, atol=1e-9):
            corners = corners[:-1]
        on_the_sphere = np.isfinite(corners).all() and (np.abs(corners[:, 1]) <= 90).all()
        if on_the_sphere and len(np.unique(corners, axis=0)) >= 3:
            polygons.append(corners)
    return polygons


def overlapping(regions: Sequence[str | None]) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of regions that share some sky.

    Candidates are found by their bounding caps in a k-d tree of unit vectors; polygons are then compared in the
    gnomonic plane about the first one, where great circles are straight.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415  # half a second, and crawls only read footprints

    parsed = [(index, parse_region(text)) for index, text in enumerate(regions)]
    known = [(index, polygons) for index, polygons in parsed if polygons]
    if len(known) < 2:
        return []
    vectors = [[unit_vectors(polygon) for polygon in polygons] for _, polygons in known]
    centres, radii = zip(*(_cap(np.concatenate(v)) for v in vectors), strict=True)
    tree = cKDTree(np.array(centres))
    widest = max(radii)
    pairs = []
    for i, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
        for j in tree.query_ball_point(centre, 2 * math.sin(min(math.pi, radius + widest) / 2)):
            if j > i and _angle(centre, centres[j]) <= radius + radii[j] and _touch(centre, vectors[i], vectors[j]):
                first, second = sorted((known[i][0], known[j][0]))
                pairs.append((first, second))
    return sorted(pairs)


def unit_vectors(corners: np.ndarray) -> np.ndarray:
    """Cartesian unit vectors (n, 3) of RA and Dec in degrees (n, 2)."""
    ra, dec = np.radians(corners[:, 0]), np.radians(corners[:, 1])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def _circle(ra: float, dec: float, radius: float) -> np.ndarray:
    centre = unit_vectors(np.array([[ra, dec]]))[0]
    east, north = _tangents(centre)
    angles = np.linspace(0, 2 * math.pi, _CIRCLE_CORNERS, endpoint=False)
    r = math.radians(radius)
    points = math.cos(r) * centre + math.sin(r) * (np.outer(np.cos(angles), east) + np.outer(np.sin(angles), north))
    return np.degrees(np.stack([np.arctan2(points[:, 1], points[:, 0]) % (2 * math.pi), np.arcsin(points[:, 2])], 1))


def _tangents(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pole = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    east = np.cross(pole, centre)
    east /= np.linalg.norm(east)
    return east, np.cross(centre, east)


def _cap(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    mean = vectors.mean(axis=0)
    centre = mean / np.linalg.norm(mean)
    return centre, float(max(_angle(centre, vector) for vector in vectors))


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    return math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))


def _touch(centre: np.ndarray, first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    east, north = _tangents(centre)

    def project(points: np.ndarray) -> np.ndarray | None:
        depth = points @ centre
        return np.stack([points @ east, points @ north], axis=1) / depth[:, None] if (depth > 0.05).all() else None

    for a in map(project, first):
        for b in map(project, second):
            # a polygon of more than a hemisphere has no gnomonic picture; its cap is the best that is known
            if a is None or b is None or _polygons_touch(a, b):
                return True
    return False


def _polygons_touch(a: np.ndarray, b: np.ndarray) -> bool:
    return _edges_cross(a, b) or _inside(a[0], b) or _inside(b[0], a)


def _edges_cross(a: np.ndarray, b: np.ndarray) -> bool:
    p, r = a[:, None, :], (np.roll(a, -1, axis=0) - a)[:, None, :]
    q, s = b[None, :, :], (np.roll(b, -1, axis=0) - b)[None, :, :]
    cross = r[..., 0] * s[..., 1] - r[..., 1] * s[..., 0]
    gap = q - p
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (gap[..., 0] * s[..., 1] - gap[..., 1] * s[..., 0]) / cross
        u = (gap[..., 0] * r[..., 1] - gap[..., 1] * r[..., 0]) / cross
        return bool(((t >= 0) & (t <= 1) & (u >= 0) & (u <= 1)).any())


def _inside(point: np.ndarray, polygon: np.ndarray) -> bool:
    x, y = point
    following = np.roll(polygon, -1, axis=0)
    spans = (polygon[:, 1] > y) != (following[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = polygon[:, 0] + (y - polygon[:, 1]) / (following[:, 1] - polygon[:, 1]) * (
            following[:, 0] - polygon[:, 0]
        )
    return bool((spans & (x < crossing)).sum() % 2)
