"""Compiled passes over a picture that the measurements share: level counts, second differences, slopes, colours."""

import numpy as np
from numba import njit

from manifests.compiled import compiled

_BANDS, _BAND_PX = 6, 64


@compiled
def level_counts(plane, mask):  # type: ignore[no-untyped-def]
    """Counts of the 256 levels of a uint8 plane (H, W) under a bool mask, int64 (256,)."""
    # four tables: neighbours are often equal, and one addition would wait for the other
    counts = np.zeros((4, 256), np.int64)
    height, width = plane.shape
    for y in range(height):
        for x in range(width):
            counts[x & 3, plane[y, x]] += mask[y, x]
    return counts.sum(axis=0)


@compiled
def quantile_of_counts(counts, share):  # type: ignore[no-untyped-def]
    """The first place at which counts (n,), added up, are `share` of all; 0 where there are none."""
    total = 0.0
    for number in counts:
        total += number
    below, place = 0.0, 0
    if total:
        below = counts[0]
        while below < share * total and place < len(counts) - 1:
            place += 1
            below += counts[place]
    return place


@compiled
def skewness_of_counts(counts):  # type: ignore[no-untyped-def]
    """Skewness of whole numbers from 0, given how often each occurs, which one does; 0 where all are the same."""
    total = mean = 0.0
    for value in range(len(counts)):
        total += counts[value]
        mean += counts[value] * value
    mean /= total
    second = third = 0.0
    for value in range(len(counts)):
        away = value - mean
        second += counts[value] * away**2
        third += counts[value] * away**3
    return (third / total) / (second / total) ** 1.5 if second > 0 else 0.0


@compiled
def difference_counts(plane, mask, step, low, high):  # type: ignore[no-untyped-def]
    """Counts of the sizes of second differences of a uint8 plane (H, W), both ways at once, int64 (2041,).

    Every `step`th row and column is looked at, less the border; of these the places whose 3 x 3 pixels are all under
    the bool mask and have a mean from `low` to `high`.
    """
    counts = np.zeros((2, 8 * 255 + 1), np.int64)
    height, width = plane.shape
    for y in range(1, height - 1, step):
        for x in range(1, width - 1, step):
            total, difference = _second_difference(plane, y, x)
            if 9 * low <= total <= 9 * high and _is_whole(mask, y, x):
                counts[x & 1, abs(difference)] += 1
    return counts.sum(axis=0)


