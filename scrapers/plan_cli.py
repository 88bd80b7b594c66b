"""`deepfield scrape plan`: how many requests a crawl would send and how long that takes, before anything is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrapers.region_cli import (
    DecOption,
    GridOption,
    MocOption,
    OrderOption,
    PolygonOption,
    RadiusOption,
    RaOption,
    SkyOption,
    TargetOption,
    region_from_options,
)
from scrapers.shared_cli import JsonOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from manifests.settings import Settings
    from scrapers.forecast import Forecast
    from scrapers.gallery import Gallery
    from scrapers.plans import Archive, Plan

plan_app = typer.Typer(
    no_args_is_help=True,
    help="Say how many requests a crawl would send and how long it would take. Nothing is asked of the archive and "
    "nothing is written down; the options are those of the command that crawls.",
)

LimitOption = Annotated[int | None, typer.Option(min=1, help="As of the command that crawls.", metavar="N")]
ArchiveUrlOption = Annotated[str | None, typer.Option(help="As of the command that crawls.", metavar="URL")]


@plan_app.command()
def hla(
    target: TargetOption = None,
    ra: RaOption = None,
    dec: DecOption = None,
    radius: RadiusOption = None,
    polygon: PolygonOption = None,
    moc: MocOption = None,
    sky: SkyOption = None,
    order: OrderOption = None,
    grid: GridOption = False,
    imagetype: Annotated[str | None, typer.Option(help="As of `deepfield scrape hla`.")] = None,
    inst: Annotated[str | None, typer.Option(help="As of `deepfield scrape hla`.")] = None,
    filters: Annotated[str | None, typer.Option("--filter", help="As of `deepfield scrape hla`.")] = None,
    fits: Annotated[bool, typer.Option("--fits", help="As of `deepfield scrape hla`.")] = False,
    limit: LimitOption = None,
    archive_url: ArchiveUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a crawl of the Hubble Legacy Archive.

    Examples:

      deepfield scrape plan hla --sky all --filter F814W --inst ACS
    """
    from manifests.settings import load_settings
    from scrapers.hla import hla_query, open_hla
    from scrapers.tiling import Tiling

    settings = load_settings()
    archive = open_hla(settings, hla_query(imagetype, inst, filters, fits=fits), archive_url)
    tiling = Tiling(order, grid)
    region = region_from_options(
        settings, target=target, ra=ra, dec=dec, radius=radius, polygon=polygon, moc=moc, sky=sky
    )
    _plan_sky(archive, region, tiling, settings, limit, as_json)


