"""The compiled passes give what OpenCV and NumPy give by their general means, on any picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.blocks import halved, quartered, whole_blocks
from curation.drawn import outlined_pixels, rows_of_letters, ruled_pixels, straight_pixels
from curation.peaks import areas_above, extrema
from curation.profiles import line_sums, step_profiles, step_profiles_within
from curation.scans import (
    colour_sums,
    difference_counts,
    flat_pixels,
    level_counts,
    lone_pixels,
    most_common_colour,
    paired_differences,
    products_within,
    slopes,
    steepness_counts,
)
from manifests.shapes import shapes

AXES = ((1, 0), (0, 1))
some = settings(max_examples=60, deadline=None)


def drawn(seed: int, shape: tuple[int, int], share: float) -> np.ndarray:
    """A mask of runs and specks."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < share
    return mask | (cv2.blur(rng.random(shape).astype(np.float32), (9, 1)) > 0.55)


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 40), width=st.integers(1, 50))
def test_counts_of_levels_are_those_under_the_mask(seed, height, width):
    rng = np.random.default_rng(seed)
    plane = rng.integers(0, 256, (height, width), dtype=np.uint8)
    mask = rng.random((height, width)) < 0.7
    assert level_counts(plane, mask).tolist() == np.bincount(plane[mask], minlength=256).tolist()


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 30), width=st.integers(1, 40), step=st.integers(1, 3))
def test_second_differences_are_those_of_immerkaers_mask_within_the_range(seed, height, width, step):
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (2, height, width), dtype=np.uint8)
    mask = rng.random((height, width)) < 0.7
    seen = np.s_[1 : height - 1 : step, 1 : width - 1 : step]
    second = np.array([1, -2, 1], np.float32)
    answers = [cv2.filter2D(plane, cv2.CV_16S, np.outer(second, second))[seen] for plane in planes]
    means = [cv2.blur(plane.astype(np.float64), (3, 3))[seen] for plane in planes]
    whole = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).view(bool)[seen]
    inside = [(mean > 59.999) & (mean < 190.001) & whole for mean in means]
    expected = np.bincount(np.abs(answers[0][inside[0]]), minlength=2041)
    assert difference_counts(planes[0], mask, step, 60, 190).tolist() == expected.tolist()
    both = inside[0] & inside[1]
    assert paired_differences(*planes, mask, step, 60, 190).tolist() == [answer[both].tolist() for answer in answers]


@some
@given(seed=st.integers(0, 2**32), number=st.integers(1, 80), reach=st.sampled_from([0.5, 1.0, 4.0]))
def test_products_are_of_the_pairs_near_the_median_size(seed, number, reach):
    pairs = (np.random.default_rng(seed).normal(size=(2, number)) ** 3 * 20).astype(np.int16)
    limits = reach * np.median(np.abs(pairs), axis=1, keepdims=True)
    one, two = pairs[:, (np.abs(pairs) <= limits).all(axis=0)].astype(np.int64)
    sums = (len(one), one.sum(), two.sum(), (one * one).sum(), (two * two).sum(), (one * two).sum())
    assert tuple(products_within(pairs, reach)) == sums


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 30), width=st.integers(1, 40), step=st.integers(1, 3))
def test_steepness_is_the_larger_central_difference_of_known_pixels(seed, height, width, step):
    rng = np.random.default_rng(seed)
    gray, mask = rng.integers(0, 256, (height, width), dtype=np.uint8), rng.random((height, width)) < 0.8
    expected = np.zeros(256, int)
    for y in range(1, height - 1, step):
        for x in range(1, width - 1, step):
            cross = [(y, x), (y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x)]
            if all(mask[place] for place in cross):
                left, right, above, below = (int(gray[place]) for place in cross[1:])
                expected[max(abs(right - left), abs(below - above))] += 1
    assert steepness_counts(gray, mask, step).tolist() == expected.tolist()


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 12), width=st.integers(1, 20), cut=st.integers(20, 150))
def test_lone_pixels_stand_out_of_all_neighbours_in_a_channel(seed, height, width, cut):
    rng = np.random.default_rng(seed)
    picture = np.where(rng.random((height, width, 3)) < 0.1, 255, rng.integers(0, 120, (height, width, 3)))
    picture, mask = picture.astype(np.uint8), rng.random((height, width)) < 0.98
    whole = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).view(bool)
    ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
    above = cv2.subtract(picture, cv2.dilate(picture, ring))
    expected = ((above > cut).any(axis=2) & whole)[1:-1, 1:-1]
    assert lone_pixels(picture, mask, cut) == (
        np.count_nonzero(expected),
        np.count_nonzero(mask) if min(mask.shape) > 2 else 0,
    )


