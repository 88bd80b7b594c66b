"""A crawl: ask for what is in a region, write it down, fetch what is not here yet.

`crawl` does all of it in threads, in rounds of some questions and the pictures that they find, so that even a crawl
of the whole sky brings pictures from its first minute. Its steps are functions of their own, small enough to be a
scheduler's tasks: `plan_tiles`, `ask_batch`, `open_products`, `fetch_batch`. All state is in the ledger and the blob
store, so that a crawl that was killed is started again and goes on where it was, and several may work on one region
at once: each tile and product is claimed before it is asked for.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.tables import products, tiles
from scrapers import ledger
from scrapers.attempts import noted_attempts
from scrapers.claims import Busy, claimed, keeping
from scrapers.company import in_company
from scrapers.fetch import MIN_SIZE_PX, Describe, Fetched, fetch
from scrapers.fields import reaching
from scrapers.http import HttpError, PoliteClient, now_utc
from scrapers.plans import BY_CELLS, Archive, Plan, make_plan, plan_tiles
from scrapers.products import Product, Tile
from scrapers.regions import Region
from scrapers.revalidation import UnchangedError
from scrapers.tally import CrawlSummary, OnProgress, Tally
from scrapers.tiling import Tiling
from scrapers.validators import if_changed, remember

ROUND = 64  # questions before the pictures that they found: half a minute at two requests a second
FIRST = 8  # parts whose pictures are fetched while nobody has yet looked what is open in all of them


@dataclass(frozen=True)
class Todo:
    """Products of a region that are to be fetched, and those that are not: here already, or given up."""

    product_ids: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def skipped(self) -> int:
        """How many are not to be fetched."""
        return len(self.others)


def ask_batch(
    archive: Archive,
    batch: Sequence[Tile],
    *,
    engine: Engine,
    settings: Settings,
    again: bool = False,
    tally: Tally | None = None,
) -> CrawlSummary:
    """Ask questions in threads, as many at once as the archive allows, and write down the answers.

    Those that were answered meanwhile are left out unless `again`, so that a batch may be run again. What another
    worker is asking is waited for: its answer is known then.
    """
    if tally is None:
        tally = Tally()
        tally.tiles = len(batch)
    since = now_utc()

    def known(tile: Tile) -> bool:
        return ledger.asked_since(engine, tile, since) or not (again or ledger.unasked(engine, [tile]))

    def ask(tile: Tile) -> HttpError | int | None:
        try:
            # another worker may have asked it between the look and the claim
            return None if known(tile) else ask_tile(archive, tile, engine=engine)
        except HttpError as error:
            return error

    def one(tile: Tile) -> HttpError | int | Busy | None:
        if known(tile):
            return None
        with claimed(engine, tiles, tile.tile_id) as mine:
            return ask(tile) if mine else Busy.ELSEWHERE

    theirs = in_company(
        one,
        batch,
        tally.add_tile,
        engine=engine,
        table=tiles,
        key=lambda tile: tile.tile_id,
        client=archive.client,
        settings=settings,
        tally=tally,
    )
    if theirs:
        with keeping(engine):
            for tile in theirs:
                with claimed(engine, tiles, tile.tile_id, wait=True):
                    tally.add_tile(ask(tile))
    return tally.summary()


def ask_tile(archive: Archive, tile: Tile, *, engine: Engine) -> int:
    """Ask one question and write down the answer; the number of products. Who calls it has claimed the tile.

    A tile that was answered before is asked whether the answer has changed; if not, its products stay as they are.

    Raises:
        HttpError: there was no answer; the ledger says why.
    """
    with noted_attempts() as attempts, if_changed(engine, tile) as asked:
        try:
            found = archive.ask(tile)
        except UnchangedError:
            ledger.tile_done(engine, tile, attempts)
            return len(ledger.scope(engine, [tile]))
        except HttpError as error:
            ledger.tile_failed(engine, tile, str(error), attempts)
            raise
    ledger.add_products(engine, tile, found)
    ledger.tile_done(engine, tile, attempts)
    remember(engine, tile, asked)
    return len(found)


def open_products(
    plan: Plan,
    *,
    engine: Engine,
    blobs: BlobStore,
    limit: int | None = None,
    refresh: bool = False,
    seen: AbstractSet[str] = frozenset(),
) -> Todo:
    """The products of a region that are to be fetched, among its first `limit` by name; those `seen` are left out.

    These are the ones never tried, those that failed, and those whose blob is missing. With `refresh` also those
    that were refused or gone; they are written down as open again.
    """
    lines = [line for line in _lines(plan, engine)[:limit] if line.product_id not in seen]
    if refresh:
        ledger.reopen(engine, [line.product_id for line in lines])
    names: list[str] = []
    others: list[str] = []
    for line in lines:
        given_up = line.status in ("refused", "gone") and not refresh
        (others if given_up or line.here(blobs) else names).append(line.product_id)
    return Todo(tuple(names), tuple(others))


def fetch_batch(
    client: PoliteClient,
    product_ids: Sequence[str],
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    min_size: int = MIN_SIZE_PX,
    tally: Tally | None = None,
    describe: Describe | None = None,
) -> CrawlSummary:
    """Fetch products in threads, as many at once as the archive allows.

    Those that came in meanwhile are skipped, so that a batch may be run again, and so are those that another worker
    has in hand. When the archive stops answering, the rest is left open and `stopped` says so. `describe` finds the
    file of products known by their pages only. What a killed crawl left half-written is removed.
    """
    if tally is None:
        tally = Tally()
        tally.begin_fetching(len(product_ids), 0)
    blobs.sweep()
    since = now_utc()

    def missing(name: str) -> Product | None:
        entries = ledger.entries(engine, [name])
        if not entries or entries[0].line.here(blobs) or ledger.tried_since(engine, name, since):
            return None
        return entries[0].product

    def one(name: str) -> Fetched | Busy | None:
        if missing(name) is None:
            return None
        with claimed(engine, products, name) as mine:
            if not mine:
                return Busy.ELSEWHERE
            # another worker may have fetched it between the look and the claim
            product = missing(name)
            if product is None:
                return None
            return fetch(
                client,
                product,
                engine=engine,
                blobs=blobs,
                max_pixels=settings.max_pixels,
                min_size=min_size,
                describe=describe,
            )

    theirs = in_company(
        one,
        product_ids,
        tally.add,
        engine=engine,
        table=products,
        key=lambda name: name,
        client=client,
        settings=settings,
        tally=tally,
    )
    tally.leave(len(theirs))
    return tally.summary()


def crawl(
    archive: Archive,
    region: Region,
    tiling: Tiling = BY_CELLS,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    limit: int | None = None,
    min_size: int = MIN_SIZE_PX,
    refresh: bool = False,
    on_progress: OnProgress | None = None,
) -> CrawlSummary:
    """Bring in a region. Run again, it asks and fetches only what is missing.

    With a limit, questions are asked until so many products are known, and the first of these by name are fetched.

    Raises:
        HttpError: not one part of the region could be asked.
    """
    tally = Tally(on_progress)
    plan = plan_tiles(archive, region, tiling, engine=engine)
    wanted = list(plan.tiles) if refresh else ledger.unasked(engine, plan.tiles)
    tally.tiles, tally.tiles_asked = len(plan.tiles), len(plan.tiles) - len(wanted)
    ask = partial(ask_batch, archive, engine=engine, settings=settings, again=refresh, tally=tally)
    bring = partial(
        fetch_open,
        archive.client,
        engine=engine,
        blobs=blobs,
        settings=settings,
        limit=limit,
        min_size=min_size,
        refresh=refresh,
        tally=tally,
    )
    unanswered = {tile.tile_id for tile in wanted}
    answered = replace(plan, tiles=tuple(tile for tile in plan.tiles if tile.tile_id not in unanswered))
    if limit is None:
        rounds = [replace(plan, tiles=batch) for batch in _batches(wanted, ROUND)]
        _in_rounds(_first_open(answered, engine), answered, rounds, ask, bring, tally)
    else:
        known = {line.product_id for line in _lines(answered, engine)}
        for batch in _batches(wanted, settings.connections):
            if len(known) >= limit or ask(batch).stopped:
                break
            known.update(line.product_id for line in _lines(replace(plan, tiles=batch), engine))
        tally.tiles = tally.tiles_asked  # the others are not needed
    if tally.last_tile_error and tally.tiles_failed == len(plan.tiles):
        raise tally.last_tile_error
    if limit is not None:
        bring(plan)
    return tally.summary()


def _first_open(answered: Plan, engine: Engine) -> Plan:
    """Some parts with products that are not here: a look at all of a large region would keep the archive waiting."""
    if len(answered.tiles) <= FIRST:
        return replace(answered, tiles=())
    return replace(answered, tiles=tuple(ledger.with_open(engine, answered.tiles, FIRST)))


def _in_rounds(
    first: Plan,
    answered: Plan,
    rounds: Sequence[Plan],
    ask: Callable[[Sequence[Tile]], CrawlSummary],
    bring: Callable[..., CrawlSummary],
    tally: Tally,
) -> None:
    """Fetch what earlier runs left open, then ask and fetch by turns, each product once whatever finds it."""
    seen: set[str] = set()
    if first.tiles:
        # who is told how it stands must not take these few for all
        later = len(answered.tiles) - len(first.tiles)
        tally.tiles_asked -= later
        bring(first, seen=seen)
        tally.tiles_asked += later
    if answered.tiles:
        bring(answered, seen=seen)
    for part in rounds:
        ask(part.tiles)
        if bring(part, seen=seen).stopped:
            return
    if len(rounds) > 1:
        # what other workers found meanwhile in the parts that were left to them
        bring(replace(answered, tiles=tuple(tile for part in rounds for tile in part.tiles)), seen=seen)


def fetch_open(
    client: PoliteClient,
    plan: Plan,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    limit: int | None,
    min_size: int,
    refresh: bool,
    tally: Tally,
    describe: Describe | None = None,
    seen: set[str] | None = None,
) -> CrawlSummary:
    """Fetch what of a plan is not here yet, counting on from a tally of its questions; see `fetch_batch`.

    Products `seen` before are left out, and those that are in the plan are added to them.
    """
    seen = set() if seen is None else seen
    todo = open_products(plan, engine=engine, blobs=blobs, limit=limit, refresh=refresh, seen=seen)
    seen.update(todo.product_ids, todo.others)
    tally.begin_fetching(len(todo.product_ids) + todo.skipped, todo.skipped)
    return fetch_batch(
        client,
        todo.product_ids,
        engine=engine,
        blobs=blobs,
        settings=settings,
        min_size=min_size,
        tally=tally,
        describe=describe,
    )


def products_in(
    archive: Archive, region: Region, tiling: Tiling = BY_CELLS, *, engine: Engine, limit: int | None = None
) -> list[ledger.Entry]:
    """What the ledger has of a region, in the order of names."""
    return planned_products(make_plan(archive, region, tiling), engine=engine, limit=limit)


def planned_products(plan: Plan, *, engine: Engine, limit: int | None = None) -> list[ledger.Entry]:
    """What the ledger has of a plan's tiles, in the order of names."""
    return ledger.entries(engine, [line.product_id for line in _lines(plan, engine)[:limit]])


def look(
    archive: Archive,
    region: Region,
    tiling: Tiling = BY_CELLS,
    *,
    limit: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[Product]:
    """The products of a region in the order of their names, without writing anything down.

    With a limit, questions are asked until so many are known.

    Raises:
        HttpError: a part of the region cannot be asked.
    """
    plan = make_plan(archive, region, tiling)
    wanted = reaching(plan.within) if plan.within else None
    tally = Tally(on_progress)
    tally.tiles = len(plan.tiles)
    found: dict[str, Product] = {}
    for tile in plan.tiles:
        listed = archive.ask(tile)
        for product in listed:
            if wanted is None or wanted(product.record()):
                found[product.product_id] = product
        tally.add_tile(len(listed))
        if limit is not None and len(found) >= limit:
            break
    return [found[name] for name in sorted(found)][:limit]


def _lines(plan: Plan, engine: Engine) -> list[ledger.Line]:
    wanted = reaching(plan.within) if plan.within else None
    return ledger.scope(engine, plan.tiles, wanted, plan.inside)


def _batches(wanted: Sequence[Tile], size: int) -> list[tuple[Tile, ...]]:
    return [tuple(wanted[start : start + size]) for start in range(0, len(wanted), size)]
