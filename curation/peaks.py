"""Compiled passes that find the peaks of a picture and measure them: blurs, extrema, boxes around stars."""

import numpy as np
from numba import njit

from curation.scans import quantile_of_counts
from manifests.compiled import compiled
from manifests.words import first_set, without_first

_REACH_PX = 3
_PARTS = 64  # of a level


@compiled
def blurred_above(gray, taps, coarse, side):  # type: ignore[no-untyped-def]
    """A uint8 plane (H, W) blurred, and what that is above a coarser one, float32 (H, W) each.

    `taps` are the weights, float32 (4,), of a pixel and of those 1, 2 and 3 away, along both axes; beyond its border
    the plane is mirrored. `coarse`, float32 (h, w), has a value for each block of `side` pixels, and is interpolated.
    """
    height, width = gray.shape
    blurred, above = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    sums, line = np.empty((3, width), np.uint16), np.empty(width + 6, np.float32)
    # as views, or the compiler does not see that it can take many pixels at once
    left3, left2, left1, inside = line[:-6], line[1:-5], line[2:-4], line[3:-3]
    right1, right2, right3 = line[4:-2], line[5:-1], line[6:]
    centre, near, middle, far = taps[0], taps[1], taps[2], taps[3]
    left, right, share = np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.float32)
    for x in range(width):
        left[x], right[x], share[x] = _between(x, side, coarse.shape[1])
    widened = np.empty((len(coarse), width), np.float32)
    for y in range(len(coarse)):
        values, wide = coarse[y], widened[y]
        for x in range(width):
            wide[x] = values[left[x]] + share[x] * (values[right[x]] - values[left[x]])
    for y in range(height):
        row = gray[y]
        for away in range(1, 4):
            one, other, pair = gray[_mirrored(y - away, height)], gray[_mirrored(y + away, height)], sums[away - 1]
            for x in range(width):
                pair[x] = np.uint16(np.uint16(one[x]) + np.uint16(other[x]))
        first, second, third = sums[0], sums[1], sums[2]
        for x in range(width):
            nearest = centre * np.float32(row[x]) + near * np.float32(first[x])
            inside[x] = nearest + middle * np.float32(second[x]) + far * np.float32(third[x])
        for away in range(1, 4):
            line[3 - away] = line[3 + _mirrored(-away, width)]
            line[width + 2 + away] = line[3 + _mirrored(width - 1 + away, width)]
        smooth = blurred[y]
        for x in range(width):
            nearest = centre * inside[x] + near * (left1[x] + right1[x])
            smooth[x] = nearest + middle * (left2[x] + right2[x]) + far * (left3[x] + right3[x])
        upper, lower, part = _between(y, side, len(coarse))
        over, under, rise = widened[upper], widened[lower], above[y]
        for x in range(width):
            rise[x] = smooth[x] - (over[x] + part * (under[x] - over[x]))
    return blurred, above


@njit(inline="always")
def _mirrored(place, length):  # type: ignore[no-untyped-def]
    """The place that one up to `length` - 1 beyond the border is mirrored to, the border itself not doubled."""
    return min(abs(place), 2 * (length - 1) - abs(place))


@compiled
def _between(place, side, number):  # type: ignore[no-untyped-def]
    """The two of `number` blocks of `side` pixels between whose centres a pixel is, and how far it is to the second."""
    at = min(max((place - (side - 1) / 2) / side, 0.0), number - 1.0)
    first = min(int(at), max(0, number - 2))
    return first, min(first + 1, number - 1), np.float32(at - first)


@compiled
def median_size(plane, mask, step):  # type: ignore[no-untyped-def]
    """Median of the absolute values, up to 256, of a float32 plane (H, W) under a bool mask, to a hundredth.

    Every `step`th row and column is looked at; 0 where nothing is.
    """
    counts = np.zeros(256 * _PARTS, np.int32)
    height, width = plane.shape
    number = 0
    for y in range(0, height, step):
        for x in range(0, width, step):
            if mask[y, x]:
                counts[min(int(abs(plane[y, x]) * _PARTS), len(counts) - 1)] += 1
                number += 1
    return (quantile_of_counts(counts, 0.5) + 0.5) / _PARTS if number else 0.0


