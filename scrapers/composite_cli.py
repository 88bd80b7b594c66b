"""`--composite` of `deepfield scrape hla`: the option, and what is said of the pictures it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scrapers.shared_cli import print_entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

    from manifests.blobs import BlobStore
    from manifests.settings import Settings
    from scrapers.composite import Method
    from scrapers.ledger import Entry

CompositeOption = Annotated[
    str | None,
    typer.Option(
        "--composite",
        help="With --fits: also make one colour picture of each visit's filters, by asinh (as HLA does) or lupton "
        "(which keeps the hue of what is bright).",
        metavar="METHOD",
    ),
]


def wanted_method(composite: str | None, fits: bool) -> Method | None:
    """The rendering that the options ask for; None for none.

    Raises:
        UsageError: there is no such rendering, or nothing that it could be made of.
    """
    from manifests.errors import UsageError
    from scrapers.composite import method_of

    if composite is not None and not fits:
        raise UsageError("Composites are made of FITS files: add --fits.")
    return None if composite is None else method_of(composite)


def make_composites(
    entries: Iterable[Entry], method: Method, *, engine: Engine, blobs: BlobStore, settings: Settings, as_json: bool
) -> None:
    """Make the composites of the visits among products, and say what came of it.

    Raises:
        DeepfieldError: there are visits of several filters, and not one makes a picture.
    """
    from manifests.errors import DeepfieldError
    from scrapers import ledger
    from scrapers.compositing import compose_visits, composite_ids, visits_of
    from scrapers.report import Reporter

    todo = visits_of(entries, blobs)
    with Reporter(f"{method} composites", "making") as report:
        summary = compose_visits(todo.visits, method, engine=engine, blobs=blobs, settings=settings, on_progress=report)
    done = summary.progress
    why = ", ".join(f"{number} {reason}" for reason, number in summary.reasons.items())
    waiting = f"; {todo.waiting} more wait for filters that are not here yet" if todo.waiting else ""
    typer.echo(
        f"{method} composites: {done.found} visits with several filters: {done.got} made, {done.skipped} known "
        f"before, {done.refused} not possible{f' ({why})' if why else ''}{waiting}.",
        err=True,
    )
    if done.refused and not done.got and not done.skipped:
        raise DeepfieldError(f"None of the {done.found} visits makes a picture. {summary.errors[0]}")
    for error in summary.errors:
        typer.echo(f"  {error}", err=True)
    if as_json:
        print_entries(ledger.entries(engine, composite_ids(todo.visits, method)))
