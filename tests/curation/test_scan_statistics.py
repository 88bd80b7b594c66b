"""The compiled passes over levels, profiles and stars, beside NumPy, SciPy and OpenCV saying the same at length."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from curation.blocks import known_means
from curation.drawn import are_letters, letter_planes
from curation.peaks import blurred_above, boxes_around, half_heights, median_size
from curation.profiles import largest_jump, phase_medians, typical_bend
from curation.scans import clip_counts, even_rows, quantile_of_counts, skewness_of_counts
from curation.signal import difference_of_blurs

some = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32)


def planes(seed, height, width):
    rng = np.random.default_rng(seed)
    return rng, rng.integers(0, 256, (height, width), dtype=np.uint8), rng.random((height, width)) < 0.7


@some
@given(seed=seeds, share=st.floats(0, 1))
def test_quantile_and_skewness_of_counts(seed, share):
    counts = np.random.default_rng(seed).integers(0, 4, 40)
    counts[7] += 1
    cumulative = counts.cumsum()
    assert quantile_of_counts(counts, share) == np.searchsorted(cumulative, share * cumulative[-1])
    values = np.repeat(np.arange(40), counts)
    expected = skew(values) if np.ptp(values) else 0.0
    assert skewness_of_counts(counts) == pytest.approx(expected, abs=1e-9)


def test_nothing_counted_is_level_zero():
    assert quantile_of_counts(np.zeros(256), 0.5) == 0


@some
@given(seed=seeds, height=st.integers(1, 30), width=st.integers(1, 40), side=st.integers(1, 5))
def test_means_of_blocks_count_what_is_under_the_mask(seed, height, width, side):
    _, plane, mask = planes(seed, height, width)
    rows, columns = height // side, width // side
    cut = np.s_[: rows * side, : columns * side]
    shape = rows, side, columns, side
    blocks, known = plane[cut].reshape(shape).astype(float), mask[cut].reshape(shape)
    assert known_means(plane, np.ones_like(mask), side)[0] == pytest.approx(blocks.mean(axis=(1, 3)), rel=1e-6)
    means, shares = known_means(plane, mask, side)
    assert shares == pytest.approx(known.mean(axis=(1, 3)), rel=1e-6)
    number = known.sum(axis=(1, 3))
    assert means == pytest.approx((blocks * known).sum(axis=(1, 3)) / np.maximum(number, 1), rel=1e-6)


@some
@given(seed=seeds, height=st.integers(8, 40), width=st.integers(8, 50))
def test_the_fine_blur_is_that_of_opencv_and_the_wide_one_goes_between_its_blocks(seed, height, width):
    _, plane, _ = planes(seed, height, width)
    fine, bumps = difference_of_blurs(plane)
    assert fine == pytest.approx(cv2.GaussianBlur(plane.astype(np.float32), (7, 7), 1.2), abs=1e-3)
    means, _ = known_means(plane, np.ones(plane.shape, bool), 4)
    blocks = cv2.GaussianBlur(means, (0, 0), 0.9)
    enlarged = cv2.resize(blocks, (width // 4 * 4, height // 4 * 4), interpolation=cv2.INTER_LINEAR)
    whole = np.s_[: enlarged.shape[0] - 2, : enlarged.shape[1] - 2]  # beyond the last centre it stays as it is
    assert (fine - bumps)[whole] == pytest.approx(enlarged[whole], abs=1e-3)


def test_small_planes_are_blurred_as_a_whole():
    plane = np.full((7, 30), 90, np.uint8)
    fine, bumps = difference_of_blurs(plane)
    assert fine == pytest.approx(np.full(plane.shape, 90.0)) and bumps == pytest.approx(np.zeros(plane.shape), abs=1e-3)


def test_a_single_block_has_no_neighbour_to_go_between():
    gray = np.full((4, 4), 50, np.uint8)
    taps = cv2.getGaussianKernel(7, 1.2, cv2.CV_32F)[3:, 0]
    _, above = blurred_above(gray, taps, np.full((1, 1), 20, np.float32), 4)
    assert above == pytest.approx(np.full((4, 4), 30.0), abs=1e-3)


@some
@given(seed=seeds, height=st.integers(1, 30), width=st.integers(1, 40), step=st.integers(1, 3))
def test_median_size_is_right_to_a_hundredth(seed, height, width, step):
    rng, _, mask = planes(seed, height, width)
    plane = rng.normal(0, 20, (height, width)).astype(np.float32)
    sizes = np.sort(np.abs(plane[::step, ::step][mask[::step, ::step]]))
    expected = sizes[(len(sizes) - 1) // 2] if len(sizes) else 0.0
    assert median_size(plane, mask, step) == pytest.approx(expected, abs=0.01)


@some
@given(seed=seeds, number=st.integers(0, 60), most=st.integers(1, 20))
def test_boxes_are_those_around_the_brightest_within(seed, number, most):
    rng, plane, _ = planes(seed, 40, 50)
    y, x = rng.integers(0, 40, number), rng.integers(0, 50, number)
    inside = (y >= 3) & (y < 37) & (x >= 3) & (x < 47) & (plane[y, x] <= 245)
    y_in, x_in = y[inside], x[inside]
    order = np.argsort(-plane[y_in, x_in].astype(int), kind="stable")[:most]
    expected = [plane[v - 3 : v + 4, u - 3 : u + 4] for v, u in zip(y_in[order], x_in[order], strict=True)]
    found = boxes_around(plane, y, x, 3, 245.0, most)
    assert found.dtype == np.float32 and found.tolist() == np.array(expected).tolist()


@some
@given(seed=seeds, number=st.integers(1, 20))
def test_half_heights_are_above_the_median_of_the_rim(seed, number):
    rng = np.random.default_rng(seed)
    boxes = rng.normal(20, 2, (number, 7, 7)).astype(np.float32)
    boxes[:, 3, 3] += rng.choice([3.0, 30.0], number).astype(np.float32)
    boxes[:, 0, 2] += rng.choice([0.0, 40.0], number).astype(np.float32)
    rim = np.concatenate([boxes[:, 0], boxes[:, -1], boxes[:, 1:-1, 0], boxes[:, 1:-1, -1]], axis=1)
    sky, top = np.median(rim, axis=1), boxes[:, 3, 3]
    counts = (top - sky >= 10) & (rim.max(axis=1) < (top + sky) / 2)
    found = half_heights(boxes, 10.0)
    assert (np.isfinite(found) == counts).all()
    assert found[counts] == pytest.approx(((top + sky) / 2)[counts], rel=1e-6)


@some
@given(seed=seeds, length=st.integers(1, 40))
def test_bends_jumps_and_phases_pass_over_what_is_not_known(seed, length):
    rng = np.random.default_rng(seed)
    totals, numbers = rng.integers(0, 500, length), rng.integers(0, 9, length)
    whole = numbers >= max(1.0, 0.25 * numbers.max())
    means = np.where(whole, totals / np.maximum(numbers, 1), np.nan)
    bends = np.abs(means[1:-1] - (means[:-2] + means[2:]) / 2)
    bends = bends[np.isfinite(bends)]
    assert typical_bend(totals, numbers, 0.25) == pytest.approx(np.median(bends) if len(bends) else 0.0)
    jumps = means[4:-4] - np.maximum(means[:-8], means[8:])
    assert largest_jump(means, 4) == pytest.approx(np.nanmax(jumps, initial=0.0))
    phases = [means[: length // 3 * 3][phase::3] for phase in range(3)]
    known = [phase[np.isfinite(phase)] for phase in phases]
    expected = [np.median(phase) for phase in known] if min(map(len, known)) >= 4 else []
    assert phase_medians(means, 3).tolist() == pytest.approx(expected)


@some
@given(seed=seeds, height=st.integers(1, 12), width=st.integers(1, 20), even=st.integers(0, 12))
def test_even_rows_end_before_the_first_that_varies(seed, height, width, even):
    rng, _, mask = planes(seed, height, width)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture[:even] = rng.integers(90, 97, (len(picture[:even]), width, 3), dtype=np.uint8)

    def is_even(line, known):
        values = line[known].astype(int)
        return not len(values) or (2 * len(values) >= width and np.ptp(values, axis=0).max() <= 6)

    rows = [is_even(line, known) for line, known in zip(picture, mask, strict=True)]
    assert even_rows(picture, mask, 6) == (rows.index(False) if False in rows else height)


@some
@given(seed=seeds, height=st.integers(1, 20), width=st.integers(1, 40))
def test_clipped_and_letter_like_pixels_are_counted_under_the_mask(seed, height, width):
    _, low, mask = planes(seed, height, width)
    high = np.maximum(low, planes(seed + 1, height, width)[1])
    every, some_clipped, black, known = clip_counts(low, high, mask, 240, 4)
    expected = ((low >= 240) & mask, (high >= 240) & mask, (high <= 4) & mask, mask)
    assert (every, some_clipped, black, known) == tuple(np.count_nonzero(one) for one in expected)
    *found, light = letter_planes(low, mask, (120, 200), (135, 55))
    for one, plane in zip(found, (low >= 120, low >= 200, low <= 135, low <= 55), strict=True):
        assert np.array_equal(one, plane & mask)
    assert light == np.count_nonzero((low > 135) & mask)


def test_a_letter_is_compact_and_flat_topped():
    table = np.array(
        [
            (0, 0, 8, 12, 60, 40),  # a letter
            (0, 0, 8, 4, 20, 20),  # too low
            (0, 0, 30, 12, 200, 150),  # too wide
            (0, 0, 8, 12, 96, 96),  # a full box
            (0, 0, 8, 12, 60, 10),  # a star: all slope
        ]
    )
    assert are_letters(table, 5, 48).tolist() == [True, False, False, False, False]
