"""`deepfield scrape mast`: colour pictures of Hubble's visits from MAST."""

from __future__ import annotations

from typing import Annotated

import typer

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
    target: Annotated[str | None, typer.Option(help="Name of an object: M101, 'NGC 1300', Whirlpool.")] = None,
    ra: Annotated[str | None, typer.Option(help="Right ascension: degrees, or hours as 14:03:12.6.")] = None,
    dec: Annotated[str | None, typer.Option(help="Declination: degrees, or as +54:20:57.")] = None,
    radius: Annotated[float, typer.Option(help="Radius in degrees; 0 for what covers the very point.")] = 0.2,
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
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.errors import DeepfieldError, UsageError
    from manifests.settings import load_settings
    from scrapers import sky
    from scrapers.crawl import crawl, look, products_in
    from scrapers.mast import mast_query, open_mast
    from scrapers.report import Reporter
    from scrapers.targets import resolve

    if target is not None and (ra is not None or dec is not None):
        raise UsageError("Give either --target or --ra and --dec, not both.")
    if (ra is None) != (dec is None):
        raise UsageError("A position needs both --ra and --dec.")
    settings = load_settings()
    query = mast_query(collection, kind)
    archive = open_mast(settings, query, archive_url)
    if ra is not None and dec is not None:
        region = sky.cone(ra, dec, radius)
    elif target is not None:
        sky.cone(0.0, 0.0, radius)  # a wrong radius is found before a name is looked up
        place = resolve(target, settings)
        region = sky.cone(place.ra, place.dec, radius)
    else:
        raise UsageError("Say where to look: --target M101, or --ra and --dec.")
    nothing = DeepfieldError(
        f"MAST has no picture of kind {','.join(query.kinds)} by {','.join(query.collections)} {region}: try a larger "
        "region, --kind combined, or both collections."
    )
    if list_only:
        if not print_products([product.record() for product in look(archive, region)[:limit]], as_json):
            raise nothing
        return
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    hint_contact(archive.client.base, settings.contact)
    with Reporter("mast") as report:
        summary = crawl(
            archive,
            region,
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
        print_entries(products_in(archive, region, engine=engine, limit=limit))
    finish("mast", summary)
