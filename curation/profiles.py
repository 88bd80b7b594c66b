"""Compiled passes over rows and columns as wholes: their sums, the steps between them, and what sticks out of these."""

import numpy as np

from manifests.compiled import compiled
from manifests.planes import chosen


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
