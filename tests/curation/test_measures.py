"""Measurements: right where the truth is known, blind to no-data, and telling of what is no sky."""

import io
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
from drawn_skies import encoded, frame, page, sky, turned_footprint
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation.canvas import canvas
from curation.layout import valid_rectangle_fraction
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


# in units of the frame, or of the no-data itself
OF_THE_FRAME = {"coverage", "valid_rectangle_fraction", "void_line_length", "border_fraction"} | {
    "trail_length",
    "line_length",  # which counts shorter ones where they end at the border of the frame
}
# logarithms, or of few stars and pixels, which other samples of the same picture change as much
SLACK = {"texture_4px": 0.06, "texture_8px": 0.06, "texture_16px": 0.1, "dip_share": 0.02, "axis_edge_share": 0.02}


@pytest.mark.parametrize("rim", [30, 48])
@pytest.mark.parametrize("light", [0, 60])
def test_a_rim_without_data_changes_nothing_but_what_is_of_the_frame(rim, light):
    rgb = np.clip(sky(3, 280, 272, stars=200, noise=3.0).astype(int) + light, 0, 255).astype(np.uint8)
    wide = np.pad(rgb, ((rim, rim), (rim, rim), (0, 0)))
    valid = np.pad(np.ones(rgb.shape[:2], bool), rim)
    bare, rimmed = asdict(measure(frame(rgb))), asdict(measure(frame(wide, valid)))
    of_pictures = {name for name, value in bare.items() if value is not None}
    assert {name for name, value in rimmed.items() if value is not None} == of_pictures
    for name in of_pictures - OF_THE_FRAME:
        assert rimmed[name] == pytest.approx(bare[name], rel=0.1, abs=SLACK.get(name, 0.002)), name


def test_a_frame_in_which_no_block_is_whole_is_measured():
    valid = np.zeros((2000, 1500), bool)
    valid[::2] = True
    measured = measure(frame(np.tile(sky(3), (7, 5, 1))[:2000, :1500], valid))
    assert measured.texture_8px is None and (measured.stripe_dn, measured.seam_dn) == (0.0, 0.0)


