"""`deepfield curate`: judge everything that was scraped and write a snapshot."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from curation.curate import CurateSummary, DryRun
    from curation.measuring import Progress

_SHOWN_CHANGES = 20
_STAGES = {"measure": "Measuring frames", "compare": "Comparing pairs"}


def curate(
    policy: Annotated[
        Path | None, typer.Option(help="Policy file (TOML); the one that comes with Deepfield by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which verdicts the policy would change; no pixel is read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")] = False,
) -> None:
    """Measure what is new, find duplicates, decide, and write a snapshot of the dataset.

    Killed and started again, it goes on where it was; without news it changes nothing.
    """
    from curation import curate as work
    from curation.policies import keep_policy
    from curation.policy import DEFAULT_POLICY, load_policy
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.settings import load_settings

    settings = load_settings()
    chosen = load_policy(policy or DEFAULT_POLICY) if dry_run else keep_policy(policy or DEFAULT_POLICY, settings.home)
    engine = open_database(settings.database)
    if dry_run:
        _print_dry_run(work.dry_run(settings=settings, engine=engine, policy=chosen), as_json)
        return
    with _bars() as show_progress:
        summary = work.curate(
            settings=settings,
            engine=engine,
            blobs=BlobStore(settings.blobs_dir),
            policy=chosen,
            on_progress=show_progress,
        )
    _print_summary(summary, as_json)


@contextmanager
def _bars() -> Iterator["Progress"]:
    """A function that shows how far each stage is, as bars on a terminal and not at all elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(_STAGES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done)

        yield update


def _print_summary(summary: "CurateSummary", as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        typer.echo(json.dumps(asdict(summary)))
        return
    state = "" if summary.new else " (nothing has changed since)"
    typer.echo(f"snapshot {summary.snapshot_id}{state}: {summary.images} images, {summary.measured} measured now")
    for verdict in ("accept", "review", "reject"):
        reasons = sorted(summary.reasons.get(verdict, {}).items(), key=lambda entry: (-entry[1], entry[0]))
        detail = ", ".join(f"{name} {count}" for name, count in reasons)
        typer.echo(f"  {verdict:8}{summary.verdicts.get(verdict, 0):7}  {detail}".rstrip())
    copies = ", ".join(f"{count} {kind}" for kind, count in summary.duplicates.items()) or "none"
    splits = ", ".join(f"{count} {name}" for name, count in summary.splits.items())
    typer.echo(f"  duplicates: {copies}; {summary.groups} groups; splits: {splits}")
    if summary.decided:
        typer.echo(f"  decided by people: {summary.decided}")
    if summary.missing:
        typer.echo(f"  {summary.missing} images are missing from the blob store: scrape them again.", err=True)


def _print_dry_run(result: "DryRun", as_json: bool) -> None:
    from collections import Counter
    from dataclasses import asdict

    if as_json:
        for change in result.changes:
            typer.echo(json.dumps(asdict(change)))
        return
    typer.echo(f"against snapshot {result.snapshot_id}: {len(result.changes)} of {result.images} verdicts would change")
    for (before, after), count in sorted(Counter((c.before, c.after) for c in result.changes).items()):
        typer.echo(f"  {before} -> {after}: {count}")
    for change in result.changes[:_SHOWN_CHANGES]:
        typer.echo(
            f"{change.image_id[:12]}  {change.before} -> {change.after}  {change.source_name}  {change.rule_values}"
        )
    if len(result.changes) > _SHOWN_CHANGES:
        typer.echo(f"... {len(result.changes) - _SHOWN_CHANGES} more: use --json")
    if result.unmeasured:
        typer.echo(f"  {result.unmeasured} images are not measured yet and not counted here.", err=True)
