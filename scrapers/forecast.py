"""How many requests a crawl would take and how long, from what the ledger knows: nothing is asked, nothing written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.tables import asks, fetches, products, tile_products, tiles
from scrapers import ledger
from scrapers.crawl import open_products
from scrapers.fetch import PAGE
from scrapers.gallery import Gallery, known_pages
from scrapers.plans import Plan
from scrapers.products import Tile

_BATCH = 500  # names in one IN (...)


@dataclass(frozen=True)
class Forecast:
    """What is ahead. `parts` are questions: tiles of a region, or pages of lists as far as they are known.

    `products` are known, `products_open` of them still to be fetched; `expected` is how many more the parts not asked
    yet will have, estimated by those `answered`, and None where none was. `requests` counts what is certain and what
    is expected, `reply_s` is how long a good reply took so far, and `seconds` how long all of it will take.
    """

    parts: int
    answered: int
    products: int
    products_open: int
    expected: int | None
    requests: int
    reply_s: float | None
    seconds: float

    @property
    def parts_open(self) -> int:
        """Questions that are still to be asked."""
        return self.parts - self.answered


def forecast(
    archive: str,
    plan: Plan,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    limit: int | None = None,
    pages: bool = False,
) -> Forecast:
    """What a crawl of a plan would take; `pages` says that products have pages of their own before their files."""
    unasked = ledger.unasked(engine, plan.tiles)
    waiting = {tile.tile_id for tile in unasked}
    answered = [tile for tile in plan.tiles if tile.tile_id not in waiting]
    todo = open_products(plan, engine=engine, blobs=blobs, limit=limit)
    known = len(todo.product_ids) + todo.skipped
    expected = 0 if not unasked else None
    if unasked and answered:
        expected = round(len(unasked) * _products_per_part(engine, answered))
        expected = expected if limit is None else max(0, min(expected, limit - known))
    requests = len(unasked) + len(todo.product_ids) + (expected or 0)
    if pages:
        entries = ledger.entries(engine, todo.product_ids)
        requests += sum(entry.product.access_format == PAGE for entry in entries) + (expected or 0)
    reply_s = _reply_s(engine, archive)
    pace = min(settings.requests_per_second, settings.connections / reply_s if reply_s else float("inf"))
    return Forecast(
        len(plan.tiles), len(answered), known, len(todo.product_ids), expected, requests, reply_s, requests / pace
    )


def plan_of(gallery: Gallery, engine: Engine) -> Plan:
    """The pages of a site's lists as far as they are known; of a list that was never asked, its first."""
    return Plan(tuple(tile for name in gallery.lists for tile in known_pages(gallery, name, engine)), None)


def _products_per_part(engine: Engine, answered: Sequence[Tile]) -> float:
    """How many products each of these tiles added; one that several have counts once."""
    found: set[str] = set()
    with engine.connect() as connection:
        for start in range(0, len(answered), _BATCH):
            ids = [tile.tile_id for tile in answered[start : start + _BATCH]]
            found.update(connection.scalars(select(tile_products.c.product_id).where(tile_products.c.tile_id.in_(ids))))
    return len(found) / len(answered)


def _reply_s(engine: Engine, archive: str) -> float | None:
    """How long an archive's good replies took on average, in seconds; None where there were none."""
    total, number = 0.0, 0
    for log, table in ((asks, tiles), (fetches, products)):
        query = select(func.sum(log.c.seconds), func.count()).join_from(log, table)
        with engine.connect() as connection:
            row = connection.execute(query.where(table.c.archive == archive, log.c.error.is_(None))).one()
        total, number = total + (row[0] or 0.0), number + row[1]
    return total / number if number else None


def catalogue_as_it_is(url: str) -> Engine:
    """The catalogue, to be read; an empty one in memory where there is none yet, for none is to be made.

    Raises:
        DeepfieldError: it cannot be opened.
    """
    file = url.removeprefix("sqlite:///")
    return open_database("sqlite://" if file != url and not Path(file).exists() else url)
