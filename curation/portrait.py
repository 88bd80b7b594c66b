"""The picture that fingerprints and features see: cut to the valid bounding box, no-data in the median colour."""

import numpy as np

from curation.canvas import histogram_median
from manifests.frames import Frame


def portrait(frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut a frame to the bounding box of its valid pixels.

    Returns the uint8 picture (h, w, 3), whose no-data has the median colour of the valid pixels, and the mask (h, w);
    None where no pixel is valid.
    """
    if frame.valid.all():
        return frame.rgb, frame.valid
    rows, columns = np.flatnonzero(frame.valid.any(axis=1)), np.flatnonzero(frame.valid.any(axis=0))
    if not len(rows):
        return None
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    picture, valid = frame.rgb[box].copy(), frame.valid[box]
    picture[~valid] = [histogram_median(picture[..., band], valid) for band in range(3)]
    return picture, valid
