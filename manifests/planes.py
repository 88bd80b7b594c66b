"""Compiled passes over the pixels of a picture that decoding and measuring share."""

import numpy as np
from numba import njit

from manifests.compiled import compiled

# Rows are looped over in several short passes: the compiler takes 16 or 32 bytes at once in each, and none in one long
# pass. A choice by a mask is made with bits, for the same reason. `luma_of` and `chosen` become part of
# curation/blocks.py and curation/profiles.py too: after changing them touch these, as numba looks for changes in a
# function's own file alone.


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


@njit(inline="always")
def luma_of(red, green, blue):  # type: ignore[no-untyped-def]
    """Luma (ITU-R BT.601) of one pixel, uint8, rounded as OpenCV does it."""
    warm = np.uint32(red) * np.uint32(9798) + np.uint32(green) * np.uint32(19235)
    return np.uint8((warm + np.uint32(blue) * np.uint32(3735) + np.uint32(1 << 14)) >> np.uint32(15))


@njit(inline="always")
def chosen(known, level, otherwise):  # type: ignore[no-untyped-def]
    """One of two bytes: `level` where a bool says yes."""
    return np.uint8(otherwise ^ ((level ^ otherwise) & np.uint8(np.uint8(0) - np.uint8(known))))


@compiled
def luma_within(rgb, mask, level):  # type: ignore[no-untyped-def]
    """Luma of a contiguous uint8 picture (H, W, 3) where a bool mask says yes, and `level` elsewhere, uint8 (H, W)."""
    height, width, _ = rgb.shape
    gray, line, otherwise = np.empty((height, width), np.uint8), np.empty(width, np.uint8), np.uint8(level)
    rows = rgb.reshape(height, 3 * width)
    for y in range(height):
        row, shown, known = rows[y], gray[y], mask[y]
        for x in range(width):
            line[x] = luma_of(row[3 * x], row[3 * x + 1], row[3 * x + 2])
        for x in range(width):
            shown[x] = chosen(known[x], line[x], otherwise)
    return gray


@compiled
def voidlike(rgb, white, near_white, black):  # type: ignore[no-untyped-def]
    """Where all channels of a contiguous uint8 picture (H, W, 3) are at least `white`, at least `near_white`, at most
    `black`: uint8 (H, W) each, 255 there and 0 elsewhere. Then how many pixels are white, and how many black.
    """
    height, width, _ = rgb.shape
    whites, nearly, blacks = (
        np.empty((height, width), np.uint8),
        np.empty((height, width), np.uint8),
        np.empty((height, width), np.uint8),
    )
    sure, possible, dark, yes, no = np.uint8(white), np.uint8(near_white), np.uint8(black), np.uint8(255), np.uint8(0)
    number_white = number_black = 0
    # rows of single bytes, as above
    rows = rgb.reshape(height, 3 * width)
    for y in range(height):
        row, is_white, is_nearly, is_black = rows[y], whites[y], nearly[y], blacks[y]
        for x in range(width):
            red, green, blue = row[3 * x], row[3 * x + 1], row[3 * x + 2]
            low = min(red, green, blue)
            is_white[x] = yes if low >= sure else no
            is_nearly[x] = yes if low >= possible else no
            is_black[x] = yes if max(red, green, blue) <= dark else no
        here = dark_here = np.int32(0)
        for x in range(width):
            here = np.int32(here + np.int32(is_white[x] & np.uint8(1)))
        for x in range(width):
            dark_here = np.int32(dark_here + np.int32(is_black[x] & np.uint8(1)))
        number_white, number_black = number_white + int(here), number_black + int(dark_here)
    return whites, nearly, blacks, number_white, number_black


@compiled
def enlarged_within(small, mask):  # type: ignore[no-untyped-def]
    """A plane (h, w) enlarged to the size of a mask, without interpolation, and what of it is under the mask.

    All are uint8, 0 or 255.
    """
    height, width = mask.shape
    found, line = np.empty((height, width), np.uint8), np.zeros(width, np.uint8)
    column = np.empty(width, np.int32)
    for x in range(width):
        column[x] = x * small.shape[1] // width
    shown = -1
    for y in range(height):
        if y * small.shape[0] // height != shown:
            shown = y * small.shape[0] // height
            row = small[shown]
            for x in range(width):
                line[x] = row[column[x]]
        enlarged, known = found[y], mask[y]
        for x in range(width):
            enlarged[x] = line[x] & known[x]
    return found


@compiled
def left_over(flags, taken, counted):  # type: ignore[no-untyped-def]
    """Which flags are not taken, and how many of them are counted. All are uint8 (H, W), 0 or 255."""
    height, width = flags.shape
    left = np.empty((height, width), np.uint8)
    number = 0
    for y in range(height):
        row, without, among, kept = flags[y], taken[y], counted[y], left[y]
        for x in range(width):
            kept[x] = row[x] & ~without[x]
        here = np.int32(0)
        for x in range(width):
            here = np.int32(here + np.int32(kept[x] & among[x] & np.uint8(1)))
        number += int(here)
    return left, number


@compiled
def channel_medians(rgb, mask, step):  # type: ignore[no-untyped-def]
    """The median of each channel of a uint8 picture (H, W, 3) under the mask, uint8 (3,), and of how many pixels.

    Every `step`th row and column is looked at.
    """
    # two tables: neighbours are often equal, and one addition would wait for the other
    counts = np.zeros((2, 3, 256), np.int64)
    height, width = mask.shape
    number = 0
    for y in range(0, height, step):
        for x in range(0, width, step):
            if mask[y, x]:
                number += 1
                for band in range(3):
                    counts[number & 1, band, rgb[y, x, band]] += 1
    medians = np.zeros(3, np.uint8)
    for band in range(3):
        below, level = counts[0, band, 0] + counts[1, band, 0], 0
        while 2 * below < number:
            level += 1
            below += counts[0, band, level] + counts[1, band, level]
        medians[band] = level
    return medians, number
