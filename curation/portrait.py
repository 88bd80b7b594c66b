"""The picture that fingerprints and features see: cut to the valid bounding box, no-data in the median colour."""

import cv2
import numpy as np

from manifests.frames import Frame


def portrait(frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut a frame to the bounding box of its valid pixels.

    Returns the uint8 picture (h, w, 3), whose no-data has the median colour of the valid pixels, and the mask (h, w);
    None where no pixel is valid.
    """
    x, y, width, height = cv2.boundingRect(frame.valid.view(np.uint8))
    if not width:
        return None
    box = np.s_[y : y + height, x : x + width]
    return frame.filled[box], frame.valid[box]
