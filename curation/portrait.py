"""The picture that fingerprints and features see: cut to the valid bounding box, no-data in the median colour."""

import cv2
import numpy as np

from manifests.frames import Frame


def portrait(frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut a frame to the bounding box of its valid pixels.

    Returns the uint8 picture (h, w, 3), whose no-data has the median colour of the valid pixels, and the mask (h, w);
    None where no pixel is valid.
    """
    box = _box(frame)
    return None if box is None else (frame.filled[box], frame.valid[box])


def gray_portrait(frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """The luminance of the same, uint8 (h, w), and the mask."""
    box = _box(frame)
    return None if box is None else (frame.gray[box], frame.valid[box])


def scaled(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a uint8 plane (H, W) to `size` (width, height), averaging where it becomes smaller.

    Much larger ones are halved first: the average is the same but for its rounding, at a quarter of the cost.
    """
    height, width = plane.shape
    if width >= 2 * size[0] and height >= 2 * size[1]:
        half = width // 2, height // 2
        plane = cv2.resize(plane[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)
    smaller = size[0] < plane.shape[1] or size[1] < plane.shape[0]
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _box(frame: Frame) -> tuple[slice, slice] | None:
    x, y, width, height = cv2.boundingRect(frame.valid.view(np.uint8))
    return np.s_[y : y + height, x : x + width] if width else None
