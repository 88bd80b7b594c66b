"""Decoding: formats, depth, masks, damage."""

import gzip
import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from manifests.frames import COVERAGE_CHUNK, UndecodableError, decode, fits_frame, pixel_digest, stretch


def encoded(array, kind, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def sky(height=96, width=128, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(5, 200, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_lossless_formats_come_back_exactly(kind):
    picture = sky()
    frame = decode(encoded(picture, kind))
    assert np.array_equal(frame.rgb, picture)
    assert frame.valid.all()
    assert (frame.channels, frame.domain, frame.jpeg_quality) == (3, "stretched", None)


@pytest.mark.parametrize("quality", [30, 50, 75, 85, 92, 95])
def test_jpeg_quality_is_read_from_the_tables(quality):
    frame = decode(encoded(sky(), "JPEG", quality=quality))
    assert abs(frame.jpeg_quality - quality) <= 1


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_has_the_pixels_that_pillow_gives_it(subsampling, options):
    jpeg = encoded(sky(97, 131), "JPEG", quality=85, subsampling=subsampling, **options)
    assert np.array_equal(decode(jpeg).rgb, np.asarray(Image.open(io.BytesIO(jpeg))))


def test_a_jpeg_is_turned_as_its_exif_says():
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    plain, lying = (encoded(sky(), "JPEG", quality=85, exif=exif) for exif in (Image.Exif(), turned))
    assert np.array_equal(decode(lying).rgb, np.rot90(decode(plain).rgb, -1))


def test_a_jpeg_that_libjpeg_only_warns_of_is_still_read():
    whole = encoded(sky(), "JPEG", quality=85, restart_marker_rows=1)
    second = whole.index(b"\xff\xd1")
    damaged = whole[: second - 8] + whole[second:]
    assert decode(damaged).rgb.shape == decode(whole).rgb.shape


def test_grayscale_files_have_one_channel():
    frame = decode(encoded(sky()[..., 0], "JPEG"))
    assert frame.channels == 1
    assert frame.rgb.shape == (96, 128, 3)


def test_sixteen_bits_are_scaled():
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    frame = decode(encoded(values, "PNG"))
    assert frame.rgb[0, 0, 0] == 0
    assert frame.rgb[-1, -1, 0] == 255
    assert abs(int(frame.rgb[32, 0, 1]) - 128) <= 1


def sixteen_bit_png(pixels, *, colour_type, transparent=None):
    """A PNG of 16 bits a channel, which Pillow does not write: uint16 (H, W) or (H, W, 2), gray and alpha."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
            b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent)),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def test_sixteen_bits_of_gray_with_alpha_are_gray_and_masked():
    gray = np.linspace(2000, 65000, 64 * 64).astype(np.uint16).reshape(64, 64)
    alpha = np.full((64, 64), 65535, np.uint16)
    alpha[:9] = 0
    frame = decode(sixteen_bit_png(np.dstack([gray, alpha]), colour_type=4))
    assert frame.channels == 1 and np.array_equal(frame.valid, alpha > 0)
    gray[40:50, 10:20] = 1000  # which in 8 bits is the level of others too
    gray[:2, :2] = 1001
    frame = decode(sixteen_bit_png(gray, colour_type=0, transparent=1000))
    assert frame.channels == 1 and np.array_equal(frame.valid, gray != 1000)


def test_transparent_pixels_hold_no_data():
    picture = np.dstack([sky(), np.full((96, 128), 255, np.uint8)])
    picture[:10, :, 3] = 0
    frame = decode(encoded(picture, "PNG"))
    assert not frame.valid[:10].any()
    assert frame.valid[10:].all()


def test_a_composite_holds_data_where_all_its_bands_do():
    picture = np.dstack([sky(), np.full((96, 128), 255, np.uint8)])
    picture[:10, :, 3] = 0
    picture[10:20, :, 3] = 128
    picture[20:60, :60, :3] = 0  # which a picture without a mask of its own would lose
    marked = PngInfo()
    marked.add_text(*COVERAGE_CHUNK)
    frame = decode(encoded(picture, "PNG", pnginfo=marked))
    assert np.array_equal(frame.valid, picture[..., 3] == 255)
    assert np.array_equal(frame.rgb, picture[..., :3])
    assert decode(encoded(picture, "PNG")).valid[10:20, 70:].all()


def test_fits_counts_keep_their_values_and_north_is_up():
    counts = np.random.default_rng(1).normal(10, 2, (80, 100)).astype(np.float32)
    counts[:8] = np.nan
    counts[70, 50] = 500
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(counts, name="SCI")]).writeto(out)
    for data in (out.getvalue(), gzip.compress(out.getvalue())):
        frame = decode(data)
        assert frame.domain == "linear"
        assert not frame.valid[-8:].any()
        assert frame.valid[:-8].all()
        assert frame.linear[80 - 1 - 70, 50] == 500
        assert frame.rgb[80 - 1 - 70, 50].min() == 255


def test_a_rotated_chip_on_white_is_masked():
    height = width = 400
    y, x = np.mgrid[:height, :width] - 200
    inside = (np.abs(x * 0.94 + y * 0.34) < 130) & (np.abs(-x * 0.34 + y * 0.94) < 130)
    picture = np.where(inside[..., None], sky(height, width) // 4, 255).astype(np.uint8)
    frame = decode(encoded(picture, "JPEG", quality=85))
    assert (frame.valid == inside).mean() > 0.97


def test_a_black_staircase_is_masked_and_clipped_sky_is_not():
    picture = sky(400, 400)
    picture[:150, 250:] = 0
    frame = decode(encoded(picture, "JPEG", quality=90))
    assert not frame.valid[:140, 260:].any()
    assert frame.valid[160:].all()
    y, x = np.mgrid[:400, :400]
    wave = 70 + 12 * np.sin(np.arctan2(y - 200, x - 200) * 23)
    nebula = np.where((np.hypot(y - 200, x - 200) < wave)[..., None], sky(400, 400), 0).astype(np.uint8)
    assert decode(encoded(nebula, "PNG")).valid.all()


def test_white_stars_are_data():
    picture = np.full((300, 300, 3), 8, np.uint8)
    picture[140:160, 140:160] = 255
    assert decode(encoded(picture, "PNG")).valid.all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_a_picture"),
        (b"<!DOCTYPE html><html>gone</html>", "not_a_picture"),
        (b"dataset parameter is required", "not_a_picture"),
        (b"\xff\xd8\xff\xe0 nothing else", "corrupt"),
        (b"SIMPLE  =                    T", "corrupt"),
    ],
)
def test_other_bytes_are_refused_with_a_reason(data, reason):
    with pytest.raises(UndecodableError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_too_many_pixels_are_refused_before_decoding():
    with pytest.raises(UndecodableError) as caught:
        decode(encoded(np.zeros((2000, 2000), np.uint8), "PNG"), max_pixels=1_000_000)
    assert caught.value.reason == "too_large"
    assert "2000x2000" in str(caught.value)


PICTURES = [
    encoded(sky(), "JPEG", quality=80),
    encoded(sky(), "PNG"),
    encoded(sky(), "TIFF", compression="tiff_deflate"),
]


@settings(max_examples=60, deadline=None)
@given(which=st.integers(0, 2), keep=st.floats(0, 0.99), flips=st.lists(st.integers(0, 10**6), max_size=5))
def test_damage_is_an_error_or_a_picture_never_a_crash(which, keep, flips):
    data = bytearray(PICTURES[which][: int(len(PICTURES[which]) * keep)])
    for flip in flips:
        if data:
            data[flip % len(data)] ^= 1 << flip % 8
    try:
        frame = decode(bytes(data))
    except UndecodableError as error:
        assert error.reason in {"corrupt", "not_a_picture", "too_large"}
    else:
        assert frame.rgb.dtype == np.uint8


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.999])
def test_a_jpeg_cut_short_is_corrupt(cut):
    with pytest.raises(UndecodableError) as caught:
        decode(PICTURES[0][: int(len(PICTURES[0]) * cut)])
    assert caught.value.reason == "corrupt"


def without_the_end(jpeg, keep):
    """Part of the compressed data, with an end in order."""
    start = jpeg.index(b"\xff\xda") + 14
    return jpeg[: start + int((len(jpeg) - start) * keep)].rstrip(b"\xff") + b"\xff\xd9"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 7}, {"subsampling": 0}])
@pytest.mark.parametrize("gray", [False, True])
def test_a_jpeg_without_its_lower_part_is_corrupt_and_gray_skies_are_whole(options, gray):
    picture = sky()[..., 0] if gray else sky()
    jpeg = encoded(picture, "JPEG", quality=80, **options)
    for keep in (0.2, 0.5, 0.9):
        with pytest.raises(UndecodableError) as caught:
            decode(without_the_end(jpeg, keep))
        assert caught.value.reason == "corrupt"
    picture[60:] = 128
    whole = encoded(picture, "JPEG", quality=80, **options)
    assert (decode(whole).rgb[-1] == 128).all()
    assert (decode(whole + b"what a camera adds").rgb[-1] == 128).all()


def test_the_pixel_digest_ignores_metadata():
    picture = sky()
    first, second = encoded(picture, "PNG"), encoded(picture, "PNG", compress_level=1)
    assert first != second
    assert pixel_digest(decode(first)) == pixel_digest(decode(second))
    assert pixel_digest(decode(first)) != pixel_digest(decode(encoded(picture.transpose(1, 0, 2), "PNG")))


def test_the_pixel_digest_of_an_ordinary_picture_is_that_of_its_pixels():
    for data in (*PICTURES, encoded(np.dstack([sky(), np.full((96, 128), 255, np.uint8)]), "PNG")):
        frame = decode(data)
        assert pixel_digest(frame) == hashlib.sha256(b"(96, 128, 3)" + frame.rgb.tobytes()).hexdigest()


def test_the_pixel_digest_tells_counts_apart_that_are_displayed_alike():
    counts = np.random.default_rng(1).normal(10, 2, (80, 100)).astype(np.float32)
    cube = np.stack([counts, counts + 1, counts + 2])
    constant = np.full((80, 100), 7.0, np.float32)
    swapped = cube[[1, 0, 2]]  # of the same mean
    frames = [fits_frame(one) for one in (counts, 2.5 * counts, constant, constant + 2, cube, cube * 2, swapped)]
    assert np.array_equal(frames[0].rgb, frames[1].rgb) and np.array_equal(frames[2].rgb, frames[3].rgb)
    assert len({pixel_digest(frame) for frame in frames}) == len(frames)
    assert pixel_digest(fits_frame(counts.copy())) == pixel_digest(frames[0])


def test_the_pixel_digest_tells_masks_apart():
    opaque = np.dstack([sky(), np.full((96, 128), 255, np.uint8)])
    holed, other = opaque.copy(), opaque.copy()
    holed[:10, :, 3], other[10:20, :, 3] = 0, 0
    assert len({pixel_digest(decode(encoded(one, "PNG"))) for one in (opaque, holed, other)}) == 3


def test_an_empty_field_is_not_stretched_to_white():
    noise = np.random.default_rng(2).normal(0, 1, (200, 200)).astype(np.float32)
    assert np.median(stretch(noise)) < 130
    assert stretch(np.full((4, 4), np.nan, np.float32)).max() == 0
