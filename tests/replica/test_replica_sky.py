"""The synthetic sky: fixed by its seed, its truth visible in its pixels."""

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from manifests.footprints import overlapping
from scrapers.replica.geometry import separation, touches, unit
from scrapers.replica.instruments import FILTERS
from scrapers.replica.render import RECIPES, build_scene, expose
from scrapers.replica.sky import CYCLE, M101, SyntheticSky, synthetic_sky
from scrapers.replica.spectra import Spectrum, blackbody_rate, response
from scrapers.replica.stretch import to_bytes


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(seed=1, sides_px=(192, 224))


def colour(sky: SyntheticSky, visit) -> tuple[np.ndarray, np.ndarray]:
    """Display bytes (ny, nx, 3) and valid mask of a visit."""
    planes = [sky.plane(visit.dataset(element)).pixels for element in visit.color_elements]
    shown = to_bytes(planes, 99.5)
    if shown.shape[-1] == 2:
        shown = np.stack([shown[..., 0], shown.mean(axis=-1).astype(np.uint8), shown[..., 1]], axis=-1)
    return shown, np.logical_and.reduce([np.isfinite(plane) for plane in planes])


def chroma(sky: SyntheticSky, visit) -> float:
    """Mean distance from the gray axis in CIE a*b* over the valid px."""
    shown, valid = colour(sky, visit)
    lab = cv2.cvtColor(shown.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return float(np.hypot(lab[..., 1], lab[..., 2])[valid].mean())


def region(visit) -> str:
    return " ".join("Polygon J2000 " + " ".join(f"{ra} {dec}" for ra, dec in polygon) for polygon in visit.polygons())


def of_kind(sky: SyntheticSky, *kinds: str) -> list:
    return [visit for visit in sky.visits if visit.kind in kinds and visit.reprocessing is None]


def test_the_default_sky_has_its_mix_about_m101():
    sky = synthetic_sky(seed=1)
    near = [visit for visit in sky.visits if separation(unit(visit.grid.ra, visit.grid.dec), unit(*M101)) < 1]
    products = [visit for visit in near if len(visit.filters) > 1]
    kinds = Counter(visit.kind for visit in near if visit.label != "good")
    assert len(near) == CYCLE
    assert 130 <= len(products) <= 140
    assert kinds == {
        "noise": 4,
        "saturated": 4,
        "nearly_empty": 4,
        "cosmic_rays": 3,
        "gray": 2,
        "partial": 3,
        "single_filter": 3,
    }
    assert sum(visit.reprocessing is not None for visit in near) == 8
    assert all(384 <= visit.grid.nx <= 450 for visit in near if visit.reprocessing is None)
    assert 15 <= sum(separation(unit(v.grid.ra, v.grid.dec), unit(*M101)) < 0.2 for v in near) <= 40


def test_names_are_unique_and_the_order_is_the_archives(sky):
    names = [dataset.name for dataset in sky.datasets]
    assert len(set(names)) == len(names)
    assert {row.dataset for row in sky.truth} <= set(names)
    assert len(sky.truth) == len(sky.visits)


def test_a_seed_gives_the_same_sky_and_another_seed_another():
    def picture(seed: int) -> np.ndarray:
        sky = synthetic_sky(seed=seed, visits=2, sides_px=(96, 128))
        return sky.plane(sky.visits[1].dataset("total")).pixels

    assert np.array_equal(picture(3), picture(3), equal_nan=True)
    assert picture(3).shape != picture(4).shape or not np.array_equal(picture(3), picture(4), equal_nan=True)


def test_a_larger_sky_holds_the_smaller_one():
    large = synthetic_sky(seed=2, visits=CYCLE + 30)
    assert synthetic_sky(seed=2, visits=CYCLE).visits[:CYCLE] == large.visits[:CYCLE]
    assert len(
        {visit.dataset("total").lower().replace("hst_0", "hst_") + str(visit.old_name) for visit in large.visits}
    ) == len(large.visits)


@pytest.mark.parametrize("kind", sorted(RECIPES))
def test_every_recipe_gives_finite_light_in_every_filter(sky, kind):
    visit = replace(sky.visits[0], scene=kind, kind=kind, scene_seed=5, reprocessing=None)
    scene = build_scene(visit)
    for name in visit.filters:
        plane = expose(visit, scene, FILTERS[name])
        valid = np.isfinite(plane.pixels)
        assert plane.pixels.shape == (visit.grid.ny, visit.grid.nx)
        assert plane.pixels.dtype == np.float32
        assert 0.3 < valid.mean() < 1
        assert plane.pixels[valid].std() > 0


def test_footprints_are_where_the_pixels_are(sky):
    rng = np.random.default_rng(0)
    for visit in sky.visits[:20]:
        pixels = sky.plane(visit.dataset(visit.filters[0])).pixels
        seen = cv2.erode(np.isfinite(pixels).astype(np.uint8), np.ones((9, 9)))
        unseen = cv2.erode(np.isnan(pixels).astype(np.uint8), np.ones((9, 9)), borderValue=1)
        for mask, expected in ((seen, True), (unseen, False)):
            rows, columns = np.nonzero(mask)
            for index in rng.integers(0, rows.size, 10) if rows.size else ():
                place = visit.grid.to_sky(float(columns[index]), float(rows[index]))
                assert touches(visit.polygons(), *place, 0.0) == expected


def test_reprocessed_visits_show_the_same_picture_and_overlapping_ones_do_not(sky):
    def correlation(one, other) -> float:
        shown = [colour(sky, visit)[0].mean(axis=-1).astype(np.float32) for visit in (one, other)]
        small = [cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA) for picture in shown]
        return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])

    again = [visit for visit in sky.visits if visit.reprocessing is not None]
    assert len(again) == 8
    truth = {row.dataset: row for row in sky.truth}
    for visit in again:
        first = visit.reprocessing.of
        assert truth[visit.product].duplicate_of == first.product
        assert visit.product.lower() != first.product.lower() or visit.product != first.product
        assert correlation(visit, first) > 0.9
    same = next(
        visit
        for visit in again
        if visit.reprocessing.zoom == visit.reprocessing.gain == 1 and not visit.reprocessing.shift_px
    )
    name = same.filters[0]
    assert np.array_equal(
        sky.plane(same.dataset(name)).pixels, sky.plane(same.reprocessing.of.dataset(name)).pixels, equal_nan=True
    )

    by_field: dict[str, list] = {}
    for visit in sky.visits:
        if visit.reprocessing is None:
            by_field.setdefault(visit.field, []).append(visit)
    pairs = [visits for visits in by_field.values() if len(visits) == 2]
    assert len(pairs) == 6
    for one, other in pairs:
        assert truth[other.product].duplicate_of is None
        assert correlation(one, other) < 0.9


