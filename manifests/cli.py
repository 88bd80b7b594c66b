"""`deepfield manifest`: looking at snapshots, comparing, checking and exporting them."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from manifests.overlap import SplitReport


manifest_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the versioned dataset: its rows, history, differences; check and export it.",
)

SnapshotOption = Annotated[
    str | None, typer.Option("--snapshot", help="Snapshot id or the beginning of one; the newest by default.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]


@manifest_app.command()
def show(
    image: Annotated[str | None, typer.Argument(help="An image_id or its beginning: all its columns.")] = None,
    snapshot: SnapshotOption = None,
    verdict: Annotated[str | None, typer.Option(help="Only rows with this verdict: accept, review or reject.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to print.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show a summary and rows of a snapshot, or everything about one image."""
    from manifests.errors import DeepfieldError
    from manifests.export import VERDICTS, check_choice, plain_row
    from manifests.settings import load_settings
    from manifests.snapshots import read_info, read_snapshot, resolve

    check_choice(verdict, [name for name in VERDICTS if name != "all"], "verdict")
    folder = load_settings().manifest_dir
    info = read_info(folder, resolve(folder, snapshot))
    rows = read_snapshot(folder, info.snapshot_id)
    if verdict is not None:
        rows = rows[rows["verdict"] == verdict]
    if image is not None:
        rows = rows[rows["image_id"].str.startswith(image)]
        if len(rows) != 1:
            found = "no image" if rows.empty else f"{len(rows)} images"
            raise DeepfieldError(f"Snapshot {info.snapshot_id} has {found} whose id begins with {image!r}.")
    if as_json:
        for record in rows.to_dict("records") if image else rows.head(limit).to_dict("records"):
            typer.echo(json.dumps(plain_row(record)))
        return
    if image is not None:
        for name, value in plain_row(rows.iloc[0].to_dict()).items():
            typer.echo(f"{name:22} {'-' if value is None else value}")
        return
    counts = ", ".join(f"{count} {name}" for name, count in info.verdicts.items()) or "no rows"
    typer.echo(f"snapshot {info.snapshot_id}  {info.created_at}  {info.rows} images: {counts}")
    for row in rows.head(limit).itertuples():
        size = f"{row.width_px}x{row.height_px}"
        typer.echo(f"{row.image_id[:12]}  {row.verdict:7} {size:>11}  {row.source_name}  {row.reasons or ''}".rstrip())
    if len(rows) > limit:
        typer.echo(f"... {len(rows) - limit} more: use --limit")


@manifest_app.command()
def log(as_json: JsonOption = False) -> None:
    """List the snapshots, newest first."""
    from dataclasses import asdict

    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from manifests.snapshots import history

    folder = load_settings().manifest_dir
    infos = history(folder)
    if not infos:
        raise DeepfieldError(f"There is no snapshot in {folder} yet: run `deepfield curate` first.")
    for info in infos:
        if as_json:
            typer.echo(json.dumps(asdict(info)))
        else:
            counts = ", ".join(f"{count} {name}" for name, count in info.verdicts.items())
            typer.echo(f"{info.snapshot_id}  {info.rows:>7} images: {counts}  {info.note}".rstrip())


