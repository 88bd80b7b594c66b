"""Colour from counts: limits, renderings, masks, filters to colours, grids, what the file says of itself."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from manifests.errors import UsageError
from manifests.frames import decode
from scrapers.avm import place_of, read_avm
from scrapers.bands import NoCompositeError, Stack, colour_order, open_stack
from scrapers.composite import METHODS, Method, autoscale, compose, encode, method_of
from scrapers.products import Product
from scrapers.replica.exchange import Request
from scrapers.replica.fitscut import PictureService
from scrapers.replica.sky import synthetic_sky
from scrapers.xmp import packet

LIMIT = 10**8


class Plane:
    """Counts in memory as a band."""

    def __init__(self, counts: np.ndarray) -> None:
        self.counts = counts.astype(np.float32)
        self.shape = (counts.shape[0], counts.shape[1])

    def rows(self, start: int, stop: int) -> np.ndarray:
        return self.counts[start:stop].copy()


def noise(seed: int, shape: tuple[int, int] = (300, 40)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape)


@pytest.fixture(scope="module")
def sky():
    return synthetic_sky(seed=1, sides_px=(96, 128))


def by_kind(sky, kind: str):
    return next(visit for visit in sky.visits if visit.kind == kind)


@pytest.mark.parametrize(
    "kind", ["spiral", "noise", "saturated", "nearly_empty", "emission_nebula", "gray", "lost_chip"]
)
def test_asinh_is_what_the_archive_renders(sky, kind: str) -> None:
    """The local archive's stretch is another hand's, with exact percentiles: rounding alone may tell them apart."""
    visit = by_kind(sky, kind)
    names = [visit.dataset(element) for element in visit.color_elements]
    roles = ("red", "green", "blue") if len(names) == 3 else ("red", "blue")
    query = "&".join(f"{role}={name}" for role, name in zip(roles, names, strict=True))
    reply = PictureService(sky).fitscut(Request("/cgi-bin/fitscut.cgi", f"{query}&size=ALL&format=png", ""))
    theirs = np.asarray(Image.open(io.BytesIO(reply.body))).astype(int)
    ours = compose([Plane(sky.plane(name).pixels) for name in names], "asinh")
    difference = np.abs(ours.rgba[..., :3] - theirs)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02
    assert np.array_equal(ours.rgba[..., 3] == 0, (theirs == 255).all(axis=-1) & (ours.rgba[..., 3] != 255))


@given(
    arrays(np.float32, (24, 20), elements=st.integers(-80_000, 80_000).map(lambda number: number / 8)),
    st.floats(0, 0.4),
)
@settings(deadline=None, max_examples=40)
def test_limits_are_the_percentiles(counts: np.ndarray, blank: float) -> None:
    counts[: int(24 * blank)] = np.nan
    values = np.sort(counts[np.isfinite(counts)]).astype(np.float64)
    limits = autoscale(Plane(counts))
    low, median, high = (values[max(int(np.ceil(share * values.size)) - 1, 0)] for share in (0.005, 0.5, 0.995))
    raised = max(high, median + 5 * (median - low))
    if low == raised:
        assert (limits.low, limits.high) == (pytest.approx(low, abs=1e-6), values[-1]) or limits.high == 1.0
        return
    # to a bin of a histogram with 10,000 between the limits
    assert limits.low == pytest.approx(low, abs=6e-4 * (raised - low))
    assert limits.high == pytest.approx(raised, abs=6e-4 * (raised - low))


def test_a_wild_pixel_does_not_spoil_the_limits() -> None:
    calm = autoscale(Plane(noise(1)))
    wild = noise(1)
    wild[5, 5], wild[7, 7] = 1e9, -1e12
    limits = autoscale(Plane(wild))
    assert (limits.low, limits.high) == pytest.approx((calm.low, calm.high), abs=0.1)


@pytest.mark.parametrize("counts", [np.full((9, 9), np.nan), np.full((9, 9), 3.0)])
def test_a_band_with_nothing_to_see_has_limits_all_the_same(counts: np.ndarray) -> None:
    assert autoscale(Plane(counts)).high > autoscale(Plane(counts)).low


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [2, 3])
def test_masks_say_who_saw_what(method: Method, number: int, tmp_path: Path) -> None:
    counts = [noise(seed) + 0.5 * seed for seed in range(number)]
    counts[0][:30] = np.nan
    for plane in counts:
        plane[:, :10] = np.nan
    made = compose([Plane(plane) for plane in counts], method)
    alpha = made.rgba[::-1, :, 3]  # rows from the bottom, as the counts
    assert (alpha[:, :10] == 0).all() and (made.rgba[:, :10, :3] == 255).all()
    assert (alpha[:30, 10:] == 128).all() and (alpha[30:, 10:] == 255).all()
    assert made.partial_fraction == pytest.approx(30 * 30 / (300 * 40))
    assert made.seen
    data = encode(made, "<x/>", "c")
    frame = decode(data)
    assert np.array_equal(frame.valid, made.rgba[..., 3] == 255)
    assert np.array_equal(frame.rgb, made.rgba[..., :3])
    assert frame.channels == 3


@pytest.mark.parametrize("method", METHODS)
def test_green_of_two_bands_is_their_mean(method: Method) -> None:
    made = compose([Plane(noise(1) + 2), Plane(noise(2))], method).rgba.astype(int)
    lit = ((made[..., :3] > 0) & (made[..., :3] < 250)).all(axis=-1)
    assert np.abs(made[..., 1] - (made[..., 0] + made[..., 2]) / 2)[lit].max() <= (0.5 if method == "asinh" else 1.5)


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_rendered_alike_wherever_they_are_cut(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    bands = [Plane(noise(seed, (500, 30)) ** 3) for seed in range(3)]
    whole = compose(bands, method).rgba
    monkeypatch.setattr("scrapers.composite._ROWS_AT_ONCE", 37)
    assert np.array_equal(compose(bands, method).rgba, whole)


def test_lupton_keeps_the_hue_of_what_is_bright() -> None:
    counts = [noise(seed, (200, 200)) for seed in range(3)]
    for factor, plane in zip((4.0, 2.0, 1.0), counts, strict=True):
        plane[95:105, 95:105] += 3000 * factor
    burnt, kept = (compose([Plane(plane) for plane in counts], method).rgba[100, 100, :3] for method in METHODS)
    assert kept[0] == 255 and kept[2] < 0.9 * kept[0]
    assert burnt.min() > kept.min()


def test_there_are_two_methods() -> None:
    assert [method_of(name) for name in ("asinh", " Lupton")] == list(METHODS) == ["asinh", "lupton"]
    with pytest.raises(UsageError, match="choose from asinh, lupton"):
        method_of("log")


@pytest.mark.parametrize(
    ("instrument", "filters", "order"),
    [
        ("ACS/WFC", ["F435W", "F814W", "F555W"], ("F814W", "F555W", "F435W")),
        ("ACS/WFC", ["F435W", "F606W", "F775W", "F850LP"], ("F850LP", "F606W", "F435W")),
        # the medium band is the redder of the two, whatever its number
        ("ACS/WFC", ["F550M", "F555W"], ("F550M", "F555W")),
        ("WFPC2", ["F450W", "F814W"], ("F814W", "F450W")),
        ("WFC3/IR", ["F098M", "F160W", "F125W"], ("F160W", "F125W", "F098M")),
        ("NIC3", ["F160W", "F110W"], ("F160W", "F110W")),
        ("ACS/WFC", ["F606W", "CLEAR", "POL0UV"], ("F606W",)),
        (None, [], ()),
    ],
)
def test_filters_become_colours(instrument: str | None, filters: list[str], order: tuple[str, ...]) -> None:
    assert colour_order(instrument, filters) == order


def header(**cards: object) -> fits.Header:
    own = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 50.0, "CRPIX2": 40.0, "CRVAL1": 210.8, "CRVAL2": 54.35,
        "CD1_1": -1.38889e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1.38889e-5, "RADESYS": "ICRS",
    }  # fmt: skip
    return fits.Header({**own, **cards})


def saved(path: Path, counts: np.ndarray, **cards: object) -> Path:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(counts.astype(np.float32), header(**cards), name="SCI")]).writeto(
        path
    )
    return path


def test_whole_shifts_are_put_on_one_grid(tmp_path: Path) -> None:
    one, two = noise(1, (80, 100)), noise(2, (90, 95))
    paths = [saved(tmp_path / "1.fits", one), saved(tmp_path / "2.fits", two, CRPIX1=53.0, CRPIX2=35.005)]
    with open_stack(paths, LIMIT) as stack:
        assert stack.shape == (95, 103)
        first, second = (band.rows(0, 95) for band in stack.bands)
        parts = np.concatenate([stack.bands[1].rows(start, start + 5) for start in range(0, 95, 5)])
    assert np.array_equal(first[:80, 3:], one.astype(np.float32)) and np.isnan(first[80:]).all()
    assert np.array_equal(second[5:, :95], two.astype(np.float32)) and np.isnan(second[:5]).all()
    assert np.array_equal(parts, second, equal_nan=True)
    assert stack.wcs.wcs_pix2world([[13, 20]], 0) == pytest.approx(WCS(header()).wcs_pix2world([[10, 20]], 0))


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"CRPIX1": 50.4}, "other_grid"),
        ({"CD1_1": -1.4e-5}, "other_grid"),
        ({"CD1_2": 1e-8, "CD2_1": 1e-8}, "other_grid"),
        ({"CRVAL1": 210.81}, "other_grid"),
        ({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}, "other_grid"),
        ({"CRPIX1": 90_000.0, "CRPIX2": 90_000.0}, "too_large"),
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "no_wcs"),
    ],
)
def test_grids_that_do_not_fit_are_refused(tmp_path: Path, cards: dict[str, object], reason: str) -> None:
    paths = [saved(tmp_path / "1.fits", noise(1, (80, 100))), saved(tmp_path / "2.fits", noise(2, (80, 100)), **cards)]
    with pytest.raises(NoCompositeError) as caught, open_stack(paths, LIMIT):
        pass
    assert caught.value.reason == reason


def test_the_picture_says_what_and_where_it_is(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{seed}.fits", noise(seed, (80, 100))) for seed in range(3)]
    one = Product(
        "hla", "hla:x", "x", "r", obs_title="M101 & <co>", filters="F814W/F555W/F435W", instrument_name="ACS/WFC",
        credit="NASA",
    )  # fmt: skip

    def made(stack: Stack) -> bytes:
        return encode(compose(stack.bands, "asinh"), packet(one, stack.wcs, stack.shape), "CRVAL1  = 210.8")

    with open_stack(paths, LIMIT) as stack:
        data = made(stack)
        assert made(stack) == data
        expected = stack.wcs.wcs_pix2world([[49.5, 39.5]], 0)[0]
    avm = read_avm(data)
    assert avm is not None and avm.Title == "M101 & <co>" and avm.Credit == "NASA"
    assert avm.Spectral.Bandpass == ["F814W", "F555W", "F435W"]
    assert avm.Spectral.ColorAssignment == ["Red", "Green", "Blue"]
    place = place_of(avm, (100, 80))
    assert place is not None and [place.s_ra, place.s_dec] == pytest.approx(expected, abs=1e-6)
    assert place.s_resolution == pytest.approx(0.05, rel=1e-4)
    picture = Image.open(io.BytesIO(data))
    assert picture.info["Comment"] == "CRVAL1  = 210.8" and picture.mode == "RGBA"


@pytest.mark.parametrize("projection", ["TAN", "SIN", "SZP"])
def test_a_projection_that_avm_has_no_word_for_is_no_error(projection: str) -> None:
    sky = WCS(header(CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}"))
    text = packet(Product("hla", "hla:x", "x", "r", filters="F814W/F606W"), sky, (80, 100))
    avm = read_avm(text.encode())
    assert avm is not None and avm.Spectral.ColorAssignment == ["Red", "Blue"]
    assert (place_of(avm, (100, 80)) is not None) == (projection in ("TAN", "SIN"))