@compiled
def paired_differences(one, other, mask, step, low, high):  # type: ignore[no-untyped-def]
    """Second differences of two uint8 planes (H, W) at the same places, int16 (2, n); chosen as above for both."""
    height, width = one.shape
    found = np.empty((2, (height // step + 1) * (width // step + 1)), np.int16)
    number = 0
    for y in range(1, height - 1, step):
        for x in range(1, width - 1, step):
            if not _is_whole(mask, y, x):
                continue
            total_one, found[0, number] = _second_difference(one, y, x)
            total_other, found[1, number] = _second_difference(other, y, x)
            if 9 * low <= min(total_one, total_other) and max(total_one, total_other) <= 9 * high:
                number += 1
    return found[:, :number]


@compiled
def products_within(pairs, reach):  # type: ignore[no-untyped-def]
    """What pairs of second differences, int16 (2, n), add up to: those within `reach` times the median size of each.

    Returns, int64 (6,): how many they are; the sums of the first and of the second; those of the squares of either, and
    of the products.
    """
    limits = np.empty(2, np.float64)
    for row in range(2):
        counts = np.zeros(8 * 255 + 1, np.int64)
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


@compiled
def _middle(counts, number):  # type: ignore[no-untyped-def]
    """The median of whole numbers, given how often each occurs and how many there are."""
    below, value, lower = 0, -1, -1
    while 2 * below <= number:
        value += 1
        below += counts[value]
        if lower < 0 and 2 * below >= number:
            lower = value
    return (lower + value) / 2


@compiled
def clip_counts(darkest, brightest, mask, clipped, black):  # type: ignore[no-untyped-def]
    """How many pixels have all channels, any channel at `clipped` or above, all at `black` or below, and how many are.

    Given are the least and the largest channel, uint8 (H, W) each; only pixels under a bool mask count.
    """
    height, width = mask.shape
    every = some = dark = known = 0
    for y in range(height):
        low, high, row = darkest[y], brightest[y], mask[y]
        all_here = any_here = dark_here = known_here = np.int32(0)
        for x in range(width):
            all_here = np.int32(all_here + (row[x] & (low[x] >= clipped)))
            any_here = np.int32(any_here + (row[x] & (high[x] >= clipped)))
            dark_here = np.int32(dark_here + (row[x] & (high[x] <= black)))
            known_here = np.int32(known_here + row[x])
        every, some, dark = every + int(all_here), some + int(any_here), dark + int(dark_here)
        known += int(known_here)
    return every, some, dark, known


@compiled
def even_rows(picture, mask, spread):  # type: ignore[no-untyped-def]
    """How many rows of a uint8 picture (H, W, 3) come before the first that is not of one colour.

    Of one colour is a row without a pixel under the mask, and one that has half of its pixels there, whose channels
    each differ by at most `spread`.
    """
    height, width = mask.shape
    low, high = np.empty(3, np.uint8), np.empty(3, np.uint8)
    for y in range(height):
        low[:], high[:] = 255, 0
        number = 0
        for x in range(width):
            if mask[y, x]:
                number += 1
                for band in range(3):
                    low[band] = min(low[band], picture[y, x, band])
                    high[band] = max(high[band], picture[y, x, band])
        if number:
            uneven = 2 * number < width
            for band in range(3):
                uneven |= np.int32(high[band]) - np.int32(low[band]) > spread
            if uneven:
                return y
    return height


@compiled
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


@compiled
def lone_pixels(picture, mask, cut):  # type: ignore[no-untyped-def]
    """Pixels of a uint8 picture (H, W, 3) more than `cut` above all their neighbours in a channel, and of how many.

    The picture is contiguous. All of the 3 x 3 pixels must be under the mask; those on the border are left out. Of tall
    pictures six bands of 64 rows are looked at.
    """
    height, width = mask.shape
    number = total = 0
    if min(height, width) < 3:
        return number, total
    bands, rows = (_BANDS, _BAND_PX) if height > _BANDS * _BAND_PX else (1, height)
    for band in range(bands):
        start = band * (height - rows) // max(1, bands - 1)
        known = mask[start : start + rows]
        number += _lone(picture[start : start + rows], known, cut)
        for y in range(rows):
            row, here = known[y], np.int32(0)
            for x in range(width):
                here = np.int32(here + row[x])
            total += int(here)
    return number, total


@compiled
def _lone(picture, mask, cut):  # type: ignore[no-untyped-def]
    height, width, _ = picture.shape
    rows, least = picture.reshape(height, 3 * width), np.uint8(min(cut, 255))
    # few are above both neighbours in their row, and zeros are skipped eight at a time
    words = np.zeros(-(-3 * width // 8), np.uint64)
    above = words.view(np.uint8)
    count = 0
    for y in range(1, height - 1):
        left, middle, right, found = rows[y, :-6], rows[y, 3:-3], rows[y, 6:], above[3 : 3 * width - 3]
        for at in range(len(found)):
            beside = max(left[at], right[at])
            rise = np.uint8(max(middle[at], beside) - beside)
            found[at] = np.uint8(max(rise, least) - least)
        counted = -1
        for word in range(len(words)):
            if words[word] == 0:
                continue
            for place in range(8 * word, min(8 * word + 8, 3 * width)):
                x, band = place // 3, place % 3
                if above[place] == 0 or x == counted or not _is_whole(mask, y, x):
                    continue
                level = np.int32(picture[y, x, band]) - cut
                lone = True
                for u in range(x - 1, x + 2):
                    lone &= level > picture[y - 1, u, band] and level > picture[y + 1, u, band]
                if lone:
                    count += 1
                    counted = x
    return count


@njit(inline="always")
def _is_whole(mask, y, x):  # type: ignore[no-untyped-def]
    """Whether 3 x 3 pixels are all under the mask."""
    above = mask[y - 1, x - 1] & mask[y - 1, x] & mask[y - 1, x + 1]
    beside = mask[y, x - 1] & mask[y, x] & mask[y, x + 1]
    return above & beside & mask[y + 1, x - 1] & mask[y + 1, x] & mask[y + 1, x + 1]


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


@compiled
def most_common_colour(picture, brightest, mask, dark):  # type: ignore[no-untyped-def]
    """How many pixels under the mask of a uint8 picture (H, W, 3) have its most common colour, rounded to 8 DN.

    Those count whose `brightest` channel (H, W) is above `dark`. Only every fourth row and column is looked at; returns
    too how many of these are under the mask.
    """
    counts = np.zeros(1 << 15, np.int32)
    height, width = mask.shape
    number = 0
    for y in range(0, height, 4):
        for x in range(0, width, 4):
            red, green, blue = (np.int64(picture[y, x, 0]), np.int64(picture[y, x, 1]), np.int64(picture[y, x, 2]))
            counts[(red >> 3) << 10 | (green >> 3) << 5 | blue >> 3] += mask[y, x] & (brightest[y, x] > dark)
            number += mask[y, x]
    return counts.max(), number


@compiled
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


@compiled
def flat_pixels(picture, brightest, mask, dark, limit):  # type: ignore[no-untyped-def]
    """How many pixels under the mask of a contiguous uint8 picture (H, W, 3) differ in no channel by more than `limit`
    among them and their eight neighbours.

    Those count whose `brightest` channel (H, W) is above `dark`. Only every second row and column is looked at; returns
    too how many of these are under the mask.
    """
    height, width = mask.shape
    rows = picture.reshape(height, 3 * width)
    # a pixel more at either end, like the first and the last
    high, low = np.empty(3 * width + 6, np.uint8), np.empty(3 * width + 6, np.uint8)
    varied = np.empty(3 * width, np.uint8)
    high_before, high_here, high_after = high[:-6], high[3:-3], high[6:]
    low_before, low_here, low_after = low[:-6], low[3:-3], low[6:]
    count = number = 0
    for y in range(0, height, 2):
        above, row, below, known = rows[max(0, y - 1)], rows[y], rows[min(height - 1, y + 1)], mask[y]
        light = brightest[y]
        for at in range(3 * width):
            high_here[at], low_here[at] = max(above[at], row[at], below[at]), min(above[at], row[at], below[at])
        for band in range(3):
            high[band], low[band] = high_here[band], low_here[band]
            high_after[3 * width - 3 + band] = high_here[3 * width - 3 + band]
            low_after[3 * width - 3 + band] = low_here[3 * width - 3 + band]
        for at in range(3 * width):
            most, least = max(high_before[at], high_here[at], high_after[at]), low_here[at]
            varied[at] = np.uint8(most - min(low_before[at], least, low_after[at]))
        here = known_here = np.int32(0)
        for x in range(0, width, 2):
            most = max(varied[3 * x], varied[3 * x + 1], varied[3 * x + 2])
            here = np.int32(here + (known[x] & (light[x] > dark) & (most <= limit)))
            known_here = np.int32(known_here + known[x])
        count, number = count + int(here), number + int(known_here)
    return count, number


@compiled
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
