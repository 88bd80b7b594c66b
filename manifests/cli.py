"""`deepfield manifest`: looking at snapshots, comparing, checking and exporting them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

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
    from manifests.export import plain_row
    from manifests.settings import load_settings
    from manifests.snapshots import read_info, read_snapshot, resolve

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
    as_json: JsonOption = False,
) -> None:
    """Show which images came, went or changed between two snapshots."""
    from collections import Counter
    from dataclasses import asdict

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
    changes = compare(read_snapshot(folder, older), read_snapshot(folder, newer.snapshot_id))
    if as_json:
        for change in changes:
            typer.echo(json.dumps(asdict(change)))
        return
    typer.echo(f"{older} -> {newer.snapshot_id}")
    for change in changes:
        if change.column == "image_id":
            typer.echo(f"{change.image_id[:12]}  {'added' if change.after else 'removed'}")
        else:
            typer.echo(f"{change.image_id[:12]}  {change.column}: {change.before} -> {change.after}")
    totals = Counter(change.column for change in changes)
    typer.echo(", ".join(f"{count} x {column}" for column, count in sorted(totals.items())) or "no difference")


@manifest_app.command()
def verify(snapshot: SnapshotOption = None) -> None:
    """Re-hash the parts of a snapshot and the original bytes of its images."""
    from manifests.blobs import BlobStore
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from manifests.snapshots import read_snapshot, resolve
    from manifests.snapshots import verify as check

    settings = load_settings()
    snapshot_id = resolve(settings.manifest_dir, snapshot)
    faults = check(settings.manifest_dir, snapshot_id)
    images = [] if faults else read_snapshot(settings.manifest_dir, snapshot_id, ["image_id"])["image_id"].tolist()
    blobs = BlobStore(settings.blobs_dir)
    with typer.progressbar(images, label="blobs", file=sys.stderr, hidden=not sys.stderr.isatty()) as progress:
        for image_id in progress:
            if not blobs.intact(image_id):
                state = "has changed since it was stored" if image_id in blobs else "is missing"
                faults.append(f"Blob {image_id} {state}: scrape it again.")
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise DeepfieldError(f"Snapshot {snapshot_id} has {len(faults)} fault{'s' if len(faults) > 1 else ''}.")
    typer.echo(f"snapshot {snapshot_id}: all parts and {len(images)} blobs are intact")


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

    folder: original files by split, with metadata.csv. webdataset: tar shards, a sample being picture and JSON.
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
