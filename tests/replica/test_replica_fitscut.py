"""Previews, cut-outs and FITS files: the stretch, the white void, sizes, sky positions, errors."""

import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from scrapers.replica.exchange import Reply, Request
from scrapers.replica.fitscut import PictureService
from scrapers.replica.geometry import separation, unit
from scrapers.replica.sky import synthetic_sky
from scrapers.replica.stretch import block_mean, limits, nearest, to_bytes


@pytest.fixture(scope="module")
def sky():
    return synthetic_sky(seed=1, sides_px=(96, 128))


@pytest.fixture(scope="module")
def service(sky):
    return PictureService(sky)


def ask(service: PictureService, query: str) -> Reply:
    return service.fitscut(Request("/cgi-bin/fitscut.cgi", query, ""))


def pixels(reply: Reply) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(reply.body)))


@pytest.fixture(scope="module")
def three(sky):
    return next(visit for visit in sky.visits if len(visit.color_elements) == 3 and visit.kind == "spiral")


@pytest.fixture(scope="module")
def two(sky):
    return next(visit for visit in sky.visits if len(visit.filters) == 2 and visit.label == "good")


def bands(visit) -> str:
    names = ("red", "green", "blue") if len(visit.color_elements) == 3 else ("red", "blue")
    return "&".join(f"{name}={visit.dataset(e)}" for name, e in zip(names, visit.color_elements, strict=True))


def test_no_data_is_white_and_north_is_up(sky, service, three):
    shown = pixels(ask(service, f"{bands(three)}&size=ALL&format=png"))
    planes = [sky.plane(three.dataset(element)).pixels for element in three.color_elements]
    void = np.logical_and.reduce([np.isnan(plane) for plane in planes])
    assert 0.02 < void.mean() < 0.7
    assert (shown[::-1][void] == 255).all()
    covered = np.logical_and.reduce([np.isfinite(plane) for plane in planes])
    assert (shown[::-1][covered] == 255).all(axis=-1).mean() < 0.05


def test_two_filters_give_a_green_that_is_their_mean(service, two):
    shown = pixels(ask(service, f"{bands(two)}&size=ALL&format=png")).astype(int)
    assert np.array_equal(shown[..., 1], (shown[..., 0] + shown[..., 2]) // 2)


def test_a_url_left_escaped_gives_a_gray_picture(service, three):
    reply = ask(service, bands(three).replace("&", "&amp;") + "&size=ALL&format=jpeg")
    assert Image.open(io.BytesIO(reply.body)).mode == "L"


def test_jpeg_is_marked_and_the_same_each_time(sky, three):
    query = f"{bands(three)}&size=ALL&format=jpeg&asinh=1&autoscale=99.50"
    reply = ask(PictureService(sky), query)
    again = ask(PictureService(synthetic_sky(seed=1, sides_px=(96, 128))), query)
    assert reply == again
    picture = Image.open(io.BytesIO(reply.body))
    assert reply.media_type == "image/jpeg"
    assert picture.size == (three.grid.nx, three.grid.ny)
    assert picture.mode == "RGB"
    assert b"CRVAL1" in picture.info["comment"]


@pytest.mark.parametrize("longest", [16, 50, 64, 200])
def test_output_size_is_the_longest_side(service, three, longest):
    reply = ask(service, f"{bands(three)}&size=90,60&x=60&y=60&output_size={longest}&zoom=3")
    assert Image.open(io.BytesIO(reply.body)).size == (longest, round(longest * 60 / 90))


@pytest.mark.parametrize(("zoom", "factor"), [("0.25", 1 / 4), ("0.14", 1 / 7), ("2", 2), ("1.4", 1)])
def test_zoom_is_a_whole_factor(service, three, zoom, factor):
    size = Image.open(io.BytesIO(ask(service, f"{bands(three)}&size=60&x=60&y=60&zoom={zoom}").body)).size
    assert size == (int(np.ceil(60 * factor)),) * 2


def test_a_cut_out_is_centred_on_the_sky(sky, service, three):
    name = three.dataset(three.filters[0])
    plane = sky.plane(name)
    ra, dec = plane.grid.to_sky(70.0, 41.0)
    for where in (f"ra={ra:.9f}&dec={dec:.9f}", f"x={ra:.9f}&y={dec:.9f}&wcs=1", "x=70&y=41"):
        reply = ask(service, f"red={name}&size=21,11&{where}&format=fits")
        with fits.open(io.BytesIO(reply.body)) as hdus:
            assert np.array_equal(hdus[0].data, plane.pixels[36:47, 60:81], equal_nan=True)
            x, y = WCS(hdus[0].header).world_to_pixel_values(ra, dec)
            assert (x, y) == pytest.approx((10, 5), abs=1e-4)


def test_beyond_the_edge_a_cut_out_is_blank(service, three):
    name = three.dataset(three.filters[0])
    with fits.open(io.BytesIO(ask(service, f"red={name}&size=40&x=0&y=0&format=fits").body)) as hdus:
        assert hdus[0].data.shape == (40, 40)
        assert np.isnan(hdus[0].data[:20]).all()
    assert b"wholly off the image" in ask(service, f"red={name}&size=40&x=900&y=900").body


def test_colour_fits_has_planes_red_green_blue(sky, service, two):
    with fits.open(io.BytesIO(ask(service, f"{bands(two)}&size=ALL&format=fits").body)) as hdus:
        red, green, blue = hdus[0].data
        assert hdus[0].header["CTYPE3"] == "RGB"
        assert hdus[0].header["BITPIX"] == -32
    assert np.array_equal(red, sky.plane(two.dataset(two.color_elements[0])).pixels, equal_nan=True)
    assert np.allclose(green, (red + blue) / 2, equal_nan=True)


def test_one_band_of_any_colour_is_gray_and_inverts(service, three):
    name = three.dataset(three.filters[0])
    gray = pixels(ask(service, f"blue={name}&size=ALL&format=png"))
    assert gray.ndim == 2
    assert np.array_equal(255 - gray, pixels(ask(service, f"Red={name}[SCI]&Size=ALL&Format=PNG&Invert=yes")))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "red=nothing_of_that_name",
        "red={upper}",
        "red={name}&format=pdf",
        "red={name}&size=1,2,3",
        "red={name}&size=99999999",
        "red={name}&zoom=x",
        "red={name}&blue={other}&size=ALL",
    ],
)
def test_errors_are_pages_with_status_200(sky, service, three, query):
    other = next(visit for visit in sky.visits if visit.grid.nx != three.grid.nx)
    name = three.dataset(three.filters[0])
    query = query.format(name=name, upper=name.swapcase(), other=other.dataset(other.filters[0]))
    reply = ask(service, query)
    assert (reply.status, reply.media_type) == (200, "text/html; charset=utf-8")
    assert b"<html>" in reply.body
    plain = ask(service, query + "&texterrors=1")
    assert plain.media_type.startswith("text/plain")
    assert plain.body.startswith(b"fitscut error: ")


