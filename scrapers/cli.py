"""`deepfield scrape`: bringing pictures in from an archive or a folder, and how that stands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scrapers.tally import CrawlSummary

scrape_app = typer.Typer(
    no_args_is_help=True,
    help="Bring pictures in. What is here already is never fetched again; stop at any time and start again.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Only the first N products, by name.", metavar="N")]


@scrape_app.command()
def hla(
    target: Annotated[str | None, typer.Option(help="Name of an object: M101, 'NGC 1300', Whirlpool.")] = None,
    ra: Annotated[str | None, typer.Option(help="Right ascension: degrees, or hours as 14:03:12.6.")] = None,
    dec: Annotated[str | None, typer.Option(help="Declination: degrees, or as +54:20:57.")] = None,
    radius: Annotated[float, typer.Option(help="Radius in degrees; 0 for what covers the very point.")] = 0.2,
    imagetype: Annotated[
        str,
        typer.Option(help="Kinds of picture, comma-separated: color, combined, mosaic, exposure, hlsp, best, all."),
    ] = "color",
    inst: Annotated[
        str | None, typer.Option(help="Instruments, comma-separated: ACS, WFC3, WFPC2, WFPC2-PC, NICMOS, ...")
    ] = None,
    filters: Annotated[
        str | None, typer.Option("--filter", help="Filters, comma-separated: F814W,F606W. All by default.")
    ] = None,
    limit: LimitOption = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Show the products only: nothing is downloaded or written down.")
    ] = False,
    as_json: JsonOption = False,
    archive_url: Annotated[
        str | None,
        typer.Option(
            help="Another server that speaks HLA's protocol, such as `deepfield replica serve`.", metavar="URL"
        ),
    ] = None,
    min_size: Annotated[int, typer.Option(min=1, help="Least width and height in pixels.", metavar="PX")] = 256,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask again for what was asked already, and for what was refused or gone.")
    ] = False,
) -> None:
    """Fetch pictures of a region from the Hubble Legacy Archive (colour pictures by default).

    Examples:

      deepfield scrape hla --target M101 --radius 0.1 --list

      deepfield scrape hla --ra 210.80 --dec 54.35 --radius 0.2
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.errors import DeepfieldError, UsageError
    from manifests.settings import load_settings
    from scrapers import sky
    from scrapers.crawl import crawl, look, products_in
    from scrapers.hla import hla_query, open_hla
    from scrapers.report import Reporter
    from scrapers.targets import resolve

    if target is not None and (ra is not None or dec is not None):
        raise UsageError("Give either --target or --ra and --dec, not both.")
    if (ra is None) != (dec is None):
        raise UsageError("A position needs both --ra and --dec.")
    settings = load_settings()
    query = hla_query(imagetype, inst, filters)
    archive = open_hla(settings, query, archive_url)
    if ra is not None and dec is not None:
        region = sky.cone(ra, dec, radius)
    elif target is not None:
        sky.cone(0.0, 0.0, radius)  # a wrong radius is found before a name is looked up
        place = resolve(target, settings)
        region = sky.cone(place.ra, place.dec, radius)
    else:
        raise UsageError("Say where to look: --target M101, or --ra and --dec.")
    nothing = DeepfieldError(
        f"The archive has no product of image type {','.join(query.imagetypes)} {region}: try a larger --radius, "
        "another --imagetype, or fewer conditions."
    )
    if list_only:
        products = look(archive, region)[:limit]
        if not products:
            raise nothing
        _print_products([product.record() for product in products], as_json)
        return
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    _hint_contact(archive.client.base, settings.contact)
    with Reporter("hla") as report:
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
        for entry in products_in(archive, region, engine=engine, limit=limit):
            found = {"status": entry.line.status, "image_id": entry.line.sha256}
            typer.echo(json.dumps(entry.product.record() | found))
    _finish("hla", summary)


@scrape_app.command()
def folder(
    directory: Annotated[Path, typer.Argument(help="Folder with your frames; sub-folders too.", metavar="DIR")],
    limit: LimitOption = None,
) -> None:
    """Take in your own frames: every JPEG, PNG, TIFF and FITS (also .fits.gz) below a folder, by content.

    The files stay as they are. Positions and filters are read from FITS headers.
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.settings import load_settings
    from scrapers.folder import scrape_folder
    from scrapers.report import Reporter

    settings = load_settings()
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    with Reporter("folder") as report:
        summary = scrape_folder(
            directory, engine=engine, blobs=blobs, settings=settings, limit=limit, on_progress=report
        )
    _finish("folder", summary)


@scrape_app.command()
def status(as_json: JsonOption = False) -> None:
    """Show what was asked and fetched so far, per archive, and the newest errors."""
    from dataclasses import asdict

    from manifests.database import open_database
    from manifests.settings import load_settings
    from scrapers import ledger

    engine = open_database(load_settings().database)
    counts, errors = ledger.counts(engine), ledger.last_errors(engine, 5)
    if as_json:
        for count in counts:
            typer.echo(json.dumps(asdict(count)))
        return
    if not counts:
        typer.echo("Nothing has been scraped yet: deepfield scrape hla --target M101")
        return
    for count in counts:
        why = f" ({count.reason})" if count.reason else ""
        typer.echo(f"{count.archive:10} {count.number:8} {count.what:8} {count.status}{why}")
    if errors:
        typer.echo("newest errors:")
    for error in errors:
        typer.echo(f"  {error.at}  {error.what}  {error.text}")


def _finish(archive: str, summary: CrawlSummary) -> None:
    """Say what a crawl came to; raise where it is not done."""
    from manifests.errors import DeepfieldError
    from scrapers.report import sentence

    typer.echo(sentence(archive, summary), err=True)
    progress = summary.progress
    if summary.stopped:
        raise DeepfieldError(summary.stopped)
    if summary.tiles_failed:
        raise DeepfieldError(
            f"{summary.tiles_failed} of {progress.tiles} parts of the region could not be asked; run the command "
            f"again. {summary.errors[0]}"
        )
    if not progress.got and not progress.skipped:
        raise DeepfieldError(f"None of the {progress.found} products could be brought in. {summary.errors[0]}")
    for error in summary.errors:
        typer.echo(f"  {error}", err=True)


def _print_products(records: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for record in records:
            typer.echo(json.dumps(record))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("obs_id", "filters", "instrument", "s_ra", "s_dec", "t_exptime", "target", box=None)
    for record in records:
        numbers = [
            "" if record.get(name) is None else f"{record[name]:.{digits}f}"
            for name, digits in (("s_ra", 5), ("s_dec", 5), ("t_exptime", 0))
        ]
        words = [str(record.get(name, "")) for name in ("obs_id", "filters", "instrument_name")]
        table.add_row(*words, *numbers, str(record.get("target_name", "")))
    # on a terminal as wide as that; elsewhere nothing is cut off
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    typer.echo(f"{len(records)} products", err=True)


def _hint_contact(base: str, contact: str | None) -> None:
    """Ask once per crawl for an address, where the archive is a public one."""
    from scrapers.hosts import HostList, is_private

    if not contact and not is_private(HostList(base).own.host, look_up=False):
        typer.echo("Set DEEPFIELD_CONTACT to your mail address, so that the archive can reach you.", err=True)