@plan_app.command()
def mast(
    target: TargetOption = None,
    ra: RaOption = None,
    dec: DecOption = None,
    radius: RadiusOption = None,
    polygon: PolygonOption = None,
    moc: MocOption = None,
    sky: SkyOption = None,
    order: OrderOption = None,
    grid: GridOption = False,
    collection: Annotated[str, typer.Option(help="As of `deepfield scrape mast`.")] = "hap,hla",
    kind: Annotated[str, typer.Option(help="As of `deepfield scrape mast`.")] = "color",
    limit: LimitOption = None,
    archive_url: ArchiveUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a crawl of MAST. A part may take several requests there; it is counted as one."""
    from manifests.settings import load_settings
    from scrapers.mast import mast_query, open_mast
    from scrapers.tiling import Tiling

    settings = load_settings()
    archive = open_mast(settings, mast_query(collection, kind), archive_url)
    tiling = Tiling(order, grid)
    region = region_from_options(
        settings, target=target, ra=ra, dec=dec, radius=radius, polygon=polygon, moc=moc, sky=sky
    )
    _plan_sky(archive, region, tiling, settings, limit, as_json)


@plan_app.command()
def esahubble(
    category: Annotated[str | None, typer.Option(help="As of `deepfield scrape esahubble`.")] = None,
    search: Annotated[str | None, typer.Option(help="As of `deepfield scrape esahubble`.")] = None,
    feed: Annotated[bool, typer.Option("--feed", help="As of `deepfield scrape esahubble`.")] = False,
    limit: LimitOption = None,
    archive_url: ArchiveUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a crawl of ESA/Hubble, as far as the pages of its lists are known."""
    from manifests.settings import load_settings
    from scrapers.esahubble import open_esahubble
    from scrapers.versions import Limits

    settings = load_settings()
    limits = Limits(settings.max_bytes, settings.max_pixels)
    site = open_esahubble(settings, limits, categories=category, feed=feed, search=search, archive_url=archive_url)
    _plan_site(site, settings, limit, as_json)


@plan_app.command()
def hubblesite(
    category: Annotated[str | None, typer.Option(help="As of `deepfield scrape hubblesite`.")] = None,
    collection: Annotated[str | None, typer.Option(help="As of `deepfield scrape hubblesite`.")] = None,
    kind: Annotated[str, typer.Option("--type", help="As of `deepfield scrape hubblesite`.")] = "Observations",
    era: Annotated[str, typer.Option(help="As of `deepfield scrape hubblesite`.")] = "auto",
    limit: LimitOption = None,
    archive_url: ArchiveUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a crawl of HubbleSite, as far as the pages of its lists are known."""
    from typing import cast

    from manifests.settings import load_settings
    from scrapers.hubblesite import Era, HubbleSiteQuery, open_hubblesite
    from scrapers.versions import Limits

    settings = load_settings()
    query = HubbleSiteQuery(None if kind.lower() == "all" else kind, category, collection, cast(Era, era))
    limits = Limits(settings.max_bytes, settings.max_pixels)
    _plan_site(open_hubblesite(settings, limits, query, archive_url=archive_url), settings, limit, as_json)


@plan_app.command()
def heritage(
    collection: Annotated[bool, typer.Option("--collection", help="As of `deepfield scrape heritage`.")] = False,
    limit: LimitOption = None,
    archive_url: ArchiveUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a crawl of Hubble Heritage, as far as the pages of its lists are known."""
    from manifests.settings import load_settings
    from scrapers.heritage import open_heritage
    from scrapers.versions import Limits

    settings = load_settings()
    limits = Limits(settings.max_bytes, settings.max_pixels)
    site = open_heritage(settings, limits, collection=collection, archive_url=archive_url)
    _plan_site(site, settings, limit, as_json)


def _plan_sky(archive: Archive, region: Any, tiling: Any, settings: Settings, limit: int | None, as_json: bool) -> None:
    from scrapers.plans import make_plan

    _tell(archive.name, lambda engine: make_plan(archive, region, tiling), settings, limit, as_json, pages=False)


def _plan_site(site: Gallery, settings: Settings, limit: int | None, as_json: bool) -> None:
    from scrapers.forecast import plan_of

    _tell(site.name, lambda engine: plan_of(site, engine), settings, limit, as_json, pages=True)


def _tell(
    archive: str,
    plan: Callable[[Engine], Plan],
    settings: Settings,
    limit: int | None,
    as_json: bool,
    *,
    pages: bool,
) -> None:
    from dataclasses import asdict

    from manifests.blobs import BlobStore
    from scrapers.forecast import catalogue_as_it_is, forecast

    engine = catalogue_as_it_is(settings.database)
    ahead = forecast(
        archive,
        plan(engine),
        engine=engine,
        blobs=BlobStore(settings.blobs_dir),
        settings=settings,
        limit=limit,
        pages=pages,
    )
    if as_json:
        typer.echo(json.dumps({"archive": archive, **asdict(ahead), "parts_open": ahead.parts_open}))
        return
    for line in _in_words(ahead, settings, pages=pages):
        typer.echo(f"{archive}: {line}")


def _in_words(ahead: Forecast, settings: Settings, *, pages: bool) -> list[str]:
    from scrapers.report import duration

    part = "page of the lists" if pages else "part of the region"
    parts = part.replace("page", "pages").replace("part", "parts") if ahead.parts != 1 else part
    lines = [f"{ahead.parts} {parts}, {ahead.parts_open} of them still to be asked"]
    lines.append(f"{ahead.products} products known, {ahead.products_open} of them still to be fetched")
    if ahead.expected is None:
        lines.append("how many products more there will be is unknown: no part of this was asked yet")
    elif ahead.parts_open:
        lines.append(
            f"about {ahead.expected} products more are expected: an estimate, as many for each part as in the "
            f"{ahead.answered} that were asked"
        )
    if pages and ahead.parts_open:
        lines.append("a list may go on after its last known page: that is known when that page was asked")
    least = "at least " if ahead.expected is None else "about " if ahead.expected else ""
    pace = f"{settings.requests_per_second:g} requests a second"
    if ahead.reply_s and settings.connections / ahead.reply_s < settings.requests_per_second:
        pace = f"{settings.connections / ahead.reply_s:.2g} requests a second, for replies took {ahead.reply_s:.1f} s "
        pace += f"so far and {settings.connections} connections are allowed"
    requests = f"{ahead.requests} request{'' if ahead.requests == 1 else 's'}"
    lines.append(f"{least}{requests}, {least}{duration(ahead.seconds)} at {pace}")
    lines.append("robots.txt was not asked: it may demand a slower pace, and forbid some of it")
    return lines
