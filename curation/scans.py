"""Compiled passes over a picture that the measurements share: level counts, second differences, shapes, runs, peaks."""

import cv2
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
def difference_counts(plane, usable, step, low, high):  # type: ignore[no-untyped-def]
    """Counts of the sizes of second differences of a uint8 plane (H, W), both ways at once, int64 (2041,).

    Every `step`th row and column is looked at, less the border; of these the places under the bool mask whose mean of
    3 x 3 pixels is from `low` to `high`.
    """
    counts = np.zeros((2, 8 * 255 + 1), np.int64)
    height, width = plane.shape
    for y in range(1, height - 1, step):
        for x in range(1, width - 1, step):
            total, difference = _second_difference(plane, y, x)
            if usable[y, x] and 9 * low <= total <= 9 * high:
                counts[x & 1, abs(difference)] += 1
    return counts.sum(axis=0)


@njit(cache=True, nogil=True)
def paired_differences(one, other, usable, step, low, high):  # type: ignore[no-untyped-def]
    """Second differences of two uint8 planes (H, W) at the same places, int16 (2, n); chosen as above for both."""
    height, width = one.shape
    found = np.empty((2, (height // step + 1) * (width // step + 1)), np.int16)
    number = 0
    for y in range(1, height - 1, step):
        for x in range(1, width - 1, step):
            if not usable[y, x]:
                continue
            total_one, found[0, number] = _second_difference(one, y, x)
            total_other, found[1, number] = _second_difference(other, y, x)
            if 9 * low <= min(total_one, total_other) and max(total_one, total_other) <= 9 * high:
                number += 1
    return found[:, :number]


@njit(cache=True, nogil=True)
def products_within(pairs, reach):  # type: ignore[no-untyped-def]
    """What pairs of whole numbers, int16 (2, n), add up to: those of at most `reach` times the median size of each.

    Returns, int64 (6,): how many they are; the sums of the first and of the second; those of the squares of either, and
    of the products.
    """
    limits = np.empty(2, np.float64)
    for row in range(2):
        counts = np.zeros(1 << 15, np.int64)
        for value in pairs[row]:
            counts[abs(value)] += 1
        limits[row] = reach * _middle(counts, pairs.shape[1])
    sums = np.zeros(6, np.int64)
    for at in range(pairs.shape[1]):
        one, two = np.int64(pairs[0, at]), np.int64(pairs[1, at])
        if abs(one) <= limits[0] and abs(two) <= limits[1]:
            sums[0] += 1
            sums[1] += one
            sums[2] += two
            sums[3] += one * one
            sums[4] += two * two
            sums[5] += one * two
    return sums


@njit(cache=True, nogil=True)
def _middle(counts, number):  # type: ignore[no-untyped-def]
    """The median of whole numbers, given how often each occurs and how many there are."""
    below, value, lower = 0, -1, -1
    while 2 * below <= number:
        value += 1
        below += counts[value]
        if lower < 0 and 2 * below >= number:
            lower = value
    return (lower + value) / 2


@njit(cache=True, nogil=True)
def steepness_counts(gray, mask, step):  # type: ignore[no-untyped-def]
    """Counts of the larger of the two central differences of a uint8 plane (H, W) over two pixels, int64 (256,).

    Every `step`th row and column is looked at, less the border, where the pixel and its four neighbours are under the
    mask.
    """
    counts = np.zeros((2, 256), np.int64)
    height, width = gray.shape
    for y in range(1, height - 1, step):
        for x in range(1, width - 1, step):
            across = abs(np.int32(gray[y, x + 1]) - np.int32(gray[y, x - 1]))
            down = abs(np.int32(gray[y + 1, x]) - np.int32(gray[y - 1, x]))
            known = mask[y, x] & mask[y, x - 1] & mask[y, x + 1] & mask[y - 1, x] & mask[y + 1, x]
            counts[x & 1, max(across, down)] += known
    return counts.sum(axis=0)


def lone_pixels(picture: np.ndarray, usable: np.ndarray, cut: int) -> int:
    """Pixels under the mask of a uint8 picture (H, W, 3) more than `cut` above all their neighbours in a channel.

    Those in the first and last column are left out.
    """
    flat = picture.reshape(len(picture), -1)
    above = cv2.subtract(flat[:, 3:-3], cv2.max(flat[:, :-6], flat[:, 6:])) if flat.shape[1] > 6 else flat[:, :0]
    # few are left for the other six
    row, place = np.divmod(np.flatnonzero(above > cut), max(1, above.shape[1]))
    return _lone(picture, usable, cut, row, place + 3)


@njit(cache=True, nogil=True)
def _lone(picture, usable, cut, rows, places):  # type: ignore[no-untyped-def]
    count = 0
    counted_row = counted_column = -1
    for at in range(len(rows)):
        y, x, band = rows[at], places[at] // 3, places[at] % 3
        if not usable[y, x] or (y == counted_row and x == counted_column):
            continue
        level = np.int32(picture[y, x, band]) - cut
        lone = True
        for v in range(max(0, y - 1), min(picture.shape[0], y + 2)):
            for u in range(x - 1, x + 2):
                lone &= level > picture[v, u, band] or (u == x and v == y)
        if lone:
            count += 1
            counted_row, counted_column = y, x
    return count


@njit(inline="always")
def _second_difference(plane, y, x):  # type: ignore[no-untyped-def]
    """The sum of 3 x 3 pixels, and their answer to Immerkaer's mask."""
    centre = np.int32(plane[y, x])
    sides = (
        np.int32(plane[y - 1, x]) + np.int32(plane[y + 1, x]) + np.int32(plane[y, x - 1]) + np.int32(plane[y, x + 1])
    )
    above = np.int32(plane[y - 1, x - 1]) + np.int32(plane[y - 1, x + 1])
    corners = above + np.int32(plane[y + 1, x - 1]) + np.int32(plane[y + 1, x + 1])
    return centre + sides + corners, corners - 2 * sides + 4 * centre


@njit(cache=True, nogil=True)
def most_common_colour(picture, mask):  # type: ignore[no-untyped-def]
    """How many pixels under the mask of a uint8 picture (H, W, 3) have its most common colour, rounded to 8 DN.

    Only every fourth row and column is looked at.
    """
    counts = np.zeros(1 << 15, np.int32)
    height, width = mask.shape
    for y in range(0, height, 4):
        for x in range(0, width, 4):
            red, green, blue = (np.int64(picture[y, x, 0]), np.int64(picture[y, x, 1]), np.int64(picture[y, x, 2]))
            counts[(red >> 3) << 10 | (green >> 3) << 5 | blue >> 3] += mask[y, x]
    return counts.max()


@njit(cache=True, nogil=True)
def colour_sums(picture, mask, bins):  # type: ignore[no-untyped-def]
    """What the pixels under the mask of a uint8 picture (H, W, 3) add up to, for statistics of their colour.

    Returns, all int64: the sums of the products of two channels, (4, 4), a channel of ones first; the counts (511,) of
    |R - G| + |G - B|; the sum of |2 G - R - B|; and for each of `bins` ranges of lightness the number of pixels and
    the sums of three times each channel less all three, (bins, 4).
    """
    products, spread = np.zeros((4, 4), np.int64), np.zeros(511, np.int64)
    by_lightness = np.zeros((bins, 4), np.int64)
    greenness = 0
    pixel = np.ones(4, np.int64)
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            for band in range(3):
                pixel[band + 1] = picture[y, x, band]
            red, green, blue = pixel[1], pixel[2], pixel[3]
            for one in range(4):
                for other in range(one, 4):
                    products[one, other] += pixel[one] * pixel[other]
            spread[abs(red - green) + abs(green - blue)] += 1
            greenness += abs(2 * green - red - blue)
            light = red + green + blue
            of_light = by_lightness[light * bins // 766]
            of_light[0] += 1
            for band in range(1, 4):
                of_light[band] += 3 * pixel[band] - light
    for one in range(4):
        for other in range(one):
            products[one, other] = products[other, one]
    return products, spread, greenness, by_lightness


def extrema(bumps: np.ndarray, cut: float, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows and columns of the maxima of a float32 plane (H, W) in their order, and the number of its minima.

    They are above `cut` (minima below -cut), under the mask, not on the border, and no pixel within 3 px tops them.
    """
    beyond = (np.abs(bumps) > cut) & inner
    beyond[[0, -1]] = beyond[:, [0, -1]] = False
    y, x = np.divmod(np.flatnonzero(beyond), bumps.shape[1])
    topped = _topped(bumps, y, x)
    maxima = ~topped & (bumps[y, x] > 0)
    return y[maxima], x[maxima], len(y) - int(np.count_nonzero(topped | maxima))


@njit(cache=True, nogil=True)
def _topped(bumps, rows, columns):  # type: ignore[no-untyped-def]
    """Which of these pixels are not the most extreme of their sign within reach."""
    found = np.empty(len(rows), np.bool_)
    for place in range(len(rows)):
        y, x = rows[place], columns[place]
        found[place] = _is_topped(bumps, y, x, np.float32(1.0) if bumps[y, x] > 0 else np.float32(-1.0))
    return found


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
    at most in each channel; only every second row and column is looked at.
    """
    height, width = mask.shape
    count = 0
    for y in range(0, height, 2):
        for x in range(0, width, 2):
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


def shapes(mask: np.ndarray, core: np.ndarray, connectivity: int) -> np.ndarray:
    """The connected shapes of a bool mask (H, W), int64 (n, 6): left, top, width, height, area, pixels of `core`.

    `connectivity` is 4 or 8. Found by runs of each row, which are few, joined by union-find.
    """
    height, width = mask.shape
    framed = np.zeros((height, width + 2), bool)
    framed[:, 1:-1] = mask
    ends = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    row, column = np.divmod(ends, width + 1)
    # of each run: row, first and last column, parent, pixels of the core
    runs = np.stack([row[::2], column[::2], column[1::2] - 1, np.arange(len(ends) // 2), np.zeros(len(ends) // 2, int)])
    runs = np.ascontiguousarray(runs.T)
    _join(runs, core, 1 if connectivity == 8 else 0)
    return _boxes(runs, len(runs))


@njit(cache=True, nogil=True)
def _join(runs, core, reach):  # type: ignore[no-untyped-def]
    """Count the core's pixels in each run, and give runs that touch a common root."""
    above = 0
    for run in range(len(runs)):
        y, first, last = runs[run, 0], runs[run, 1], runs[run, 2]
        for x in range(first, last + 1):
            runs[run, 4] += core[y, x]
        while above < run and (runs[above, 0] < y - 1 or (runs[above, 0] == y - 1 and runs[above, 2] < first - reach)):
            above += 1
        touching = above
        while touching < run and runs[touching, 0] == y - 1 and runs[touching, 1] <= last + reach:
            one, other = _root(runs, touching), _root(runs, run)
            runs[max(one, other), 3] = min(one, other)
            touching += 1


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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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
