"""Asking again for what did not come, each of the archive that it was asked of at first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select

from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.tables import products, tile_products, tiles
from scrapers import folder, ledger
from scrapers.crawl import ask_batch, fetch_batch
from scrapers.fetch import MIN_SIZE_PX
from scrapers.gallery import Gallery, ask_pages
from scrapers.hla import Hla
from scrapers.hlaview import HlaView
from scrapers.http import HttpError
from scrapers.mast import Mast
from scrapers.products import Tile
from scrapers.reopen import Asked, asked_of, reopen
from scrapers.tally import CrawlSummary, OnProgress, Tally

_OTHER_TYPE = "other_type"  # a picture that was refused as of a type not wanted: only who asks for these gets them


@dataclass(frozen=True)
class Retry:
    """What is to be asked again of one archive: tiles that failed, and products."""

    asked: Asked
    tiles: tuple[Tile, ...]
    product_ids: tuple[str, ...]


def find(
    engine: Engine, *, archive: str | None = None, status: str = "failed", reason: str | None = None
) -> list[Retry]:
    """What did not come: the products of a state and, where given, a reason; and the tiles that failed."""
    of_tiles: dict[Asked, list[Tile]] = defaultdict(list)
    of_products: dict[Asked, list[str]] = defaultdict(list)
    columns = (tiles.c.archive, tiles.c.request, tiles.c.coverage)
    if status == "failed" and reason is None:
        query = select(*columns).where(tiles.c.status == "failed").order_by(tiles.c.tile_id)
        with engine.connect() as connection:
            for row in connection.execute(query):
                tile = Tile(*row)
                if (asked := asked_of(tile)) is not None:
                    of_tiles[asked].append(tile)
    wanted = products.c.reason == reason if reason else func.coalesce(products.c.reason, "") != _OTHER_TYPE
    # a product that several tiles have is asked for as the first of them was
    first = (
        select(tile_products.c.product_id, func.min(tile_products.c.tile_id).label("tile_id"))
        .join_from(tile_products, products)
        .where(products.c.status == status, wanted)
        .group_by(tile_products.c.product_id)
        .subquery()
    )
    query = select(first.c.product_id, *columns).join_from(first, tiles, first.c.tile_id == tiles.c.tile_id)
    with engine.connect() as connection:
        for row in connection.execute(query.order_by(first.c.product_id)):
            if (asked := asked_of(Tile(*row[1:]))) is not None:
                of_products[asked].append(row.product_id)
    everything = [
        Retry(asked, tuple(of_tiles.get(asked, ())), tuple(of_products.get(asked, ())))
        for asked in [*of_tiles, *(asked for asked in of_products if asked not in of_tiles)]
    ]
    return sorted(
        (one for one in everything if archive in (None, one.asked.archive)), key=lambda one: one.asked.archive
    )


def run(
    retry: Retry,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    archive_url: str | None = None,
    min_size: int = MIN_SIZE_PX,
    on_progress: OnProgress | None = None,
) -> CrawlSummary:
    """Ask again, and fetch as well what the tiles turn out to have.

    Raises:
        UsageError: the archive's address is none, or a folder is not there any more.
        DeepfieldError: none of a folder's pictures can be used.
    """
    if retry.asked.archive == folder.NAME:
        where = Path(retry.asked.base or "")
        return folder.scrape_folder(where, engine=engine, blobs=blobs, settings=settings, on_progress=on_progress)
    with reopen(retry.asked, settings, archive_url, for_tiles=bool(retry.tiles)) as archive:
        return _ask(archive, retry, engine, blobs, settings, min_size, Tally(on_progress))


def _ask(
    archive: Hla | HlaView | Mast | Gallery,
    retry: Retry,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    min_size: int,
    tally: Tally,
) -> CrawlSummary:
    asked: Sequence[Tile] = retry.tiles
    if isinstance(archive, Hla | HlaView | Mast):
        describe = None
        tally.tiles = len(asked)
        ask_batch(archive, asked, engine=engine, settings=settings, again=True, tally=tally)
    else:
        describe = archive.describe

        def count(error: HttpError | None) -> None:
            tally.tiles += 1
            tally.add_tile(error)

        asked = ask_pages(archive, engine=engine, on_page=count).tiles if asked else ()
    fresh = [line.product_id for line in ledger.scope(engine, asked) if line.status == "open"]
    names = [*retry.product_ids, *fresh]
    tally.begin_fetching(len(names), 0)
    return fetch_batch(
        archive.client,
        names,
        engine=engine,
        blobs=blobs,
        settings=settings,
        min_size=min_size,
        tally=tally,
        describe=describe,
    )
