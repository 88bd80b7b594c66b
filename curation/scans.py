"""Compiled passes over a picture that the measurements share: level counts, second differences, shapes, runs, peaks."""

import numpy as np
from numba import njit

_REACH_PX = 3


@njit(cache=True, nogil=True)
def level_counts(plane, mask):  # type: ignore[no-untyped-def]
    """Counts of the 256 levels of a uint8 plane (H, W) under a bool mask, int64 (256,)."""
    # four tables: neighbours are often equal, and one addition would wait for the other
    counts = np.zeros((4, 256), np.int64)
    height, width = plane.shape
    for y in range(height):
        for x in range(width):
            counts[x & 3, plane[y, x]] += mask[y, x]
    return counts.sum(axis=0)


@njit(cache=True, nogil=True)
def size_counts(plane, mask, levels):  # type: ignore[no-untyped-def]
    """Counts of the absolute values, below `levels`, of an int16 plane (H, W) under a bool mask, int64 (levels,)."""
    counts = np.zeros((2, levels), np.int64)
    height, width = plane.shape
    for y in range(height):
        for x in range(width):
            counts[x & 1, abs(np.int64(plane[y, x]))] += mask[y, x]
    return counts.sum(axis=0)


@njit(cache=True, nogil=True)
def most_common_colour(picture, mask):  # type: ignore[no-untyped-def]
    """How many pixels under the mask of a uint8 picture (H, W, 3) have its most common colour, rounded to 4 DN.

    Only every second row and column is looked at.
    """
    counts = np.zeros(1 << 18, np.int32)
    height, width = mask.shape
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            red, green, blue = (np.int64(picture[y, x, 0]), np.int64(picture[y, x, 1]), np.int64(picture[y, x, 2]))
            counts[(red >> 2) << 12 | (green >> 2) << 6 | blue >> 2] += mask[y, x]
    return counts.max()


@njit(cache=True, nogil=True)
def extrema(bumps, cut, inner):  # type: ignore[no-untyped-def]
    """Rows and columns of the maxima of a float32 plane (H, W) in their order, and the number of its minima.

    They are above `cut` (minima below -cut), under the mask, not on the border, and no pixel within 3 px tops them.
    """
    height, width = bumps.shape
    rows, columns = [0 for _ in range(0)], [0 for _ in range(0)]
    minima = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            level = bumps[y, x]
            if abs(level) <= cut or not inner[y, x]:
                continue
            sign = np.float32(1.0) if level > 0 else np.float32(-1.0)
            if _is_topped(bumps, y, x, sign):
                continue
            if level > 0:
                rows.append(y)
                columns.append(x)
            else:
                minima += 1
    return np.array(rows, np.int64), np.array(columns, np.int64), minima


@njit(cache=True, nogil=True)
def _is_topped(bumps, y, x, sign):  # type: ignore[no-untyped-def]
    level = sign * bumps[y, x]
    for v in range(max(0, y - _REACH_PX), min(bumps.shape[0], y + _REACH_PX + 1)):
        for u in range(max(0, x - _REACH_PX), min(bumps.shape[1], x + _REACH_PX + 1)):
            if sign * bumps[v, u] > level:
                return True
    return False


@njit(cache=True, nogil=True)
def like_pixels(one, other, mask, limit):  # type: ignore[no-untyped-def]
    """How many pixels under the mask of two uint8 pictures (H, W, 3), `one` nowhere below `other`, differ by `limit`
    at most in each channel.
    """
    height, width = mask.shape
    count = 0
    for y in range(height):
        for x in range(width):
            red = one[y, x, 0] - other[y, x, 0] <= limit
            green = one[y, x, 1] - other[y, x, 1] <= limit
            count += red & green & (one[y, x, 2] - other[y, x, 2] <= limit) & mask[y, x]
    return count


