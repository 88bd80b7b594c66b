"""Compiled passes that average blocks of pixels: of a picture, of its channels, of what is under a mask."""

import numpy as np

from manifests.compiled import compiled
from manifests.planes import chosen, luma_of


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


@compiled
def halved(picture, mask, colour):  # type: ignore[no-untyped-def]
    """A contiguous uint8 picture (H, W, 3) averaged over 2 x 2 pixels, and what is made of it.

    Blocks that are not under the bool mask throughout get `colour`, uint8 (3,); cut-off ones are dropped. Returns the
    picture (h, w, 3); its three channels, (3, h, w); which blocks are whole, bool (h, w); its luma, its least and its
    largest channel, (h, w) each.
    """
    height, width = mask.shape[0] // 2, mask.shape[1] // 2
    half, bands = np.empty((height, width, 3), np.uint8), np.empty((3, height, width), np.uint8)
    whole, gray = whole_blocks(mask, 2), np.empty((height, width), np.uint8)
    darkest, brightest = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    rows, half_rows = picture.reshape(len(mask), 3 * mask.shape[1]), half.reshape(height, 3 * width)
    sums, two = np.empty(6 * width, np.uint16), np.uint16(2)
    for y in range(height):
        above, below = rows[2 * y], rows[2 * y + 1]
        for at in range(6 * width):
            sums[at] = np.uint16(np.uint16(above[at]) + np.uint16(below[at]))
        is_whole = whole[y]
        for band in range(3):
            line, painted = bands[band, y], np.uint8(colour[band])
            for x in range(width):
                line[x] = np.uint8((sums[6 * x + band] + sums[6 * x + 3 + band] + two) >> two)
            for x in range(width):
                line[x] = chosen(is_whole[x], line[x], painted)
        red, green, blue = bands[0, y], bands[1, y], bands[2, y]
        light, low, high, row = gray[y], darkest[y], brightest[y], half_rows[y]
        for x in range(width):
            light[x] = luma_of(red[x], green[x], blue[x])
        for x in range(width):
            low[x] = min(red[x], green[x], blue[x])
        for x in range(width):
            high[x] = max(red[x], green[x], blue[x])
        for x in range(width):
            row[3 * x], row[3 * x + 1], row[3 * x + 2] = red[x], green[x], blue[x]
    return half, bands, whole, gray, darkest, brightest


@compiled
def quartered(picture):  # type: ignore[no-untyped-def]
    """A contiguous uint8 picture (H, W, 3) averaged over 4 x 4 pixels; cut-off blocks are dropped."""
    height, width = picture.shape[0] // 4, picture.shape[1] // 4
    quarter = np.empty((height, width, 3), np.uint8)
    rows, quarter_rows = picture.reshape(len(picture), 3 * picture.shape[1]), quarter.reshape(height, 3 * width)
    sums = np.empty(12 * width, np.uint16)
    for y in range(height):
        first, second, third, last, row = (
            rows[4 * y],
            rows[4 * y + 1],
            rows[4 * y + 2],
            rows[4 * y + 3],
            quarter_rows[y],
        )
        for at in range(12 * width):
            upper = np.uint16(np.uint16(first[at]) + np.uint16(second[at]))
            sums[at] = np.uint16(upper + np.uint16(np.uint16(third[at]) + np.uint16(last[at])))
        for x in range(width):
            for at in range(12 * x, 12 * x + 3):
                total = np.int32(sums[at]) + np.int32(sums[at + 3]) + np.int32(sums[at + 6]) + np.int32(sums[at + 9])
                row[at - 9 * x] = (total + 7 + (total >> 4 & 1)) >> 4
    return quarter


@compiled
def known_means(plane, mask, side):  # type: ignore[no-untyped-def]
    """Means of a uint8 plane (H, W) under a bool mask over blocks of `side` x `side` pixels, and the shares under it.

    Float32 (h, w) each; blocks with nothing under it are 0, cut-off ones are dropped.
    """
    height, width = plane.shape[0] // side, plane.shape[1] // side
    means, shares = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    sums, numbers = np.empty(plane.shape[1], np.int32), np.empty(plane.shape[1], np.int32)
    for y in range(height):
        sums[:], numbers[:] = 0, 0
        for v in range(side * y, side * y + side):
            row, known = plane[v], mask[v]
            for x in range(len(sums)):
                sums[x] = np.int32(sums[x] + np.int32(chosen(known[x], row[x], np.uint8(0))))
            for x in range(len(sums)):
                numbers[x] = np.int32(numbers[x] + known[x])
        for x in range(width):
            total = number = np.int32(0)
            for u in range(side * x, side * x + side):
                total, number = np.int32(total + sums[u]), np.int32(number + numbers[u])
            means[y, x] = np.float32(total) / np.float32(max(int(number), 1))
            shares[y, x] = np.float32(number) / np.float32(side * side)
    return means, shares