@some
@given(seed=st.integers(0, 2**32), share=st.floats(0, 0.9), connectivity=st.sampled_from([4, 8]))
def test_shapes_are_the_connected_components(seed, share, connectivity):
    mask = drawn(seed, (37, 61), share)
    core = mask & (np.random.default_rng(seed).random(mask.shape) < 0.5)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=connectivity)
    inside = np.bincount(labels[core], minlength=count)
    expected = sorted((*stats[label].tolist(), int(inside[label])) for label in range(1, count))
    assert sorted(map(tuple, shapes(mask, core, connectivity).tolist())) == expected


def closed_and_opened(edge, shortest):
    bridged = cv2.morphologyEx(edge.view(np.uint8), cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))
    return int(cv2.morphologyEx(bridged, cv2.MORPH_OPEN, np.ones((1, shortest), np.uint8)).sum())


@some
@given(seed=st.integers(0, 2**32), share=st.floats(0, 0.95), shortest=st.integers(6, 31), width=st.integers(32, 120))
def test_straight_pixels_are_those_a_closing_and_an_opening_leave(seed, share, shortest, width):
    edge = drawn(seed, (20, width), share)
    assert straight_pixels(edge, shortest) == closed_and_opened(edge, shortest)


@some
@given(seed=st.integers(0, 2**32), cut=st.floats(0.3, 0.9))
def test_extrema_are_the_pixels_that_no_neighbour_tops(seed, cut):
    cut = float(np.float32(cut))  # NumPy would round it to the plane's type, compiled code the plane to its
    rng = np.random.default_rng(seed)
    plane = cv2.GaussianBlur(rng.normal(size=(40, 50)).astype(np.float32), (0, 0), 0.7).round(2)
    inner = rng.random(plane.shape) < 0.9
    found = []
    for lifted in (plane, -plane):
        is_peak = (lifted > cut) & (lifted == cv2.dilate(lifted, np.ones((7, 7), np.uint8))) & inner
        is_peak[[0, -1]] = is_peak[:, [0, -1]] = False
        found.append(np.argwhere(is_peak))
    y, x, minima = extrema(plane, cut, inner)
    assert np.stack([y, x], axis=1).tolist() == found[0].tolist() and minima == len(found[1])


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 30), width=st.integers(1, 40), swing=st.integers(2, 5))
def test_flat_pixels_and_the_most_common_colour_are_counted_under_the_mask(seed, height, width, swing):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, swing, (height, width, 3), dtype=np.uint8)
    picture[rng.random((height, width)) < 0.8] = 1
    mask, dark = rng.random((height, width)) < 0.8, int(rng.integers(0, 3))
    brightest = picture.max(axis=2)
    lit = mask & (brightest > dark)
    kernel = np.ones((3, 3), np.uint8)
    high, low = cv2.dilate(picture, kernel), cv2.erode(picture, kernel)
    flat = ((high - low).max(axis=2) <= 1) & lit
    counted = np.count_nonzero(flat[::2, ::2]), np.count_nonzero(mask[::2, ::2])
    assert flat_pixels(picture, brightest, mask, dark, 1) == counted
    codes = [tuple(colour) for colour in (picture[::4, ::4][lit[::4, ::4]] >> 3).tolist()]
    most = max((codes.count(code) for code in set(codes)), default=0)
    assert most_common_colour(picture, brightest, mask, dark) == (most, np.count_nonzero(mask[::4, ::4]))


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 30))
def test_colours_are_summed_under_the_mask(seed, height, width):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width)) < 0.7
    values = picture[mask].astype(np.int64)
    red, green, blue = values.T
    products, spread, greenness, by_lightness = colour_sums(picture, mask, 8)
    pixels = np.concatenate([np.ones((len(values), 1), np.int64), values], axis=1)
    assert products.tolist() == (pixels.T @ pixels).tolist()
    assert spread.tolist() == np.bincount(np.abs(red - green) + np.abs(green - blue), minlength=511).tolist()
    assert greenness == np.abs(2 * green - red - blue).sum()
    assert by_lightness[:, 0].tolist() == np.bincount(values.sum(axis=1) * 8 // 766, minlength=8).tolist()
    assert by_lightness[:, 1:].sum(axis=0).tolist() == (3 * values - values.sum(axis=1)[:, None]).sum(axis=0).tolist()


@some
@given(seed=st.integers(0, 2**32), height=st.integers(2, 30), width=st.integers(2, 40), share=st.floats(0.5, 1))
def test_a_halved_picture_is_the_average_of_whole_blocks_and_painted_elsewhere(seed, height, width, share):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask, colour = rng.random((height, width)) < share, rng.integers(0, 256, 3, dtype=np.uint8)
    half, bands, whole, gray, darkest, brightest = halved(picture, mask, colour)
    size = (width // 2, height // 2)
    cut = picture[: 2 * size[1], : 2 * size[0]]
    assert np.array_equal(whole, whole_blocks(mask, 2))
    expected = np.where(whole[..., None], cv2.resize(cut, size, interpolation=cv2.INTER_AREA), colour)
    assert np.array_equal(half, expected) and np.array_equal(bands, half.transpose(2, 0, 1))
    assert np.array_equal(gray, cv2.cvtColor(half, cv2.COLOR_RGB2GRAY))
    assert np.array_equal(darkest, half.min(axis=2)) and np.array_equal(brightest, half.max(axis=2))


@some
@given(seed=st.integers(0, 2**32), height=st.integers(4, 30), width=st.integers(4, 40))
def test_a_quartered_picture_is_what_opencv_averages(seed, height, width):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture[: height // 2] &= 1  # many sums halfway between two levels
    size = (width // 4, height // 4)
    cut = picture[: 4 * size[1], : 4 * size[0]]
    assert np.array_equal(quartered(picture), cv2.resize(cut, size, interpolation=cv2.INTER_AREA))


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 30), width=st.integers(1, 40), most=st.integers(0, 255))
def test_lines_are_summed_up_to_a_level_under_the_mask(seed, height, width, most):
    rng = np.random.default_rng(seed)
    plane, mask = rng.integers(0, 256, (height, width), dtype=np.uint8), rng.random((height, width)) < 0.7
    for axis, (totals, numbers) in enumerate(line_sums(plane, mask, most)):
        assert totals.tolist() == (np.minimum(plane, most).astype(int) * mask).sum(axis=axis).tolist()
        assert numbers.tolist() == mask.sum(axis=axis).tolist()


def test_rows_of_letters_stand_on_one_line_and_are_of_one_height():
    left = np.arange(0, 60, 10)
    flat, tall = np.full(6, 40), np.full(6, 12)
    assert rows_of_letters(left, left + 8, flat, tall, 4) == (6, 6)
    # the fourth is on another line, the rest goes on beside it
    assert rows_of_letters(left, left + 8, np.where(left == 30, 55, flat), tall, 4)[0] == 3
    assert rows_of_letters(left, left + 8, flat, np.where(left == 30, 30, tall), 4) == (3, 0)
    assert rows_of_letters(left, left - 8, flat, tall, 4) == (1, 0)


@some
@given(seed=st.integers(0, 2**32), height=st.integers(2, 30), width=st.integers(2, 40))
def test_slopes_are_those_of_sobel(seed, height, width):
    rng = np.random.default_rng(seed)
    gray, mask = rng.integers(0, 256, (height, width), dtype=np.uint8), rng.random((height, width)) < 0.8
    across, down = (cv2.Sobel(gray, cv2.CV_16S, *axis)[::2, ::2][mask[::2, ::2]].astype(np.int64) for axis in AXES)
    sizes, steep, along = slopes(gray, mask, 200**2, 0.3)
    assert sizes.tolist() == (across**2 + down**2).tolist()
    strong = across**2 + down**2 > 200**2
    low, high = np.sort(np.abs(np.stack([across, down])[:, strong]), axis=0)
    assert (steep, along) == (strong.sum(), (low < 0.3 * high).sum())


@some
@given(seed=st.integers(0, 2**32), shortest=st.integers(6, 25))
def test_ruled_pixels_are_the_straight_ones_of_steps_up_and_of_steps_down(seed, shortest):
    rng = np.random.default_rng(seed)
    gray = cv2.blur(rng.integers(0, 256, (20, 70), dtype=np.uint8), (15, 1))
    mask = rng.random(gray.shape) < 0.95
    known = mask[1:] & mask[:-1]
    steps = (cv2.subtract(gray[1:], gray[:-1]) > 14) & known, (cv2.subtract(gray[:-1], gray[1:]) > 14) & known
    assert ruled_pixels(gray, mask, 14, shortest) == sum(straight_pixels(edge, shortest) for edge in steps)
    outline = mask[1:] != mask[:-1]
    assert outlined_pixels(mask, shortest) == straight_pixels(outline, shortest)


@some
@given(
    width=st.integers(1, 90),
    shortest=st.integers(6, 60),
    begin=st.integers(0, 90),
    length=st.integers(1, 90),
    gap=st.integers(1, 7),
)
def test_a_straight_run_may_lie_anywhere(width, shortest, begin, length, gap):
    edge = np.zeros((1, width), bool)
    edge[0, begin : begin + length : gap] = True
    assert straight_pixels(edge, shortest) == closed_and_opened(edge, shortest)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_nothing_has_no_shapes(connectivity):
    empty = np.zeros((5, 6), bool)
    assert shapes(empty, empty, connectivity).shape == (0, 6)


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 40), most=st.integers(1, 255))
def test_profiles_are_of_the_mean_steps_to_the_next_column_and_row(seed, height, width, most):
    gray = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    levels = gray.astype(float)
    across = np.minimum(np.abs(np.diff(levels, axis=1)), most).mean(axis=0)
    down = np.minimum(np.abs(np.diff(levels, axis=0)), most).mean(axis=1)
    found_across, found_down = step_profiles(gray, most)
    assert np.allclose(found_across, across) and np.allclose(found_down, down)


