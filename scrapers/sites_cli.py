"""`deepfield scrape esahubble`, `hubblesite`, `heritage`: the outreach sites, by their lists of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrapers.shared_cli import (
    JsonOption,
    ListOption,
    MinSizeOption,
    RefreshOption,
    finish,
    hint_contact,
    print_entries,
    print_products,
)

if TYPE_CHECKING:
    from manifests.settings import Settings
    from scrapers.gallery import Gallery
    from scrapers.versions import Limits

ArchiveOption = Annotated[
    str | None,
    typer.Option(help="Another server that speaks as the site does, such as `deepfield replica serve`.", metavar="URL"),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Walk the lists until N pictures are known, and take N by name.", metavar="N")
]
MegabytesOption = Annotated[
    float | None,
    typer.Option(min=0.001, help="Fetch the largest file that is stated to be no longer.", metavar="MB"),
]
OriginalsOption = Annotated[
    bool, typer.Option("--originals", help="Take TIFF originals where they are offered and within the limits.")
]


def esahubble(
    category: Annotated[
        str,
        typer.Option(
            help="Lists to walk, comma-separated: observation (observations with a position), top100, all, galaxies, "
            "nebulae, stars, starclusters, cosmology, blackholes, exoplanets, solarsystem, ..."
        ),
    ] = "observation",
    types: Annotated[
        str, typer.Option("--type", help="Types of picture to take, comma-separated, or all: Observation, Artwork, ...")
    ] = "Observation",
    feed: Annotated[
        bool,
        typer.Option("--feed", help="Read the feed of all pictures: a hundred in one request instead of one by one."),
    ] = False,
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: ArchiveOption = None,
    max_mb: MegabytesOption = None,
    originals: OriginalsOption = False,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch pictures from ESA/Hubble (esahubble.org), the largest JPEG or PNG of each.

    Licence CC BY 4.0: the credit line of a picture must be printed with it, and is kept in the manifest.

    Examples:

      deepfield scrape esahubble --limit 20 --list

      deepfield scrape esahubble --category galaxies,nebulae --max-mb 30
    """
    from manifests.settings import load_settings
    from scrapers.esahubble import open_esahubble

    settings = load_settings()
    limits = _limits(settings, max_mb, originals)
    gallery = open_esahubble(
        settings,
        limits,
        categories=None if feed and category == "observation" else category,
        types=types,
        feed=feed,
        archive_url=archive_url,
    )
    _scrape(gallery, settings, limit, min_size, list_only=list_only, as_json=as_json, refresh=refresh)


def hubblesite(
    category: Annotated[
        str | None,
        typer.Option(help="A topic or album by its number and name (105-galaxies), or a tag ('Spiral Galaxies')."),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="A collection: 'Hubble Heritage', 'Hubble Favorites', 'Anniversary Images', ...")
    ] = None,
    kind: Annotated[
        str, typer.Option("--type", help="Type of picture: Observations, Artwork, Spectra, ...; all for every type.")
    ] = "Observations",
    era: Annotated[
        str,
        typer.Option(help="How the site is asked: auto tries 2023, 2020 (pages), 2017 (gallery), api (its API v3)."),
    ] = "auto",
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: ArchiveOption = None,
    max_mb: MegabytesOption = None,
    originals: OriginalsOption = False,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch pictures from HubbleSite (hubblesite.org), the largest JPEG or PNG of each by the sizes its page states.

    Examples:

      deepfield scrape hubblesite --limit 20 --list

      deepfield scrape hubblesite --category 105-galaxies --max-mb 30
    """
    from typing import cast

    from manifests.settings import load_settings
    from scrapers.hubblesite import Era, HubbleSiteQuery, open_hubblesite

    settings = load_settings()
    query = HubbleSiteQuery(None if kind.lower() == "all" else kind, category, collection, cast(Era, era))
    gallery = open_hubblesite(settings, _limits(settings, max_mb, originals), query, archive_url=archive_url)
    _scrape(gallery, settings, limit, min_size, list_only=list_only, as_json=as_json, refresh=refresh)


def heritage(
    collection: Annotated[
        bool, typer.Option("--collection", help="Ask HubbleSite's Heritage collection instead of the former site.")
    ] = False,
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: ArchiveOption = None,
    max_mb: MegabytesOption = None,
    originals: OriginalsOption = False,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch the releases of Hubble Heritage (heritage.stsci.edu), the largest JPEG or PNG of each.

    The site closed about 2020, and its pictures are in a collection of HubbleSite: --collection asks for that.

    Examples:

      deepfield scrape heritage --collection --limit 20 --list
    """
    from manifests.settings import load_settings
    from scrapers.heritage import open_heritage

    settings = load_settings()
    limits = _limits(settings, max_mb, originals)
    gallery = open_heritage(settings, limits, collection=collection, archive_url=archive_url)
    _scrape(gallery, settings, limit, min_size, list_only=list_only, as_json=as_json, refresh=refresh)


def _limits(settings: Settings, max_mb: float | None, originals: bool) -> Limits:
    from scrapers.versions import Limits

    most = settings.max_bytes if max_mb is None else min(int(max_mb * 1e6), settings.max_bytes)
    return Limits(most, settings.max_pixels, originals)


def _scrape(
    gallery: Gallery,
    settings: Settings,
    limit: int | None,
    min_size: int,
    *,
    list_only: bool,
    as_json: bool,
    refresh: bool,
) -> None:
    """List or bring in a gallery, and say how it went."""
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.errors import DeepfieldError
    from scrapers.crawl import planned_products
    from scrapers.gallery import crawl_gallery
    from scrapers.report import Reporter

    nothing = DeepfieldError(
        f"{gallery.client.base} offers no pictures in {', '.join(gallery.lists)}: try another --category, or look at "
        "the address."
    )
    if list_only:
        if not print_products(_described(gallery, limit), as_json):
            raise nothing
        return
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    hint_contact(gallery.client.base, settings.contact)
    with Reporter(gallery.name) as report:
        plan, summary = crawl_gallery(
            gallery,
            engine=engine,
            blobs=blobs,
            settings=settings,
            limit=limit,
            min_size=min_size,
            refresh=refresh,
            on_progress=report,
        )
    if not summary.progress.found and not summary.tiles_failed:
        raise nothing
    if as_json:
        print_entries(planned_products(plan, engine=engine, limit=limit))
    finish(gallery.name, summary, parts="pages of the lists")


def _described(gallery: Gallery, limit: int | None) -> Iterator[dict[str, Any]]:
    """The records of a gallery's pictures; what is not to be had is said on stderr."""
    from rich.console import Console

    from scrapers.gallery import look_through
    from scrapers.http import HttpError

    with Console(stderr=True).status("Reading the pages of the pictures"):
        for found in look_through(gallery, limit):
            if isinstance(found, HttpError):
                typer.echo(f"  {found}", err=True)
            else:
                yield found.record()
