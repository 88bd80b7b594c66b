"""`deepfield review`: the queue of doubtful frames on the command line."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Engine

review_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the frames the policy is not sure of and say what you think. Decisions are kept for good and go "
    "into the next snapshot.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]
ReviewerOption = Annotated[str | None, typer.Option("--as", help="Your name; the login name by default.")]
IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of frames, or their first six digits or more; by default the one you got by `next`."),
]
ReasonOption = Annotated[list[str] | None, typer.Option("--reason", help="A word for why; may be repeated.")]
NoteOption = Annotated[str, typer.Option(help="A remark in your own words.")]
OverrideOption = Annotated[
    bool, typer.Option("--override", help="Also decide on frames that the policy was sure of or that are decided.")
]


@review_app.command("list")
def list_items(
    reason: Annotated[str | None, typer.Option(help="Only frames doubted for this reason.")] = None,
    archive: Annotated[str | None, typer.Option(help="Only frames of this archive, as in obs_collection.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the frames that wait, the most doubtful first."""
    from dataclasses import asdict

    from curation.review.queue import history, waiting

    rows, engine, _ = _open()
    items = [
        item
        for item in waiting(rows, history(engine))
        if (reason is None or reason in item.reasons)
        and (archive is None or archive.lower() == item.obs_collection.lower())
    ][:limit]
    for item in items:
        if as_json:
            typer.echo(json.dumps({**asdict(item), "reasons": ",".join(item.reasons)}))
        else:
            typer.echo(f"{item.image_id[:12]}  {item.doubt:4.2f}  {item.source_name}  {item.rule_values}")
    if not items and not as_json:
        typer.echo("Nothing waits for a decision.", err=True)


@review_app.command()
def show(image: Annotated[str, typer.Argument(help="Id of a frame, or its first six digits or more.")]) -> None:
    """Show all about one frame: values against thresholds, provenance, duplicates, decisions, where its bytes are."""
    from curation.review.queue import find

    rows, engine, _ = _open()
    _show(find(rows, image), rows, engine)


@review_app.command("next")
def next_item(
    reviewer: ReviewerOption = None,
    open_viewer: Annotated[bool, typer.Option("--open", help="Open the picture in the system's viewer.")] = False,
) -> None:
    """Take the most doubtful frame that nobody else looks at and show it; it is yours for 15 minutes."""
    from curation.review.queue import claim_next, find, history, waiting
    from manifests.blobs import BlobStore
    from manifests.settings import load_settings

    rows, engine, _ = _open()
    items = waiting(rows, history(engine))
    item = claim_next(engine, items, _reviewer(reviewer))
    if item is None:
        typer.echo(
            f"All {len(items)} waiting frames are being looked at." if items else "Nothing waits for a decision.",
            err=True,
        )
        return
    _show(find(rows, item.image_id), rows, engine)
    typer.echo(f"\n{len(items)} wait. Say: deepfield review accept | reject --reason WORD | skip")
    if open_viewer:
        typer.launch(str(BlobStore(load_settings().blobs_dir).path(item.image_id)))


@review_app.command()
def accept(
    images: IdsArgument = None,
    note: NoteOption = "",
    reviewer: ReviewerOption = None,
    override: OverrideOption = False,
) -> None:
    """Accept frames: they are good for training."""
    _decide("accept", images, [], note, reviewer, override)


@review_app.command()
def reject(
    images: IdsArgument = None,
    reason: ReasonOption = None,
    note: NoteOption = "",
    reviewer: ReviewerOption = None,
    override: OverrideOption = False,
) -> None:
    """Reject frames: they are not trained on."""
    _decide("reject", images, reason or [], note, reviewer, override)


@review_app.command()
def skip(images: IdsArgument = None, note: NoteOption = "", reviewer: ReviewerOption = None) -> None:
    """Leave frames to somebody else, or to later: they go to the end of the queue."""
    _decide("skip", images, [], note, reviewer, override=False)


@review_app.command()
def undo(
    image: Annotated[str | None, typer.Argument(help="A frame; by default the one you decided last.")] = None,
    reviewer: ReviewerOption = None,
) -> None:
    """Take back your last decision. The frame waits again; both rows are kept."""
    from curation.review.queue import find
    from curation.review.queue import undo as take_back

    rows, engine, _ = _open()
    image_id = str(find(rows, image)["image_id"]) if image else None
    undone = take_back(engine, _reviewer(reviewer), image_id)
    typer.echo(f"{undone.image_id[:12]}  took back {undone.action} of {undone.decided_at}")


