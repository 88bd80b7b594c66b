"""The picture that fingerprints and features see: cut to the valid bounding box, no-data in the median colour."""

import cv2
import numpy as np

from manifests.frames import Frame


def portrait(frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut a frame to the bounding box of its valid pixels.

    Returns the uint8 picture (h, w, 3), whose no-data has the median colour of the valid pixels, and the mask (h, w);
    None where no pixel is valid.
    """
    return None if frame.box is None else (frame.filled[frame.box], frame.valid[frame.box])


def gray_portrait(frame: Frame, size: tuple[int, int]) -> np.ndarray:
    """The luminance of the same, resized to `size` (width, height), uint8.

    Much larger ones start from the frame at half size: the average is the same but for its rounding.
    """
    gray = frame.gray[frame.box]
    height, width = gray.shape
    if width >= 2 * size[0] and height >= 2 * size[1]:
        gray = frame.half_gray
    smaller = size[0] < gray.shape[1] or size[1] < gray.shape[0]
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
