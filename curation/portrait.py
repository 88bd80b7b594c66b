"""The picture that fingerprints and features see: cut to the valid bounding box, no-data in the median colour."""

import numpy as np

from manifests.frames import Frame, halved


def portrait(frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut a frame to the bounding box of its valid pixels.

    Returns the uint8 picture (h, w, 3), whose no-data has the median colour of the valid pixels, and the mask (h, w);
    None where no pixel is valid.
    """
    return None if frame.box is None else (frame.filled[frame.box], frame.valid[frame.box])


def gray_portrait(frame: Frame, size: tuple[int, int]) -> np.ndarray:
    """The luminance of the same, uint8, halved while it is twice as large as `size` (width, height) or more.

    To be resized to that: the average is the same but for its rounding, and costs a fraction.
    """
    gray = frame.gray[frame.box]
    if _is_twice(gray, size):
        gray = frame.half_gray
    while _is_twice(gray, size):
        gray = halved(gray)
    return gray


def _is_twice(gray: np.ndarray, size: tuple[int, int]) -> bool:
    return gray.shape[1] >= 2 * size[0] and gray.shape[0] >= 2 * size[1]
