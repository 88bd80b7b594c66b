"""The compiled passes give what OpenCV and NumPy give by their general means, on any picture."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.planes import channel_medians, enlarged_within, extremes, left_over, luma_within, voidlike
from manifests.shapes import find_shapes

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


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 70), share=st.floats(0, 1))
def test_luma_is_opencvs_under_the_mask_and_one_level_elsewhere(seed, height, width, share):
    rng = np.random.default_rng(seed)
    rgb, mask = rng.integers(0, 256, (height, width, 3), dtype=np.uint8), rng.random((height, width)) < share
    assert np.array_equal(luma_within(rgb, mask, 77), np.where(mask, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 77))


def test_luma_is_opencvs_for_all_colours():
    levels = np.arange(256, dtype=np.uint8)
    for red in range(0, 256, 5):
        rgb = np.stack([np.full((256, 256), red, np.uint8), *np.meshgrid(levels, levels)], axis=2)
        whole = np.ones(rgb.shape[:2], bool)
        assert np.array_equal(luma_within(rgb, whole, 0), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 70))
def test_what_is_like_a_void_is_white_nearly_white_or_black_in_all_channels(seed, height, width):
    rng = np.random.default_rng(seed)
    rgb = rng.choice(np.array([0, 2, 3, 224, 225, 251, 252, 255], np.uint8), (height, width, 1)).repeat(3, axis=2)
    odd = rng.random((height, width)) < 0.2
    rgb[odd] = rng.integers(0, 256, (np.count_nonzero(odd), 3), dtype=np.uint8)
    white, nearly, black, number_white, number_black = voidlike(rgb, 252, 225, 2)
    assert (number_white, number_black) == (np.count_nonzero(white), np.count_nonzero(black))
    for found, expected in ((white, rgb.min(2) >= 252), (nearly, rgb.min(2) >= 225), (black, rgb.max(2) <= 2)):
        assert np.array_equal(found, np.where(expected, 255, 0))


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 40), width=st.integers(1, 70), times=st.integers(1, 4))
def test_a_plane_is_enlarged_as_opencv_does_it_within_a_mask(seed, height, width, times):
    rng = np.random.default_rng(seed)
    mask = np.where(rng.random((height, width)) < 0.7, 255, 0).astype(np.uint8)
    small = np.where(rng.random((max(1, height // times), max(1, width // times))) < 0.5, 255, 0).astype(np.uint8)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    found = enlarged_within(small, mask)
    assert np.array_equal(found, large & mask)
    counted = rng.choice(np.array([0, 255], np.uint8), mask.shape)
    left, number = left_over(mask, found, counted)
    assert np.array_equal(left, mask & ~found) and number == np.count_nonzero(left & counted)


@some
@given(seed=st.integers(0, 2**32), share=st.floats(0, 0.9), connectivity=st.sampled_from([4, 8]))
def test_shapes_cut_out_are_the_mask_again_and_touch_the_border_where_they_do(seed, share, connectivity):
    mask = np.random.default_rng(seed).random((23, 37)) < share
    found = find_shapes(mask, mask, connectivity)
    pieces = np.zeros((len(found.table), *mask.shape), np.uint8)
    for number, (x, y, width, height) in enumerate(found.table[:, :4]):
        pieces[number, y : y + height, x : x + width] = found.cut(number)
    assert np.array_equal(pieces.sum(axis=0) > 0, mask) and (pieces > 0).sum(axis=0).max(initial=0) <= 1
    assert all(cv2.connectedComponents(piece, connectivity=connectivity)[0] == 2 for piece in pieces)
    inner = pieces.copy()
    inner[:, 0] = inner[:, -1] = inner[:, :, 0] = inner[:, :, -1] = 0
    assert found.on_border(mask.shape).tolist() == [bool((a != b).any()) for a, b in zip(pieces, inner, strict=True)]
