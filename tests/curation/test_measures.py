"""Measurements: right where the truth is known, blind to no-data, and telling of what is no sky."""

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
from drawn_skies import frame, page, sky, turned_footprint
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.measures import MEASURE_NAMES, measure
from curation.signal import noise_sigma
from manifests import schema
from manifests.frames import fits_frame


def test_names_are_the_columns_of_the_schema():
    assert tuple(column.name for column in schema.MEASURES) == MEASURE_NAMES


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), fill=st.integers(0, 255))
def test_what_lies_under_the_mask_has_no_influence(seed, fill):
    rgb, valid = sky(3), turned_footprint(300, 360)
    rng = np.random.default_rng(seed)
    painted = rgb.copy()
    painted[~valid] = fill
    scribbled = rgb.copy()
    scribbled[~valid] = rng.integers(0, 256, (int((~valid).sum()), 3))
    assert measure(frame(painted, valid)) == measure(frame(scribbled, valid))


@pytest.mark.parametrize("sigma", [2.0, 5.0, 12.0])
@pytest.mark.parametrize("stars", [0, 400])
def test_noise_is_measured_within_seven_per_cent_even_in_a_crowd(sigma, stars):
    rng = np.random.default_rng(5)
    light = cv2.cvtColor(sky(1, 400, 400, noise=0.0, stars=stars), cv2.COLOR_RGB2GRAY).astype(float) + 60
    noisy = np.clip(light + rng.normal(0, sigma, light.shape) + 0.5, 0, 255).astype(np.uint8)
    found = noise_sigma(noisy, np.ones(noisy.shape, bool))
    assert found == pytest.approx(sigma, rel=0.07)


def test_noise_of_counts_is_in_their_own_unit():
    counts = np.random.default_rng(1).normal(1000.0, 7.0, (200, 200)).astype(np.float32)
    assert noise_sigma(counts, np.ones(counts.shape, bool)) == pytest.approx(7.0, rel=0.05)


def test_signal_to_noise_of_a_linear_frame_comes_from_its_counts():
    rng = np.random.default_rng(2)
    counts = rng.normal(0.0, 1.0, (200, 200)).astype(np.float32)
    counts[50:60, 50:60] += 500.0
    assert measure(fits_frame(counts)).signal_to_noise == pytest.approx(500.0, rel=0.1)


def test_a_burnt_area_is_one_blob_and_stars_are_not():
    rgb = sky(4)
    assert measure(frame(rgb)).clipped_blob_fraction < 0.001
    burnt = cv2.circle(rgb.copy(), (180, 150), 60, (255, 255, 255), -1)
    measured = measure(frame(burnt))
    area = np.pi * 60**2 / rgb[..., 0].size
    assert measured.clipped_blob_fraction == pytest.approx(area, rel=0.03)
    assert measured.clipped_fraction >= measured.clipped_blob_fraction


def test_gray_has_no_colour_and_a_tint_is_one_filter():
    real = measure(frame(sky(6)))
    gray = cv2.cvtColor(sky(6), cv2.COLOR_RGB2GRAY)
    as_rgb = measure(frame(np.repeat(gray[..., None], 3, axis=2)))
    tinted = measure(frame((gray[..., None] * np.array([1.0, 0.5, 0.2])).astype(np.uint8)))
    palette = measure(frame(cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_HOT), cv2.COLOR_BGR2RGB)))
    assert as_rgb.grayscale and as_rgb.chroma_p99_dn == 0.0
    assert not tinted.grayscale and tinted.colour_rank < 0.02
    assert palette.colour_rank > 0.05 and palette.hue_spread < 0.12
    assert not real.grayscale and real.colour_rank > 0.1 and real.hue_spread > 0.4


def test_green_made_from_two_filters_is_their_mean():
    rgb = sky(7).astype(int)
    rgb[..., 1] = (rgb[..., 0] + rgb[..., 2]) // 2
    assert measure(frame(rgb.astype(np.uint8))).fake_green_dn < 0.6
    assert measure(frame(sky(7))).fake_green_dn > 1.5


def test_a_page_has_text_lines_and_flat_areas():
    drawn, real = measure(frame(page())), measure(frame(sky(8)))
    assert drawn.text_run >= 8 and real.text_run <= 3
    assert drawn.line_length > 2 and real.line_length == 0.0
    assert drawn.flat_fraction > 0.5 and real.flat_fraction < 0.01
    assert drawn.axis_edge_share > 0.3 and real.axis_edge_share < 0.2


def test_words_stand_out_on_a_void_page_too():
    written = np.zeros((300, 400), np.uint8)
    cv2.putText(written, "Surface Temperature", (40, 150), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 1, 2)
    assert measure(frame(np.full((300, 400, 3), 30, np.uint8), written.astype(bool))).text_run >= 7


def test_a_staircase_has_void_lines_and_a_turned_chip_has_none():
    stairs = np.ones((300, 360), bool)
    stairs[:150, :100], stairs[:80, :200] = False, False
    assert measure(frame(sky(9), stairs)).void_line_length == pytest.approx(1.1, abs=0.2)
    assert measure(frame(sky(9), turned_footprint(300, 360))).void_line_length == 0.0


def test_margins_of_one_colour_are_measured():
    rgb = sky(10, 300, 400)
    rgb[-60:], rgb[:, :40] = 0, 0
    assert measure(frame(rgb)).border_fraction == pytest.approx(60 / 300 + 40 / 400, abs=0.01)


def test_stars_are_round_and_noise_is_no_signal():
    stars = measure(frame(sky(11)))
    noise = np.random.default_rng(1).normal(90, 15, (300, 360, 3)).clip(0, 255).astype(np.uint8)
    bare = measure(frame(noise))
    assert stars.round_peak_share > 0.5 and stars.peaks_per_mpx > 100
    assert stars.signal_fraction > 0.05 and bare.signal_fraction < 0.02


def test_enlarging_takes_the_finest_detail():
    small = sky(12, 200, 240, noise=6.0)
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert measure(frame(large)).detail_ratio < 0.5 * measure(frame(small)).detail_ratio


def test_large_frames_are_measured_at_working_size():
    small = sky(13, 300, 360, noise=0.0)
    large = cv2.resize(small, None, fx=5, fy=5, interpolation=cv2.INTER_LINEAR)
    assert measure(frame(large)).chroma_p99_dn == pytest.approx(measure(frame(small)).chroma_p99_dn, rel=0.15)


def test_a_frame_without_data_has_its_coverage_and_nothing_else():
    empty = asdict(measure(frame(sky(1), np.zeros((300, 360), bool))))
    assert empty.pop("coverage") == 0.0
    assert set(empty.values()) == {None}


@pytest.mark.parametrize("shape", [(16, 16), (1, 700), (700, 1), (3, 2), (20, 5000)])
def test_any_shape_is_measured(shape):
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    one = frame(rgb)
    measure(one)
    half = np.zeros(shape, bool)
    half[: (shape[0] + 1) // 2] = True
    measure(replace(one, valid=half))
