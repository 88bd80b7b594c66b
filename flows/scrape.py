"""Scraping as Prefect flows: ask for a region, then fetch what is not here yet, in batches."""

from collections import Counter
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.tasks import exponential_backoff

from flows.work import batches, workplace
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import Settings, load_settings
from scrapers import ledger
from scrapers.crawl import Plan, ask_tile, fetch_batch, open_products, plan_tiles
from scrapers.hla import Hla, hla_query, open_hla
from scrapers.sky import Cone, cone
from scrapers.targets import resolve

_DEFAULT_TARGET = "M101"


@flow(name="scrape-hla", log_prints=True)
def scrape_hla(
    target: str | None = None,
    ra: float | None = None,
    dec: float | None = None,
    radius: float = 0.2,
    imagetype: str = "color",
    instruments: str | None = None,
    filters: str | None = None,
    limit: int | None = None,
    archive_url: str | None = None,
    refresh: bool = False,
) -> dict[str, int]:
    """Fetch the Hubble Legacy Archive's pictures of a region; run again, only what is missing.

    Args:
        target: Name of an object, such as M101; M101 where no position is given either.
        ra: Right ascension in degrees, instead of a target.
        dec: Declination in degrees.
        radius: Radius in degrees; 0 for what covers the point.
        imagetype: HLA's image types, comma-separated: color, combined, mosaic, hlsp, exposure, best, all.
        instruments: Instruments, comma-separated; all by default.
        filters: Filters, comma-separated; all by default.
        limit: At most so many products.
        archive_url: Another server that speaks HLA's protocol.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them: found, got, skipped, refused, failed.
    """
    settings = load_settings()
    region = _region(target, ra, dec, radius, settings)
    archive = open_hla(settings, hla_query(imagetype, instruments, filters), archive_url)
    logger = get_run_logger()
    logger.info("Asking %s for pictures %s", archive.client.base, region)
    with workplace(settings) as here:
        plan = plan_tiles(archive, region, engine=here.engine)
        wanted = [tile.tile_id for tile in (plan.tiles if refresh else ledger.unasked(here.engine, plan.tiles))]
        for batch in batches(wanted):
            ask_tiles(archive, plan, batch, refresh)
        todo = open_products(plan, engine=here.engine, blobs=here.blobs, limit=limit, refresh=refresh)
    total = Counter(found=len(todo.product_ids) + todo.skipped, skipped=todo.skipped)
    progress = create_progress_artifact(0.0, key="scrape-hla", description=f"Products {region}")
    assert isinstance(progress, UUID)  # a coroutine only in an async flow
    for number, batch in enumerate(batches(todo.product_ids), start=1):
        counts = fetch_products(archive, batch)
        stopped = counts.pop("stopped")
        total.update(counts)
        update_progress_artifact(progress, 100.0 * number / len(batches(todo.product_ids)))
        if stopped:
            raise DeepfieldError(stopped)
    update_progress_artifact(progress, 100.0)
    summary = {name: total[name] for name in ("found", "got", "skipped", "refused", "failed")}
    create_table_artifact([summary], key="scrape-hla-summary", description=f"What came in {region}")
    logger.info("Products %s: %s", region, ", ".join(f"{count} {name}" for name, count in summary.items()))
    return summary


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=exponential_backoff(10), retry_jitter_factor=1.0)
def ask_tiles(archive: Hla, plan: Plan, tile_ids: list[str], again: bool) -> int:
    """Ask the tiles of those ids; the number of products. Unless `again`, a tile answered meanwhile is left out."""
    chosen = set(tile_ids)
    with workplace() as here:
        candidates = plan.tiles if again else ledger.unasked(here.engine, plan.tiles)
        waiting = [tile for tile in candidates if tile.tile_id in chosen]
        return sum(ask_tile(archive, tile, engine=here.engine) for tile in waiting)


@task(cache_policy=NO_CACHE, retries=1, retry_delay_seconds=10)
def fetch_products(archive: Hla, product_ids: list[str]) -> dict[str, int | str | None]:
    """Fetch a batch of products, as many at once as the archive allows; counts, and why it stopped if it did."""
    with workplace() as here:
        done = fetch_batch(archive.client, product_ids, engine=here.engine, blobs=here.blobs, settings=here.settings)
    counts = done.progress
    return {
        "got": counts.got,
        "skipped": counts.skipped,
        "refused": counts.refused,
        "failed": counts.failed,
        "stopped": done.stopped,
    }


def _region(target: str | None, ra: float | None, dec: float | None, radius: float, settings: Settings) -> Cone:
    if (ra is None) != (dec is None):
        raise UsageError("A position needs both ra and dec.")
    if target is not None and ra is not None:
        raise UsageError("Give a target or a position, not both.")
    if ra is not None and dec is not None:
        return cone(ra, dec, radius)
    place = resolve(target or _DEFAULT_TARGET, settings)
    return cone(place.ra, place.dec, radius)
