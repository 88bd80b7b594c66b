"""Estimators on counts: defects of known size are found, and what good exposures have is none."""

import io

import cv2
import numpy as np
import pytest
from astropy.io import fits

from curation.counts import saturated, sharp
from curation.measures import measure
from manifests.frames import decode, fits_frame

SIGMA = 5.0
STAR_SIGMA_PX = 0.85  # as narrow as the stars of ACS, on pixels of 0.05 arcsec


def field(seed=1, side=400, stars=150, star_sigma=STAR_SIGMA_PX):
    """Electrons of stars and a galaxy on a sky of 100, with noise of photons and readout, float32 (side, side)."""
    rng = np.random.default_rng(seed)
    fine = np.zeros((side, side), np.float64)
    for _ in range(stars):
        y, x = rng.uniform(5, side - 5, 2)
        rows, columns = np.mgrid[int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6]
        inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        light = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * star_sigma**2)) * 10 ** rng.uniform(2, 4.5)
        fine[rows[inside], columns[inside]] += light[inside]
    rows, columns = np.mgrid[:side, :side]
    fine += 3000 * np.exp(-np.hypot(rows - 0.3 * side, 2 * (columns - 0.6 * side)) / 25)
    counts = rng.poisson(fine + SIGMA**2).astype(np.float64) - SIGMA**2
    return (counts + 100).astype(np.float32)


FIELD = field()


def measured(counts):
    return measure(fits_frame(np.array(counts, np.float32)))


def test_a_good_exposure_has_no_defect():
    for counts in (FIELD, FIELD * 0.001, np.stack([FIELD, field(2), field(3)])):
        found = measured(counts)
        assert found.clipped_fraction == found.channel_clipped_fraction == 0.0
        assert found.speckle_per_mpx < 200
        assert found.trail_length == 0.0


def test_noise_and_range_are_in_counts():
    found = measured(FIELD)
    assert found.noise_counts == pytest.approx(SIGMA, rel=0.2)  # and that of the galaxy's photons
    low, high = np.percentile(FIELD, [1, 99])
    assert found.dynamic_range_counts == pytest.approx(high - low)
    assert measured(FIELD * 3).noise_counts == pytest.approx(3 * found.noise_counts, rel=1e-3)
    assert measured(FIELD * 3).signal_to_noise == pytest.approx(found.signal_to_noise, rel=1e-3)


def test_a_constant_image_has_no_signal():
    assert measured(np.full((100, 100), 7.0)).signal_to_noise == 0.0


@pytest.mark.parametrize("height", [80.0, 30_000.0])
def test_hot_pixels_are_counted_whatever_their_height(height):
    hot = FIELD.copy()
    places = np.random.default_rng(4).choice(hot.size, hot.size // 50, replace=False)
    hot.ravel()[places] += height
    assert measured(hot).speckle_per_mpx == pytest.approx(20_000, rel=0.25)


def test_tracks_of_cosmic_rays_are_found_pixel_by_pixel_and_narrow_stars_are_not():
    tracks = np.zeros(FIELD.shape, np.float32)
    rng = np.random.default_rng(5)
    for _ in range(60):
        x, y = rng.integers(20, 380, 2).tolist()
        across, down = rng.integers(-9, 10, 2).tolist()
        cv2.line(tracks, (x, y), (x + across, y + down), 900.0, 1)
    found = sharp(FIELD + tracks, np.ones(FIELD.shape, bool), SIGMA)
    assert found[tracks > 0].mean() > 0.8
    assert found[tracks == 0].mean() < 0.001
    undersampled = field(6, star_sigma=0.65)  # a full width of 1.5 px, as on the wide chips of WFPC2
    assert sharp(undersampled, np.ones(FIELD.shape, bool), SIGMA).mean() < 0.0005


def test_a_plateau_is_saturated_at_any_level_and_stars_are_not():
    y, x = np.mgrid[:400, :400]
    disc = np.hypot(y - 200, x - 200) < 95
    share = disc.mean()
    for level in (65535.0, 800.0):
        burnt = measured(np.where(disc, np.float32(level), FIELD))
        assert burnt.clipped_fraction == pytest.approx(share, rel=0.05)
        assert burnt.clipped_blob_fraction == pytest.approx(share, rel=0.05)
        assert burnt.speckle_per_mpx < 200
    bent = np.where(disc, 60_000 * (1 + 1e-5 * x), FIELD)  # as flat fields do
    assert measured(bent).clipped_fraction == pytest.approx(share, rel=0.05)


def test_one_plane_that_is_burnt_is_a_channel():
    y, x = np.mgrid[:400, :400]
    planes = np.stack([FIELD, field(2), field(3)])
    planes[1][np.hypot(y - 200, x - 200) < 95] = 65535.0
    found = measured(planes)
    assert found.clipped_fraction == 0.0 and found.channel_clipped_fraction > 0.15


def test_the_file_may_say_from_which_count_on_pixels_are_saturated():
    hdu = fits.PrimaryHDU(FIELD)
    hdu.header["SATURATE"] = 2000.0
    out = io.BytesIO()
    hdu.writeto(out)
    frame = decode(out.getvalue())
    assert frame.saturated_at == 2000.0
    assert measure(frame).clipped_fraction == pytest.approx((FIELD >= 2000).mean())
    assert saturated(FIELD, np.ones(FIELD.shape, bool), SIGMA, None).mean() == 0.0


@pytest.mark.parametrize("sigma", [STAR_SIGMA_PX, 2.0, 8.0])
def test_the_width_of_stars_is_found_also_where_they_are_blurred(sigma):
    blur = np.sqrt(sigma**2 - STAR_SIGMA_PX**2)
    counts = field(7, 800, 60)
    if blur > 0:
        rng = np.random.default_rng(8)
        counts = cv2.GaussianBlur(counts, (0, 0), blur) + rng.normal(0, SIGMA / 2, counts.shape)
    assert measured(counts).star_fwhm_px == pytest.approx(2.355 * sigma, rel=0.2)


@pytest.mark.parametrize("height", [6 * SIGMA, 10_000.0])
def test_a_trail_is_as_long_as_it_is_faint_or_bright(height):
    trail = np.zeros((800, 800), np.float32)
    cv2.line(trail, (0, 100), (799, 640), height, 5)
    counts = field(9, 800)
    assert measured(counts).trail_length == 0.0
    assert measured(counts + trail).trail_length == pytest.approx(np.hypot(799, 540) / 800, rel=0.15)


def test_what_lies_under_the_mask_has_no_influence_on_counts():
    holed = FIELD.copy()
    holed[:150, 200:] = np.nan
    burnt = np.where(np.isnan(holed), 65535.0, holed)
    weight = np.where(np.isnan(holed), 0.0, 1.0)
    out = io.BytesIO()
    parts = [fits.ImageHDU(values.astype(np.float32), name=name) for name, values in (("SCI", burnt), ("WHT", weight))]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(out)
    assert measure(decode(out.getvalue())) == measured(holed)


@pytest.mark.parametrize("shape", [(16, 16), (3, 20, 30), (1, 700), (700, 3), (20, 5000), (600, 40)])
def test_counts_of_any_shape_are_measured(shape):
    measured(np.random.default_rng(0).normal(0, 1, shape))
