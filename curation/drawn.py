"""Compiled search for what is drawn: straight edges, rows of letters, rectangles."""

import numpy as np
from numba import njit

from manifests.compiled import compiled


@compiled
def ruled_pixels(gray, mask, step, shortest):  # type: ignore[no-untyped-def]
    """Number of pixels of straight edges along the rows of a uint8 plane (H, W): steps to the next row above `step`.

    Steps up and steps down are lines of their own; `straight_pixels` says which count.
    """
    height, width = gray.shape
    up, down = np.zeros((1, width), np.bool_), np.zeros((1, width), np.bool_)
    limit = np.uint8(step)
    total = 0
    for y in range(height - 1):
        row, below, known, known_below = gray[y], gray[y + 1], mask[y], mask[y + 1]
        # bytes stay bytes, or the compiler takes a quarter as many at once
        for x in range(width):
            difference = np.uint8(max(row[x], below[x]) - min(row[x], below[x]))
            edge = known[x] & known_below[x] & (difference > limit)
            up[0, x], down[0, x] = edge & (below[x] > row[x]), edge & (row[x] > below[x])
        ups = downs = np.int32(0)
        for x in range(width):
            ups, downs = np.int32(ups + up[0, x]), np.int32(downs + down[0, x])
        # bridged gaps are four pixels wide at most: a row with fewer pixels than this has no such run
        if ups >= shortest // 5:
            total += straight_pixels(up, shortest)
        if downs >= shortest // 5:
            total += straight_pixels(down, shortest)
    return total


@compiled
def straight_pixels(edge, shortest):  # type: ignore[no-untyped-def]
    """Number of pixels of `edge`, bool (H, W), in runs along the rows of at least `shortest`, gaps of four bridged.

    A run at the border of the picture counts from half that length on, as it may go on outside.
    """
    height, width = edge.shape
    reach, total = shortest // 2, 0
    for y in range(height):
        begin = end = -1
        for x in range(width):
            if edge[y, x]:
                if begin < 0:
                    begin = 0 if x <= 2 else x
                elif x - end > 5:
                    total += _of_run(begin, end, width, shortest, reach)
                    begin = x
                end = x
        if begin >= 0:
            total += _of_run(begin, width - 1 if end >= width - 3 else end, width, shortest, reach)
    return total


@njit(inline="always")
def _of_run(begin, end, width, shortest, reach):  # type: ignore[no-untyped-def]
    """Pixels of a run of one row that an opening of that length leaves."""
    low = 0 if begin == 0 else begin + reach
    high = width - 1 if end == width - 1 else end + reach - shortest + 1
    if low > high:
        return 0
    return min(width - 1, high + reach) - max(0, low + reach - shortest + 1) + 1


@compiled
def largest_rectangle(mask):  # type: ignore[no-untyped-def]
    """Pixels of the largest upright rectangle within a bool mask (H, W)."""
    height, width = mask.shape
    tall = np.zeros(width + 1, np.int64)  # unbroken pixels up from this row; a column of none ends each row
    begun, at = np.empty(width + 1, np.int64), np.empty(width + 1, np.int64)
    best = 0
    for y in range(height):
        # rectangles that are open at this column, each lower than the next one
        depth = 0
        for x in range(width + 1):
            tall[x] = tall[x] + 1 if x < width and mask[y, x] else 0
            begin = x
            while depth and at[depth - 1] >= tall[x]:
                depth -= 1
                begin = begun[depth]
                best = max(best, at[depth] * (x - begin))
            begun[depth], at[depth] = begin, tall[x]
            depth += 1
    return best


@compiled
def rows_of_letters(left, right, base, tall, word):  # type: ignore[no-untyped-def]
    """Length of the longest row of letters, and the number of letters in rows of `word` and more.

    Letters are given in the order of `left` (int64, all). A row goes on with the first letter that stands on the same
    line, nearly as tall, at most nine tenths of a height away.
    """
    number = len(left)
    length, ends = np.ones(number, np.int64), np.ones(number, np.bool_)
    for one in range(number):
        reach = 0.9 * max(tall[one], 6)
        for other in range(one + 1, number):
            gap = left[other] - right[one]
            if gap > reach:
                break
            drop = abs(base[other] - base[one])
            if gap < -1 or drop > max(1.0, 0.12 * tall[one]):
                continue
            if 0.6 * tall[one] <= tall[other] <= 1.6 * tall[one]:
                length[other] = max(length[other], length[one] + 1)
                ends[one] = False
                break
    longest = in_rows = 0
    for one in range(number):
        longest = max(longest, length[one])
        if ends[one] and length[one] >= word:
            in_rows += length[one]
    return longest, in_rows
