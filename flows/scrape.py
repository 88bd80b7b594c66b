"""Scraping as Prefect flows: one task that crawls; killed and run again, by any worker, it brings what is missing.

What was asked and fetched is in the ledger, which several workers may share: each question and picture is claimed
before it is asked for.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.tasks import exponential_backoff

from flows.crawling import Shown
from flows.work import workplace
from manifests.errors import UsageError
from manifests.settings import Settings, load_settings
from scrapers.composite import Method, method_of
from scrapers.compositing import compose_visits, visits_of
from scrapers.crawl import Archive, crawl, planned_products, products_in
from scrapers.esahubble import open_esahubble
from scrapers.fetch import MIN_SIZE_PX
from scrapers.gallery import Gallery, crawl_gallery
from scrapers.heritage import open_heritage
from scrapers.hla import HlaQuery, hla_query, open_hla
from scrapers.hlaview import open_hlaview
from scrapers.http import now_utc
from scrapers.hubblesite import HubbleSiteQuery, open_hubblesite
from scrapers.region_cli import region_from_options
from scrapers.regions import Region
from scrapers.report import sentence
from scrapers.tiling import Tiling
from scrapers.versions import Limits, limits_within

_DEFAULT_TARGET = "M101"

_PAUSES = exponential_backoff(10)


@flow(name="scrape-hla")
def scrape_hla(
    target: str | None = None,
    ra: float | None = None,
    dec: float | None = None,
    radius: float | None = None,
    polygon: str | None = None,
    moc: Path | None = None,
    sky: Literal["all"] | None = None,
    order: int | None = None,
    grid: bool = False,
    imagetype: str | None = None,
    instruments: str | None = None,
    filters: str | None = None,
    fits: bool = False,
    composite: Method | None = None,
    browser: bool = False,
    limit: int | None = None,
    min_size: int = MIN_SIZE_PX,
    archive_url: str | None = None,
    refresh: bool = False,
) -> dict[str, int]:
    """Fetch the Hubble Legacy Archive's pictures of a region; run again, only what is missing.

    Args:
        target: Name of an object, such as M101; M101 where no other region is given.
        ra: Right ascension in degrees, instead of a target.
        dec: Declination in degrees.
        radius: Radius in degrees about the target or position, 0.2 by default; 0 for what covers the point.
        polygon: A polygon in STC-S instead, such as POLYGON ICRS 210.6 54.2 211.0 54.2 210.8 54.5.
        moc: A MOC file instead, on the machine of the worker.
        sky: "all" for the whole sky instead.
        order: HEALPix order of the cells that a large region is cut into; 6 by default.
        grid: Ask in cones of 1 degree on whole degrees instead of HEALPix cells.
        imagetype: HLA's image types, comma-separated: color, combined, mosaic, exposure, hlsp, best, all.
        instruments: Instruments, comma-separated; all by default.
        filters: Filters, comma-separated; all by default.
        fits: The counts of single filters as FITS files, instead of JPEGs.
        composite: With fits, also make colour pictures of the visits: asinh or lupton.
        browser: Read HLA's page in a headless Chromium instead of its search service.
        limit: At most so many products.
        min_size: Least width and height of a picture in pixels.
        archive_url: Another server that speaks HLA's protocol.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them: found, got, skipped, refused, failed.
    """
    settings = load_settings()
    if composite is not None and not fits:
        raise UsageError("Composites are made of FITS files: set fits as well.")
    if not any(where is not None for where in (target, ra, dec, polygon, moc, sky)):
        target = _DEFAULT_TARGET
    region = region_from_options(
        settings, target=target, ra=ra, dec=dec, radius=radius, polygon=polygon, moc=moc, sky=sky
    )
    query, tiling = hla_query(imagetype, instruments, filters, fits=fits), Tiling(order, grid)
    with _hla(settings, query, archive_url, browser) as archive:
        get_run_logger().info("Asking %s for pictures %s", archive.client.base, region)
        counts = crawl_sky(archive, region, tiling, limit, min_size, refresh)
        if composite is not None:
            make_composites(archive, region, tiling, method_of(composite))
    return counts


@flow(name="scrape-esahubble")
def scrape_esahubble(
    categories: str | None = None,
    types: str | None = None,
    search: str | None = None,
    limit: int | None = 100,
    max_mb: float | None = None,
    max_pixels: int | None = None,
    originals: bool = False,
    min_size: int = MIN_SIZE_PX,
    archive_url: str | None = None,
    refresh: bool = False,
) -> dict[str, int]:
    """Fetch pictures from ESA/Hubble, the largest JPEG or PNG of each; run again, only what is missing.

    Args:
        categories: Lists to walk, comma-separated, such as observation (the default) or galaxies,nebulae.
        types: Types of picture, comma-separated, or all; Observation by default.
        search: Instead of a list, pictures with these words in name, title, text or credit.
        limit: At most so many pictures.
        max_mb: Fetch the largest file that is no longer than so many megabytes.
        max_pixels: Fetch the largest file that has no more pixels than so many.
        originals: Take TIFF originals where they are within the limits.
        min_size: Least width and height of a picture in pixels.
        archive_url: Another server that speaks as the site does.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them.
    """
    settings = load_settings()
    limits = limits_within(settings, max_mb, max_pixels, originals=originals)
    site = open_esahubble(settings, limits, categories=categories, types=types, search=search, archive_url=archive_url)
    return crawl_site(site, limits, limit, min_size, refresh)


@flow(name="scrape-hubblesite")
def scrape_hubblesite(
    category: str | None = None,
    collection: str | None = None,
    limit: int | None = 100,
    max_mb: float | None = None,
    max_pixels: int | None = None,
    originals: bool = False,
    min_size: int = MIN_SIZE_PX,
    archive_url: str | None = None,
    refresh: bool = False,
) -> dict[str, int]:
    """Fetch observations from HubbleSite, the largest JPEG or PNG of each; run again, only what is missing.

    Args:
        category: One of the site's categories; all by default.
        collection: One of the site's collections; all by default.
        limit: At most so many pictures.
        max_mb: Fetch the largest file that is no longer than so many megabytes.
        max_pixels: Fetch the largest file that has no more pixels than so many.
        originals: Take TIFF originals where they are within the limits.
        min_size: Least width and height of a picture in pixels.
        archive_url: Another server that speaks as the site does.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them.
    """
    settings = load_settings()
    limits = limits_within(settings, max_mb, max_pixels, originals=originals)
    query = HubbleSiteQuery(category=category, collection=collection)
    site = open_hubblesite(settings, limits, query, archive_url=archive_url)
    return crawl_site(site, limits, limit, min_size, refresh)


@flow(name="scrape-heritage")
def scrape_heritage(
    collection: bool = False,
    limit: int | None = 100,
    max_mb: float | None = None,
    max_pixels: int | None = None,
    originals: bool = False,
    min_size: int = MIN_SIZE_PX,
    archive_url: str | None = None,
    refresh: bool = False,
) -> dict[str, int]:
    """Fetch the Hubble Heritage pictures where they are today; run again, only what is missing.

    Args:
        collection: HubbleSite's Heritage collection and nothing else; by default, where that is gone, ESA/Hubble's.
        limit: At most so many pictures.
        max_mb: Fetch the largest file that is no longer than so many megabytes.
        max_pixels: Fetch the largest file that has no more pixels than so many.
        originals: Take TIFF originals where they are within the limits.
        min_size: Least width and height of a picture in pixels.
        archive_url: Another server that speaks as the former site did.
        refresh: Ask again for what was asked already, and for what was refused.

    Returns:
        Numbers of products by what came of them.
    """
    settings = load_settings()
    limits = limits_within(settings, max_mb, max_pixels, originals=originals)
    site = open_heritage(settings, limits, collection=collection, archive_url=archive_url, tell=get_run_logger().info)
    return crawl_site(site, limits, limit, min_size, refresh)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=_PAUSES, retry_jitter_factor=1.0)
def crawl_sky(
    archive: Archive, region: Region, tiling: Tiling, limit: int | None, min_size: int, refresh: bool
) -> dict[str, int]:
    """Bring in a region of the sky."""
    with workplace() as here:
        shown, since = Shown(archive.name, f"{archive.name} {region}"), now_utc()
        summary = crawl(
            archive,
            region,
            tiling,
            engine=here.engine,
            blobs=here.blobs,
            settings=here.settings,
            limit=limit,
            min_size=min_size,
            refresh=refresh,
            on_progress=shown,
        )
        return shown.finish(summary, products_in(archive, region, tiling, engine=here.engine, limit=limit), since)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=_PAUSES, retry_jitter_factor=1.0)
def crawl_site(site: Gallery, limits: Limits, limit: int | None, min_size: int, refresh: bool) -> dict[str, int]:
    """Bring in the pictures of a site's lists."""
    with workplace() as here:
        shown, since = Shown(site.name, f"pictures of {site.name}"), now_utc()
        bounds = {"max_bytes": limits.max_bytes, "max_pixels": limits.max_pixels}
        plan, summary = crawl_gallery(
            site,
            engine=here.engine,
            blobs=here.blobs,
            settings=here.settings.model_copy(update=bounds),
            limit=limit,
            min_size=min_size,
            refresh=refresh,
            on_progress=shown,
        )
        return shown.finish(summary, planned_products(plan, engine=here.engine, limit=limit), since)


@task(cache_policy=NO_CACHE)
def make_composites(archive: Archive, region: Region, tiling: Tiling, method: Method) -> None:
    """Make colour pictures of the visits of a region whose FITS files are here."""
    with workplace() as here:
        visits = visits_of(products_in(archive, region, tiling, engine=here.engine), here.blobs).visits
        summary = compose_visits(visits, method, engine=here.engine, blobs=here.blobs, settings=here.settings)
    get_run_logger().info(sentence(f"{method} composites", summary))


def _hla(
    settings: Settings, query: HlaQuery, archive_url: str | None, browser: bool
) -> AbstractContextManager[Archive]:
    if browser:
        return open_hlaview(settings, query, archive_url)
    return nullcontext(open_hla(settings, query, archive_url))
