"""Local features of a frame, by which two frames can be laid over each other whatever their crop, size or turn."""

from dataclasses import dataclass

import cv2
import numpy as np

from curation.canvas import shrink
from curation.portrait import portrait
from manifests.frames import Frame

_SIDE_PX = 768
_FEATURES = 1500
_QUICK_FEATURES = 500
_THUMB_PX = 256
_RIM_PX = 7  # a quarter of an ORB patch
_FAST_THRESHOLD_DN = 5  # a quarter of what is usual: nebulae are soft


@dataclass(frozen=True)
class Features:
    """ORB features of a frame's valid bounding box, scaled to a longer side of 768, and a thumbnail of it.

    `points` are (N, 2) float32 pixels, `descriptors` (N, 32) uint8; `quick` indexes the 500 strongest of at most
    1,500. `thumb` is uint8 (h, w, 3) with a longer side of 256, `thumb_valid` its mask, `thumb_scale` its size over
    that of the picture of `points`. About 260 kB.
    """

    points: np.ndarray
    descriptors: np.ndarray
    quick: np.ndarray
    thumb: np.ndarray
    thumb_valid: np.ndarray
    thumb_scale: float


def extract(frame: Frame, mirrored: bool = False) -> Features | None:
    """Find the features of a frame, or of its left-right mirror image; None where no pixel is valid."""
    cut = portrait(frame)
    if cut is None:
        return None
    picture, valid = _resized(*cut, _SIDE_PX)
    if mirrored:
        picture, valid = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(valid[:, ::-1])
    # an edge of the no-data area is not a feature of the sky
    trusted = shrink(valid, _RIM_PX).view(np.uint8)
    orb = cv2.ORB.create(nfeatures=_FEATURES, fastThreshold=_FAST_THRESHOLD_DN)
    found, descriptors = orb.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), trusted)
    points = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    strength = np.array([point.response for point in found])
    thumb, thumb_valid = _resized(picture, valid, _THUMB_PX)
    return Features(
        points=points,
        descriptors=np.zeros((0, 32), np.uint8) if descriptors is None else descriptors,
        quick=np.argsort(-strength, kind="stable")[:_QUICK_FEATURES],
        thumb=thumb,
        thumb_valid=thumb_valid,
        thumb_scale=max(thumb_valid.shape) / max(valid.shape),
    )


def _resized(picture: np.ndarray, valid: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    scale = longest / max(valid.shape)
    size = (max(16, round(valid.shape[1] * scale)), max(16, round(valid.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    mask = cv2.resize(valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(picture, size, interpolation=way), mask.view(bool)