@some
@given(seed=st.integers(0, 2**32), height=st.integers(1, 30), width=st.integers(1, 40), share=st.floats(0.0, 1.0))
def test_mean_steps_within_a_mask_are_those_of_neighbours_both_under_it(seed, height, width, share):
    rng = np.random.default_rng(seed)
    gray, mask, most = rng.integers(0, 256, (height, width), dtype=np.uint8), drawn(seed, (height, width), share), 24
    for axis, found in zip((1, 0), step_profiles_within(gray, mask, most, 0.25), strict=True):
        steps = np.minimum(np.abs(np.diff(gray.astype(int), axis=axis)), most)
        known = np.logical_and(*(mask.take(np.arange(gray.shape[axis] - 1) + n, axis) for n in (0, 1)))
        number = known.sum(axis=1 - axis)
        expected = (steps * known).sum(axis=1 - axis) / np.maximum(number, 1)
        long = (number > 0) & (number >= 0.25 * number.max(initial=0))
        assert np.array_equal(found, np.where(long, expected, np.nan), equal_nan=True)
    if mask.all():
        whole = zip(step_profiles(gray, most), step_profiles_within(gray, mask, most, 0.25), strict=True)
        assert all(np.array_equal(one, other) for one, other in whole)


@some
@given(seed=st.integers(0, 2**32))
def test_areas_are_those_above_a_level_on_a_grid_of_half_pixels(seed):
    rng = np.random.default_rng(seed)
    boxes = rng.integers(0, 256, (5, 15, 15)).astype(np.float32)
    levels = rng.uniform(30, 220, 5).astype(np.float32)
    fine = [cv2.resize(box, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR) for box in boxes]
    expected = [np.count_nonzero(box > level) / 4 for box, level in zip(fine, levels, strict=True)]
    assert areas_above(boxes, levels).tolist() == expected


@some
@given(seed=st.integers(0, 2**32), factor=st.integers(1, 5), height=st.integers(5, 23), width=st.integers(5, 31))
def test_a_block_is_whole_where_all_its_pixels_are_known(seed, factor, height, width):
    mask = np.random.default_rng(seed).random((height, width)) < 0.9
    cut = mask[: height // factor * factor, : width // factor * factor]
    blocks = cut.reshape(height // factor, factor, width // factor, factor)
    assert np.array_equal(whole_blocks(mask, factor), blocks.all(axis=(1, 3)))
