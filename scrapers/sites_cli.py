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

_TITLED = {"obs_id": "obs_id", "title": "obs_title", "filters": "filters", "s_ra": "s_ra", "s_dec": "s_dec"} | {
    "released": "obs_release_date",
    "file": "access_format",
}
ArchiveOption = Annotated[
    str | None,
    typer.Option(help="Another server that speaks as the site does, such as `deepfield replica serve`.", metavar="URL"),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Walk the lists until N pictures are known, and take N by name.", metavar="N")
]
MegabytesOption = Annotated[
    float | None,
    typer.Option(
        min=0.001, help="Longest file to fetch, in MB; of a longer one the next smaller version.", metavar="MB"
    ),
]
PixelsOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Largest picture to fetch, in pixels (width times height); as with --max-mb.", metavar="PIXELS"
    ),
]
OriginalsOption = Annotated[
    bool,
    typer.Option(
        "--originals", help="Take the TIFF original where one is offered and within the limits, else JPEG/PNG."
    ),
]


def esahubble(
    category: Annotated[
        str | None,
        typer.Option(
            help="Lists to walk, comma-separated: observation (observations with a position), top100, all, galaxies, "
            "nebulae, stars, starclusters, cosmology, blackholes, exoplanets, solarsystem, anniversary, illustrations, "
            "jwst, misc, mission, spacecraft. [default: observation]",
            show_default=False,
        ),
    ] = None,
    types: Annotated[
        str,
        typer.Option(
            "--type",
            help="Types of picture to take, comma-separated, or all: Observation, Artwork, Photographic, Planetary, "
            "Simulation, Collage, Chart.",
        ),
    ] = "Observation",
    search: Annotated[
        str | None,
        typer.Option(
            help="Instead of a list: pictures that have these words in name, title, text or credit.", metavar="WORDS"
        ),
    ] = None,
    feed: Annotated[
        bool,
        typer.Option(
            "--feed", help="Instead of a list: the feed of all pictures, which describes a hundred in one request."
        ),
    ] = False,
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: ArchiveOption = None,
    max_mb: MegabytesOption = None,
    max_pixels: PixelsOption = None,
    originals: OriginalsOption = False,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch pictures from ESA/Hubble (esahubble.org), the largest JPEG or PNG of each.

    By default all observations whose position is known, some thousands. Run again, it fetches only what is missing.
    Licence CC BY 4.0: the credit line of a picture must be printed with it, and is kept in the manifest.

    Examples:

      deepfield scrape esahubble --limit 20 --list

      deepfield scrape esahubble --category galaxies,nebulae --max-mb 30

      deepfield scrape esahubble --search "Tarantula" --originals
    """
    from manifests.settings import load_settings
    from scrapers.esahubble import open_esahubble
    from scrapers.versions import limits_within

    settings = load_settings()
    limits = limits_within(settings, max_mb, max_pixels, originals=originals)
    gallery = open_esahubble(
        settings,
        limits,
        categories=category,
        types=types,
        feed=feed,
        search=search,
        archive_url=archive_url,
    )
    _scrape(gallery, settings, limits, limit, min_size, list_only=list_only, as_json=as_json, refresh=refresh)


def hubblesite(
    category: Annotated[
        str | None,
        typer.Option(
            help="A topic by its number and name (101-solar-system, 103-exoplanets, 104-stars-and-nebulas, "
            "105-galaxies, 106-universe, 107-cosmic-wonders, 109-the-telescope, 110-miscellaneous), "
            "or a tag ('Spiral Galaxies')."
        ),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(
            help="A collection: 'Hubble Heritage', 'Hubble Favorites', 'Anniversary Images', 'Key Concepts', "
            "'Zoomable Images'."
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            help="Type of picture: Observations, Annotated Observations, Artwork, Compass, Infographics, Photographs, "
            "Spectra; all for every type.",
        ),
    ] = "Observations",
    era: Annotated[
        str,
        typer.Option(
            help="How the site is asked: as in 2023, 2020 (pages), 2017 (gallery), or by api (its API v3); auto tries "
            "them in this order."
        ),
    ] = "auto",
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: ArchiveOption = None,
    max_mb: MegabytesOption = None,
    max_pixels: PixelsOption = None,
    originals: OriginalsOption = False,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch pictures from HubbleSite (hubblesite.org), the largest JPEG or PNG of each by the sizes its page states.

    Of an annotated picture and its clean twin the clean one is taken. Run again, it fetches only what is missing. In
    2025 the site moved into science.nasa.gov, whose pages are not read; where it sends there, a sentence says so, and
    `deepfield scrape esahubble` has the same releases.

    Examples:

      deepfield scrape hubblesite --limit 20 --list

      deepfield scrape hubblesite --category 105-galaxies --max-mb 30

      deepfield scrape hubblesite --category "Planetary Nebulas" --max-pixels 25000000
    """
    from typing import cast

    from manifests.settings import load_settings
    from scrapers.hubblesite import Era, HubbleSiteQuery, open_hubblesite
    from scrapers.versions import limits_within

    settings = load_settings()
    query = HubbleSiteQuery(None if kind.lower() == "all" else kind, category, collection, cast(Era, era))
    limits = limits_within(settings, max_mb, max_pixels, originals=originals)
    gallery = open_hubblesite(settings, limits, query, archive_url=archive_url)
    _scrape(gallery, settings, limits, limit, min_size, list_only=list_only, as_json=as_json, refresh=refresh)


def heritage(
    collection: Annotated[
        bool, typer.Option("--collection", help="Ask HubbleSite's Heritage collection and no other place.")
    ] = False,
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: ArchiveOption = None,
    max_mb: MegabytesOption = None,
    max_pixels: PixelsOption = None,
    originals: OriginalsOption = False,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch the pictures of Hubble Heritage, the largest JPEG or PNG of each.

    Its own site (heritage.stsci.edu) closed about 2020. The pictures are taken from where they are now: HubbleSite's
    Heritage collection, or where that has moved away the same releases at ESA/Hubble; a sentence says which. With
    --archive-url a server is asked that still has the former site's index. Run again, it fetches only what is missing.

    Examples:

      deepfield scrape heritage --limit 20 --list

      deepfield scrape heritage --max-mb 30
    """
    from manifests.settings import load_settings
    from scrapers.heritage import open_heritage
    from scrapers.versions import limits_within

    settings = load_settings()
    limits = limits_within(settings, max_mb, max_pixels, originals=originals)
    gallery = open_heritage(settings, limits, collection=collection, archive_url=archive_url, tell=_say)
    _scrape(gallery, settings, limits, limit, min_size, list_only=list_only, as_json=as_json, refresh=refresh)


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _scrape(
    gallery: Gallery,
    settings: Settings,
    limits: Limits,
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
        f"{gallery.client.base} lists no pictures in {', '.join(gallery.lists)} of the type that is wanted: try "
        "another --category or --type, or look at the address. Where a browser shows some, the site's pages have "
        "changed and cannot be read."
    )
    if list_only:
        if not print_products(_described(gallery, limit), as_json, _TITLED):
            raise nothing
        return
    settings = settings.model_copy(update={"max_bytes": limits.max_bytes, "max_pixels": limits.max_pixels})
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
