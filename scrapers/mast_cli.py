"""`deepfield scrape mast`: colour pictures of Hubble's visits from MAST."""

from __future__ import annotations

from typing import Annotated

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
from scrapers.shared_cli import (
    JsonOption,
    LimitOption,
    ListOption,
    MinSizeOption,
    RefreshOption,
    finish,
    hint_contact,
    print_entries,
    print_products,
)


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
    collection: Annotated[
        str,
        typer.Option(
            help="Who made the pictures, comma-separated: hap (Hubble Advanced Products, from every year) and hla "
            "(Hubble Legacy Archive, visits until 2017)."
        ),
    ] = "hap,hla",
    kind: Annotated[
        str,
        typer.Option(help="Kinds of picture, comma-separated: color, combined (single filters and white light, gray)."),
    ] = "color",
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: Annotated[
        str | None,
        typer.Option(
            help="Another server that speaks MAST's protocol, such as `deepfield replica serve`.", metavar="URL"
        ),
    ] = None,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch pictures of a region from MAST, the successor of the Hubble Legacy Archive (colour pictures by default).

    A visit may come from both collections, and from `deepfield scrape hla`: all of its pictures share a split.

    HLA's pictures come through MAST; set DEEPFIELD_MAST_HLA_PICTURES=hla to have them from HLA itself.

    Examples:

      deepfield scrape mast --target M101 --radius 0.1 --list

      deepfield scrape mast --ra 210.80 --dec 54.35 --collection hap --limit 20

      deepfield scrape mast --polygon 'POLYGON ICRS 210.6 54.2 211.0 54.2 210.8 54.5' --kind combined
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from scrapers.crawl import crawl, look, products_in
    from scrapers.mast import mast_query, open_mast
    from scrapers.report import Reporter
    from scrapers.tiling import Tiling

    settings = load_settings()
    query = mast_query(collection, kind)
    archive = open_mast(settings, query, archive_url)
    tiling = Tiling(order, grid)
    region = region_from_options(
        settings, target=target, ra=ra, dec=dec, radius=radius, polygon=polygon, moc=moc, sky=sky
    )
    nothing = DeepfieldError(
        f"MAST has no picture of kind {','.join(query.kinds)} by {','.join(query.collections)} {region}: try a larger "
        "region, --kind combined, or both collections."
    )
    if list_only:
        with Reporter("mast", "listing") as report:
            found = look(archive, region, tiling, limit=limit, on_progress=report)
        if not print_products([product.record() for product in found], as_json):
            raise nothing
        return
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    hint_contact(archive.client.base, settings.contact)
    with Reporter("mast") as report:
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
    finish("mast", summary)
