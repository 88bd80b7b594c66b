"""What `deepfield scrape hla` and `mast` do with a region: list it, or bring it in and say how that went."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scrapers.shared_cli import finish, hint_contact, print_entries, print_products

if TYPE_CHECKING:
    from manifests.errors import DeepfieldError
    from manifests.settings import Settings
    from scrapers.plans import Archive
    from scrapers.regions import Region
    from scrapers.tiling import Tiling


def scrape_sky(
    archive: Archive,
    region: Region,
    tiling: Tiling,
    settings: Settings,
    *,
    limit: int | None,
    min_size: int,
    list_only: bool,
    as_json: bool,
    refresh: bool,
    nothing: DeepfieldError,
    then: Callable[..., None] | None = None,
) -> None:
    """List or bring in a region; `nothing` is raised where the archive has nothing there.

    `then` is called with all that the ledger has of the region, `engine` and `blobs`, before it is said how it went.
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from scrapers.crawl import crawl, look, products_in
    from scrapers.report import Reporter

    if list_only:
        with Reporter(archive.name, "listing") as report:
            found = look(archive, region, tiling, limit=limit, on_progress=report)
        if not print_products([product.record() for product in found], as_json):
            raise nothing
        return
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    hint_contact(archive.client.base, settings.contact)
    with Reporter(archive.name) as report:
        summary = crawl(
            archive,
            region,
            tiling,
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
        print_entries(products_in(archive, region, tiling, engine=engine, limit=limit))
    if then is not None:
        then(products_in(archive, region, tiling, engine=engine), engine=engine, blobs=blobs)
    finish(archive.name, summary)
