"""Compiled steps over the few bytes of a long row that are set: eight are passed over at a time.

The row is a bool view of words of 64 bits, whose bytes are 0 or 1. Both functions become part of their callers; after
changing them touch curation/peaks.py, curation/drawn.py and manifests/shapes.py, as numba looks for changes in a
function's own file alone.
"""

import numpy as np
from numba import njit

_ONES = np.uint64(0x0101010101010101)


@njit(inline="always")
def first_set(word):  # type: ignore[no-untyped-def]
    """The place, 0 to 7, of the first byte that is set in a word that has any, where the first byte is the lowest."""
    lowest = word & (~word + np.uint64(1))
    # a one in each byte below it; the product's highest byte adds them up
    return np.int64((((lowest - np.uint64(1)) & _ONES) * _ONES) >> np.uint64(56))


@njit(inline="always")
def without_first(word):  # type: ignore[no-untyped-def]
    """The word with that byte cleared."""
    return word & (word - np.uint64(1))
