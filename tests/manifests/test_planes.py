"""The compiled passes give what OpenCV and NumPy give by their general means, on any picture."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.planes import channel_medians, extremes

some = settings(max_examples=60, deadline=None)


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 70))
def test_extremes_are_the_least_and_the_largest_channel(seed, height, width):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    darkest, brightest = extremes(rgb)
    assert np.array_equal(darkest, rgb.min(axis=2)) and np.array_equal(brightest, rgb.max(axis=2))


@some
@given(seed=st.integers(0, 2**32), step=st.integers(1, 4), share=st.floats(0, 1))
def test_medians_are_of_the_pixels_under_the_mask(seed, step, share):
    rng = np.random.default_rng(seed)
    rgb, mask = rng.integers(0, 256, (19, 31, 3), dtype=np.uint8), rng.random((19, 31)) < share
    chosen = rgb[::step, ::step][mask[::step, ::step]]
    medians, number = channel_medians(rgb, mask, step)
    assert number == len(chosen)
    if number:
        # the lower one of the two in the middle of an even number
        assert medians.tolist() == np.sort(chosen, axis=0)[(number - 1) // 2].tolist()
