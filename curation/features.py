"""Local features of a frame, by which two frames can be laid over each other whatever their crop, size or turn."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from curation.canvas import shrink
from curation.portrait import gray_portrait, portrait
from manifests.frames import Frame, luma

_SIDE_PX = 768
_DETECTED = 5000
_KEPT = 1500
# Descriptors to search by are of a smaller picture: what makes it a candidate is judged at full size.
# Grain is smoothed away first: its corners are many and never found again.
_SEARCH_SIDE_PX = 320
_SEARCH_BLUR_PX = 1.0
_SEARCH_LEVELS, _SEARCH_LEVEL_STEP = 5, 1.35  # the reach of the usual eight steps of 1.2
_SEARCHED = 600
DESCRIBED = 300
_CELLS = 8  # a side: letters and boxes have the sharpest corners and must not crowd out the sky
_THUMB_PX = 256
_SKETCH_PX, _SKETCH_QUALITY = 1024, 92  # smaller letters are not read on large frames, and many sketches are held
_RIM_PX = 7  # a quarter of an ORB patch
_FAST_THRESHOLD_DN = 5  # a quarter of what is usual: nebulae are soft
_NONE = np.zeros((0, 32), np.uint8)


@dataclass(frozen=True)
class Features:
    """ORB features of a frame's valid bounding box, scaled to a longer side of 768, and a thumbnail of it.

    `points` are (N, 2) float32 pixels, `descriptors` (N, 32) uint8, at most 1,500: the strongest of each of 64 cells
    first, then the second strongest of each, and so on, so that a beginning of them covers the picture too. `thumb` is
    uint8 (h, w, 3) with a longer side of 256, `thumb_valid` its mask, `thumb_scale` its size over that of the picture
    of `points`, `scale` the size of that over the frame's. `sketch` is a JPEG, uint8 (bytes,), of the picture with a
    longer side of 1,024 at most, `sketch_scale` its size over that of the picture of `points`. About 500 kB.
    """

    points: np.ndarray
    descriptors: np.ndarray
    thumb: np.ndarray
    thumb_valid: np.ndarray
    thumb_scale: float
    scale: float
    sketch: np.ndarray
    sketch_scale: float


@dataclass(frozen=True)
class Descriptors:
    """ORB descriptors of a frame and of its mirror image, to find others like it: the best 300, uint8 (n, 32)."""

    plain: np.ndarray
    mirrored: np.ndarray


def describe(frame: Frame) -> Descriptors | None:
    """The descriptors of a frame and of its left-right mirror image; None where no pixel is valid.

    The mirror image is not searched anew: its keypoints are those of the frame, mirrored.
    """
    if frame.box is None:
        return None
    known = frame.valid[frame.box]
    size = _size(known, _SEARCH_SIDE_PX)
    # less than twice as large, so that two neighbours each way see all of it
    gray = cv2.resize(gray_portrait(frame, size), size, interpolation=cv2.INTER_LINEAR)
    gray, valid = cv2.GaussianBlur(gray, (5, 5), _SEARCH_BLUR_PX), _resized_mask(known, size)
    orb = cv2.ORB.create(
        nfeatures=_SEARCHED,
        scaleFactor=_SEARCH_LEVEL_STEP,
        nlevels=_SEARCH_LEVELS,
        fastThreshold=_FAST_THRESHOLD_DN,
    )
    found, plain = orb.detectAndCompute(gray, _trusted(valid))
    if not found:
        return Descriptors(_NONE, _NONE)
    best = _spread(found, valid.shape)[:DESCRIBED]
    width = valid.shape[1]
    points = [found[index] for index in best]
    for point in points:
        column, row = point.pt
        point.pt, point.angle = (width - 1 - column, row), (180.0 - point.angle) % 360.0
    _, mirrored = orb.compute(cv2.flip(gray, 1), points)
    return Descriptors(plain[best], _NONE if mirrored is None else mirrored)


def extract(frame: Frame, mirrored: bool = False) -> Features | None:
    """Find the features of a frame, or of its left-right mirror image; None where no pixel is valid."""
    cut = portrait(frame)
    if cut is None:
        return None
    picture, valid = _resized(*cut, _SIDE_PX)
    sketch, _ = _resized(*cut, min(_SKETCH_PX, max(cut[1].shape)))
    if mirrored:
        picture, valid, sketch = (np.ascontiguousarray(plane[:, ::-1]) for plane in (picture, valid, sketch))
    gray = luma(picture)
    orb = cv2.ORB.create(nfeatures=_DETECTED, fastThreshold=_FAST_THRESHOLD_DN)
    detected = orb.detect(gray, _trusted(valid))
    found, descriptors = orb.compute(gray, [detected[index] for index in _spread(detected, valid.shape)])
    thumb, thumb_valid = _resized(picture, valid, _THUMB_PX)
    return Features(
        points=np.array([point.pt for point in found], np.float32).reshape(-1, 2),
        descriptors=_NONE if descriptors is None else descriptors,
        thumb=thumb,
        thumb_valid=thumb_valid,
        thumb_scale=max(thumb_valid.shape) / max(valid.shape),
        scale=max(valid.shape) / max(cut[1].shape),
        sketch=cv2.imencode(".jpg", sketch, [cv2.IMWRITE_JPEG_QUALITY, _SKETCH_QUALITY])[1],
        sketch_scale=max(sketch.shape) / max(valid.shape),
    )


def _trusted(valid: np.ndarray) -> np.ndarray:
    """Where features may lie: an edge of the no-data area is not a feature of the sky."""
    return shrink(valid, _RIM_PX).view(np.uint8)


def _spread(found: Sequence[cv2.KeyPoint], shape: tuple[int, ...]) -> np.ndarray:
    """Positions of the strongest keypoint of each cell, then of the second strongest of each, up to 1,500."""
    if not found:
        return np.empty(0, np.intp)
    strength = np.array([point.response for point in found])
    place = np.array(cv2.KeyPoint.convert(found)) * _CELLS / (shape[1], shape[0])
    column, row = np.minimum(place.astype(np.intp), _CELLS - 1).T
    cell = row * _CELLS + column
    by_cell = np.lexsort((-strength, cell))
    size = np.bincount(cell, minlength=_CELLS * _CELLS)
    rank = np.empty(len(found), np.intp)
    rank[by_cell] = np.arange(len(found)) - np.repeat(np.cumsum(size) - size, size)
    return np.lexsort((-strength, rank))[:_KEPT]


def _resized(picture: np.ndarray, valid: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    size = _size(valid, longest)
    way = cv2.INTER_AREA if longest < max(valid.shape) else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=way), _resized_mask(valid, size)


def _size(valid: np.ndarray, longest: int) -> tuple[int, int]:
    """Width and height of a picture with this mask whose longer side is brought to `longest`."""
    scale = longest / max(valid.shape)
    return max(16, round(valid.shape[1] * scale)), max(16, round(valid.shape[0] * scale))


def _resized_mask(valid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).view(bool)
