"""`deepfield scrape`: bringing pictures in from an archive or a folder, and how that stands."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from scrapers.composite_cli import CompositeOption, make_composites, wanted_method
from scrapers.ledger_cli import retry, status
from scrapers.mast_cli import mast
from scrapers.plan_cli import plan_app
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
    say_not_loaded,
)
from scrapers.sites_cli import esahubble, heritage, hubblesite
from scrapers.sky_cli import scrape_sky

scrape_app = typer.Typer(
    no_args_is_help=True,
    help="Bring pictures in. What is here already is never fetched again; stop at any time and start again.",
)


@scrape_app.command()
def hla(
    ctx: typer.Context,
    target: TargetOption = None,
    ra: RaOption = None,
    dec: DecOption = None,
    radius: RadiusOption = None,
    polygon: PolygonOption = None,
    moc: MocOption = None,
    sky: SkyOption = None,
    order: OrderOption = None,
    grid: GridOption = False,
    imagetype: Annotated[
        str | None,
        typer.Option(
            help="Kinds of picture, comma-separated: color, combined, mosaic, exposure, hlsp, best, all. By default "
            "color, with --fits combined."
        ),
    ] = None,
    inst: Annotated[
        str | None,
        typer.Option(
            help="Instruments, comma-separated: ACS, ACSGrism, WFC3, WFPC2, NICMOS, NICGRISM, COS, STIS, FOS, GHRS, "
            "and WFPC2-PC, the only one that is not asked for by default."
        ),
    ] = None,
    filters: Annotated[
        str | None, typer.Option("--filter", help="Filters, comma-separated: F814W,F606W. All by default.")
    ] = None,
    fits: Annotated[
        bool,
        typer.Option(
            "--fits",
            help="The counts of single filters as FITS files, instead of JPEGs; sums over all filters only with "
            "--filter detection.",
        ),
    ] = False,
    composite: CompositeOption = None,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser",
            help="Read the archive's page hlaview.html in a headless Chromium, not its search service: slower, the "
            "same pictures.",
        ),
    ] = False,
    limit: LimitOption = None,
    list_only: ListOption = False,
    as_json: JsonOption = False,
    archive_url: Annotated[
        str | None,
        typer.Option(
            help="Another server that speaks HLA's protocol, such as `deepfield replica serve`.", metavar="URL"
        ),
    ] = None,
    min_size: MinSizeOption = 256,
    refresh: RefreshOption = False,
) -> None:
    """Fetch pictures of a region from the Hubble Legacy Archive (colour pictures by default).

    Examples:

      deepfield scrape hla --target M101 --radius 0.1 --list

      deepfield scrape hla --ra 210.80 --dec 54.35 --radius 0.2

      deepfield scrape hla --polygon 'POLYGON ICRS 210.6 54.2 211.0 54.2 210.8 54.5' --imagetype best

      deepfield scrape hla --sky all --filter F814W --inst ACS

      deepfield scrape hla --target M101 --fits --composite asinh
    """
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from scrapers.hla import hla_query, open_hla
    from scrapers.plans import Archive
    from scrapers.tiling import Tiling

    method = wanted_method(composite, fits)
    settings = load_settings()
    query = hla_query(imagetype, inst, filters, fits=fits)
    tiling = Tiling(order, grid)
    region = region_from_options(
        settings, target=target, ra=ra, dec=dec, radius=radius, polygon=polygon, moc=moc, sky=sky
    )
    if browser:
        from scrapers.hlaview import open_hlaview

        view = ctx.with_resource(open_hlaview(settings, query, archive_url))
        ctx.call_on_close(lambda: say_not_loaded(view.elsewhere))
        archive: Archive = view
    else:
        archive = open_hla(settings, query, archive_url)
    nothing = DeepfieldError(
        f"The archive has no product of image type {','.join(query.imagetypes)} {region}: try a larger region, "
        "another --imagetype, or fewer conditions."
    )
    compose = None
    if method is not None:
        compose = partial(make_composites, method=method, settings=settings, as_json=as_json)
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
        then=compose,
    )


scrape_app.command()(mast)
scrape_app.command()(heritage)
scrape_app.command()(hubblesite)
scrape_app.command()(esahubble)


@scrape_app.command()
def folder(
    directory: Annotated[Path, typer.Argument(help="Folder with your frames; sub-folders too.", metavar="DIR")],
    limit: LimitOption = None,
) -> None:
    """Take in your own frames: every JPEG, PNG, TIFF and FITS (also .fits.gz) below a folder, by content.

    Files of other kinds, such as GIF, are passed over and named. The files stay as they are. Positions and filters are
    read from FITS headers.
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.settings import load_settings
    from scrapers.folder import scrape_folder
    from scrapers.report import Reporter

    settings = load_settings()
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    told: list[str] = []
    with Reporter("folder") as report:
        summary = scrape_folder(
            directory,
            engine=engine,
            blobs=blobs,
            settings=settings,
            limit=limit,
            on_progress=report,
            tell=told.append,  # the bar is in the way until it ends
        )
    for line in told:
        typer.echo(line, err=True)
    finish("folder", summary)


scrape_app.command()(status)
scrape_app.command()(retry)
scrape_app.add_typer(plan_app, name="plan")
