"""What the commands of `deepfield scrape` share: options, and how products and results are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scrapers.ledger import Entry
    from scrapers.tally import CrawlSummary

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Only the first N products, by name.", metavar="N")]
ListOption = Annotated[
    bool, typer.Option("--list", help="Show the products only: nothing is downloaded or written down.")
]
MinSizeOption = Annotated[int, typer.Option(min=1, help="Least width and height in pixels.", metavar="PX")]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Ask again for what was asked already, and for what was refused or gone.")
]


def finish(archive: str, summary: CrawlSummary, parts: str = "parts of the region") -> None:
    """Say what a crawl came to; raise where it is not done. `parts` is what was asked for lists of products."""
    from manifests.errors import DeepfieldError
    from scrapers.report import sentence

    typer.echo(sentence(archive, summary), err=True)
    progress = summary.progress
    if summary.stopped:
        raise DeepfieldError(summary.stopped)
    if summary.tiles_failed:
        raise DeepfieldError(
            f"{summary.tiles_failed} of {progress.tiles} {parts} could not be asked; run the command "
            f"again. {summary.errors[0]}"
        )
    if not progress.got and not progress.skipped:
        raise DeepfieldError(f"None of the {progress.found} products could be brought in. {summary.errors[0]}")
    for error in summary.errors:
        typer.echo(f"  {error}", err=True)


def print_products(records: Iterable[dict[str, Any]], as_json: bool) -> int:
    """Show products as a table, or as JSON lines as they come; how many there were."""
    count = 0
    if as_json:
        for record in records:
            typer.echo(json.dumps(record))
            count += 1
        return count
    from rich.console import Console
    from rich.table import Table

    table = Table("obs_id", "filters", "instrument", "s_ra", "s_dec", "t_exptime", "target", box=None)
    for record in records:
        count += 1
        numbers = [
            "" if record.get(name) is None else f"{record[name]:.{digits}f}"
            for name, digits in (("s_ra", 5), ("s_dec", 5), ("t_exptime", 0))
        ]
        words = [str(record.get(name, "")) for name in ("obs_id", "filters", "instrument_name")]
        table.add_row(*words, *numbers, str(record.get("target_name", "")))
    if not count:
        return 0
    # on a terminal as wide as that; elsewhere nothing is cut off
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    typer.echo(f"{count} products", err=True)
    return count


def print_entries(entries: Iterable[Entry]) -> None:
    """Show products as JSON lines, with what came of each and its image_id."""
    for entry in entries:
        came = {"status": entry.line.status, "image_id": entry.line.sha256}
        typer.echo(json.dumps(entry.product.record() | came))


def hint_contact(base: str, contact: str | None) -> None:
    """Ask once per crawl for an address, where the archive is a public one."""
    from scrapers.hosts import HostList, is_private

    if not contact and not is_private(HostList(base).own.host, look_up=False):
        typer.echo("Set DEEPFIELD_CONTACT to your mail address, so that the archive can reach you.", err=True)
