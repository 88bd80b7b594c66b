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


@compiled
def whole_blocks(mask, factor):  # type: ignore[no-untyped-def]
    """Which blocks of `factor` x `factor` pixels are under a bool mask throughout, bool; cut-off ones are dropped."""
    height, width = mask.shape[0] // factor, mask.shape[1] // factor
    whole = np.empty((height, width), np.bool_)
    if factor == 2:
        for y in range(height):
            above, below, row = mask[2 * y], mask[2 * y + 1], whole[y]
            for x in range(width):
                row[x] = above[2 * x] & above[2 * x + 1] & below[2 * x] & below[2 * x + 1]
        return whole
    line = np.empty(mask.shape[1], np.bool_)
    for y in range(height):
        line[:] = mask[y * factor]
        for v in range(y * factor + 1, (y + 1) * factor):
            row = mask[v]
            for x in range(len(line)):
                line[x] &= row[x]
        for x in range(width):
            known = True
            for u in range(x * factor, (x + 1) * factor):
                known &= line[u]
            whole[y, x] = known
    return whole
