import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest
from sqlalchemy import Engine, func, select

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.tables import asks, fetches, products, tile_products
from manifests.tables import tiles as tiles_table
from scrapers import ledger
from scrapers.http import Attempt
from scrapers.ledger import Outcome
from scrapers.products import Product, Tile

TILE = Tile("hla", "one", "6/1023")
OTHER = Tile("hla", "two")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    one = open_database(database)
    yield one
    one.dispose()


def product(number: int, **changes: object) -> Product:
    name = f"dataset_{number:06d}"
    one = Product("hla", f"hla:{name}", name, name, expects_colour=True, access_url=f"http://h/{number}", s_ra=1.5)
    return replace(one, **changes)  # type: ignore[arg-type]


def attempt(error: str | None = None, size: int | None = None) -> Attempt:
    return Attempt("http://h/1", "2025-01-01T00:00:00Z", 0.5, 200, size, error)


def rows_in(engine: Engine, table: object) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


def found(engine: Engine, *numbers: int, tile: Tile = TILE) -> None:
    ledger.plan(engine, [tile])
    ledger.add_products(engine, tile, [product(number) for number in numbers])
    ledger.tile_done(engine, tile)


def test_a_tile_is_asked_until_it_is_answered(engine: Engine) -> None:
    ledger.plan(engine, [TILE, OTHER])
    assert ledger.unasked(engine, [TILE, OTHER]) == [TILE, OTHER]
    ledger.tile_failed(engine, TILE, "busy")
    assert ledger.unasked(engine, [TILE, OTHER]) == [TILE, OTHER]
    ledger.tile_done(engine, TILE)
    ledger.plan(engine, [TILE, OTHER])
    assert ledger.unasked(engine, [TILE, OTHER]) == [OTHER]
    ledger.tile_failed(engine, TILE, "busy again, when it was refreshed")
    assert ledger.unasked(engine, [TILE, OTHER]) == [OTHER]


def test_every_question_is_a_row(engine: Engine) -> None:
    ledger.plan(engine, [TILE, OTHER])
    ledger.tile_failed(engine, TILE, "busy", (attempt("busy"), attempt("busy")))
    ledger.tile_done(engine, TILE, (attempt("cut", 7), attempt(size=9)))
    ledger.tile_done(engine, OTHER, (replace(attempt(size=0), http_status=304),))
    with engine.connect() as connection:
        rows = connection.execute(select(asks).order_by(asks.c.ask_id)).all()
        attempts = dict(connection.execute(select(tiles_table.c.request, tiles_table.c.attempts)).all())
    assert [row.outcome for row in rows] == ["failed", "failed", "failed", "got", "unchanged"]
    assert [row.error for row in rows] == ["busy", "busy", "cut", None, None]
    assert [row.size_bytes for row in rows] == [None, None, 7, 9, 0]
    assert {row.tile_id for row in rows} == {TILE.tile_id, OTHER.tile_id}
    assert attempts == {"one": 4, "two": 1}
    assert ledger.asked_since(engine, TILE, "2025-01-01T00:00:00Z")
    assert not ledger.asked_since(engine, TILE, "2025-01-01T00:00:01Z")


def test_a_tile_keeps_what_it_covers_and_may_learn_it_later(engine: Engine) -> None:
    assert TILE.tile_id == Tile("hla", "one").tile_id
    ledger.plan(engine, [Tile("hla", "one"), OTHER])
    ledger.tile_done(engine, TILE)
    ledger.plan(engine, [TILE, OTHER])
    ledger.plan(engine, [Tile("hla", "one", "7/1")])
    with engine.connect() as connection:
        rows = connection.execute(select(tiles_table.c.request, tiles_table.c.coverage, tiles_table.c.status)).all()
    assert {tuple(row) for row in rows} == {("one", "6/1023", "done"), ("two", None, "open")}


def test_writing_twice_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        found(engine, 2, 1)
        found(engine, 2, 3, tile=OTHER)
    assert rows_in(engine, products) == 3
    assert rows_in(engine, tile_products) == 4
    lines = ledger.scope(engine, [TILE, OTHER])
    assert [line.product_id for line in lines] == [f"hla:dataset_00000{n}" for n in (1, 2, 3)]
    assert {line.status for line in lines} == {"open"}
    assert ledger.scope(engine, [OTHER], lambda record: record["source_name"].endswith("3"))[0].product_id.endswith("3")