def test_visits_of_one_field_overlap_at_full_size():
    by_field: dict[str, list] = {}
    for visit in synthetic_sky(seed=1).visits:
        if visit.reprocessing is None:
            by_field.setdefault(visit.field, []).append(visit)
    pairs = [visits for visits in by_field.values() if len(visits) == 2]
    assert len(pairs) == 6
    for one, other in pairs:
        # two squares may cross without a corner of one inside the other
        assert overlapping([region(one), region(other)]) == [(0, 1)]


def test_bad_visits_are_bad_in_the_way_they_say(sky):
    for visit in of_kind(sky, "noise"):
        pixels = sky.plane(visit.dataset(visit.filters[0])).pixels
        quiet = 5 * np.nanmedian(np.abs(pixels))
        filled = np.clip(np.nan_to_num(pixels), -quiet, quiet)
        shifted = (filled[:, 1:] * filled[:, :-1]).mean() / (filled**2).mean()
        assert abs(shifted) < 0.05
    for visit in of_kind(sky, "saturated"):
        shown, valid = colour(sky, visit)
        # three equal bands at their limit show as 255 asinh(9) / 9 / 0.33, which is 248
        assert (shown[valid] >= 245).all(axis=-1).mean() > 0.06
    for visit in of_kind(sky, "partial"):
        assert colour(sky, visit)[1].mean() < 0.25
    for visit in of_kind(sky, "nearly_empty"):
        shown, valid = colour(sky, visit)
        assert (shown[valid].max(axis=-1) > 128).mean() < 0.04
    assert all(len(visit.filters) == 1 for visit in of_kind(sky, "single_filter"))
    grays = [chroma(sky, visit) for visit in of_kind(sky, "gray")]
    spirals = [chroma(sky, visit) for visit in of_kind(sky, "spiral") if len(visit.filters) > 2]
    assert max(grays) < 0.5 * np.median(spirals)


