"""`deepfield curate`: judge everything that was scraped and write a snapshot; learn the policy from labels."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from curation.calibrate import Calibrated
    from curation.curate import CurateSummary, DryRun
    from curation.measuring import Progress

_SHOWN_CHANGES = 20
_STAGES = {"measure": "Measuring frames", "compare": "Comparing pairs", "try": "Learning and trying"}

curate_app = typer.Typer()


@curate_app.callback(invoke_without_command=True)
def curate(
    context: typer.Context,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file (TOML); the one that comes with Deepfield by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which verdicts the policy would change; no pixel is read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")] = False,
) -> None:
    """Measure what is new, find duplicates, decide, and write a snapshot of the dataset.

    Killed and started again, it goes on where it was; without news it changes nothing. Frames are measured on all cores
    of this machine, or on the Dask cluster whose scheduler DEEPFIELD_DASK_ADDRESS names.
    """
    if context.invoked_subcommand:
        return
    from curation import curate as work
    from curation.policies import keep_policy
    from curation.policy import DEFAULT_POLICY, load_policy
    from manifests.blobs import BlobStore
    from manifests.database import open_database
    from manifests.settings import load_settings

    settings = load_settings()
    chosen = load_policy(policy or DEFAULT_POLICY)
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
    keep_policy(chosen, settings.home)
    _print_summary(summary, as_json)


@curate_app.command()
def calibrate(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with an index.csv of the columns file and label, and group where frames show the same thing; "
            "by default what reviewers decided."
        ),
    ] = None,
    false_accepts: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the frames to drop that may be accepted without a look.")
    ] = 0.05,
    false_rejects: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the good frames that may be rejected without a look.")
    ] = 0.02,
    good: Annotated[
        list[str] | None, typer.Option(help="Label of good frames; good and accept by default. May be repeated.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Label of frames to drop; bad, non_observation and reject by default. May be repeated."),
    ] = None,
    spare: Annotated[
        list[str] | None,
        typer.Option(help="Label of frames that may be accepted or doubted, not rejected; partial by default."),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(help="Folder labelled alike whose FITS files rate the rules on counts; by default the same one."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy whose rules get new thresholds; Deepfield's own rules by default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Policy to write, its classifier beside it; policy.toml under DEEPFIELD_HOME by default."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Report to write (HTML); calibration.html under DEEPFIELD_HOME by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line for programs.")] = False,
) -> None:
    """Learn the policy from labelled frames, for wanted error rates, and report how it does on frames held out."""
    from datetime import date

    from curation.calibrate import calibrate as learn_and_try
    from curation.calibrate import summary
    from curation.calibration_report import write_report
    from curation.labelled import Words, from_decisions, from_folder
    from curation.learning import Aims
    from curation.policy import RULES_ONLY, load_rules
    from curation.policy_text import write_policy
    from manifests.database import open_database
    from manifests.errors import UsageError
    from manifests.settings import load_settings

    usual = Words()
    words = Words(tuple(good or usual.keep), tuple(drop or usual.drop), tuple(spare or usual.spare))
    asked = (*(good or ()), *(drop or ()), *(spare or ()))
    settings = load_settings()
    base = load_rules(policy or RULES_ONLY)
    place = out or settings.home / "policy.toml"
    with _bars() as show_progress:
        if folder is None:
            if asked or counts:
                raise UsageError("--good, --drop, --spare and --counts are for a labelled folder: name one.")
            labelled = from_decisions(settings, open_database(settings.database))
        else:
            labelled = from_folder(folder, words, asked, settings, show_progress, counts=counts)
        done = learn_and_try(
            labelled,
            base,
            Aims(false_accepts, false_rejects),
            name=place.stem.removesuffix("_policy"),
            model=f"{place.stem}_model.json",
            on=date.today(),
            on_progress=show_progress,
        )
    write_policy(done.policy, place)
    page = report or settings.home / "calibration.html"
    write_report(done, page, settings.max_pixels)
    if as_json:
        typer.echo(json.dumps(summary(done)))
        return
    _print_calibration(done)
    typer.echo(f"policy {place}, report {page}")


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


def _print_calibration(done: "Calibrated") -> None:
    frames = done.labelled.frames
    typer.echo(f"{len(frames)} labelled frames of {frames['group'].nunique()} groups; on frames held out:")
    typer.echo(f"  frames to drop that are accepted  {done.share('accept', label='drop')}")
    typer.echo(f"  good frames that are rejected     {done.share('reject', label='keep')}")
    typer.echo(f"  all frames that go to review      {done.share('review')}")
    if done.labelled.counts is not None:
        typer.echo(f"{len(done.labelled.counts.frames)} labelled FITS rate the rules on counts")


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