def test_preview_shows_whole_products_of_any_kind(service, three):
    def preview(query: str) -> Reply:
        return service.preview(Request("/cgi-bin/preview.cgi", query, ""))

    colour = Image.open(io.BytesIO(preview(f"output_size=256&dataset={three.product}&output_size=64").body))
    assert (colour.mode, max(colour.size)) == ("RGB", 64)
    gray = Image.open(io.BytesIO(preview(f"dataset={three.dataset('total')}").body))
    assert (gray.mode, max(gray.size)) == ("L", 256)
    assert b"There is no dataset" in preview("dataset=x").body


def test_getdata_is_a_drizzled_fits_file(sky, service, three):
    def getdata(query: str) -> Reply:
        return service.getdata(Request("/cgi-bin/getdata.cgi", query, ""))

    name = three.dataset(three.filters[0])
    reply = getdata(f"dataset={name}")
    assert reply.media_type == "image/fits"
    assert ("Content-Disposition", f'attachment; filename="{name}_drz.fits"') in reply.headers
    assert getdata(f"config=ops&download=1&filename={name}_drz.fits").body == reply.body
    with fits.open(io.BytesIO(reply.body)) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "WHT", "CTX"]
        primary = hdus[0].header
        assert (primary["FILTER"], primary["EXPTIME"], primary["NEXTEND"]) == (three.filters[0], three.exptime_s, 3)
        header, data = hdus["SCI"].header, hdus["SCI"].data
        assert header["BUNIT"] == "ELECTRONS/S"
        assert np.array_equal(data, sky.plane(name).pixels, equal_nan=True)
        assert np.array_equal(hdus["WHT"].data > 0, np.isfinite(data))
        wcs = WCS(header)
    ra, dec = wcs.wcs_pix2world(three.grid.nx / 2, three.grid.ny / 2, 1)
    assert separation(unit(float(ra), float(dec)), unit(three.grid.ra, three.grid.dec)) < 1e-9
    up, left = (
        wcs.wcs_pix2world(three.grid.nx / 2, three.grid.ny / 2 + 9, 1),
        wcs.wcs_pix2world(three.grid.nx / 2 - 9, three.grid.ny / 2, 1),
    )
    assert up[1] > dec
    assert left[0] > ra
    assert getdata("").body.strip() == b"dataset parameter is required"
    assert b"There is no file" in getdata(f"dataset={three.product}").body