@manifest_app.command()
def diff(
    before: Annotated[str | None, typer.Argument(help="Older snapshot; the parent of the newer by default.")] = None,
    after: Annotated[str | None, typer.Argument(help="Newer snapshot; HEAD by default.")] = None,
    reasons_only: Annotated[
        bool, typer.Option("--by-reason", help="Only count the changed verdicts, by what changed them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which images came, went or changed between two snapshots, and which reasons changed how many verdicts."""
    from collections import Counter
    from dataclasses import asdict

    from manifests.diff import by_reason
    from manifests.diff import diff as compare
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from manifests.snapshots import read_info, read_snapshot, resolve

    folder = load_settings().manifest_dir
    newer = read_info(folder, resolve(folder, after))
    older = before or newer.parent
    if older is None:
        raise DeepfieldError(f"Snapshot {newer.snapshot_id} is the first: name two snapshots to compare.")
    older = resolve(folder, older)
    rows = read_snapshot(folder, older), read_snapshot(folder, newer.snapshot_id)
    shifts, changes = by_reason(*rows), [] if reasons_only else compare(*rows)
    if as_json:
        for line in shifts if reasons_only else changes:
            typer.echo(json.dumps(asdict(line)))
        return
    typer.echo(f"{older} -> {newer.snapshot_id}")
    for change in changes:
        if change.column == "image_id":
            typer.echo(f"{change.image_id[:12]}  {'added' if change.after else 'removed'}")
        else:
            typer.echo(f"{change.image_id[:12]}  {change.column}: {change.before} -> {change.after}")
    if not reasons_only:
        totals = Counter(change.column for change in changes)
        typer.echo(", ".join(f"{count} x {column}" for column, count in sorted(totals.items())) or "no difference")
    if reasons_only and not shifts:
        typer.echo("no verdict changed")
    for shift in shifts:
        typer.echo(f"{shift.images:7}  {shift.before or 'not there'} -> {shift.after or 'not there'}  {shift.reason}")


@manifest_app.command()
def verify(
    snapshot: Annotated[
        str | None,
        typer.Option("--snapshot", help="Only this snapshot, by its id or the beginning of one, and its images."),
    ] = None,
) -> None:
    """Re-hash the parts of all snapshots, the original bytes and the measurements; name every file that has changed.

    No bit of these flips unseen. Of a catalogue in SQLite it checks pages, indices and references, but no digest is
    kept of the values in it; for PostgreSQL turn on the server's data checksums. Keep copies of the catalogue.
    """
    from manifests.blobs import BlobStore
    from manifests.database import check_database
    from manifests.errors import DeepfieldError
    from manifests.seals import check_parts
    from manifests.settings import load_settings
    from manifests.snapshots import list_snapshots, read_snapshot, resolve
    from manifests.snapshots import verify as check

    settings = load_settings()
    folder, blobs = settings.manifest_dir, BlobStore(settings.blobs_dir)
    snapshot_id = resolve(folder, snapshot)
    faults = check(folder, snapshot_id)
    images = set() if faults else set(read_snapshot(folder, snapshot_id, ["image_id"])["image_id"])
    others = [] if snapshot else [name for name in list_snapshots(folder) if name != snapshot_id]
    for name in others:
        try:
            faults += check(folder, name, rows=False)
        except DeepfieldError as error:
            faults.append(str(error))
    if not snapshot:
        images |= set(blobs)
    with typer.progressbar(sorted(images), label="blobs", file=sys.stderr, hidden=not sys.stderr.isatty()) as progress:
        for image_id in progress:
            if not blobs.intact(image_id):
                state = "has changed since it was stored" if image_id in blobs else "is missing"
                faults.append(f"Blob {image_id} {state}: scrape it again.")
    measured = 0
    if not snapshot:
        measured, damaged = check_parts(settings.measures_dir)
        faults += [*damaged, *check_database(settings.database)]
    faults = list(dict.fromkeys(faults))
    for fault in faults:
        typer.echo(fault, err=True)
    checked = f"snapshot {snapshot_id}" + (f" and {len(others)} older" if others else "")
    if faults:
        raise DeepfieldError(f"{checked[0].upper()}{checked[1:]}: {len(faults)} fault{'s' * (len(faults) > 1)} found.")
    typer.echo(f"{checked}: all parts and {len(images)} blobs are intact")
    if measured:
        typer.echo(f"measurements: {measured} part{'s are' if measured > 1 else ' is'} intact")


@manifest_app.command()
def splits(snapshot: SnapshotOption = None, as_json: JsonOption = False) -> None:
    """Prove that train, validation and test share nothing: find again all that binds frames, and name every leak.

    Ends with 1 where something is in two splits.
    """
    from dataclasses import asdict

    from manifests.errors import DeepfieldError
    from manifests.overlap import split_report
    from manifests.settings import load_settings
    from manifests.snapshots import read_snapshot, resolve

    folder = load_settings().manifest_dir
    snapshot_id = resolve(folder, snapshot)
    report = split_report(read_snapshot(folder, snapshot_id))
    if as_json:
        typer.echo(json.dumps({"snapshot_id": snapshot_id, **asdict(report)}))
    else:
        _print_splits(snapshot_id, report)
    if report.leaks:
        count = len(report.leaks)
        raise DeepfieldError(
            f"Snapshot {snapshot_id} has {count} leak{'s' if count > 1 else ''} between its splits: run `deepfield "
            f"curate`, which takes what leaks out of use, and train on the snapshot it writes."
        )


@manifest_app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File or folder to write; it must not exist yet.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl or parquet (a table of all rows); folder, webdataset or imagefolder (the pictures to "
            "train on, with table, credits and dataset card). By default from the name of OUT.",
        ),
    ] = None,
    snapshot: SnapshotOption = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            help="Only rows that are accept, review or reject, decisions counted, or all of them. Pictures: accept by "
            "default, without duplicates."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Only rows of this split: train, val, test or none."),
    ] = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="WebDataset: megabytes a tar file grows to.")] = 500,
) -> None:
    """Write a snapshot as a table, or its pictures in a form that other tools read.

    folder: original files by split, with metadata.csv.
    webdataset: tar shards by split and format, a sample being picture and JSON.
    imagefolder: as Hugging Face reads it, with metadata.jsonl by split.
    """
    from manifests.blobs import BlobStore
    from manifests.card import dataset_card
    from manifests.export import PICTURES, select
    from manifests.export import export as write
    from manifests.settings import load_settings
    from manifests.snapshots import read_info, read_snapshot, resolve

    settings = load_settings()
    info = read_info(settings.manifest_dir, resolve(settings.manifest_dir, snapshot))
    rows = read_snapshot(settings.manifest_dir, info.snapshot_id)
    chosen = kind or out.suffix.removeprefix(".") or "folder"
    selection = select(rows, chosen, verdict, split)
    pictures = selection.rows
    hidden = chosen not in PICTURES or not sys.stderr.isatty()
    with typer.progressbar(length=len(pictures), label="pictures", file=sys.stderr, hidden=hidden) as progress:
        write(
            pictures,
            out,
            chosen,
            BlobStore(settings.blobs_dir),
            card=dataset_card(rows, pictures, info, chosen),
            shard_bytes=shard_mb * 1_000_000,
            on_picture=lambda: progress.update(1),
        )
    typer.echo(f"{len(pictures)} of {len(rows)} images in {out}")
    if selection.left_out:
        typer.echo(
            f"  {selection.left_out} FITS files are left out, which readers of image folders do not open: use "
            f"--format webdataset or folder.",
            err=True,
        )


