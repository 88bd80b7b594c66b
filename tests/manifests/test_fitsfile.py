"""Science images of FITS files: whole or refused, blank pixels, little memory."""

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.fitsfile import UndecodableError, check_science, open_science
from manifests.frames import decode

LIMIT = 10**6


def drizzled(counts, weight=None, quality=None, **options):
    parts = [fits.PrimaryHDU(), fits.ImageHDU(counts, name="SCI", **options)]
    if weight is not None:
        parts.append(fits.ImageHDU(weight, name="WHT"))
    if quality is not None:
        parts.append(fits.ImageHDU(quality, name="DQ"))
    out = io.BytesIO()
    fits.HDUList(parts).writeto(out)
    return out.getvalue()


COUNTS = np.random.default_rng(4).normal(3, 1, (60, 50)).astype(np.float32)
WEIGHT = np.where(np.arange(50) < 20, 0, 100).astype(np.float32) * np.ones((60, 1), np.float32)
WHOLE = drizzled(COUNTS, WEIGHT)


def test_weight_zero_is_no_data():
    with open_science(WHOLE, LIMIT) as science:
        assert science.shape == (60, 50)
        rows = science.rows(7, 30)
    assert np.isnan(rows[:, :20]).all()
    assert np.array_equal(rows[:, 20:], COUNTS[7:30, 20:])
    frame = decode(WHOLE)
    assert frame.valid[:, 20:].all() and not frame.valid[:, :20].any()


def test_blocks_are_all_the_rows(tmp_path):
    tall = np.arange(600 * 3, dtype=np.float32).reshape(600, 3)
    path = tmp_path / "tall.fits"
    path.write_bytes(drizzled(tall))
    with open_science(path, LIMIT) as science:
        assert np.array_equal(np.concatenate(list(science.blocks())), tall)


def test_whole_numbers_with_a_scale_and_a_blank_value():
    hdu = fits.PrimaryHDU(np.arange(60 * 50, dtype=np.int16).reshape(60, 50))
    hdu.header["BLANK"], hdu.header["BSCALE"], hdu.header["BZERO"] = 5, 2.0, 1.0
    out = io.BytesIO()
    hdu.writeto(out)
    with open_science(out.getvalue(), LIMIT) as science:
        rows = science.rows(0, 1)
    assert np.isnan(rows[0, 5]) and rows[0, 6] == 13.0 and rows.dtype == np.float32


