"""The review queue: which frames wait for a person, who looks at which, and what was decided.

Decisions are rows that are appended and never changed; to undo is to append a row that takes another back. Each
function that writes is one transaction, so that nothing is half said after a crash.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pandas as pd
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from manifests.errors import DeepfieldError, UsageError
from manifests.tables import claims, decisions

Action = Literal["accept", "reject", "skip", "undo"]

CLAIM_MINUTES = 15.0


@dataclass(frozen=True)
class Item:
    """A frame that waits. `doubt` is 1 halfway between acceptance and rejection and 0 next to a sure verdict."""

    image_id: str
    source_name: str
    obs_collection: str
    verdict: str
    reasons: tuple[str, ...]
    rule_values: str
    doubt: float


@dataclass(frozen=True)
class Decision:
    """One row of what people said. `undoes` names the row that an undo takes back."""

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
    decided_at: str


@dataclass(frozen=True)
class Statement:
    """What a reviewer says of a frame: the words, from where, in how many seconds, looking at which snapshot."""

    action: Literal["accept", "reject", "skip"]
    reviewer: str
    origin: str = "cli"
    reasons: tuple[str, ...] = ()
    note: str = ""
    seconds: float | None = None
    snapshot_id: str | None = None
    policy_digest: str | None = None


def history(engine: Engine, image_id: str | None = None) -> list[Decision]:
    """All decisions, or those on one frame, in the order they were made."""
    query = select(decisions).order_by(decisions.c.decision_id)
    if image_id is not None:
        query = query.where(decisions.c.image_id == image_id)
    names = set(Decision.__dataclass_fields__)
    with engine.connect() as connection:
        return [
            Decision(**{key: value for key, value in row.items() if key in names})
            for row in connection.execute(query).mappings()
        ]


def effective(said: Iterable[Decision]) -> dict[str, Decision]:
    """What holds for each frame: its last acceptance or rejection that was not taken back."""
    held: dict[str, Decision] = {}
    for decision in _standing(said):
        if decision.action in ("accept", "reject"):
            held[decision.image_id] = decision
    return held


def waiting(rows: pd.DataFrame, said: Sequence[Decision]) -> list[Item]:
    """Frames of a snapshot that wait for a decision: the most doubtful first, those that were skipped last."""
    decided = effective(said)
    skips: dict[str, int] = {}
    for decision in _standing(said):
        if decision.action == "skip":
            skips[decision.image_id] = skips.get(decision.image_id, 0) + 1
    doubtful = rows[rows["verdict"] == "review"]
    items = [item(row) for row in doubtful.to_dict("records") if row["image_id"] not in decided]
    return sorted(items, key=lambda one: (skips.get(one.image_id, 0), -one.doubt, one.image_id))


def item(row: dict[str, object]) -> Item:
    """The queue's view of a manifest row."""
    doubt = row.get("doubt")
    return Item(
        image_id=str(row["image_id"]),
        source_name=str(row["source_name"] or ""),
        obs_collection=str(row["obs_collection"] or ""),
        verdict=str(row["verdict"]),
        reasons=tuple(reason for reason in str(row["reasons"] or "").split(",") if reason),
        rule_values=str(row["rule_values"] or ""),
        doubt=float(doubt) if isinstance(doubt, float) and math.isfinite(doubt) else 0.0,
    )


