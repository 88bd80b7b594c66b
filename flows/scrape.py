"""Scraping as Prefect flows: ask what there is, then fetch what is not here yet, in batches."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.tasks import exponential_backoff

from flows.fetching import fetch_planned
from flows.work import batches, workplace
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import Settings, load_settings
from scrapers import ledger
from scrapers.crawl import Plan, ask_batch, plan_tiles
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery, ask_pages
from scrapers.heritage import open_heritage
from scrapers.hla import Hla, hla_query, open_hla
from scrapers.hubblesite import HubbleSiteQuery, open_hubblesite
from scrapers.sky import Cone, cone
from scrapers.targets import resolve
from scrapers.versions import Limits

_DEFAULT_TARGET = "M101"


@flow(name="scrape-hla")
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
    get_run_logger().info("Asking %s for pictures %s", archive.client.base, region)
    with workplace(settings) as here:
        plan = plan_tiles(archive, region, engine=here.engine)
        wanted = [tile.tile_id for tile in (plan.tiles if refresh else ledger.unasked(here.engine, plan.tiles))]
    for batch in batches(wanted):
        ask_tiles(archive, plan, batch, refresh)
    return fetch_planned(archive, plan, what=f"Products {region}", limit=limit, refresh=refresh)


@flow(name="scrape-esahubble")
def scrape_esahubble(
    categories: str = "observation", limit: int | None = 100, archive_url: str | None = None, refresh: bool = False
) -> dict[str, int]:
    """Fetch pictures from ESA/Hubble, the largest JPEG or PNG of each; run again, only what is missing.

    Args:
        categories: Lists to walk, comma-separated, such as observation or galaxies,nebulae.
        limit: At most so many pictures.
        archive_url: Another server that speaks as the site does.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them.
    """
    settings = load_settings()
    site = open_esahubble(settings, _limits(settings), categories=categories, archive_url=archive_url)
    return _scrape_site(site, limit, refresh)


@flow(name="scrape-hubblesite")
def scrape_hubblesite(
    category: str | None = None, limit: int | None = 100, archive_url: str | None = None, refresh: bool = False
) -> dict[str, int]:
    """Fetch observations from HubbleSite, the largest JPEG or PNG of each; run again, only what is missing.

    Args:
        category: One of the site's categories; all by default.
        limit: At most so many pictures.
        archive_url: Another server that speaks as the site does.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them.
    """
    settings = load_settings()
    query = HubbleSiteQuery(category=category)
    return _scrape_site(open_hubblesite(settings, _limits(settings), query, archive_url=archive_url), limit, refresh)


@flow(name="scrape-heritage")
def scrape_heritage(
    collection: bool = False, limit: int | None = 100, archive_url: str | None = None, refresh: bool = False
) -> dict[str, int]:
    """Fetch the Hubble Heritage pictures; run again, only what is missing.

    Args:
        collection: Look in HubbleSite's Heritage collection instead of the project's own old site.
        limit: At most so many pictures.
        archive_url: Another server that speaks as the site does.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them.
    """
    settings = load_settings()
    site = open_heritage(settings, _limits(settings), collection=collection, archive_url=archive_url)
    return _scrape_site(site, limit, refresh)


def _scrape_site(site: Gallery, limit: int | None, refresh: bool) -> dict[str, int]:
    plan = walk_lists(site, limit, refresh)
    return fetch_planned(site, plan, what=f"Pictures of {site.name}", limit=limit, refresh=refresh)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=exponential_backoff(10), retry_jitter_factor=1.0)
def ask_tiles(archive: Hla, plan: Plan, tile_ids: list[str], again: bool) -> int:
    """Ask the tiles of those ids; the number of products. Unless `again`, a tile answered meanwhile is left out."""
    chosen = set(tile_ids)
    with workplace() as here:
        waiting = [tile for tile in plan.tiles if tile.tile_id in chosen]
        done = ask_batch(archive, waiting, engine=here.engine, settings=here.settings, again=again)
        if done.tiles_failed:
            raise DeepfieldError(f"{done.tiles_failed} parts of the region could not be asked. {done.errors[0]}")
        return len(ledger.scope(here.engine, waiting))


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=exponential_backoff(10), retry_jitter_factor=1.0)
def walk_lists(site: Gallery, limit: int | None, refresh: bool) -> Plan:
    """Walk the list pages of a site until `limit` pictures are known; pages answered before are not asked again."""
    with workplace() as here:
        return ask_pages(site, engine=here.engine, limit=limit, refresh=refresh)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.max_bytes, settings.max_pixels)


def _region(target: str | None, ra: float | None, dec: float | None, radius: float, settings: Settings) -> Cone:
    if (ra is None) != (dec is None):
        raise UsageError("A position needs both ra and dec.")
    if target is not None and ra is not None:
        raise UsageError("Give a target or a position, not both.")
    if ra is not None and dec is not None:
        return cone(ra, dec, radius)
    place = resolve(target or _DEFAULT_TARGET, settings)
    return cone(place.ra, place.dec, radius)
