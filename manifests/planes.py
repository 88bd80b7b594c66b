"""Compiled passes over the pixels of a picture that decoding and measuring share."""

import numpy as np

from manifests.compiled import compiled


@compiled
def extremes(rgb):  # type: ignore[no-untyped-def]
    """The least and the largest channel at each pixel of a contiguous uint8 picture (H, W, 3), uint8 (H, W) each."""
    height, width, _ = rgb.shape
    darkest, brightest = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    # rows of single bytes, or the compiler does not see that it can take many pixels at once
    rows = rgb.reshape(height, 3 * width)
    for y in range(height):
        row, low, high = rows[y], darkest[y], brightest[y]
        for x in range(width):
            red, green, blue = row[3 * x], row[3 * x + 1], row[3 * x + 2]
            low[x] = min(red, green, blue)
            high[x] = max(red, green, blue)
    return darkest, brightest


@compiled
def channel_medians(rgb, mask, step):  # type: ignore[no-untyped-def]
    """The median of each channel of a uint8 picture (H, W, 3) under the mask, uint8 (3,), and of how many pixels.

    Every `step`th row and column is looked at.
    """
    counts = np.zeros((3, 256), np.int64)
    height, width = mask.shape
    number = 0
    for y in range(0, height, step):
        for x in range(0, width, step):
            if mask[y, x]:
                number += 1
                for band in range(3):
                    counts[band, rgb[y, x, band]] += 1
    medians = np.zeros(3, np.uint8)
    for band in range(3):
        below, level = counts[band, 0], 0
        while 2 * below < number:
            level += 1
            below += counts[band, level]
        medians[band] = level
    return medians, number
