"""What people decided: rows that are appended and never changed, and what they come to for each frame.

To undo is to append a row that takes another back. All that is said at once is one transaction, so that a crash
leaves nothing half said; who says it again under the same `request_id`, not knowing whether it arrived, adds nothing.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select

from manifests.database import alone
from manifests.errors import DeepfieldError
from manifests.tables import claims, decisions

Action = Literal["accept", "reject", "skip"]
Role = Literal["doubt", "audit", "second", "third", "override"]

# any number, the same in every process: decisions and claims wait for each other, so that rows become visible in
# the order of their ids and nobody is given a frame that is being decided
REVIEW_LOCK = 0x0DEE9F1E1E

# An opinion given without knowing the earlier ones is counted with them; any other replaces them.
_COUNTED: tuple[str | None, ...] = ("second", "third")


@dataclass(frozen=True)
class Decision:
    """One row of what people said. `undoes` names the row that an undo takes back; `seconds` is the time taken."""

    decision_id: int
    image_id: str
    action: str
    reasons: str
    note: str
    reviewer: str
    origin: str
    seconds: float | None
    undoes: int | None
    snapshot_id: str | None
    policy_digest: str | None
    decided_at: str
    request_id: str
    role: str | None
    policy_verdict: str | None


@dataclass(frozen=True)
class Statement:
    """What a reviewer says of frames: the words, from where, in how many seconds, looking at which snapshot.

    `request_id` is chosen by whoever asks: the same one twice is said once.
    """

    action: Action
    reviewer: str
    origin: str = "cli"
    reasons: tuple[str, ...] = ()
    note: str = ""
    seconds: float | None = None
    snapshot_id: str | None = None
    policy_digest: str | None = None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Subject:
    """A frame that is decided on: in which role it was shown, and what the policy said of it."""

    image_id: str
    role: Role = "doubt"
    policy_verdict: str | None = None


@dataclass(frozen=True)
class Standing:
    """What the decisions on one frame come to.

    `votes` are the opinions that count now: the last one that was given knowing the others, and those given after it
    without knowing them, at most one a reviewer. `held` is the vote of the majority, None where there is none yet.
    """

    votes: tuple[Decision, ...] = ()
    skips: int = 0

    @property
    def held(self) -> Decision | None:
        """The latest vote of the side that has more, None without votes or with as many on both sides."""
        accepting = [vote for vote in self.votes if vote.action == "accept"]
        rejecting = [vote for vote in self.votes if vote.action == "reject"]
        if len(accepting) == len(rejecting):
            return None
        return max(accepting, rejecting, key=len)[-1]

    @property
    def disputed(self) -> bool:
        """Whether there are as many votes for as against, so that a third person is asked."""
        return bool(self.votes) and self.held is None


NOTHING_SAID = Standing()

# built once: putting a statement together costs more than SQLite takes to answer it
_AFTER = select(decisions).where(decisions.c.decision_id > bindparam("after")).order_by(decisions.c.decision_id)
_OF_REQUEST = select(decisions.c.image_id).where(decisions.c.request_id == bindparam("request"))


def history(source: Engine | Connection, image_id: str | None = None, after: int = 0) -> list[Decision]:
    """All decisions, or those on one frame, or those after a `decision_id`, in the order they were made."""
    if isinstance(source, Engine):
        with source.connect() as connection:
            return history(connection, image_id, after)
    query = _AFTER if image_id is None else _AFTER.where(decisions.c.image_id == image_id)
    return [Decision(**row) for row in source.execute(query, {"after": after}).mappings()]


def by_image(said: Iterable[Decision]) -> dict[str, list[Decision]]:
    """Decisions in their order, by the frame they are on."""
    found: dict[str, list[Decision]] = {}
    for decision in said:
        found.setdefault(decision.image_id, []).append(decision)
    return found


def standing(said: Sequence[Decision]) -> Standing:
    """What the decisions on one frame, in their order, come to."""
    votes: list[Decision] = []
    skips = 0
    for decision in not_taken_back(said):
        if decision.action == "skip":
            skips += 1
            continue
        if decision.role not in _COUNTED:
            votes = []
        votes = [vote for vote in votes if vote.reviewer != decision.reviewer] + [decision]
    return Standing(tuple(votes), skips)


def effective(said: Iterable[Decision]) -> dict[str, Decision]:
    """What holds for each frame that was accepted or rejected; without those that are disputed."""
    return {image_id: held for image_id, some in by_image(said).items() if (held := standing(some).held) is not None}


def not_taken_back(said: Iterable[Decision]) -> list[Decision]:
    """Decisions without the undone ones and the undos."""
    said = list(said)
    undone = {decision.undoes for decision in said if decision.action == "undo"}
    return [one for one in said if one.action != "undo" and one.decision_id not in undone]


def decide(
    engine: Engine, subjects: Sequence[Subject], statement: Statement, now: datetime | None = None
) -> list[Decision]:
    """Append one decision on each frame and end the claims on them, all in one transaction."""
    with alone(engine, REVIEW_LOCK) as connection:
        return append(connection, subjects, statement, now)


def append(
    connection: Connection, subjects: Sequence[Subject], statement: Statement, now: datetime | None = None
) -> list[Decision]:
    """Append decisions in a transaction that holds `REVIEW_LOCK`; those already made by this request stay as they are.

    Returns the rows that were added.
    """
    known = set(connection.scalars(_OF_REQUEST, {"request": statement.request_id}))
    said: Mapping[str, Any] = {
        "action": statement.action,
        "reasons": ",".join(statement.reasons),
        "note": statement.note,
        "reviewer": statement.reviewer,
        "origin": statement.origin,
        "seconds": statement.seconds,
        "undoes": None,
        "snapshot_id": statement.snapshot_id,
        "policy_digest": statement.policy_digest,
        "decided_at": iso(now or datetime.now(UTC)),
        "request_id": statement.request_id,
    }
    return _insert(
        connection,
        [
            {**said, "image_id": one.image_id, "role": one.role, "policy_verdict": one.policy_verdict}
            for one in subjects
            if one.image_id not in known
        ],
    )


def undo(
    engine: Engine,
    reviewer: str,
    image_ids: Sequence[str] = (),
    origin: str = "cli",
    request_id: str | None = None,
    snapshot_id: str | None = None,
    policy_digest: str | None = None,
    now: datetime | None = None,
) -> list[Decision]:
    """Take back the reviewer's last decision on each of these frames or, where none is named, the last on any.

    All are taken back or, where one frame has none, none is. Returns what was taken back.

    Raises:
        DeepfieldError: there is none to take back.
    """
    request_id = request_id or uuid.uuid4().hex
    with alone(engine, REVIEW_LOCK) as connection:
        own = select(decisions).where(decisions.c.reviewer == reviewer).order_by(decisions.c.decision_id)
        if image_ids:
            own = own.where(decisions.c.image_id.in_(image_ids))
        said = [Decision(**row) for row in connection.execute(own).mappings()]
        before = {one.undoes for one in said if one.request_id == request_id and one.action == "undo"}
        if before:  # asked again: what it took back then
            return [one for one in said if one.decision_id in before]
        left = not_taken_back(said)
        last = {one.image_id: one for one in left}
        for image_id in image_ids:
            if image_id not in last:
                raise _nothing_to_take_back(reviewer, f" on {image_id[:12]}")
        if not left:
            raise _nothing_to_take_back(reviewer)
        undone = [last[image_id] for image_id in dict.fromkeys(image_ids)] or left[-1:]
        row: dict[str, Any] = dict.fromkeys(_NAMES)
        del row["decision_id"]
        row |= {"action": "undo", "reasons": "", "note": "", "reviewer": reviewer, "origin": origin}
        row |= {"request_id": request_id, "snapshot_id": snapshot_id, "policy_digest": policy_digest}
        row |= {"decided_at": iso(now or datetime.now(UTC))}
        _insert(connection, [row | {"image_id": one.image_id, "undoes": one.decision_id} for one in undone])
    return undone


def _nothing_to_take_back(reviewer: str, where: str = "") -> DeepfieldError:
    return DeepfieldError(f"{reviewer} has no decision{where} to take back: `deepfield review stats` counts them.")


def iso(moment: datetime) -> str:
    """A moment as the catalogue keeps it: ISO 8601, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_NAMES = tuple(one.name for one in fields(Decision))


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> list[Decision]:
    added = insert(decisions).returning(decisions.c.decision_id)
    made = [Decision(decision_id=connection.execute(added, row).scalar_one(), **row) for row in rows]
    connection.execute(delete(claims).where(claims.c.image_id.in_([one.image_id for one in made])))
    return made
