"""Compiled search for what is drawn: straight edges, rows of letters, rectangles."""

import numpy as np
from numba import njit

from manifests.compiled import compiled
from manifests.words import first_set, without_first


@compiled
def ruled_pixels(gray, mask, step, shortest):  # type: ignore[no-untyped-def]
    """Number of pixels of straight edges along the rows of a uint8 plane (H, W): steps to the next row above `step`.

    Steps up and steps down are lines of their own; `straight_pixels` says which count.
    """
    height, width = gray.shape
    ups, downs = np.zeros(width // 8 + 1, np.uint64), np.zeros(width // 8 + 1, np.uint64)
    up, down = ups.view(np.bool_)[:width], downs.view(np.bool_)[:width]
    limit = np.uint8(step)
    total = 0
    for y in range(height - 1):
        row, below, known, known_below = gray[y], gray[y + 1], mask[y], mask[y + 1]
        # bytes stay bytes, or the compiler takes a quarter as many at once
        for x in range(width):
            rise = np.uint8(max(row[x], below[x]) - row[x])
            up[x] = known[x] & known_below[x] & (rise > limit)
        for x in range(width):
            fall = np.uint8(max(row[x], below[x]) - below[x])
            down[x] = known[x] & known_below[x] & (fall > limit)
        total += _straight(ups, width, shortest) + _straight(downs, width, shortest)
    return total


@compiled
def outlined_pixels(mask, shortest):  # type: ignore[no-untyped-def]
    """The same of the outlines of a bool mask (H, W): steps to the next row of either sign."""
    height, width = mask.shape
    words = np.zeros(width // 8 + 1, np.uint64)
    edge = words.view(np.bool_)[:width]
    total = 0
    for y in range(height - 1):
        row, below = mask[y], mask[y + 1]
        for x in range(width):
            edge[x] = row[x] != below[x]
        total += _straight(words, width, shortest)
    return total


@compiled
def straight_pixels(edge, shortest):  # type: ignore[no-untyped-def]
    """Number of pixels of `edge`, bool (H, W), in runs along the rows of at least `shortest`, gaps of four bridged.

    A run at the border of the picture counts from half that length on, as it may go on outside.
    """
    height, width = edge.shape
    words = np.zeros(width // 8 + 1, np.uint64)
    line = words.view(np.bool_)[:width]
    total = 0
    for y in range(height):
        line[:] = edge[y]
        total += _straight(words, width, shortest)
    return total


@compiled
def _straight(words, width, shortest):  # type: ignore[no-untyped-def]
    """The same of one row, given as words (manifests/words.py)."""
    whole = width // 8
    if whole > 2:
        # no eight pixels of a run are all unset, of which it has so many, and two at least at the border
        streak = longest = 0
        for at in range(whole):
            streak = streak + 1 if words[at] else 0
            longest = max(longest, streak)
        at_border = (words[0] and words[1]) or (words[whole - 1] and (words[whole - 2] or words[-1]))
        if longest < (shortest - 7) // 8 and not at_border:
            return 0
    reach, total = shortest // 2, 0
    begin = end = -1
    for at in range(len(words)):
        word = words[at]
        while word:
            x, word = 8 * at + first_set(word), without_first(word)
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
def letter_planes(gray, mask, bright, dark):  # type: ignore[no-untyped-def]
    """Where a uint8 plane (H, W) may have letters under a bool mask, bool (H, W) each, and how many pixels are light.

    `bright` are the least levels of bright letters and of their flat tops, `dark` the highest ones of dark letters and
    of theirs; light is what is above the latter. Returns bright ones, their tops, dark ones, their tops, the number.
    """
    height, width = gray.shape
    light_letter, light_top = np.empty((height, width), np.bool_), np.empty((height, width), np.bool_)
    dark_letter, dark_top = np.empty((height, width), np.bool_), np.empty((height, width), np.bool_)
    least, least_top = np.uint8(bright[0]), np.uint8(bright[1])
    most, most_top = np.uint8(dark[0]), np.uint8(dark[1])
    light = 0
    for y in range(height):
        row, known = gray[y], mask[y]
        is_light, is_light_top, is_dark, is_dark_top = light_letter[y], light_top[y], dark_letter[y], dark_top[y]
        for x in range(width):
            is_light[x], is_light_top[x] = known[x] & (row[x] >= least), known[x] & (row[x] >= least_top)
            is_dark[x], is_dark_top[x] = known[x] & (row[x] <= most), known[x] & (row[x] <= most_top)
        here = np.int32(0)
        for x in range(width):
            here = np.int32(here + (known[x] & (row[x] > most)))
        light += int(here)
    return light_letter, light_top, dark_letter, dark_top, light


@compiled
def are_letters(table, lowest, highest):  # type: ignore[no-untyped-def]
    """Which shapes of a table (manifests/shapes.py) have the form of letters `lowest` to `highest` px high, bool (n,).

    The core is the brightest part, of which a letter has a third at least.
    """
    found = np.empty(len(table), np.bool_)
    for at in range(len(table)):
        _, _, width, height, area, core = table[at]
        compact = width <= 1.8 * height and area <= 0.9 * height * width
        found[at] = lowest <= height <= highest and compact and core >= 0.35 * area
    return found


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
