"""What is taken for a picture: by its bytes, of four kinds only, whole, and within the limits before it is decoded."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from fake_archive import Answer, FakeClock, FakeHost, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.media import describe
from manifests.settings import Settings
from scrapers import ledger
from scrapers.fetch import fetch, inspect
from scrapers.http import HttpError, PoliteClient
from scrapers.politeness import Gates
from scrapers.products import Product, Tile

ANY = Product("hla", "hla:one", "one", "one", expects_colour=False)
MANY = 10**8


def saved(kind: str, **options: object) -> bytes:
    image = Image.open(io.BytesIO(picture(1)))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def fits_file() -> bytes:
    out = io.BytesIO()
    fits.PrimaryHDU(np.random.default_rng(1).normal(size=(300, 300)).astype(np.float32)).writeto(out)
    return out.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "jpeg": cache(lambda: saved("JPEG")),
    "progressive jpeg": cache(lambda: saved("JPEG", progressive=True)),
    "png": cache(lambda: saved("PNG")),
    "tiff": cache(lambda: saved("TIFF")),
    "lzw tiff": cache(lambda: saved("TIFF", compression="tiff_lzw")),
    "fits": cache(fits_file),
    "fits.gz": cache(lambda: gzip.compress(fits_file())),
}


def refused(body: bytes, max_pixels: int = MANY) -> HttpError:
    with pytest.raises(HttpError) as caught:
        inspect(body, ANY, max_pixels, 256)
    return caught.value


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_pictures_are_taken(kind: str) -> None:
    assert inspect(WHOLE[kind](), ANY, MANY, 256).startswith("image/")


@given(kind=st.sampled_from(list(WHOLE)), data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_picture_that_is_cut_short_anywhere_is_asked_for_again(kind: str, data: st.DataObject) -> None:
    whole = WHOLE[kind]()
    short = data.draw(st.integers(1, 30) | st.integers(1, len(whole)))
    error = refused(whole[: len(whole) - short])
    assert error.kind == "transient" and error.reason in ("corrupt", "not_a_picture")


@pytest.mark.parametrize("kind", WHOLE)
def test_a_picture_of_which_hardly_a_byte_came_is_asked_for_again(kind: str) -> None:
    for length in range(10):
        assert refused(WHOLE[kind]()[:length]).kind == "transient"


def test_a_jpeg_that_ends_in_order_without_its_lower_half_is_asked_for_again() -> None:
    whole = WHOLE["jpeg"]()
    error = refused(whole[: len(whole) // 2].rstrip(b"\xff") + b"\xff\xd9")
    assert (error.kind, error.reason) == ("transient", "corrupt")


OTHERS = {
    "a GIF picture": lambda: saved("GIF"),
    "a WebP picture or another RIFF file": lambda: saved("WEBP"),
    "a BMP picture": lambda: saved("BMP"),
    "a PDF document": lambda: saved("PDF"),
    "a ZIP archive": lambda: b"PK\x03\x04" + bytes(400),
    "bytes of an unknown kind": lambda: saved("ICO"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_kinds_of_picture_are_refused(what: str) -> None:
    error = refused(OTHERS[what]())
    assert (error.kind, error.reason) == ("refused", "not_a_picture") and what in str(error)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"\xef\xbb\xbf<!DOCTYPE html><html>busy</html>", "an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "an XML document"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "an XML document"),
        ("<p>d\u00e9sol\u00e9, revenez plus tard</p>".encode(), "text"),
        (b"x" * 63 + "\u00e9".encode(), "text"),
        (b"", "an empty reply"),
    ],
)
def test_pages_and_words_are_asked_for_again(body: bytes, what: str) -> None:
    error = refused(body)
    assert (error.kind, error.reason) == ("transient", "not_a_picture") and what in str(error)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_name(head: bytes) -> None:
    assert describe(head)


def png_of_zeros(side: int) -> bytes:
    """A true PNG whose pixels take a thousand times its size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes((side + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def vast_jpeg() -> bytes:
    """A JPEG that claims 65,500 pixels on a side."""
    whole = bytearray(WHOLE["jpeg"]())
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(whole)


def vast_fits() -> bytes:
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 10**6), ("NAXIS2", 10**6)])
    return header.tostring().encode() + bytes(2880)


@pytest.mark.parametrize("vast", [lambda: png_of_zeros(4000), vast_jpeg, vast_fits])
def test_what_would_be_too_large_is_not_decoded(vast: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    error = refused(vast(), max_pixels=1_000_000)
    assert (error.kind, error.reason) == ("refused", "too_large")


def test_a_gzip_file_that_unpacks_to_far_too_much_is_refused() -> None:
    bomb = gzip.compress(bytes(100_000_000), 9)
    assert len(bomb) < 120_000
    error = refused(bomb, max_pixels=1_000_000)
    assert (error.kind, error.reason) == ("refused", "too_large")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (saved("GIF"), "refused", "not_a_picture"),
        (saved("WEBP"), "refused", "not_a_picture"),
        (b"<svg></svg>", "failed", "not_a_picture"),
        (WHOLE["png"]()[:-20], "refused", "corrupt"),  # the same every time: the archive has no better one
    ],
)
def test_what_is_refused_is_written_down(
    host: FakeHost, engine: Engine, blobs: BlobStore, quick: Settings, body: bytes, status: str, reason: str
) -> None:
    host.say("/one", Answer(body, headers={"Content-Type": "image/jpeg"}))
    product = Product("hla", "hla:one", "one", "one", expects_colour=False, access_url=f"{host.url}/one")
    tile = Tile("hla", "here")
    ledger.plan(engine, [tile])
    ledger.add_products(engine, tile, [product])
    client = PoliteClient(host.url, quick, Gates(1000, 4, FakeClock()))
    fetch(client, product, engine=engine, blobs=blobs, max_pixels=MANY, min_size=256)
    assert [(count.status, count.reason) for count in ledger.counts(engine) if count.what == "products"] == [
        (status, reason)
    ]
    assert list(blobs) == []