def test_wfpc2_files_end_with_their_data_quality(sky, service):
    visit = next(visit for visit in sky.visits if visit.detector == "WFPC2")
    body = service.getdata(Request("/cgi-bin/getdata.cgi", f"dataset={visit.dataset(visit.filters[0])}", "")).body
    with fits.open(io.BytesIO(body)) as hdus:
        assert [hdu.name for hdu in hdus][4:] == ["DQ"]
        assert np.array_equal(hdus[4].data == 0, np.isfinite(hdus["SCI"].data))


def test_a_filter_may_have_lost_a_chip(sky, service):
    visit = next(visit for visit in sky.visits if visit.lost)
    red, blue = (sky.plane(visit.dataset(visit.color_elements[place])).pixels for place in (0, -1))
    seen = np.isfinite(red), np.isfinite(blue)
    assert 0.4 < seen[1].sum() / seen[0].sum() < 0.6
    assert (seen[1] & ~seen[0]).mean() < 0.02
    polygons = {d.elements: len(d.polygons) for d in sky.datasets if d.name.startswith(visit.dataset("")[:-1])}
    assert polygons[visit.filters[:1]] == 1 and polygons[visit.filters[1:2]] == 2
    shown = pixels(ask(service, f"{bands(visit)}&size=ALL&format=png"))[::-1]
    fringe = shown[seen[0] & ~seen[1]]
    assert (fringe[:, 2] == 0).all() and fringe[:, 0].max() > 100


@given(arrays(np.float32, (40, 40), elements=st.floats(-100, 100, width=32)), st.floats(95, 99.9))
@settings(deadline=None)
def test_limits_are_percentiles_with_room_above_the_noise(values, percent):
    low, high = limits(values, percent)
    assert high > low
    ordered = np.sort(values, axis=None)
    rank = int(np.ceil((100 - percent) / 100 * ordered.size)) - 1
    if ordered[rank] == ordered[-1]:
        assert (low, high) == (0, 1)
        return
    assert low in ordered[rank - 1 : rank + 2]
    assert low <= np.median(values)
    assert high <= max(ordered[-1], low + 6 * (ordered[ordered.size // 2] - low)) + 1e-3


def test_pure_noise_stays_below_half_of_the_range():
    noise = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
    assert 40 < np.median(to_bytes([noise], 99.5)) < 128


def test_a_wild_pixel_does_not_spoil_the_limits():
    values = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
    calm = limits(values, 99.5)
    values[5, 5] = 1e9
    assert limits(values, 99.5) == pytest.approx(calm, abs=0.05)


def test_the_asinh_stretch_by_hand():
    ramp = np.linspace(0, 1, 50 * 50, dtype=np.float32).reshape(50, 50)
    low, high = limits(ramp, 99.5)
    t = (ramp - low) / (high - low)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(t == 0, 1, np.arcsinh(9 * t) / (9 * t))
    expected = np.clip(255 * t * weight / np.maximum(t * weight, 1) / 0.33, 0, 255).astype(int)
    shown = to_bytes([ramp, ramp, ramp], 99.5)
    assert np.abs(shown[..., 0].astype(int) - expected).max() <= 1
    assert np.array_equal(shown[..., 0], shown[..., 2])
    linear = to_bytes([ramp], 99.5, asinh=False)
    assert np.abs(linear.astype(int) - np.clip(255 * t, 0, 255).astype(int)).max() <= 1


def test_a_band_that_is_blank_where_others_are_not_counts_as_zero():
    band = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    holed = band.copy()
    holed[3:6] = np.nan
    shown = to_bytes([band, holed, band], 99.5)
    assert (shown[3:6, :, 1] == 0).all()
    assert shown[3:6, :, 0].max() > 0


@given(st.integers(1, 9), st.integers(3, 40), st.integers(3, 40))
@settings(deadline=None)
def test_block_mean_and_nearest_keep_a_constant(factor, ny, nx):
    flat = np.full((ny, nx), 3.5, np.float32)
    flat[0, 0] = np.nan
    small = block_mean(flat, factor)
    assert small.shape == ((ny - 1) // factor + 1, (nx - 1) // factor + 1)
    assert np.unique(small[np.isfinite(small)]).tolist() == [3.5]
    assert max(nearest(flat, 17).shape) == 17
