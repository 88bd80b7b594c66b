"""Making a frame smaller without letting no-data bleed into it."""

import cv2
import numpy as np


def shrunk_size(shape: tuple[int, ...], max_side_px: int) -> tuple[int, int]:
    """Height and width of a picture (H, W, ...) whose longer side is shrunk to at most `max_side_px`."""
    factor = min(1.0, max_side_px / max(shape[:2]))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def shrink(rgb: np.ndarray, valid: np.ndarray, max_side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, uint8 (H, W, 3), and its mask, bool (H, W), with the longer side at most `max_side_px`.

    Each pixel is the mean over the pixels with data that it covers, and has data where at least half of them had.
    """
    height, width = shrunk_size(valid.shape, max_side_px)
    if (height, width) == valid.shape:
        return rgb, valid
    share = cv2.resize(valid.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    # a band at a time: three at once as floats would be twelve times the size of a large mosaic
    bands = [
        cv2.resize(np.where(valid, rgb[..., band], 0).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        for band in range(3)
    ]
    mean = np.stack(bands, axis=2) / np.maximum(share, 1e-6)[..., None]
    return np.clip(mean + 0.5, 0.0, 255.0).astype(np.uint8), share >= 0.5
