"""Compiled passes over a picture that the measurements share: level counts, second differences, slopes, peaks."""

import numpy as np
from numba import njit

from manifests.compiled import compiled
from manifests.planes import chosen, luma_of
from manifests.words import first_set, without_first

_REACH_PX = 3
_BANDS, _BAND_PX = 6, 64
_PARTS = 64  # of a level


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
def step_profiles(gray, most):  # type: ignore[no-untyped-def]
    """Mean steps of a uint8 plane (H, W) to the next column and to the next row, float64 (W - 1,) and (H - 1,).

    Steps count without their sign and up to `most`.
    """
    height, width = gray.shape
    across, down = np.zeros(max(0, width - 1), np.int32), np.zeros(max(0, height - 1), np.int32)
    line = np.empty(width, np.uint8)
    limit = np.uint8(most)
    for y in range(height):
        row = gray[y]
        # bytes stay bytes, or the compiler takes a quarter as many at once
        for x in range(width - 1):
            line[x] = min(np.uint8(max(row[x], row[x + 1]) - min(row[x], row[x + 1])), limit)
        for x in range(width - 1):
            across[x] = np.int32(across[x] + line[x])
    for y in range(height - 1):
        row, below = gray[y], gray[y + 1]
        total = np.int32(0)
        for x in range(width):
            step = np.uint8(max(row[x], below[x]) - min(row[x], below[x]))
            total = np.int32(total + min(step, limit))
        down[y] = total
    return across / max(1, height), down / max(1, width)


@compiled
def step_profiles_within(gray, mask, most, fewest):  # type: ignore[no-untyped-def]
    """The same of the steps between neighbours that are both under a bool mask.

    NaN for a column or row that has less than `fewest` times as many of them as the one that has most.
    """
    height, width = gray.shape
    columns = max(0, width - 1)
    total_across, known_across = np.zeros(columns, np.int32), np.zeros(columns, np.int32)
    total_down, known_down = np.zeros(max(0, height - 1), np.int32), np.zeros(max(0, height - 1), np.int32)
    # sums of 256 bytes fit into 16 bits, of which the compiler takes twice as many at once
    some_total, some_known = np.zeros(columns, np.uint16), np.zeros(columns, np.uint16)
    line, both, nothing, limit = np.empty(width, np.uint8), np.empty(width, np.uint8), np.uint8(0), np.uint8(most)
    for y in range(height):
        row, known = gray[y], mask[y]
        # bytes stay bytes, here as in step_profiles
        for x in range(columns):
            step = min(np.uint8(max(row[x], row[x + 1]) - min(row[x], row[x + 1])), limit)
            pair = known[x] & known[x + 1]
            line[x], both[x] = chosen(pair, step, nothing), np.uint8(pair)
        for x in range(columns):
            some_total[x] = np.uint16(some_total[x] + np.uint16(line[x]))
        for x in range(columns):
            some_known[x] = np.uint16(some_known[x] + np.uint16(both[x]))
        if y % 256 == 255 or y == height - 1:
            for x in range(columns):
                total_across[x] += np.int32(some_total[x])
                known_across[x] += np.int32(some_known[x])
            some_total[:], some_known[:] = 0, 0
    for y in range(height - 1):
        row, below, known, known_below = gray[y], gray[y + 1], mask[y], mask[y + 1]
        for x in range(width):
            step = min(np.uint8(max(row[x], below[x]) - min(row[x], below[x])), limit)
            pair = known[x] & known_below[x]
            line[x], both[x] = chosen(pair, step, nothing), np.uint8(pair)
        total, number = np.int32(0), np.int32(0)
        for x in range(width):
            total = np.int32(total + np.int32(line[x]))
        for x in range(width):
            number = np.int32(number + np.int32(both[x]))
        total_down[y], known_down[y] = total, number
    return _means(total_across, known_across, fewest), _means(total_down, known_down, fewest)