def test_an_open_product_follows_its_archive_and_one_that_came_does_not(engine: Engine, blobs: BlobStore) -> None:
    found(engine, 1, 2)
    blob = blobs.put(b"bytes")
    ledger.record_outcome(engine, Outcome(product(2), "got", (attempt(size=5),), sha256=blob.sha256))
    ledger.add_products(engine, TILE, [product(n, access_url=f"http://moved/{n}") for n in (1, 2)])
    one, two = ledger.entries(engine, ["hla:dataset_000001", "hla:dataset_000002"])
    assert one.product.access_url == "http://moved/1" and one.line.status == "open"
    assert two.product.access_url == "http://h/2" and two.line.here(blobs)
    blobs.path(blob.sha256).unlink()
    assert not two.line.here(blobs)


def test_every_attempt_is_a_row(engine: Engine) -> None:
    found(engine, 1)
    ledger.record_outcome(
        engine, Outcome(product(1), "failed", (attempt("busy"), attempt("cut", 7)), reason="busy", error="cut")
    )
    ledger.record_outcome(engine, Outcome(product(1), "got", (attempt("busy"), attempt(size=9)), sha256="a" * 64))
    with engine.connect() as connection:
        rows = connection.execute(select(fetches).order_by(fetches.c.fetch_id)).all()
        line = connection.execute(select(products)).one()
    assert [row.outcome for row in rows] == ["failed", "failed", "failed", "got"]
    assert [row.error for row in rows] == ["busy", "cut", "busy", None]
    assert [row.sha256 for row in rows] == [None, None, None, "a" * 64]
    assert (line.status, line.attempts, line.reason, line.error, line.sha256) == ("got", 4, None, None, "a" * 64)


def test_a_late_failure_does_not_undo_a_success(engine: Engine) -> None:
    found(engine, 1)
    ledger.record_outcome(engine, Outcome(product(1), "got", (attempt(),), sha256="b" * 64))
    ledger.record_outcome(engine, Outcome(product(1), "failed", (attempt("late"),), reason="busy", error="late"))
    assert ledger.entries(engine, ["hla:dataset_000001"])[0].line.sha256 == "b" * 64
    assert rows_in(engine, fetches) == 2


def test_refused_products_can_be_opened_again(engine: Engine) -> None:
    found(engine, 1, 2)
    ledger.record_outcome(engine, Outcome(product(1), "refused", (), reason="too_small", error="small"))
    ledger.record_outcome(engine, Outcome(product(2), "got", (), sha256="c" * 64))
    ledger.reopen(engine, ["hla:dataset_000001", "hla:dataset_000002"])
    assert [line.status for line in ledger.scope(engine, [TILE])] == ["open", "got"]
    assert not ledger.tried_since(engine, "hla:dataset_000001", "2000-01-01T00:00:00Z")


def test_counts_and_errors(engine: Engine) -> None:
    found(engine, 1, 2, 3)
    ledger.plan(engine, [OTHER])
    ledger.tile_failed(engine, OTHER, "the archive is busy")
    time.sleep(0.002)  # the ledger's times have milliseconds
    ledger.record_outcome(engine, Outcome(product(1), "refused", (), reason="too_small", error="it is small"))
    counts = [(c.what, c.status, c.reason, c.number) for c in ledger.counts(engine)]
    assert counts == [
        ("tiles", "done", None, 1),
        ("tiles", "failed", None, 1),
        ("products", "open", None, 2),
        ("products", "refused", "too_small", 1),
    ]
    errors = ledger.last_errors(engine, 5)
    assert [error.text for error in errors] == ["it is small", "the archive is busy"]
    assert len(ledger.last_errors(engine, 1)) == 1


def test_threads_may_write_at_once(engine: Engine) -> None:
    found(engine, *range(80))
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, 80, 4):
                ledger.add_products(engine, TILE, [product(n) for n in range(first, first + 20)])
                ledger.record_outcome(engine, Outcome(product(number), "got", (attempt(),), sha256=f"{number:064d}"))
        except Exception as error:  # noqa: BLE001  # a thread's error would be lost
            failures.append(error)

    threads = [Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [line.sha256 for line in ledger.scope(engine, [TILE])] == [f"{number:064d}" for number in range(80)]
    assert rows_in(engine, fetches) == 80


def test_more_products_than_a_statement_takes(engine: Engine) -> None:
    tiles = [Tile("hla", str(number)) for number in range(700)]
    ledger.plan(engine, tiles)
    ledger.add_products(engine, tiles[0], [product(number) for number in range(3000)])
    ledger.add_products(engine, tiles[-1], [product(number) for number in range(2500, 4000)])
    lines = ledger.scope(engine, tiles)
    assert len(lines) == 4000
    assert len(ledger.entries(engine, [line.product_id for line in lines])) == 4000
    assert len(ledger.unasked(engine, tiles)) == 700
