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
)
from scrapers.sky_cli import scrape_sky


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
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from scrapers.mast import mast_query, open_mast
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
    scrape_sky(
        archive,
        region,
        tiling,
        settings,
        limit=limit,
        min_size=min_size,
        list_only=list_only,
        as_json=as_json,
        refresh=refresh,
        nothing=nothing,
    )
