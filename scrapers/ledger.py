"""The crawl ledger: what was asked of the archives, what they offered, what came of it.

Every function is one transaction, may be repeated without harm, and may run in several threads and processes at
once. Transactions that write begin with the write: SQLite cannot turn a reader into a writer while another writes.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import Column, Engine, Select, Table, bindparam, case, func, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from manifests.blobs import BlobStore
from manifests.tables import asks, fetches, products, tile_products, tiles
from scrapers.http import Attempt, now_utc
from scrapers.products import Product, Tile

Status = Literal["got", "refused", "gone", "failed"]
T = TypeVar("T")

_BATCH = 500  # names in one IN (...)
_NOT_MODIFIED = 304


@dataclass(frozen=True)
class Outcome:
    """What came of fetching a product; `product` carries what its bytes turned out to be where they came."""

    product: Product
    status: Status
    attempts: tuple[Attempt, ...]
    sha256: str | None = None
    reason: str | None = None
    error: str | None = None


class Line(NamedTuple):
    """The least the ledger can say of a product; `status` is also `open` where nothing was tried yet.

    A crawl holds a hundred thousand of them.
    """

    product_id: str
    status: str
    sha256: str | None

    def here(self, blobs: BlobStore) -> bool:
        """Whether the picture came and its bytes are still in the store."""
        return self.status == "got" and self.sha256 is not None and self.sha256 in blobs


@dataclass(frozen=True)
class Entry:
    """A product and what the ledger says of it."""

    product: Product
    line: Line


class Problem(NamedTuple):
    """An error: when, of which tile or product, and what was wrong."""

    at: str
    what: str
    text: str


@dataclass(frozen=True)
class Count:
    """How many products of an archive are in which state, and why; `tiles` counts with the same words."""

    archive: str
    what: Literal["tiles", "products"]
    status: str
    reason: str | None
    number: int


def plan(engine: Engine, planned: Sequence[Tile]) -> None:
    """Write down tiles that are to be asked; those already known stay as they are, and learn their coverage."""
    now = now_utc()
    upsert = _insert(engine, tiles)
    upsert = upsert.on_conflict_do_update(
        index_elements=["tile_id"],
        set_={"coverage": upsert.excluded.coverage},
        where=tiles.c.coverage.is_(None) & upsert.excluded.coverage.is_not(None),
    )
    with engine.begin() as connection:
        for batch in _batches(sorted(planned, key=lambda tile: tile.tile_id)):
            rows = [
                {
                    "tile_id": tile.tile_id,
                    "archive": tile.archive,
                    "request": tile.request,
                    "coverage": tile.coverage,
                    "status": "open",
                    "updated_at": now,
                }
                for tile in batch
            ]
            connection.execute(upsert, rows)


def unasked(engine: Engine, planned: Sequence[Tile]) -> list[Tile]:
    """Those of the tiles that have not been answered yet, in the order given."""
    done: set[str] = set()
    with engine.connect() as connection:
        for ids in _batches([tile.tile_id for tile in planned]):
            query = select(tiles.c.tile_id).where(tiles.c.tile_id.in_(ids), tiles.c.status == "done")
            done.update(connection.scalars(query))
    return [tile for tile in planned if tile.tile_id not in done]


def with_open(engine: Engine, planned: Sequence[Tile], number: int) -> list[Tile]:
    """So many of the tiles in which a product was found that was not fetched yet, in the order given."""
    found: set[str] = set()
    # one look at each product: a list of all that are missing would be as long as the crawl
    mine = products.c.product_id == tile_products.c.product_id
    missing = select(products.c.product_id).where(mine, products.c.status.in_(("open", "failed"))).exists()
    with engine.connect() as connection:
        for ids in _batches([tile.tile_id for tile in planned]):
            query = select(tile_products.c.tile_id).where(tile_products.c.tile_id.in_(ids), missing)
            found.update(connection.scalars(query.distinct().limit(number)))
            if len(found) >= number:
                break
    return [tile for tile in planned if tile.tile_id in found][:number]


def is_planned(engine: Engine, tile: Tile) -> bool:
    """Whether a tile was ever written down."""
    return _any(engine, select(tiles.c.tile_id).where(tiles.c.tile_id == tile.tile_id))


def add_products(engine: Engine, tile: Tile, found: Sequence[Product]) -> None:
    """Write down products that a tile turned out to have.

    A product that is known already gets the new address and record, unless its bytes are here: what a picture was
    when it came is not changed afterwards.
    """
    if not found:
        return
    now = now_utc()
    rows = [
        {
            "product_id": product.product_id,
            "archive": product.archive,
            "access_url": product.access_url,
            "record": json.dumps(product.record(), sort_keys=True),
            "expects_colour": product.expects_colour,
            "status": "open",
            "attempts": 0,
            "found_at": now,
            "updated_at": now,
        }
        for product in found
    ]
    links = [{"tile_id": tile.tile_id, "product_id": product.product_id} for product in found]
    upsert = _insert(engine, products)
    upsert = upsert.on_conflict_do_update(
        index_elements=["product_id"],
        set_={name: upsert.excluded[name] for name in ("access_url", "record", "expects_colour", "updated_at")},
        where=products.c.status != "got",
    )
    with engine.begin() as connection:
        connection.execute(upsert, _sorted(rows, "product_id"))
        connection.execute(_insert(engine, tile_products).on_conflict_do_nothing(), _sorted(links, "product_id"))


def tile_done(engine: Engine, tile: Tile, attempts: Sequence[Attempt] = ()) -> None:
    """Write down that all products of a tile are known and that it need not be asked again, and what that took."""
    number = select(func.count()).where(tile_products.c.tile_id == tile.tile_id).scalar_subquery()
    _record_ask(engine, tile, attempts, {"status": "done", "products": number, "error": None})


def tile_failed(engine: Engine, tile: Tile, error: str, attempts: Sequence[Attempt] = ()) -> None:
    """Write down that a tile was asked in vain; an earlier answer stays good."""
    status = case((tiles.c.status == "done", "done"), else_="failed")
    _record_ask(engine, tile, attempts, {"status": status, "error": error})


def _record_ask(engine: Engine, tile: Tile, attempts: Sequence[Attempt], values: dict[str, Any]) -> None:
    change = update(tiles).where(tiles.c.tile_id == tile.tile_id)
    tried = [{"tile_id": tile.tile_id, "outcome": _outcome(attempt), **_columns(attempt)} for attempt in attempts]
    with engine.begin() as connection:
        connection.execute(change.values(**values, attempts=tiles.c.attempts + len(attempts), updated_at=now_utc()))
        if tried:
            connection.execute(insert(asks), tried)


def asked_since(engine: Engine, tile: Tile, moment: str) -> bool:
    """Whether anybody has asked a tile since a moment (ISO 8601 UTC), with whatever outcome."""
    return _any(engine, select(asks.c.ask_id).where(asks.c.tile_id == tile.tile_id, asks.c.started_at >= moment))


def tried_since(engine: Engine, product_id: str, moment: str) -> bool:
    """Whether anybody has tried to fetch a product since a moment (ISO 8601 UTC), with whatever outcome."""
    mine = fetches.c.product_id == product_id
    return _any(engine, select(fetches.c.fetch_id).where(mine, fetches.c.started_at >= moment))


def scope(
    engine: Engine,
    of_tiles: Sequence[Tile],
    wanted: Callable[[dict[str, Any]], bool] | None = None,
    sure: frozenset[str] = frozenset(),
) -> list[Line]:
    """All products found in the tiles, each once, in the order of their names.

    `wanted` may judge their records; it need not where a product was found in one of the tiles named by `sure`.
    """
    found: dict[str, Line] = {}
    unwanted: set[str] = set()
    # the sure ones first, for a record takes longer to read than all the rest
    doubtful = [] if wanted is None else [tile.tile_id for tile in of_tiles if tile.tile_id not in sure]
    clear = (
        [tile.tile_id for tile in of_tiles] if wanted is None else [t.tile_id for t in of_tiles if t.tile_id in sure]
    )
    columns = (products.c.product_id, products.c.status, products.c.sha256)
    with engine.connect() as connection:
        for ids in _batches(clear):
            for row in connection.execute(_found_in(ids, *columns)):
                found[row.product_id] = Line(*row)
        for ids in _batches(doubtful):
            for row in connection.execute(_found_in(ids, *columns, products.c.record)):
                name = row.product_id
                if name in found or name in unwanted:
                    continue
                if wanted is None or wanted(json.loads(row.record)):
                    found[name] = Line(*row[:3])
                else:
                    unwanted.add(name)
    return [found[name] for name in sorted(found)]


def _found_in(tile_ids: Sequence[str], *columns: Column[Any]) -> Select[Any]:
    # a join would give a product once for each of its tiles
    names = select(tile_products.c.product_id).where(tile_products.c.tile_id.in_(tile_ids))
    return select(*columns).where(products.c.product_id.in_(names)).execution_options(yield_per=_BATCH)


def entries(engine: Engine, product_ids: Sequence[str]) -> list[Entry]:
    """The products of those names, in the order given; unknown names are left out."""
    found: dict[str, Entry] = {}
    with engine.connect() as connection:
        for ids in _batches(product_ids):
            for row in connection.execute(select(products).where(products.c.product_id.in_(ids))):
                product = Product.from_record(row.archive, json.loads(row.record), expects_colour=row.expects_colour)
                found[row.product_id] = Entry(product, Line(row.product_id, row.status, row.sha256))
    return [found[name] for name in product_ids if name in found]


def came_from(engine: Engine, url: str) -> str | None:
    """SHA-256 of the picture that came from an address, whichever product it was for; None where none has."""
    query = select(products.c.sha256).where(products.c.access_url == url, products.c.status == "got").limit(1)
    with engine.connect() as connection:
        found: str | None = connection.scalar(query)
    return found


def record_outcome(engine: Engine, outcome: Outcome) -> None:
    """Write down what came of a product, and every attempt it took.

    Where another process brought the picture meanwhile, its success stays.
    """
    product, last = outcome.product, len(outcome.attempts) - 1
    values: dict[str, Any] = {
        "status": outcome.status,
        "reason": outcome.reason,
        "error": outcome.error,
        "attempts": products.c.attempts + len(outcome.attempts),
        "updated_at": now_utc(),
    }
    if outcome.status == "got":
        values |= {
            "sha256": outcome.sha256,
            "access_url": product.access_url,
            "record": json.dumps(product.record(), sort_keys=True),
        }
    change = update(products).where(products.c.product_id == product.product_id)
    if outcome.status != "got":
        change = change.where(products.c.status != "got")
    tried = [
        {
            "product_id": product.product_id,
            "outcome": outcome.status if number == last else _outcome(attempt),
            "sha256": outcome.sha256 if number == last else None,
            **_columns(attempt),
        }
        for number, attempt in enumerate(outcome.attempts)
    ]
    with engine.begin() as connection:
        connection.execute(change.values(values))
        if tried:
            connection.execute(insert(fetches), tried)


def reopen(engine: Engine, product_ids: Sequence[str]) -> None:
    """Forget that products were refused or gone, so that they are asked for again."""
    given_up = (products.c.status == "refused") | (products.c.status == "gone")
    change = update(products).where(products.c.product_id == bindparam("key"), given_up)
    for ids in _batches(product_ids):
        with engine.connect() as connection:
            query = select(products.c.product_id.label("key")).where(products.c.product_id.in_(ids), given_up)
            rows = [{"key": key} for key in connection.scalars(query)]
        if rows:
            with engine.begin() as connection:
                values = change.values(status="open", reason=None, error=None, updated_at=now_utc())
                connection.execute(values, _sorted(rows, "key"))


def counts(engine: Engine) -> list[Count]:
    """Numbers of tiles and products by archive, state and reason."""
    out = []
    with engine.connect() as connection:
        for row in connection.execute(
            select(tiles.c.archive, tiles.c.status, func.count())
            .group_by(tiles.c.archive, tiles.c.status)
            .order_by(tiles.c.archive, tiles.c.status)
        ):
            out.append(Count(row[0], "tiles", row[1], None, row[2]))
        key = (products.c.archive, products.c.status, products.c.reason)
        for row in connection.execute(select(*key, func.count()).group_by(*key).order_by(*key)):
            out.append(Count(row[0], "products", row[1], row[2], row[3]))
    return out


def last_errors(engine: Engine, number: int, archive: str | None = None) -> list[Problem]:
    """The newest errors of tiles and products, of all archives or of one, the newest first."""
    found = []
    with engine.connect() as connection:
        for table, name in ((tiles, tiles.c.request), (products, products.c.product_id)):
            query = (
                select(table.c.updated_at, name, table.c.error)
                .where(table.c.error.is_not(None), true() if archive is None else table.c.archive == archive)
                .order_by(table.c.updated_at.desc(), name)
                .limit(number)
            )
            found += [Problem(*row) for row in connection.execute(query)]
    return sorted(found, reverse=True)[:number]


def _columns(attempt: Attempt) -> dict[str, Any]:
    """What an attempt is in the tables of fetches and of asks."""
    return {
        "url": attempt.url,
        "http_status": attempt.http_status,
        "size_bytes": attempt.size_bytes,
        "seconds": attempt.seconds,
        "error": attempt.error,
        "started_at": attempt.started_at,
    }


def _outcome(attempt: Attempt) -> str:
    if attempt.error:
        return "failed"
    return "unchanged" if attempt.http_status == _NOT_MODIFIED else "got"


def _any(engine: Engine, query: Select[Any]) -> bool:
    with engine.connect() as connection:
        return connection.scalar(query.limit(1)) is not None


def _insert(engine: Engine, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, which only the dialects have."""
    return (postgresql if engine.dialect.name == "postgresql" else sqlite).insert(table)


def _sorted(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Rows in one order everywhere, so that two writers on PostgreSQL cannot wait for each other."""
    return sorted(rows, key=lambda row: row[key])


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
