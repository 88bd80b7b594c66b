import io
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from fake_archive import Answer, FakeClock, FakeHost, picture
from PIL import Image
from sqlalchemy import Engine, select

from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.tables import fetches
from scrapers import ledger
from scrapers.fetch import Fetched, fetch, inspect
from scrapers.http import HttpError, PoliteClient
from scrapers.politeness import Gates
from scrapers.products import Product, Tile

COLOUR = Product("hla", "hla:one", "one", "one", expects_colour=True)
GOOD = picture(1)


def saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def fits_image(side: int) -> bytes:
    out = io.BytesIO()
    fits.PrimaryHDU(np.ones((side, side), np.float32)).writeto(out)
    return out.getvalue()


def test_media_type_is_judged_by_the_bytes() -> None:
    assert inspect(GOOD, COLOUR, 10**8, 256) == "image/jpeg"
    assert inspect(saved(Image.new("RGB", (256, 256)), "PNG"), COLOUR, 10**8, 256) == "image/png"
    assert inspect(fits_image(300), replace(COLOUR, expects_colour=False), 10**8, 256) == "image/fits"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", "transient", "not_a_picture"),
        (b"<!DOCTYPE html><html>busy</html>", "transient", "not_a_picture"),
        (b"dataset parameter is required", "transient", "not_a_picture"),
        (b"\x00\x01\x02GIF89a" * 10, "refused", "not_a_picture"),
        (GOOD[: len(GOOD) // 2], "transient", "corrupt"),
        (GOOD[:20], "transient", "corrupt"),
        (picture(1, (255, 400)), "refused", "too_small"),
        (picture(1, (400, 255)), "refused", "too_small"),
        (picture(1, mode="L"), "refused", "not_rgb"),
        (fits_image(300), "refused", "not_rgb"),
        (picture(1, (1200, 900)), "refused", "too_large"),
    ],
)
def test_what_is_not_taken_has_a_reason(body: bytes, kind: str, reason: str) -> None:
    with pytest.raises(HttpError) as caught:
        inspect(body, COLOUR, 1_000_000, 256)
    assert (caught.value.kind, caught.value.reason) == (kind, reason)


def test_grey_is_fine_where_no_colour_was_promised() -> None:
    assert inspect(picture(1, mode="L"), replace(COLOUR, expects_colour=False), 10**8, 256) == "image/jpeg"


def fetched(host: FakeHost, engine: Engine, blobs: BlobStore, quick: Settings, *answers: Answer | bytes) -> Fetched:
    host.say("/one.jpg", *answers)
    product = replace(COLOUR, access_url=f"{host.url}/one.jpg")
    tile = Tile("hla", "here")
    ledger.plan(engine, [tile])
    ledger.add_products(engine, tile, [product])
    client = PoliteClient(host.url, quick, Gates(1000, 4, FakeClock()))
    return fetch(client, product, engine=engine, blobs=blobs, max_pixels=10**8, min_size=256)


def test_a_picture_that_arrives_is_stored_and_written_down(
    host: FakeHost, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    outcome = fetched(host, engine, blobs, quick, GOOD[:5000], b"<html>busy</html>", GOOD)
    assert (outcome.status, outcome.size_bytes, outcome.error) == ("got", len(GOOD), None)
    entry = ledger.entries(engine, ["hla:one"])[0]
    assert entry.line.sha256 is not None and blobs.read(entry.line.sha256) == GOOD
    assert entry.product.access_format == "image/jpeg"
    assert entry.product.access_estsize == pytest.approx(len(GOOD) / 1000, abs=1e-3)
    assert entry.product.fetched_at is not None and entry.product.fetched_at.endswith("Z")
    with engine.connect() as connection:
        assert list(connection.scalars(select(fetches.c.outcome))) == ["failed", "failed", "got"]


@pytest.mark.parametrize(
    ("answers", "status", "reason"),
    [
        ([b"<html>busy</html>"], "failed", "not_a_picture"),
        ([Answer(status=503)], "failed", "busy"),
        ([Answer(status=404)], "gone", "gone"),
        ([picture(1, (100, 100))], "refused", "too_small"),
        ([GOOD[:5000]], "refused", "corrupt"),  # the same half every time: the archive has no better one
        ([GOOD[:5000], GOOD[:6000], GOOD[:7000]], "failed", "corrupt"),
    ],
)
def test_a_picture_that_does_not_arrive_is_written_down_with_its_reason(
    host: FakeHost,
    engine: Engine,
    blobs: BlobStore,
    quick: Settings,
    answers: list[Answer | bytes],
    status: str,
    reason: str,
) -> None:
    outcome = fetched(host, engine, blobs, quick, *answers)
    assert (outcome.status, outcome.reason, outcome.size_bytes) == (status, reason, 0)
    entry = ledger.entries(engine, ["hla:one"])[0]
    assert (entry.line.status, entry.line.sha256) == (status, None)
    assert list(blobs) == []
    assert ledger.last_errors(engine, 1)[0].text == outcome.error
    assert outcome.error is not None and outcome.error.startswith("one"), (
        "the picture is named, whoever found the error"
    )
