"""Polygons on the sphere, as float64 arrays (n, 3) of unit vectors, their sides arcs of great circles.

All corners of a polygon lie within 85 degrees of their mean direction: it is then clear which side is its inside.
"""

import math

import numpy as np

LARGEST_REACH_DEG = 85.0
_LEAST_DEPTH = math.cos(math.radians(LARGEST_REACH_DEG))


def middle(corners: np.ndarray) -> np.ndarray:
    """The mean direction of points, a unit vector (3,); the zero vector where they have none, as antipodes."""
    mean = corners.mean(axis=0)
    length = np.linalg.norm(mean)
    return mean / length if length > 1e-9 else np.zeros(3)


def angles(points: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angles in degrees between unit vectors, exact for small ones too: half the chord is the sine of half of it."""
    chords = np.sqrt(((points - other) ** 2).sum(axis=-1))
    return np.degrees(2 * np.arcsin(np.minimum(1.0, chords / 2)))


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Vector products (..., 3); several times as fast as numpy's for the few corners of a polygon."""
    out = np.empty(np.broadcast_shapes(first.shape, second.shape))
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        out[..., axis] = first[..., one] * second[..., two] - first[..., two] * second[..., one]
    return out


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of the points (m, 3) lie in a polygon.

    Both are seen in the gnomonic plane about the polygon's middle, where arcs of great circles are straight; a point
    is inside if a line from it crosses the border an odd number of times.
    """
    centre = middle(polygon)
    pole = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    east = cross(pole, centre)
    east /= np.linalg.norm(east)
    axes = np.stack([east, cross(centre, east), centre], axis=1)
    corners, seen = polygon @ axes, points @ axes
    front = seen[:, 2] > _LEAST_DEPTH
    x, y = (seen[:, :2] / np.where(front, seen[:, 2], 1.0)[:, None]).T[:, :, None]
    x1, y1 = corners[:, 0] / corners[:, 2], corners[:, 1] / corners[:, 2]
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    spans = (y1 > y) != (y2 > y)
    rise = np.where(y2 == y1, 1.0, y2 - y1)
    crossed = spans & (x < x1 + (y - y1) / rise * (x2 - x1))
    return front & (crossed.sum(axis=1) % 2 == 1)


def border_distances(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Angles in degrees (m,) from points (m, 3) to the nearest point of a polygon's border."""
    following = np.roll(polygon, -1, axis=0)
    poles = cross(polygon, following)
    lengths = np.sqrt((poles**2).sum(axis=1))
    nearest = angles(points[:, None, :], polygon).min(axis=1)
    usable = lengths > 1e-12
    if usable.any():
        starts, ends, poles = polygon[usable], following[usable], poles[usable] / lengths[usable, None]
        # the foot of the perpendicular counts where it falls between the corners
        between = (points @ cross(poles, starts).T >= 0) & (points @ cross(ends, poles).T >= 0)
        heights = np.degrees(np.arcsin(np.minimum(np.abs(points @ poles.T), 1.0)))
        nearest = np.minimum(nearest, np.where(between, heights, 180.0).min(axis=1))
    return nearest


def crossings(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which sides of one polygon (n) cross which of another (m), as booleans (n, m); a shared corner is none."""
    a, b = first, np.roll(first, -1, axis=0)
    c, d = second, np.roll(second, -1, axis=0)
    ab, cd = cross(a, b), cross(c, d)
    apart = _opposite(ab @ c.T, ab @ d.T)
    across = _opposite(a @ cd.T, b @ cd.T)
    # great circles meet twice: both arcs must pass the same one of the two points
    meeting = cross(ab[:, None, :], cd[None, :, :])
    toward_first = (meeting * (a + b)[:, None, :]).sum(axis=-1)
    toward_second = (meeting * (c + d)[None, :, :]).sum(axis=-1)
    return apart & across & (toward_first * toward_second > 0)


def _opposite(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two distances lie on opposite sides of zero, by more than the error of their computation."""
    return (one * other < 0) & (np.minimum(np.abs(one), np.abs(other)) > 1e-15)


def touch(first: np.ndarray, second: np.ndarray, slack_deg: float = 0.0) -> bool:
    """Whether two polygons share a point, or come within `slack_deg` of it."""
    if inside(first[:1], second)[0] or inside(second[:1], first)[0] or crossings(first, second).any():
        return True
    nearest = border_distances(first, second).min()
    return bool(nearest <= slack_deg or border_distances(second, first).min() <= slack_deg)
