"""What the commands of `deepfield scrape` share: options, and how products and results are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scrapers.ledger import Entry
    from scrapers.tally import CrawlSummary

# Headings and columns of the tables of products.
ON_THE_SKY = {"obs_id": "obs_id", "filters": "filters", "instrument": "instrument_name"} | {
    "s_ra": "s_ra",
    "s_dec": "s_dec",
    "t_exptime": "t_exptime",
    "target": "target_name",
}
_DIGITS = {"s_ra": 5, "s_dec": 5, "t_exptime": 0}

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


def print_products(records: Iterable[dict[str, Any]], as_json: bool, columns: Mapping[str, str] = ON_THE_SKY) -> int:
    """Show products as a table, or as JSON lines as they come; how many there were."""
    count = 0
    if as_json:
        for record in records:
            typer.echo(json.dumps(record))
            count += 1
        return count
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None)
    for record in records:
        count += 1
        table.add_row(*(_cell(record, name) for name in columns.values()))
    if not count:
        return 0
    # on a terminal as wide as that; elsewhere nothing is cut off
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    typer.echo(f"{count} products", err=True)
    return count


def _cell(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if value is None else f"{value:.{_DIGITS[name]}f}" if name in _DIGITS else str(value)


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


def say_not_loaded(hosts: Mapping[str, int]) -> None:
    """Say what a page in a browser asked of hosts other than the archive's, and how often, if it did."""
    if hosts:
        asked = ", ".join(f"{host} ({number} times)" for host, number in sorted(hosts.items()))
        typer.echo(f"The page asked other hosts as well, which was not let through: {asked}.", err=True)