def test_compressed_images_are_read_and_checked():
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(COUNTS, name="SCI", quantize_level=0)]).writeto(out)
    data = out.getvalue()
    assert check_science(data, LIMIT) == (60, 50)
    with pytest.raises(UndecodableError) as caught:
        check_science(data[: len(data) // 2], LIMIT)
    assert caught.value.reason == "corrupt"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_cut_anywhere_is_corrupt(size):
    """But between two parts: the first is whole, and nothing says what follows."""
    if size in (0, 20160):
        return
    with pytest.raises(UndecodableError) as caught:
        check_science(WHOLE[:size], LIMIT)
    assert caught.value.reason == ("not_a_picture" if size == 2880 else "corrupt")  # an empty primary alone


def test_lost_and_bad_pixels_are_no_data_and_saturated_ones_are_data():
    quality = np.zeros((60, 50), np.int16)
    quality[0, :4], quality[1, :2] = (1, 2, 4, 6), (256, 4096)
    with open_science(drizzled(COUNTS, quality=quality), LIMIT) as science:
        missing = np.isnan(science.rows(0, 60))
    assert np.argwhere(missing).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


def with_parts(*parts):
    """A file of an empty primary and these images, each given by name, number and values."""
    out = io.BytesIO()
    images = [fits.ImageHDU(values, name=name, ver=number) for name, number, values in parts]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(out)
    return out.getvalue()


CUBE = np.stack([COUNTS, COUNTS + 1, COUNTS + 2])


@pytest.mark.parametrize("name", ["WHT", "WEIGHT"])
@pytest.mark.parametrize(("counts", "weight"), [(COUNTS, WEIGHT), (CUBE, WEIGHT), (CUBE, np.stack([WEIGHT] * 3))])
def test_weights_mask_whatever_their_name_and_planes(name, counts, weight):
    frame = decode(with_parts(("SCI", 1, counts), (name, 1, weight)))
    assert frame.valid[:, 20:].all() and not frame.valid[:, :20].any()


def test_a_weight_that_is_no_number_is_none():
    weight = np.where(WEIGHT > 0, WEIGHT, np.nan).astype(np.float32)
    assert decode(with_parts(("SCI", 1, COUNTS), ("WHT", 1, weight))).valid.mean() == pytest.approx(0.6)


def test_a_pixel_of_three_planes_has_data_where_all_have():
    """As in the composites made here, which count what only some filters saw as no-data."""
    holed = CUBE.copy()
    holed[0, :, :30] = np.nan
    frame = decode(with_parts(("SCI", 1, holed)))
    assert frame.valid[:, 30:].all() and not frame.valid[:, :30].any()
    holed[1, :, 30:] = np.nan
    with pytest.raises(UndecodableError, match="no pixel with data"):
        check_science(with_parts(("SCI", 1, holed)), LIMIT)


def test_of_several_chips_the_first_is_read_with_its_own_flags_and_the_others_are_counted():
    bad, none = np.full((60, 50), 4, np.int16), np.zeros((60, 50), np.int16)
    bad[:, 20:] = 0
    data = with_parts(("SCI", 1, COUNTS), ("DQ", 2, none), ("SCI", 2, COUNTS), ("DQ", 1, bad))
    frame = decode(data)
    assert frame.unread_images == 1 and decode(WHOLE).unread_images == 0
    assert frame.valid[:, 20:].all() and not frame.valid[:, :20].any()


def padded(counts):
    """Counts (600, 700) with exact zeros outside of a turned chip, and the chip."""
    y, x = np.mgrid[: counts.shape[0], : counts.shape[1]]
    chip = (np.abs(x - 350 + 0.3 * (y - 300)) < 200) & (np.abs(y - 300 - 0.3 * (x - 350)) < 180)
    return np.where(chip, counts, 0).astype(counts.dtype), chip


DEEP = np.random.default_rng(7).normal(0, 1, (600, 700)).astype(np.float32)


def test_what_drizzling_left_at_zero_is_no_data_and_no_other_zero_is():
    counts, chip = padded(DEEP)
    counts[290:310, 340:360] = 0.0  # a hole within the chip is not known to be one
    valid = decode(with_parts(("SCI", 1, counts))).valid[::-1]
    assert np.array_equal(valid, chip)
    cube = np.stack([counts, DEEP, DEEP])
    assert np.array_equal(decode(with_parts(("SCI", 1, cube))).valid[::-1], chip)
    with open_science(with_parts(("SCI", 1, counts)), LIMIT) as science:
        assert np.array_equal(np.isnan(science.rows(100, 350)), ~chip[100:350])


def test_zeros_that_may_be_counted_are_data():
    rng = np.random.default_rng(8)
    photons = rng.poisson(0.02, (600, 700)).astype(np.float32)
    photons[:300] = rng.poisson(0.5, (300, 700))
    whole_numbers, _ = padded((100 + DEEP).astype(np.int16))
    weighed, _ = padded(DEEP)
    assert decode(with_parts(("SCI", 1, photons))).valid.all()
    assert decode(with_parts(("SCI", 1, whole_numbers))).valid.all()
    assert decode(with_parts(("SCI", 1, weighed), ("WHT", 1, np.ones((600, 700), np.float32)))).valid.all()


def test_an_image_of_zeros_has_no_data():
    with pytest.raises(UndecodableError, match="no pixel with data"):
        decode(with_parts(("SCI", 1, np.zeros((60, 50), np.float32))))


def test_what_is_missing_is_said():
    with pytest.raises(UndecodableError, match=r"part 2 \(WHT\) declares 12000 bytes of data, 4320 are there"):
        check_science(WHOLE[:27360], LIMIT)
    with pytest.raises(UndecodableError, match="within the header of part 2"):
        check_science(WHOLE[: 5760 + 14400 + 100], LIMIT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (drizzled(np.full((60, 50), np.nan, np.float32)), "corrupt"),
        (drizzled(COUNTS, np.zeros((60, 50), np.float32)), "corrupt"),
        (drizzled(np.zeros((1001, 1000), np.float32)), "too_large"),
        (drizzled(np.zeros((5, 60, 50), np.float32)), "not_a_picture"),
        (drizzled(COUNTS[0]), "not_a_picture"),
        (WHOLE.replace(b"NAXIS1  =                   50", b"NAXIS1  =        9999999999999"), "too_large"),
    ],
)
def test_what_is_no_picture_is_refused(data, reason):
    with pytest.raises(UndecodableError) as caught:
        check_science(data, LIMIT)
    assert caught.value.reason == reason


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_any_damage_is_a_shape_or_one_error(changes):
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place if value % 2 else place % 8640] = value
    try:
        assert len(check_science(bytes(data), LIMIT)) in (2, 3)
    except UndecodableError as error:
        assert error.reason in ("corrupt", "not_a_picture", "too_large")