def test_a_seam_between_chips_is_found_beside_a_void_and_the_outline_of_a_footprint_is_none():
    panels = np.hstack([sky(24, 300, 180), sky(25, 300, 180, noise=4.0) // 2 + 60])
    stairs = np.ones((300, 360), bool)
    stairs[:150, :100] = False
    assert measure(frame(panels, stairs)).seam_dn > 10
    assert measure(frame(sky(24), turned_footprint(300, 360))).seam_dn < 3
    assert measure(frame(sky(24), stairs)).seam_dn < 3


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


def blurred(rgb, sigma):
    return cv2.GaussianBlur(rgb, (0, 0), sigma)


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_the_width_of_stars_is_found(sigma):
    rng = np.random.default_rng(4)
    light = np.zeros((400, 400), np.float32)
    for y in range(20, 400, 40):
        for x in range(20, 400, 40):
            light[y, x] = rng.uniform(0.6, 1.0) * 180 * 2 * np.pi * sigma**2
    stars = np.clip(blurred(light, sigma) + 15 + rng.normal(0, 1, light.shape), 0, 255).astype(np.uint8)
    measured = measure(frame(np.repeat(stars[..., None], 3, axis=2)))
    assert measured.star_fwhm_px == pytest.approx(2.355 * sigma, rel=0.12)


def test_blurring_and_enlarging_take_sharpness_and_speckle():
    rgb = sky(21, 400, 480, noise=0.5, stars=300)
    sharp, soft = measure(frame(rgb)), measure(frame(blurred(rgb, 3.0)))
    assert sharp.edge_sharpness > 0.7 and soft.edge_sharpness < 0.6
    hit = rgb.copy()
    hit[np.random.default_rng(1).integers(0, 400, 60), np.random.default_rng(2).integers(0, 480, 60), 1] = 255
    area = rgb[..., 0].size / 1e6
    assert sharp.speckle_per_mpx * area < 12 and measure(frame(hit)).speckle_per_mpx * area > 30


def test_a_trail_is_as_long_as_it_is_drawn_and_a_field_has_none():
    rgb = sky(22, 400, 480)
    crossed = cv2.line(rgb.copy(), (20, 50), (440, 330), (190, 190, 190), 2)
    assert measure(frame(rgb)).trail_length == 0.0
    assert measure(frame(crossed)).trail_length == pytest.approx(np.hypot(420, 280) / 480, rel=0.15)


def test_jpeg_leaves_blocks_wherever_its_grid_begins():
    rgb = sky(23, 400, 480)
    coded = np.array(Image.open(io.BytesIO(encoded(rgb, "JPEG", quality=20))))
    assert measure(frame(rgb)).blockiness < 1.1
    assert measure(frame(coded)).blockiness > 1.5
    assert measure(frame(coded[3:, 5:])).blockiness > 1.5


def test_panels_have_a_seam_and_bands_are_stripes():
    left, right = sky(24, 300, 200), sky(25, 300, 200, noise=4.0) // 2 + 60
    assert measure(frame(np.hstack([left, right]))).seam_dn > 10 > measure(frame(sky(24))).seam_dn
    banded = np.clip(sky(26).astype(int) + 8 * (np.arange(300) % 2)[:, None, None], 0, 255).astype(np.uint8)
    assert measure(frame(banded)).stripe_dn > 4 * measure(frame(sky(26))).stripe_dn


def test_the_grain_of_two_filters_is_their_own():
    rgb = sky(27, noise=4.0)
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]
    toned = (gray * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    assert abs(measure(frame(rgb)).channel_noise_correlation) < 0.2
    assert measure(frame(toned)).channel_noise_correlation > 0.7


def test_a_negative_has_dips_for_stars_and_its_light_is_skewed_the_other_way():
    real, negative = measure(frame(sky(28))), measure(frame(255 - sky(28)))
    assert real.dip_share < 0.2 and negative.dip_share > 0.8
    assert real.level_skewness > 0 > negative.level_skewness


def test_colourfulness_is_that_of_its_definition():
    rgb = np.random.default_rng(3).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    large = cv2.resize(rgb, (512, 512), interpolation=cv2.INTER_NEAREST).astype(float)
    opponent = large[..., 0] - large[..., 1], (large[..., 0] + large[..., 1]) / 2 - large[..., 2]
    expected = np.hypot(*(o.std() for o in opponent)) + 0.3 * np.hypot(*(o.mean() for o in opponent))
    assert measure(frame(large.astype(np.uint8))).colourfulness_dn == pytest.approx(expected, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), height=st.integers(8, 40), width=st.integers(8, 40))
def test_the_largest_valid_rectangle_is_the_largest(seed, height, width):
    valid = np.random.default_rng(seed).random((height, width)) > 0.15
    best = 0
    for top in range(height):
        for bottom in range(top + 1, height + 1):
            free = "".join("1" if column else " " for column in valid[top:bottom].all(axis=0))
            best = max(best, (bottom - top) * max((len(run) for run in free.split()), default=0))
    found = valid_rectangle_fraction(canvas(frame(np.zeros((height, width, 3), np.uint8), valid)))
    assert found == pytest.approx(best / valid.size)


def test_noise_that_was_enlarged_is_found_by_its_colour():
    rng = np.random.default_rng(11)
    grain = cv2.resize(rng.normal(30, 9, (60, 60, 3)).astype(np.float32), (480, 480), interpolation=cv2.INTER_CUBIC)
    stamp = np.clip(grain, 0, 255).astype(np.uint8)
    cv2.circle(stamp, (240, 240), 30, (120, 110, 100), -1)
    enlarged, real = measure(frame(stamp)), measure(frame(sky(11, 480, 480)))
    assert enlarged.signal_to_grain is not None and real.signal_to_grain is not None
    assert enlarged.signal_to_grain < 15 < real.signal_to_grain
    assert enlarged.signal_to_noise is not None and enlarged.signal_to_noise > 20


def test_contrast_moves_to_the_scale_it_was_drawn_at():
    rng = np.random.default_rng(12)
    small = rng.normal(120, 20, (64, 64)).astype(np.float32)
    for factor, name in ((4, "texture_4px"), (8, "texture_8px")):
        gray = cv2.resize(small[: 512 // factor, : 512 // factor], (512, 512), interpolation=cv2.INTER_CUBIC)
        values = measure(frame(np.repeat(np.clip(gray, 0, 255).astype(np.uint8)[..., None], 3, axis=2)))
        flat = measure(frame(np.full((512, 512, 3), 90, np.uint8)))
        assert getattr(values, name) != getattr(flat, name) == 0.0
    assert measure(frame(sky(1, 60, 60))).texture_4px is None


def test_the_noise_of_a_strongly_compressed_jpeg_is_not_believed():
    rested_on_it = ("noise_sigma_dn", "detail_ratio", "signal_to_noise")
    coarse, fine = (measure(replace(frame(sky(3)), jpeg_quality=quality)) for quality in (74, 75))
    assert [getattr(coarse, name) for name in rested_on_it] == [None] * 3
    assert None not in [getattr(fine, name) for name in rested_on_it]
    assert coarse.noise_coarse_dn == fine.noise_coarse_dn


def test_levels_and_areas_are_those_drawn():
    levels = np.full((400, 400), 40, np.uint8)
    levels[:120] = 2  # black
    levels[120:160] = 120  # a tenth
    drawn = measure(frame(np.repeat(levels[..., None], 3, axis=2)))
    assert (drawn.median_level_dn, drawn.p999_level_dn, drawn.dynamic_range_dn) == (40.0, 120.0, 118.0)
    assert drawn.black_fraction == pytest.approx(0.3, abs=0.01)
    assert drawn.largest_object_fraction == pytest.approx(0.7, abs=0.02)  # against the lower quartile, the black
    assert drawn.mode_fraction == pytest.approx(0.6, abs=0.02)
    pure = np.zeros((400, 400, 3), np.uint8)
    pure[:100, :, 0] = 200  # red alone
    assert measure(frame(pure)).pure_colour_fraction == pytest.approx(0.25, abs=0.02)
    assert measure(frame(np.full((400, 400, 3), 250, np.uint8))).channel_clipped_fraction == 1.0