@manifest_app.command()
def card(
    out: Annotated[Path | None, typer.Argument(help="File to write; printed by default.")] = None,
    snapshot: SnapshotOption = None,
) -> None:
    """Describe a snapshot as a dataset card: counts, sources, licences and credits, policy, splits, limits."""
    from manifests.card import dataset_card
    from manifests.errors import DeepfieldError
    from manifests.export import select
    from manifests.files import write_atomic
    from manifests.settings import load_settings
    from manifests.snapshots import read_info, read_snapshot, resolve

    folder = load_settings().manifest_dir
    info = read_info(folder, resolve(folder, snapshot))
    rows = read_snapshot(folder, info.snapshot_id)
    text = dataset_card(rows, select(rows, "folder").rows, info)
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.exists():
        raise DeepfieldError(f"{out} exists already: choose another name or remove it.")
    write_atomic(out, text)


def _print_splits(snapshot_id: str, report: "SplitReport") -> None:
    typer.echo(f"snapshot {snapshot_id}")
    for name in ("train", "val", "test", "none"):
        typer.echo(f"  {name:6}{report.images.get(name, 0):8} images {report.groups.get(name, 0):8} groups")
    for group in report.largest:
        typer.echo(f"  largest: {group.images} images in {group.split}, group {group.group_id[:12]}")
    pairs = ", ".join(f"{count} {kind}" for kind, count in report.bonds.items())
    typer.echo(f"bonds found again: {pairs}")
    for leak in report.leaks:
        typer.echo(f"LEAK {leak.kind}: {leak.a[:12]} in {leak.split_a}, {leak.b[:12]} in {leak.split_b}")
    if not report.leaks:
        typer.echo("no leak: no bond joins two of train, val and test")
    if report.look_alikes is None:
        typer.echo("hashes were not compared: there are too many")
    for pair in report.look_alikes or ():
        typer.echo(f"alike by hash alone, to look at: {pair.a[:12]} in {pair.split_a}, {pair.b[:12]} in {pair.split_b}")
