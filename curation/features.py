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
_PATCH_PX = 31  # of an ORB descriptor
_FAST_THRESHOLD_DN = 5  # half of what is usual: nebulae are soft


@dataclass(frozen=True)
class Keypoints:
    """Positions (N, 2) float32 in pixels, ORB descriptors (N, 32) uint8; `quick` indexes the 500 strongest."""

    points: np.ndarray
    descriptors: np.ndarray
    quick: np.ndarray


@dataclass(frozen=True)
class Features:
    """Keypoints of the valid bounding box, scaled to a longer side of 768, as it is and mirrored left to right.

    `thumb` is the same picture, uint8 (h, w, 3), with a longer side of 256; `thumb_valid` its mask; `thumb_scale` its
    size over that of the keypoints' picture.
    """

    plain: Keypoints
    mirrored: Keypoints
    thumb: np.ndarray
    thumb_valid: np.ndarray
    thumb_scale: float


def extract(frame: Frame) -> Features | None:
    """Find the local features of a frame; None where no pixel is valid."""
    cut = portrait(frame)
    if cut is None:
        return None
    picture, valid = _resized(*cut, _SIDE_PX)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    # an edge of the no-data area is not a feature of the sky
    trusted = shrink(valid, _PATCH_PX // 4)
    plain = _keypoints(gray, trusted)
    mirrored = _keypoints(np.ascontiguousarray(gray[:, ::-1]), np.ascontiguousarray(trusted[:, ::-1]))
    thumb, thumb_valid = _resized(picture, valid, _THUMB_PX)
    return Features(plain, mirrored, thumb, thumb_valid, max(thumb_valid.shape) / max(valid.shape))


def _keypoints(gray: np.ndarray, trusted: np.ndarray) -> Keypoints:
    orb = cv2.ORB_create(nfeatures=_FEATURES, fastThreshold=_FAST_THRESHOLD_DN)
    found, descriptors = orb.detectAndCompute(gray, trusted.view(np.uint8))
    if descriptors is None:
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8), np.zeros(0, np.intp))
    strength = np.array([point.response for point in found])
    points = np.array([point.pt for point in found], np.float32)
    return Keypoints(points, descriptors, np.argsort(-strength, kind="stable")[:_QUICK_FEATURES])


def _resized(picture: np.ndarray, valid: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    scale = longest / max(valid.shape)
    size = (max(16, round(valid.shape[1] * scale)), max(16, round(valid.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=way), cv2.resize(
        valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST
    ).view(bool)