@compiled
def extrema(bumps, cut, inner):  # type: ignore[no-untyped-def]
    """Rows and columns of the maxima of a float32 plane (H, W) in their order, and the number of its minima.

    They are above `cut` (minima below -cut), under the mask, not on the border, and no pixel within 3 px tops them.
    """
    height, width = bumps.shape
    words = np.zeros(width // 8 + 1, np.uint64)
    stands_out = words.view(np.bool_)[:width]
    y_found, x_found = np.empty(height * width, np.int64), np.empty(height * width, np.int64)
    maxima = minima = 0
    for y in range(1, height - 1):
        row, known = bumps[y], inner[y]
        for x in range(1, width - 1):
            stands_out[x] = known[x] & (abs(row[x]) > cut)
        for at in range(len(words)):
            word = words[at]
            while word:
                x, word = 8 * at + first_set(word), without_first(word)
                if row[x] > 0:
                    if not _is_topped(bumps, y, x, np.float32(1.0)):
                        y_found[maxima], x_found[maxima] = y, x
                        maxima += 1
                elif not _is_topped(bumps, y, x, np.float32(-1.0)):
                    minima += 1
    return y_found[:maxima], x_found[:maxima], minima


@compiled
def _is_topped(bumps, y, x, sign):  # type: ignore[no-untyped-def]
    level = sign * bumps[y, x]
    # on a slope one of the nearest tops it
    if max(sign * bumps[y, x - 1], sign * bumps[y, x + 1], sign * bumps[y - 1, x], sign * bumps[y + 1, x]) > level:
        return True
    for v in range(max(0, y - _REACH_PX), min(bumps.shape[0], y + _REACH_PX + 1)):
        for u in range(max(0, x - _REACH_PX), min(bumps.shape[1], x + _REACH_PX + 1)):
            if sign * bumps[v, u] > level:
                return True
    return False


@compiled
def boxes_around(gray, y, x, reach, most_level, most):  # type: ignore[no-untyped-def]
    """Boxes of a uint8 plane (H, W) around some of its pixels, float32 (n, 2 `reach` + 1, 2 `reach` + 1).

    Of the pixels within, which are at most at `most_level`, the brightest `most`, in this order.
    """
    height, width = gray.shape
    chosen_ones = np.empty(len(y), np.int64)
    number = 0
    for at in range(len(y)):
        inside = reach <= y[at] < height - reach and reach <= x[at] < width - reach
        if inside and gray[y[at], x[at]] <= most_level:
            chosen_ones[number] = at
            number += 1
    order = np.empty(number, np.int64)
    for at in range(number):
        order[at] = -np.int64(gray[y[chosen_ones[at]], x[chosen_ones[at]]])
    brightest = chosen_ones[np.argsort(order, kind="mergesort")[:most]]
    boxes = np.empty((len(brightest), 2 * reach + 1, 2 * reach + 1), np.float32)
    for at in range(len(brightest)):
        top, left = y[brightest[at]] - reach, x[brightest[at]] - reach
        for v in range(2 * reach + 1):
            for u in range(2 * reach + 1):
                boxes[at, v, u] = gray[top + v, left + u]
    return boxes


@compiled
def half_heights(boxes, least):  # type: ignore[no-untyped-def]
    """Half the height of the peaks in the middle of some float32 boxes (n, side, side), float32 (n,).

    Height counts from the median of the box's rim; NaN for peaks less high than `least`, and where a pixel of the rim
    is as high.
    """
    number, side, _ = boxes.shape
    found, rim = np.empty(number, np.float32), np.empty(4 * (side - 1), np.float32)
    middle, half = side // 2, np.float32(0.5)
    for at in range(number):
        box = boxes[at]
        for place in range(side - 1):
            rim[4 * place], rim[4 * place + 1] = box[0, place], box[place, side - 1]
            rim[4 * place + 2], rim[4 * place + 3] = box[side - 1, place + 1], box[place + 1, 0]
        sky = np.median(rim)
        level = half * (box[middle, middle] + np.float32(sky))
        found[at] = level if box[middle, middle] - sky >= least and rim.max() < level else np.float32(np.nan)
    return found


@compiled
def areas_above(boxes, levels):  # type: ignore[no-untyped-def]
    """Pixels of each of some float32 boxes (n, h, w) above its level, counted on a linear grid of half pixels."""
    number, height, width = boxes.shape
    areas = np.empty(number, np.float64)
    finer = np.empty((height, 2 * width), np.float64)
    for at in range(number):
        # a half pixel's centre is a quarter of a pixel from the nearest one, three quarters from the next
        for y in range(height):
            row, fine = boxes[at, y], finer[y]
            for x in range(width):
                fine[2 * x] = 0.75 * row[x] + 0.25 * row[max(x - 1, 0)]
                fine[2 * x + 1] = 0.75 * row[x] + 0.25 * row[min(x + 1, width - 1)]
        above = np.int32(0)
        for v in range(2 * height):
            near, far = finer[v // 2], finer[min(max(v // 2 + (1 if v % 2 else -1), 0), height - 1)]
            for u in range(2 * width):
                above = np.int32(above + np.int32(0.75 * near[u] + 0.25 * far[u] > levels[at]))
        areas[at] = above / 4.0
    return areas