@compiled
def _means(totals, numbers, fewest):  # type: ignore[no-untyped-def]
    means = np.full(len(totals), np.nan)
    most = 0
    for number in numbers:
        most = max(most, number)
    for at in range(len(totals)):
        if numbers[at] and numbers[at] >= fewest * most:
            means[at] = totals[at] / numbers[at]
    return means


@compiled
def line_sums(plane, mask, most):  # type: ignore[no-untyped-def]
    """Sums of the levels, `most` at the highest, of a uint8 plane (H, W) under a bool mask, and how many they are.

    Returns them by column, int32 (2, W), and by row, int32 (2, H).
    """
    height, width = plane.shape
    by_column, by_row = np.zeros((2, width), np.int32), np.zeros((2, height), np.int32)
    totals, numbers = by_column
    line, limit, nothing = np.empty(width, np.uint8), np.uint8(most), np.uint8(0)
    for y in range(height):
        row, known = plane[y], mask[y]
        for x in range(width):
            line[x] = chosen(known[x], min(row[x], limit), nothing)
        for x in range(width):
            totals[x] = np.int32(totals[x] + line[x])
            numbers[x] = np.int32(numbers[x] + known[x])
        total, number = np.int32(0), np.int32(0)
        for x in range(width):
            total = np.int32(total + line[x])
            number = np.int32(number + known[x])
        by_row[0, y], by_row[1, y] = total, number
    return by_column, by_row


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
def typical_bend(totals, numbers, fewest):  # type: ignore[no-untyped-def]
    """Median difference of the means of a line of sums, (n,), from the mean of their two neighbours.

    Means of less than `fewest` times as many as the one of most are not known; 0 where no three neighbours are.
    """
    means = _means(totals, numbers, fewest)
    bends = np.empty(len(means), np.float64)
    number = 0
    for at in range(1, len(means) - 1):
        bend = abs(means[at] - (means[at - 1] + means[at + 1]) / 2)
        if not np.isnan(bend):
            bends[number] = bend
            number += 1
    return np.median(bends[:number]) if number else 0.0


@compiled
def phase_medians(profile, period):  # type: ignore[no-untyped-def]
    """Medians of every `period`th value of a profile (n,), by where they begin, float64 (period,).

    NaN is not a value; empty where a phase has less than four. A rest that is no whole period is left out.
    """
    whole = len(profile) // period
    medians, values = np.empty(period, np.float64), np.empty(whole, np.float64)
    for phase in range(period):
        number = 0
        for at in range(whole):
            value = profile[at * period + phase]
            if not np.isnan(value):
                values[number] = value
                number += 1
        if number < 4:
            return medians[:0]
        medians[phase] = np.median(values[:number])
    return medians


@compiled
def largest_jump(profile, reach):  # type: ignore[no-untyped-def]
    """By how much a value of a profile (n,) exceeds both of those `reach` away, at most; 0 where none does."""
    largest = 0.0
    for at in range(reach, len(profile) - reach):
        # of NaN no comparison is true
        jump = profile[at] - max(profile[at - reach], profile[at + reach])
        if jump > largest and not np.isnan(profile[at - reach]) and not np.isnan(profile[at + reach]):
            largest = jump
    return largest


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


@compiled
def block_means(plane, side):  # type: ignore[no-untyped-def]
    """Means of blocks of `side` x `side` pixels of a uint8 plane (H, W), float32 (h, w); cut-off ones are dropped."""
    height, width = plane.shape[0] // side, plane.shape[1] // side
    means = np.empty((height, width), np.float32)
    sums = np.empty(plane.shape[1], np.int32)
    for y in range(height):
        sums[:] = 0
        for v in range(side * y, side * y + side):
            row = plane[v]
            for x in range(len(sums)):
                sums[x] = np.int32(sums[x] + np.int32(row[x]))
        for x in range(width):
            total = np.int32(0)
            for u in range(side * x, side * x + side):
                total = np.int32(total + sums[u])
            means[y, x] = np.float32(total) / np.float32(side * side)
    return means


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
