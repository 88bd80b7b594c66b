"""`deepfield scrape status` and `retry`: what became of what was asked for, and asking again for what did not come."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrapers.region_cli import MocOfOption, MocOutOption
from scrapers.shared_cli import JsonOption, MinSizeOption, finish, hint_contact

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from scrapers.retry import Retry
    from scrapers.standing import Standing

_ERRORS_SHOWN = 5
_IN_HAND_SHOWN = 10

ArchiveNameOption = Annotated[
    str | None, typer.Option("--archive", help="Only this archive: hla, mast, heritage, ...", metavar="NAME")
]


def status(
    archive: ArchiveNameOption = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="List every product that did not come and every part, with its reason.")
    ] = False,
    moc_out: MocOutOption = None,
    moc_of: MocOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was asked and fetched so far, per archive, how much of the sky that covers, and the newest errors.

    Parts are what an archive is asked for its products by: pieces of the sky, pages of lists, folders. Failed
    products are asked for again by the next run, and by `deepfield scrape retry`; refused ones came and are of no
    use, and gone ones the archive has no more.
    """
    from manifests.database import open_database
    from manifests.settings import load_settings
    from scrapers.coverage import coverages, describe, export
    from scrapers.standing import missing, standings

    engine = open_database(load_settings().database)
    covered = [one for one in coverages(engine) if archive in (None, one.archive)]
    if moc_out is not None:
        written = export(covered, moc_out, moc_of)
        typer.echo(f"{moc_out}: {written}, {describe(written)}", err=True)
    if failures:
        for failure in missing(engine, archive):
            if as_json:
                typer.echo(json.dumps(failure._asdict()))
            else:
                why = f"{failure.status} ({failure.reason})" if failure.reason else failure.status
                words = f"{failure.attempts} requests, {failure.at}: {failure.error or 'no error given'}"
                typer.echo(f"{failure.what}  {why}, {words}")
        return
    here = standings(engine, archive)
    if as_json:
        for standing in here:
            typer.echo(json.dumps(_as_record(standing)))
        for one in covered:
            typer.echo(json.dumps(one.record()))
        return
    if not here:
        of = f" from {archive}" if archive else ""
        typer.echo(f"Nothing has been scraped{of} yet: deepfield scrape hla --target M101")
        return
    _show(here)
    for one in covered:
        typer.echo(f"{one.archive:10} {describe(one)}")
    _show_errors(engine, archive)


def retry(
    archive: ArchiveNameOption = None,
    reason: Annotated[
        str | None,
        typer.Option(help="Only products with this reason, as status shows it: busy, too_small, ...", metavar="REASON"),
    ] = None,
    state: Annotated[
        str, typer.Option("--status", help="Which products: failed, refused or gone.", metavar="STATUS")
    ] = "failed",
    archive_url: Annotated[
        str | None,
        typer.Option(help="Ask this server instead of the one that was asked at first.", metavar="URL"),
    ] = None,
    min_size: MinSizeOption = 256,
) -> None:
    """Ask again for what did not come: failed products and parts, or with --status what was refused or is gone.

    Each is asked of the archive it was asked of at first. What other runs left open is none of its business: run
    their commands again for that.

    Examples:

      deepfield scrape retry

      deepfield scrape retry --archive hla --status refused --reason too_small --min-size 128
    """
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.errors import DeepfieldError, UsageError
    from manifests.settings import load_settings
    from scrapers.report import Reporter
    from scrapers.retry import find, run
    from scrapers.standing import GIVEN_UP

    if state not in GIVEN_UP:
        raise UsageError(f"--status {state!r} is not a state to ask again for: give {', '.join(GIVEN_UP)}.")
    settings = load_settings()
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    found = find(engine, archive=archive, status=state, reason=reason)
    if archive_url is not None and len({one.asked.archive for one in found}) > 1:
        raise UsageError("--archive-url is one archive's address: say with --archive which.")
    if not found:
        typer.echo("There is nothing to ask again for.", err=True)
        return
    errors: list[str] = []
    for one in found:
        typer.echo(_about(one, state, archive_url), err=True)
        if one.asked.query is not None:  # of a folder nothing is requested
            hint_contact(archive_url or one.asked.base or settings.heritage_url, settings.contact)
        try:
            with Reporter(one.asked.archive) as report:
                summary = run(
                    one,
                    engine=engine,
                    blobs=blobs,
                    settings=settings,
                    archive_url=archive_url,
                    min_size=min_size,
                    on_progress=report,
                )
            finish(one.asked.archive, summary)
        except DeepfieldError as error:
            errors.append(str(error))
    if errors:
        raise DeepfieldError(" ".join(errors))


def _about(one: Retry, state: str, archive_url: str | None) -> str:
    """What is about to be asked again."""
    parts = [f"{len(one.tiles)} parts that failed"] if one.tiles else []
    parts += [f"{len(one.product_ids)} products that {_DID[state]}"] if one.product_ids else []
    where = archive_url or one.asked.base
    return f"{one.asked.archive}{f' at {where}' if where else ''}: asking again for {' and '.join(parts)}."


_DID = {"failed": "failed", "refused": "were refused", "gone": "were gone"}


def _as_record(standing: Standing) -> dict[str, Any]:
    return {
        "archive": standing.archive,
        "what": "archive",
        "parts": dict(standing.tiles),
        "products": dict(standing.products),
        "reasons": {state: dict(reasons) for state, reasons in standing.reasons.items()},
        "requests": standing.requests,
        "vain_requests": standing.vain,
        "bytes": standing.bytes,
        "last_active": standing.last_active,
        "in_hand": [{"what": held.key, "worker": held.worker, "until": held.until} for held in standing.in_hand],
    }


def _show(here: list[Standing]) -> None:
    from rich.console import Console
    from rich.table import Table

    from scrapers.workers import in_words

    table = Table(box=None, pad_edge=False)
    table.add_column("archive")
    for name in (
        *("parts", "open", "failed", "products", "here", "open", "failed", "refused", "gone"),
        *("MB", "requests", "in vain", "last active"),
    ):
        table.add_column(name, justify="right")
    for one in here:
        states = [one.products[state] for state in ("got", "open", "failed", "refused", "gone")]
        numbers = [one.tiles.total(), one.tiles["open"], one.tiles["failed"], one.products.total(), *states]
        effort = [f"{one.bytes / 1e6:.1f}", str(one.requests), str(one.vain), one.last_active or "never"]
        table.add_row(one.archive, *map(str, numbers), *effort)
    # on a terminal as wide as that; elsewhere nothing is cut off
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    for one in here:
        for state, reasons in sorted(one.reasons.items()):
            words = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
            typer.echo(f"{one.archive}: {state}: {words}")
    for one in here:
        for held in one.in_hand[:_IN_HAND_SHOWN]:
            typer.echo(f"{one.archive}: {held.key} is in the hands of {in_words(held.worker)}")
        if len(one.in_hand) > _IN_HAND_SHOWN:
            typer.echo(f"{one.archive}: and {len(one.in_hand) - _IN_HAND_SHOWN} more")


def _show_errors(engine: Engine, archive: str | None) -> None:
    from scrapers import ledger

    errors = ledger.last_errors(engine, _ERRORS_SHOWN, archive)
    if errors:
        typer.echo("newest errors (all of them: deepfield scrape status --failures):")
    for error in errors:
        typer.echo(f"  {error.at}  {error.what}  {error.text}")
