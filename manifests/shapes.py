"""The connected shapes of a mask, by runs of each row, which are few, joined by union-find."""

from dataclasses import dataclass

import numpy as np

from manifests.compiled import compiled
from manifests.words import first_set, without_first


@dataclass(frozen=True)
class Shapes:
    """The connected shapes of a mask (H, W).

    `table` is int64 (n, 6): left, top, width, height, area, pixels of the core; `runs` int64 (m, 5) the runs that they
    are made of: row, first and last column, number of the shape, pixels of the core.
    """

    table: np.ndarray
    runs: np.ndarray

    def on_border(self, shape: tuple[int, ...]) -> np.ndarray:
        """Which touch the border of the mask, whose shape this is, bool (n,)."""
        left, top, width, height = self.table[:, :4].T
        return (left == 0) | (top == 0) | (left + width == shape[1]) | (top + height == shape[0])

    def cut(self, number: int) -> np.ndarray:
        """One of them within its box, uint8 (height, width), 255 where it is and 0 elsewhere."""
        left, top, width, height = self.table[number, :4].tolist()
        part = np.zeros((height, width), np.uint8)
        _paint(self.runs, number, part, left, top)
        return part

    def paint(self, number: int, plane: np.ndarray) -> None:
        """Set a uint8 plane of the mask's shape to 255 where one of them is."""
        _paint(self.runs, number, plane, 0, 0)


def find_shapes(mask: np.ndarray, core: np.ndarray, connectivity: int) -> Shapes:
    """The shapes of a bool mask (H, W), and how much of another they hold; `connectivity` is 4 or 8."""
    runs = _runs(mask, core)
    _join(runs, 1 if connectivity == 8 else 0)
    table = _boxes(runs, len(runs))
    return Shapes(table, runs)


def shapes(mask: np.ndarray, core: np.ndarray, connectivity: int) -> np.ndarray:
    """The table of `find_shapes`."""
    return find_shapes(mask, core, connectivity).table


@compiled
def _runs(mask, core):  # type: ignore[no-untyped-def]
    """Of each run of a row: row, first and last column, itself as its parent, pixels of the core; int64 (n, 5)."""
    height, width = mask.shape
    runs = np.empty((height * ((width + 1) // 2), 5), np.int64)
    if width == 0:
        return runs
    # runs begin and end where a pixel is not as the one before
    words = np.zeros(width // 8 + 1, np.uint64)
    turns = words.view(np.bool_)
    number = 0
    for y in range(height):
        row, inner, begun, inside = mask[y], core[y], number, False
        turns[0], turns[width] = row[0], row[width - 1]
        for x in range(1, width):
            turns[x] = row[x] ^ row[x - 1]
        for at in range(len(words)):
            word = words[at]
            while word:
                x, word = 8 * at + first_set(word), without_first(word)
                if inside:
                    runs[number, 2] = x - 1
                    number += 1
                else:
                    runs[number, 0], runs[number, 1], runs[number, 3] = y, x, number
                inside = not inside
        for run in range(begun, number):
            part, pixels = inner[runs[run, 1] : runs[run, 2] + 1], np.int32(0)
            for x in range(len(part)):
                pixels = np.int32(pixels + part[x])
            runs[run, 4] = pixels
    return runs[:number]


@compiled
def _join(runs, reach):  # type: ignore[no-untyped-def]
    """Give runs that touch a common root."""
    above = 0
    for run in range(len(runs)):
        y, first, last = runs[run, 0], runs[run, 1], runs[run, 2]
        while above < run and (runs[above, 0] < y - 1 or (runs[above, 0] == y - 1 and runs[above, 2] < first - reach)):
            above += 1
        touching = above
        while touching < run and runs[touching, 0] == y - 1 and runs[touching, 1] <= last + reach:
            one, other = _root(runs, touching), _root(runs, run)
            runs[max(one, other), 3] = min(one, other)
            touching += 1


@compiled
def _root(runs, run):  # type: ignore[no-untyped-def]
    while runs[run, 3] != run:
        runs[run, 3] = runs[runs[run, 3], 3]
        run = runs[run, 3]
    return run


@compiled
def _boxes(runs, number):  # type: ignore[no-untyped-def]
    """Box, area and core of each shape, in the order of their first runs; a run's root gives way to its number."""
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
    runs[:, 3] = index
    return found


@compiled
def _paint(runs, number, plane, left, top):  # type: ignore[no-untyped-def]
    """Paint a shape in a plane whose first pixel is at this place."""
    for run in range(len(runs)):
        if runs[run, 3] == number:
            y, first, last = runs[run, 0], runs[run, 1], runs[run, 2]
            plane[y - top, first - left : last - left + 1] = 255