@njit(cache=True, nogil=True)
def slopes(gray, mask, strong, lean):  # type: ignore[no-untyped-def]
    """Sobel gradients of every second row and column of a uint8 plane (H, W) under the mask.

    Returns their squared sizes, int32 (n,), in units of an eighth of a level per pixel; how many are larger than
    `strong`, squared too; and how many of these are along an axis: the lesser part below `lean` times the larger one.
    """
    height, width = gray.shape
    sizes = np.empty(((height + 1) // 2) * ((width + 1) // 2), np.int32)
    number = steep = along = 0
    for y in range(0, height, 2):
        # beyond the border the picture is mirrored about its last row or column
        above, below = (y - 1 if y else min(1, height - 1)), (y + 1 if y + 1 < height else max(0, height - 2))
        for x in range(0, width, 2):
            if not mask[y, x]:
                continue
            left, right = (x - 1 if x else min(1, width - 1)), (x + 1 if x + 1 < width else max(0, width - 2))
            a, b, c = np.int32(gray[above, left]), np.int32(gray[above, x]), np.int32(gray[above, right])
            d, e = np.int32(gray[y, left]), np.int32(gray[y, right])
            f, g, h = np.int32(gray[below, left]), np.int32(gray[below, x]), np.int32(gray[below, right])
            across, down = abs(c + 2 * e + h - a - 2 * d - f), abs(f + 2 * g + h - a - 2 * b - c)
            size = across * across + down * down
            sizes[number] = size
            number += 1
            if size > strong:
                steep += 1
                along += min(across, down) < lean * max(across, down)
    return sizes[:number], steep, along


@njit(cache=True, nogil=True)
def ruled_pixels(gray, mask, step, shortest):  # type: ignore[no-untyped-def]
    """Number of pixels of straight edges along the rows of a uint8 plane (H, W): steps to the next row above `step`.

    Steps up and steps down are lines of their own; `straight_pixels` says which count.
    """
    height, width = gray.shape
    up, down = np.zeros((1, width), np.bool_), np.zeros((1, width), np.bool_)
    total = 0
    for y in range(height - 1):
        ups = downs = 0
        for x in range(width):
            difference = np.int16(gray[y + 1, x]) - np.int16(gray[y, x])
            known = mask[y, x] & mask[y + 1, x]
            up[0, x] = known & (difference > step)
            down[0, x] = known & (-difference > step)
            ups += up[0, x]
            downs += down[0, x]
        # bridged gaps are four pixels wide at most: a row with fewer pixels than this has no such run
        if ups >= shortest // 5:
            total += straight_pixels(up, shortest)
        if downs >= shortest // 5:
            total += straight_pixels(down, shortest)
    return total


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def shapes(mask, core, connectivity):  # type: ignore[no-untyped-def]
    """The connected shapes of a bool mask (H, W), int64 (n, 6): left, top, width, height, area, pixels of `core`.

    `connectivity` is 4 or 8. Found by runs of each row, which are few, joined by union-find.
    """
    height, width = mask.shape
    reach = 1 if connectivity == 8 else 0
    room = 1024
    # of each run: row, first and last column, parent, pixels of the core
    runs = np.empty((room, 5), np.int64)
    number, above, above_end = 0, 0, 0
    for y in range(height):
        begin_of_row = number
        first = -1
        for x in range(width + 1):
            lit = x < width and mask[y, x]
            if lit == (first >= 0):
                continue
            if lit:
                first = x
                continue
            if number == room:
                grown = np.empty((2 * room, 5), np.int64)
                grown[:room] = runs
                runs, room = grown, 2 * room
            runs[number, 0], runs[number, 1], runs[number, 2] = y, first, x - 1
            runs[number, 3], runs[number, 4] = number, np.count_nonzero(core[y, first:x])
            while above < above_end and runs[above, 2] < first - reach:
                above += 1
            touching = above
            while touching < above_end and runs[touching, 1] <= x - 1 + reach:
                one, other = _root(runs, touching), _root(runs, number)
                runs[max(one, other), 3] = min(one, other)
                touching += 1
            number += 1
            first = -1
        above, above_end = begin_of_row, number
    return _boxes(runs, number)


@njit(cache=True, nogil=True)
def _root(runs, run):  # type: ignore[no-untyped-def]
    while runs[run, 3] != run:
        runs[run, 3] = runs[runs[run, 3], 3]
        run = runs[run, 3]
    return run


@njit(cache=True, nogil=True)
def _boxes(runs, number):  # type: ignore[no-untyped-def]
    """Box, area and core of each shape, in the order of their first runs."""
    index = np.empty(number, np.int64)
    found = np.empty((number, 6), np.int64)
    count = 0
    for run in range(number):
        y, first, last, parent, inside = runs[run]
        if parent == run:
            index[run] = count
            found[count] = first, y, last, y, 0, 0
            count += 1
        else:
            index[run] = index[_root(runs, run)]
        shape = found[index[run]]
        shape[0], shape[2] = min(shape[0], first), max(shape[2], last)
        shape[3] = y
        shape[4] += last - first + 1
        shape[5] += inside
    found = found[:count]
    found[:, 2] += 1 - found[:, 0]
    found[:, 3] += 1 - found[:, 1]
    return found
