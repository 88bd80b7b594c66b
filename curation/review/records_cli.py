"""`deepfield review stats`, `export` and `import`: what the review comes to, and its decisions as files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.review.cli import JsonOption, review_app

if TYPE_CHECKING:
    from curation.rates import Share


@review_app.command()
def stats(as_json: JsonOption = False) -> None:
    """Count what waits and what was decided, how fast, how well people agree and how often the policy errs."""
    from dataclasses import asdict

    from curation.review.desk import Desk
    from curation.review.statistics import statistics
    from manifests.database import open_database
    from manifests.settings import load_settings

    settings = load_settings()
    sheet = Desk(settings, open_database(settings.database)).sheet
    numbers = statistics(sheet.queue)
    if as_json:
        errors = {name: _figures(getattr(numbers, name)) for name in ("false_accept", "false_reject")}
        typer.echo(json.dumps({"snapshot_id": sheet.snapshot_id, **asdict(numbers), **errors}))
        return
    pace = ""
    if numbers.per_hour and numbers.hours_left is not None:
        left = (
            f"{numbers.hours_left:.1f} hours" if numbers.hours_left >= 1 else f"{60 * numbers.hours_left:.0f} minutes"
        )
        pace = f": {left} at {numbers.per_hour:.0f} an hour"
    typer.echo(f"snapshot {sheet.snapshot_id}: {numbers.waiting} frames wait{pace}")
    typer.echo(
        f"decided: {numbers.accepted} accepted, {numbers.rejected} rejected; {numbers.overruled} of these against the "
        f"policy; {numbers.disputed} in dispute"
    )
    typer.echo(f"accepted by the policy and rejected by people: {_rate(numbers.false_accept)}")
    typer.echo(f"rejected by the policy and accepted by people: {_rate(numbers.false_reject)}")
    if numbers.alpha is not None:
        typer.echo(f"agreement of all: Krippendorff's alpha {numbers.alpha:.2f}")
    for pair in numbers.agreement:
        kappa = "not defined" if pair.kappa is None else f"{pair.kappa:.2f}"
        names = " and ".join(pair.reviewers)
        typer.echo(f"{names}: {pair.frames} frames, {pair.alike:.0%} alike, Cohen's kappa {kappa}")
    for name, count in numbers.reviewers.items():
        typer.echo(f"{name}: {count} rows")


@review_app.command("export")
def export_file(
    out: Annotated[Path, typer.Option("--output", "-o", help="File to write, .parquet or .csv.")],
) -> None:
    """Write all decisions to a file: who, when, from where, what, why, looking at which snapshot."""
    from curation.review.decisions import history
    from curation.review.exchange import export_decisions
    from manifests.database import open_database
    from manifests.settings import load_settings

    said = history(open_database(load_settings().database))
    export_decisions(said, out)
    typer.echo(f"{out}: {len(said)} rows")


@review_app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="A .parquet or .csv file with image_id, action, reviewer and decided_at at least.")
    ],
) -> None:
    """Take in decisions from a file: all of them or, where one cannot be used, none. Twice adds nothing."""
    from curation.review.exchange import import_decisions
    from manifests.database import open_database
    from manifests.settings import load_settings

    done = import_decisions(open_database(load_settings().database), file)
    typer.echo(f"{file}: {done.added} rows added, {done.known} known already")


def _rate(share: "Share") -> str:
    return f"{share.hits} of {share.total}, {share}" if share.total else "none was checked yet"


def _figures(share: "Share") -> dict[str, float | None]:
    low, high = share.interval
    return {"value": share.value if share.total else None, "low": low, "high": high, "n": share.total}
