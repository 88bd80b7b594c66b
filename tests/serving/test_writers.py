"""Pictures written band by band: any reader gets the same pixels back, and a failure leaves nothing."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from manifests.errors import DeepfieldError
from manifests.frames import decode
from serving import writers
from serving.bands import Bands
from serving.pictures import Picture, check_size, write_picture

NOTE = writers.Note("Not for photometry.", '{"deepfield": []}', "Hubble, José", None)


def sky(height, width):
    """Smooth, noisy and flat parts, which want different filters."""
    rng = np.random.default_rng(height * width)
    rgb = np.add.outer(np.arange(height), np.arange(width))[..., None] // np.array([1, 2, 3])
    rgb[: height // 3] = rng.integers(0, 256, (height // 3, width, 3))
    rgb[-height // 4 :] = 255
    return rgb.astype(np.uint8)


def in_bands(rgb, height):
    cut = [(rgb[row : row + height], np.ones((height, 1), bool)) for row in range(0, rgb.shape[0], height)]
    return Bands(rgb.shape[0], rgb.shape[1], lambda: iter(cut))


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), band=st.integers(1, 300))
def test_png_and_tiff_give_the_pixels_back(height, width, band):
    rgb = sky(height, width)
    for write in (writers.write_png, writers.write_tiff):
        out = io.BytesIO()
        write(out, in_bands(rgb, band), NOTE)
        with Image.open(out) as image:
            image.load()
            assert (np.asarray(image) == rgb).all()
        assert (decode(out.getvalue()).rgb == rgb).all()


def test_a_png_is_about_as_small_as_pillows():
    rgb = sky(400, 700)
    ours, theirs = io.BytesIO(), io.BytesIO()
    writers.write_png(ours, in_bands(rgb, 50), NOTE)
    Image.fromarray(rgb).save(theirs, "PNG")
    assert len(ours.getvalue()) < 1.1 * len(theirs.getvalue())


def test_a_tiff_that_might_not_fit_is_a_bigtiff(monkeypatch):
    monkeypatch.setattr(writers, "_CLASSIC_TIFF_BYTES", 1000)
    out = io.BytesIO()
    writers.write_tiff(out, in_bands(sky(300, 520), 64), NOTE)
    assert out.getvalue()[:4] == b"II+\0"
    with Image.open(out) as image:
        assert (np.asarray(image) == sky(300, 520)).all()


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.jpg"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_stops_halfway_leaves_the_old_file_and_nothing_else(tmp_path, name, fault):
    (tmp_path / name).write_bytes(b"old")
    rgb = sky(100, 90)

    def read():
        yield rgb[:50], np.ones((50, 90), bool)
        raise fault

    source = Picture(rgb, np.ones((100, 90), bool), "0" * 64, None, None)
    with pytest.raises((KeyboardInterrupt, OSError)):
        write_picture(Bands(100, 90, read), tmp_path / name, source, ())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_a_result_too_large_for_a_jpeg_says_what_to_write(tmp_path):
    for height, width in ((32_000, 32_000), (100, 65_536)):
        with pytest.raises(DeepfieldError, match=r"too large for a JPEG: write x\.tif"):
            check_size(tmp_path / "x.jpg", height, width)
        check_size(tmp_path / "x.tif", height, width)
    check_size(tmp_path / "x.jpg", 16_000, 16_000)
