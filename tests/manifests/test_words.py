"""Passing over the bytes of a row that are not set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from manifests.words import first_set, without_first


@njit
def places(words):
    found = []
    for at in range(len(words)):
        word = words[at]
        while word:
            found.append(8 * at + first_set(word))
            word = without_first(word)
    return found


@given(row=st.lists(st.booleans(), min_size=8, max_size=64).filter(any))
def test_the_places_that_are_set_are_found_in_their_order(row):
    padded = np.zeros(-(-len(row) // 8), np.uint64)
    padded.view(np.bool_)[: len(row)] = row
    assert places(padded) == np.flatnonzero(row).tolist()
