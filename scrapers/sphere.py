"""Polygons on the sphere, as float64 arrays (n, 3) of unit vectors, their sides arcs of great circles.

All corners of a polygon lie within 85 degrees of their mean direction: it is then clear which side is its inside.
"""

import math

import numpy as np

LARGEST_REACH_DEG = 85.0
_FULL_TURN = 2 * math.pi


def middle(corners: np.ndarray) -> np.ndarray:
    """The mean direction of points, a unit vector (3,); the zero vector where they have none, as antipodes."""
    mean = corners.mean(axis=0)
    length = np.linalg.norm(mean)
    return mean / length if length > 1e-9 else np.zeros(3)


def angles(points: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angles in degrees between unit vectors, exact for small ones too: half the chord is the sine of half of it."""
    chords = np.linalg.norm(points - other, axis=-1)
    return np.degrees(2 * np.arcsin(np.minimum(1.0, chords / 2)))


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of the points (m, 3) lie in a polygon: the border, seen from there, goes once around the horizon."""
    following = np.roll(polygon, -1, axis=0)
    here = points[:, None, :]
    one = polygon - here * (points @ polygon.T)[..., None]
    two = following - here * (points @ following.T)[..., None]
    sine = (here * np.cross(one, two)).sum(axis=-1)
    turns = np.arctan2(sine, (one * two).sum(axis=-1)).sum(axis=1)
    # from the antipode of an inner point, too, the border goes around
    return (np.abs(turns) > _FULL_TURN / 2) & (points @ middle(polygon) > 0)


def border_distances(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Angles in degrees (m,) from points (m, 3) to the nearest point of a polygon's border."""
    following = np.roll(polygon, -1, axis=0)
    poles = np.cross(polygon, following)
    lengths = np.linalg.norm(poles, axis=1)
    usable = lengths > 1e-12
    nearest = np.min([angles(points, corner) for corner in polygon], axis=0)
    if usable.any():
        starts, ends, poles = polygon[usable], following[usable], poles[usable] / lengths[usable, None]
        # the foot of the perpendicular counts where it falls between the corners
        between = (points @ np.cross(poles, starts).T >= 0) & (points @ np.cross(ends, poles).T >= 0)
        heights = np.degrees(np.arcsin(np.clip(np.abs(points @ poles.T), 0, 1)))
        nearest = np.minimum(nearest, np.where(between, heights, 180.0).min(axis=1))
    return nearest


def crossings(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which sides of one polygon (n) cross which of another (m), as booleans (n, m); a shared corner is none."""
    a, b = first, np.roll(first, -1, axis=0)
    c, d = second, np.roll(second, -1, axis=0)
    ab, cd = np.cross(a, b), np.cross(c, d)
    apart = _opposite(ab @ c.T, ab @ d.T)
    across = _opposite(a @ cd.T, b @ cd.T)
    # great circles meet twice: both arcs must pass the same one of the two points
    meeting = np.cross(ab[:, None, :], cd[None, :, :])
    toward_first = np.einsum("nmk,nk->nm", meeting, a + b)
    toward_second = np.einsum("nmk,mk->nm", meeting, c + d)
    return apart & across & (toward_first * toward_second > 0)


def _opposite(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two distances lie on opposite sides of zero, by more than the error of their computation."""
    return (one * other < 0) & (np.minimum(np.abs(one), np.abs(other)) > 1e-15)


def touch(first: np.ndarray, second: np.ndarray, slack_deg: float = 0.0) -> bool:
    """Whether two polygons share a point, or come within `slack_deg` of it."""
    if inside(first[:1], second)[0] or inside(second[:1], first)[0] or crossings(first, second).any():
        return True
    nearest = min(border_distances(first, second).min(), border_distances(second, first).min())
    return bool(nearest <= slack_deg)
