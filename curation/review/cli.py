"""`deepfield review`: the queue of doubtful frames on the command line."""

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from curation.review.cards import Gauge
    from curation.review.decisions import Action
    from curation.review.desk import Desk
    from curation.review.queue import Item

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
NextOption = Annotated[bool, typer.Option("--next", help="Then take the next frame and show it.")]
_ORIGIN = (
    ("archive", "obs_collection"),
    ("target", "target_name"),
    ("instrument", "instrument_name"),
    ("filters", "filters"),
    ("credit", "credit"),
    ("licence", "licence"),
    ("address", "access_url"),
)
DrawOption = Annotated[
    Literal["auto", "kitty", "iterm2", "sixel", "blocks", "no"],
    typer.Option(help="How to draw the picture in the terminal; by default as it can, and not at all in a pipe."),
]


@review_app.command("list")
def list_items(
    reason: Annotated[str | None, typer.Option(help="Only frames doubted for this reason.")] = None,
    archive: Annotated[str | None, typer.Option(help="Only frames of this archive, as in obs_collection.")] = None,
    disputed: Annotated[bool, typer.Option("--disputed", help="Only frames on which people disagree.")] = False,
    min_age: Annotated[float | None, typer.Option(min=0, help="Only frames fetched so many days ago or more.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the frames that wait, in the order in which they are handed out.

    Of those that wait for a check it does not say what the policy thinks of them, in --json neither (null): whoever
    reads this may be asked about them. A program that needs it reads the manifest.
    """
    desk = _open()
    items = [
        item
        for item in desk.sheet.queue.waiting()
        if (reason is None or (reason in item.reasons and not item.blind))
        and (not disputed or item.role == "third")
        and (archive is None or archive.lower() == item.obs_collection.lower())
        and (min_age is None or _age_days(item) >= min_age)
    ][:limit]
    for item in items:
        if as_json:
            typer.echo(json.dumps(_told(item)))
        else:
            doubt, why = ("  ? ", "for a check") if item.blind else (f"{item.doubt:4.2f}", ", ".join(item.reasons))
            typer.echo(f"{item.image_id[:12]}  {doubt}  {item.source_name}  {why}")
    if not items and not as_json:
        typer.echo("Nothing waits for a decision.", err=True)


@review_app.command()
def show(
    image: Annotated[str, typer.Argument(help="Id of a frame, or its first six digits or more.")],
    picture: DrawOption = "auto",
    why: Annotated[
        bool, typer.Option("--why", help="Also of a frame that waits for a check: for who is not going to judge it.")
    ] = False,
) -> None:
    """Show all about one frame: values against thresholds, provenance, duplicates, decisions, where its bytes are.

    While it waits for a check, its verdict and what was said of it stay hidden but from who asks for them by --why.
    """
    from curation.review.queue import find

    desk = _open()
    image_id = str(find(desk.sheet.rows, image)["image_id"])
    blind = not why and desk.sheet.queue.role(image_id, None) not in (None, "doubt")
    _show(desk, image_id, picture, blind)
    if blind:
        typer.echo(f"Unless you are to judge it: deepfield review show {image_id[:12]} --why tells it all the same.")


@review_app.command("next")
def next_item(
    reviewer: ReviewerOption = None,
    open_viewer: Annotated[bool, typer.Option("--open", help="Open the picture in the system's viewer.")] = False,
    picture: DrawOption = "auto",
    keys: Annotated[
        bool, typer.Option("--keys", help="Go on frame after frame, with a key for each decision, until q.")
    ] = False,
) -> None:
    """Take the most doubtful frame that nobody else looks at and show it; it is yours for 15 minutes."""
    if keys:
        _sit(_open(), _reviewer(reviewer), picture)
    else:
        _next(_open(), _reviewer(reviewer), picture, open_viewer)


@review_app.command()
def accept(
    images: IdsArgument = None,
    note: NoteOption = "",
    reviewer: ReviewerOption = None,
    override: OverrideOption = False,
    then_next: NextOption = False,
) -> None:
    """Accept frames: they are good for training."""
    _decide("accept", images, [], note, reviewer, override, then_next)


@review_app.command()
def reject(
    images: IdsArgument = None,
    reason: ReasonOption = None,
    note: NoteOption = "",
    reviewer: ReviewerOption = None,
    override: OverrideOption = False,
    then_next: NextOption = False,
) -> None:
    """Reject frames: they are not trained on."""
    _decide("reject", images, reason or [], note, reviewer, override, then_next)


@review_app.command()
def skip(
    images: IdsArgument = None, note: NoteOption = "", reviewer: ReviewerOption = None, then_next: NextOption = False
) -> None:
    """Leave frames to somebody else, or to later: they go to the end of the queue."""
    _decide("skip", images, [], note, reviewer, False, then_next)


@review_app.command()
def undo(
    images: Annotated[list[str] | None, typer.Argument(help="Frames; by default the one you decided last.")] = None,
    reviewer: ReviewerOption = None,
) -> None:
    """Take back your last decision. The frame is in your hand again; both rows are kept."""
    from curation.review.queue import find

    desk = _open()
    chosen = [str(find(desk.sheet.rows, image)["image_id"]) for image in images or ()]
    for undone in desk.undo(_reviewer(reviewer), chosen, origin="cli"):
        typer.echo(f"{undone.image_id[:12]}  took back {undone.action} of {undone.decided_at}")


def _open() -> "Desk":
    from curation.review.desk import Desk
    from manifests.database import open_database
    from manifests.settings import load_settings

    settings = load_settings()
    return Desk(settings, open_database(settings.database))


def _reviewer(name: str | None) -> str:
    import getpass

    from manifests.errors import UsageError

    chosen = (name if name is not None else getpass.getuser()).strip()
    if not chosen or len(chosen) > 128:
        raise UsageError("A reviewer's name has 1 to 128 characters: give one by --as.")
    return chosen


def _told(item: "Item") -> dict[str, object]:
    """An item as a reviewer may read it: of a check, nothing of what the policy thinks."""
    from dataclasses import asdict

    told = {**asdict(item), "reasons": ",".join(item.reasons)}
    return told | dict.fromkeys(("verdict", "reasons", "rule_values", "doubt")) if item.blind else told


def _age_days(item: "Item") -> float:
    from datetime import UTC, datetime

    if item.fetched_at is None:
        return 0.0
    fetched = datetime.fromisoformat(item.fetched_at)
    return (datetime.now(UTC) - (fetched if fetched.tzinfo else fetched.replace(tzinfo=UTC))).total_seconds() / 86400


def _decide(
    action: "Action",
    images: list[str] | None,
    reasons: list[str],
    note: str,
    reviewer: str | None,
    override: bool,
    then_next: bool,
) -> None:
    from datetime import UTC, datetime

    from curation.review.decisions import Statement
    from curation.review.desk import refuse
    from curation.review.queue import find
    from manifests.errors import UsageError

    if any("," in reason or not reason.strip() for reason in reasons):
        raise UsageError("A reason is one word without a comma: repeat --reason for several.")
    desk, name = _open(), _reviewer(reviewer)
    seconds = None
    if images:
        chosen = [str(find(desk.sheet.rows, image)["image_id"]) for image in images]
    else:
        held = desk.holds(name)
        if not held:
            raise UsageError("You have no frame in hand: take one by `deepfield review next`, or name its id.")
        chosen = [held[0].image_id]
        seconds = (datetime.now(UTC) - datetime.fromisoformat(held[0].claimed_at)).total_seconds()
    statement = Statement(action, name, reasons=tuple(reasons), note=note, seconds=seconds)
    refuse(desk.say(statement, chosen, override=override))
    for image_id in chosen:
        row = desk.sheet.row(image_id)
        typer.echo(f"{image_id[:12]}  {action}  {row['source_name'] if row is not None else ''}")
    if then_next:
        _next(desk, name, "auto", open_viewer=False)


def _sit(desk: "Desk", reviewer: str, picture: str) -> None:
    import sys

    from curation.review.sitting import sit
    from curation.review.terminal import single_keys
    from manifests.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("--keys reads single keys from a terminal, and there is none: leave it away.")

    def show(image_id: str, blind: bool) -> None:
        typer.echo("\x1b[2J\x1b[H", nl=False, color=True)
        _show(desk, image_id, picture, blind)

    with single_keys() as read_key:
        made = sit(desk, reviewer, show=show, read_key=read_key, say=typer.echo)
    typer.echo(f"{made} decided. `deepfield review stats` says what is left.")


def _next(desk: "Desk", reviewer: str, picture: str, open_viewer: bool) -> None:
    from manifests.blobs import BlobStore
    from manifests.settings import load_settings

    waiting = desk.sheet.queue.count(reviewer)
    taken = desk.take(reviewer)
    if not taken:
        typer.echo(
            f"All {waiting} waiting frames are being looked at." if waiting else "Nothing waits for a decision.",
            err=True,
        )
        return
    image_id = taken[0].image_id
    _show(desk, image_id, picture, blind=taken[0].blind)
    typer.echo(f"\n{waiting} wait. Say: deepfield review accept | reject --reason WORD | skip   (--next for the next)")
    if open_viewer:
        typer.launch(str(BlobStore(load_settings().blobs_dir).path(image_id)))


def _show(desk: "Desk", image_id: str, picture: str, blind: bool) -> None:
    """Print all about a frame; `blind` leaves out what others and the policy said of it."""
    from curation.review.cards import Lookalikes, beyond_measurements, gauges
    from manifests.blobs import BlobStore
    from manifests.settings import load_settings
    from manifests.splits import relations_in

    sheet = desk.sheet
    row = sheet.row(image_id)
    assert row is not None
    _draw(image_id, picture)
    typer.echo(f"{image_id}  {row['source_name']}")
    if not blind:
        typer.echo(f"verdict    {row['verdict']}")
    if blind:
        typer.echo("           for a check: what the policy thinks stays hidden until it is decided")
    _print_gauges(gauges(sheet.policy, row, blind))
    if not blind:
        for part in beyond_measurements(row["rule_values"]):
            typer.echo(f"           {part}")
    typer.echo(f"picture    {row['width_px']}x{row['height_px']} px, {row['access_format']}, {row['size_bytes']} bytes")
    for label, name in _ORIGIN:
        if row[name] is not None:
            typer.echo(f"{label:10} {row[name]}")
    typer.echo(f"file       {BlobStore(load_settings().blobs_dir).path(image_id)}")
    if row["duplicate_of"] is not None:
        typer.echo(f"repeats    {str(row['duplicate_of'])[:12]} ({row['duplicate_kind']})")
    for kind, other in relations_in(row["relations"]):
        known = sheet.row(other)
        typer.echo(f"{kind.replace('_', ' '):10} {other[:12]}  {'' if known is None else known['source_name']}")
    for twin in Lookalikes(sheet.rows).of(image_id):
        bits = "" if twin.bits is None else f", {twin.bits} of 256 bits differ"
        typer.echo(f"alike      {twin.image_id[:12]}  {twin.source_name}  {twin.size} px, {twin.relation}{bits}")
    if blind:
        return
    for decision in sheet.queue.said(image_id):
        reasons = f" ({decision.reasons})" if decision.reasons else ""
        note = f": {decision.note}" if decision.note else ""
        typer.echo(f"said       {decision.decided_at} {decision.reviewer} {decision.action}{reasons}{note}")


def _print_gauges(measured: "list[Gauge]") -> None:
    """Print the values beyond a threshold, and what the classifier says."""
    for gauge in measured:
        if gauge.review is not None and gauge.state != "fine":
            sign, unit = (">" if gauge.side == "above" else "<"), f" {gauge.unit}" if gauge.unit else ""
            sure = "" if gauge.reject is None else f", sure {sign} {gauge.reject:g}"
            line = f"{gauge.measure} {gauge.value:.3g}{unit}, doubtful {sign} {gauge.review:g}{sure} ({gauge.reason})"
            typer.echo(f"           {line}")
    for gauge in measured:
        if gauge.words:
            typer.echo(f"           classifier: {gauge.words}")


def _draw(image_id: str, picture: str) -> None:
    import shutil
    import sys

    if picture == "no" or (picture == "auto" and not sys.stdout.isatty()):
        return
    import os

    from curation.review.terminal import ask_terminal, draw, way_of
    from manifests.blobs import BlobStore
    from manifests.frames import UndecodableError, decode
    from manifests.settings import load_settings

    settings = load_settings()
    path = BlobStore(settings.blobs_dir).path(image_id)
    try:
        frame = decode(path, settings.max_pixels)
    except UndecodableError as error:
        typer.echo(f"The picture cannot be drawn. {error}", err=True)
        return
    way = way_of(os.environ, ask_terminal()) if picture == "auto" else picture
    size = shutil.get_terminal_size()
    typer.echo(draw(frame.rgb, way, size.columns, max(8, size.lines - 16)), nl=False, color=True)  # type: ignore[arg-type]
