"""What status, retry and plan read from the ledger, on each of the databases it may lie on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.tables import products, tiles
from scrapers import claims, ledger, retry
from scrapers.forecast import catalogue_as_it_is, forecast
from scrapers.http import Attempt
from scrapers.ledger import Outcome
from scrapers.plans import Plan
from scrapers.products import Product, Tile
from scrapers.standing import missing, standings

ONE, TWO, THREE = (
    Tile("mast", f'{{"url": "http://h", "cone": [{n}, 2, 1], "collections": ["hap"], "kinds": ["color"]}}')
    for n in (1, 2, 3)
)
PAGE = Tile("hubblesite", '{"url": "http://s", "page": 1, "Era": "auto"}')


def product(name: str, archive: str = "mast") -> Product:
    return Product(archive, f"{archive}:{name}", name, name, access_url=f"http://h/{name}")


def attempt(day: int, error: str | None = None, size: int | None = None, seconds: float = 2.0) -> Attempt:
    return Attempt("http://h/1", f"2025-01-{day:02d}T00:00:00.000Z", seconds, 200, size, error)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """Two archives: of one two tiles of three were asked, one in vain, and of four products one came."""
    one = open_database(database)
    ledger.plan(one, [ONE, TWO, THREE, PAGE])
    ledger.add_products(one, ONE, [product(name) for name in "abcd"])
    ledger.tile_done(one, ONE, [attempt(1, "busy"), attempt(2, size=700)])
    ledger.tile_failed(one, TWO, "no answer", [attempt(3, "no answer", seconds=60.0)])
    ledger.add_products(one, PAGE, [product("x", "hubblesite")])
    ledger.tile_done(one, PAGE, [attempt(4, size=800)])
    ledger.record_outcome(one, Outcome(product("a"), "got", (attempt(5, "cut", 50), attempt(6, size=90)), "a" * 64))
    for name, status, reason in (("b", "failed", "busy"), ("c", "refused", "too_small"), ("d", "gone", "gone")):
        outcome = Outcome(product(name), status, (attempt(7, reason),), reason=reason, error=f"{name} is {reason}")  # type: ignore[arg-type]
        ledger.record_outcome(one, outcome)
    yield one
    one.dispose()


def test_how_archives_stand(engine: Engine) -> None:
    assert claims.take(engine, products, "mast:b", "h:p:1:s") and claims.take(engine, tiles, TWO.tile_id, "h:p:1:s")
    site, mast = standings(engine)
    assert (site.archive, mast.archive) == ("hubblesite", "mast")
    assert dict(mast.tiles) == {"done": 1, "failed": 1, "open": 1}
    assert dict(mast.products) == {"got": 1, "failed": 1, "refused": 1, "gone": 1}
    assert {state: dict(why) for state, why in mast.reasons.items()} == {
        "failed": {"busy": 1},
        "refused": {"too_small": 1},
        "gone": {"gone": 1},
    }
    assert (mast.requests, mast.vain, mast.bytes, mast.last_active) == (8, 6, 90, "2025-01-07T00:00:00.000Z")
    assert {held.key for held in mast.in_hand} == {"mast:b", TWO.tile_id}
    assert (site.requests, site.vain, site.bytes, site.last_active) == (1, 0, 0, "2025-01-04T00:00:00.000Z")
    assert not site.in_hand
    assert standings(engine, "mast") == [mast] and standings(engine, "hla") == []


def test_every_product_that_did_not_come_is_listed_with_its_reason(engine: Engine) -> None:
    found = [(one.what, one.status, one.reason, one.attempts, one.error) for one in missing(engine)]
    assert found == [
        (TWO.request, "failed", None, 1, "no answer"),
        ("mast:b", "failed", "busy", 1, "b is busy"),
        ("mast:c", "refused", "too_small", 1, "c is too_small"),
        ("mast:d", "gone", "gone", 1, "d is gone"),
    ]
    assert list(missing(engine, "hubblesite")) == []


def test_what_is_asked_again(engine: Engine) -> None:
    ledger.plan(engine, [THREE])
    ledger.add_products(engine, THREE, [product("b")])  # two tiles have it
    [failed] = retry.find(engine)
    assert failed.asked.archive == "mast" and failed.asked.base == "http://h"
    assert failed.tiles == (TWO,) and failed.product_ids == ("mast:b",)
    [refused] = retry.find(engine, status="refused", reason="too_small")
    assert refused.tiles == () and refused.product_ids == ("mast:c",)
    assert retry.find(engine, status="refused", reason="busy") == retry.find(engine, archive="hla") == []
    other = Outcome(product("x", "hubblesite"), "refused", (), reason="other_type", error="it is a drawing")
    ledger.record_outcome(engine, other)
    assert [one.asked.archive for one in retry.find(engine, status="refused")] == ["mast"]
    [drawing] = retry.find(engine, status="refused", reason="other_type")
    assert drawing.product_ids == ("hubblesite:x",)


def test_what_is_ahead(engine: Engine, blobs: BlobStore, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, requests_per_second=5.0, connections=4)
    ahead = forecast("mast", Plan((ONE, TWO, THREE), None), engine=engine, blobs=blobs, settings=settings)
    # the blob of the one that came is not here; what was refused or is gone stays so
    assert (ahead.parts, ahead.answered, ahead.products, ahead.products_open) == (3, 1, 4, 2)
    assert ahead.expected == 8 and ahead.requests == 2 + 2 + 8
    assert ahead.reply_s == 2.0 and ahead.seconds == ahead.requests / 2.0
    site = forecast("hubblesite", Plan((PAGE,), None), engine=engine, blobs=blobs, settings=settings, pages=True)
    assert (site.expected, site.requests, site.seconds) == (0, 1, 0.5)


def test_a_catalogue_that_is_not_there_is_not_made(tmp_path: Path, blobs: BlobStore) -> None:
    settings = Settings(home=tmp_path / "none")
    engine = catalogue_as_it_is(settings.database)
    ahead = forecast("mast", Plan((ONE, TWO), None), engine=engine, blobs=blobs, settings=settings)
    assert (ahead.parts_open, ahead.expected, ahead.reply_s, ahead.seconds) == (2, None, None, 1.0)
    assert not (tmp_path / "none").exists()