def claim_next(
    engine: Engine, items: Sequence[Item], reviewer: str, *, minutes: float = CLAIM_MINUTES, now: datetime | None = None
) -> Item | None:
    """Give the reviewer the first item that nobody else looks at; None where all are taken.

    A reviewer who has an item already gets it again. A claim ends after `minutes`, or with a decision.
    """
    moment = now or datetime.now(UTC)
    expires = _iso(moment + timedelta(minutes=minutes))
    insert_claim = (postgresql if engine.dialect.name == "postgresql" else sqlite).insert(claims)
    with engine.begin() as connection:
        connection.execute(delete(claims).where(claims.c.expires_at <= _iso(moment)))
        taken = {row.image_id: row.reviewer for row in connection.execute(select(claims))}
        mine = [one for one in items if taken.get(one.image_id) == reviewer]
        if mine:
            return mine[0]
        for one in items:
            if one.image_id in taken:
                continue
            claim = insert_claim.values(
                image_id=one.image_id, reviewer=reviewer, claimed_at=_iso(moment), expires_at=expires
            )
            # another process may have taken it since the look
            if connection.execute(claim.on_conflict_do_nothing()).rowcount == 1:
                return one
    return None


def claimed(engine: Engine, reviewer: str, now: datetime | None = None) -> str | None:
    """The frame a reviewer is looking at, or None."""
    moment = _iso(now or datetime.now(UTC))
    query = select(claims.c.image_id).where(claims.c.reviewer == reviewer, claims.c.expires_at > moment)
    with engine.connect() as connection:
        return connection.scalars(query.order_by(claims.c.claimed_at.desc())).first()


def decide(engine: Engine, image_ids: Sequence[str], statement: Statement, now: datetime | None = None) -> None:
    """Append one decision on each frame and end the claims on them, all in one transaction."""
    moment = _iso(now or datetime.now(UTC))
    rows = [
        {
            "image_id": image_id,
            "action": statement.action,
            "reasons": ",".join(statement.reasons),
            "note": statement.note,
            "reviewer": statement.reviewer,
            "origin": statement.origin,
            "seconds": statement.seconds,
            "snapshot_id": statement.snapshot_id,
            "policy_digest": statement.policy_digest,
            "decided_at": moment,
        }
        for image_id in image_ids
    ]
    with engine.begin() as connection:
        connection.execute(insert(decisions), rows)
        connection.execute(delete(claims).where(claims.c.image_id.in_(list(image_ids))))


def undo(
    engine: Engine, reviewer: str, image_id: str | None = None, origin: str = "cli", now: datetime | None = None
) -> Decision:
    """Take back the reviewer's last decision, on one frame or on any; returns what was taken back.

    Raises:
        DeepfieldError: there is none to take back.
    """
    said = history(engine, image_id)
    own = [decision for decision in _standing(said) if decision.reviewer == reviewer]
    if not own:
        where = f" on {image_id[:12]}" if image_id else ""
        raise DeepfieldError(f"{reviewer} has no decision{where} to take back: `deepfield review stats` counts them.")
    last = own[-1]
    row = {
        "image_id": last.image_id,
        "action": "undo",
        "reasons": "",
        "note": "",
        "reviewer": reviewer,
        "origin": origin,
        "undoes": last.decision_id,
        "decided_at": _iso(now or datetime.now(UTC)),
    }
    with engine.begin() as connection:
        connection.execute(insert(decisions), [row])
    return last


def find(rows: pd.DataFrame, beginning: str) -> dict[str, object]:
    """The manifest row of a frame, by its id or an unambiguous beginning of at least six digits.

    Raises:
        UsageError: the beginning is too short, unknown or ambiguous.
    """
    wanted = beginning.strip().lower()
    if len(wanted) < 6:
        raise UsageError(f"{beginning!r} is too short: give at least six digits of the frame's id.")
    matches = rows[rows["image_id"].str.startswith(wanted)]
    if matches.empty:
        raise UsageError(f"There is no frame {beginning} in the newest snapshot: `deepfield review list` shows ids.")
    if len(matches) > 1:
        raise UsageError(f"{len(matches)} frames begin with {beginning}: give more digits.")
    return dict(matches.iloc[0])


def _standing(said: Iterable[Decision]) -> list[Decision]:
    """Decisions without the undone ones and the undos."""
    said = list(said)
    undone = {decision.undoes for decision in said if decision.action == "undo"}
    return [one for one in said if one.action != "undo" and one.decision_id not in undone]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