@review_app.command()
def stats(as_json: JsonOption = False) -> None:
    """Count what waits and what was decided."""
    from collections import Counter

    from curation.review.queue import effective, history, waiting

    rows, engine, snapshot_id = _open()
    said = history(engine)
    held = effective(said)
    verdicts = rows.set_index("image_id")["verdict"]
    overruled = sum(
        1
        for image_id, decision in held.items()
        if verdicts.get(image_id) in ("accept", "reject") and verdicts[image_id] != decision.action
    )
    numbers = {
        "snapshot_id": snapshot_id,
        "waiting": len(waiting(rows, said)),
        "accepted": sum(decision.action == "accept" for decision in held.values()),
        "rejected": sum(decision.action == "reject" for decision in held.values()),
        "overruled": overruled,
        "said": len(said),
        "reviewers": dict(Counter(decision.reviewer for decision in said)),
    }
    if as_json:
        typer.echo(json.dumps(numbers))
        return
    typer.echo(f"snapshot {snapshot_id}: {numbers['waiting']} frames wait")
    typer.echo(f"decided: {numbers['accepted']} accepted, {numbers['rejected']} rejected, {overruled} overruled")
    for name, count in sorted(Counter(decision.reviewer for decision in said).items()):
        typer.echo(f"{name}: {count} rows")


def _open() -> "tuple[pd.DataFrame, Engine, str]":
    from manifests.database import open_database
    from manifests.settings import load_settings
    from manifests.snapshots import read_snapshot, resolve

    settings = load_settings()
    snapshot_id = resolve(settings.manifest_dir, None)
    return read_snapshot(settings.manifest_dir, snapshot_id), open_database(settings.database), snapshot_id


def _reviewer(name: str | None) -> str:
    import getpass

    from manifests.errors import UsageError

    chosen = (name if name is not None else getpass.getuser()).strip()
    if not chosen or len(chosen) > 128:
        raise UsageError("A reviewer's name has 1 to 128 characters: give one by --as.")
    return chosen


def _decide(
    action: str, images: list[str] | None, reasons: list[str], note: str, reviewer: str | None, override: bool
) -> None:
    from curation.review.queue import Statement, claimed, decide, effective, find, history
    from manifests.errors import DeepfieldError, UsageError
    from manifests.snapshots import read_info

    rows, engine, snapshot_id = _open()
    name = _reviewer(reviewer)
    if any("," in reason or not reason.strip() for reason in reasons):
        raise UsageError("A reason is one word without a comma: repeat --reason for several.")
    if not images:
        current = claimed(engine, name)
        if current is None:
            raise UsageError("You have no frame in hand: take one by `deepfield review next`, or name its id.")
        images = [current]
    chosen = [find(rows, image) for image in images]
    before = effective(history(engine))
    for row in chosen:
        image_id, verdict = str(row["image_id"]), row["verdict"]
        if override or (verdict == "review" and image_id not in before):
            continue
        if image_id in before:
            earlier = before[image_id]
            state = f"was decided already: {earlier.action} by {earlier.reviewer}"
        else:
            state = f"is not in the review queue: the policy says {verdict}"
        raise DeepfieldError(f"Frame {image_id[:12]} {state}. Use --override to decide all the same.")
    from manifests.settings import load_settings

    statement = Statement(
        action=action,  # type: ignore[arg-type]
        reviewer=name,
        reasons=tuple(reasons),
        note=note,
        snapshot_id=snapshot_id,
        policy_digest=read_info(load_settings().manifest_dir, snapshot_id).policy_digest,
    )
    decide(engine, [str(row["image_id"]) for row in chosen], statement)
    for row in chosen:
        typer.echo(f"{str(row['image_id'])[:12]}  {action}  {row['source_name']}")


def _show(row: dict[str, object], rows: "pd.DataFrame", engine: "Engine") -> None:
    from curation.review.queue import history
    from manifests.blobs import BlobStore
    from manifests.settings import load_settings

    image_id = str(row["image_id"])
    typer.echo(f"{image_id}  {row['source_name']}")
    typer.echo(f"verdict    {row['verdict']}")
    for line in str(row["rule_values"] or "no rule was exceeded").split("; "):
        typer.echo(f"           {line}")
    typer.echo(f"picture    {row['width_px']}x{row['height_px']} px, {row['access_format']}, {row['size_bytes']} bytes")
    for name in ("obs_collection", "target_name", "instrument_name", "filters", "credit", "licence", "access_url"):
        if row[name] is not None:
            typer.echo(f"{name:10} {row[name]}")
    typer.echo(f"file       {BlobStore(load_settings().blobs_dir).path(image_id)}")
    if row["duplicate_of"] is not None:
        typer.echo(f"repeats    {str(row['duplicate_of'])[:12]} ({row['duplicate_kind']})")
    twins = rows[(rows["duplicate_of"] == image_id)]
    for twin in twins.itertuples():
        typer.echo(f"kept over  {twin.image_id[:12]} {twin.source_name} ({twin.duplicate_kind})")
    for relation in str(row["relations"] or "").split(","):
        kind, _, other = relation.partition(":")
        if kind:
            typer.echo(f"{kind:14} {other[:12]}")
    for decision in history(engine, image_id):
        reasons = f" ({decision.reasons})" if decision.reasons else ""
        note = f": {decision.note}" if decision.note else ""
        typer.echo(f"said       {decision.decided_at} {decision.reviewer} {decision.action}{reasons}{note}")