def test_cosmic_rays_differ_between_filters(sky):
    for visit in of_kind(sky, "cosmic_rays"):
        first, second = (np.nan_to_num(sky.plane(visit.dataset(name)).pixels) for name in visit.filters[:2])
        hits = [picture > 10 * np.median(np.abs(picture)) + 0.3 for picture in (first, second)]
        assert (hits[0] & ~hits[1]).sum() > 20
        assert (hits[1] & ~hits[0]).sum() > 20


def test_spirals_are_redder_in_the_middle_than_in_their_arms():
    sky = synthetic_sky(seed=4, visits=30, sides_px=(192, 224))
    redder = []
    for visit in of_kind(sky, "spiral"):
        red, blue = (
            sky.plane(visit.dataset(name)).pixels for name in (visit.color_elements[0], visit.color_elements[-1])
        )
        bright = cv2.GaussianBlur(np.nan_to_num(red), (0, 0), 3)
        row, column = np.unravel_index(np.argmax(bright), bright.shape)
        rows, columns = np.indices(red.shape)
        radius = np.hypot(rows - row, columns - column)
        ratio = [np.nansum(red[zone]) / np.nansum(blue[zone]) for zone in (radius < 6, (radius > 30) & (radius < 60))]
        redder.append(ratio[0] > ratio[1])
    assert len(redder) >= 4
    assert np.mean(redder) > 0.8


def test_spectra_do_what_physics_says():
    red, green, blue = (FILTERS[name] for name in ("F814W", "F555W", "F435W"))
    for hot, cool in ((20000.0, 6000.0), (6000.0, 3500.0)):
        assert blackbody_rate(hot, blue) / blackbody_rate(hot, red) > blackbody_rate(cool, blue) / blackbody_rate(
            cool, red
        )
    assert blackbody_rate(7000.0, green) == pytest.approx(1.0, abs=0.03)
    hydrogen = Spectrum(None, ((6562.8, 1.0),))
    assert response(hydrogen, FILTERS["F656N"]) > 0.9
    assert response(hydrogen, FILTERS["F502N"]) == 0
    assert response(hydrogen, FILTERS["F814W"]) < 0.1


def test_noise_falls_with_exposure_time(sky):
    visit = replace(sky.visits[0], scene="blank", kind="blank", exposures=2)
    deviations = []
    for seconds in (100.0, 10000.0):
        longer = replace(visit, exptime_s=seconds)
        pixels = expose(longer, build_scene(longer), FILTERS["F555W"]).pixels
        deviations.append(1.4826 * np.nanmedian(np.abs(pixels - np.nanmedian(pixels))))  # blind to cosmic rays
    sky_rate, read = 0.03, visit.camera.read_noise_e
    for measured, seconds in zip(deviations, (100.0, 10000.0), strict=True):
        assert measured == pytest.approx(np.sqrt(sky_rate * seconds + 2 * read**2) / seconds, rel=0.1)
