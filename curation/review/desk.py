"""The desk where frames are handed out and decisions are taken in: what the command line and the page both do.

It joins the newest snapshot with the catalogue. Others may write to both at the same time, so each act first looks at
what is new. All of an act is one transaction: what it answers has happened, and will not be lost.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, bindparam, func, select

from curation.policies import policy_of
from curation.policy import Policy
from curation.review.claims import CLAIM_MINUTES, Claim, claim, release, renew, running
from curation.review.decisions import REVIEW_LOCK, Decision, Role, Statement, Subject, append, history, iso
from curation.review.decisions import undo as take_back
from curation.review.queue import Item, Queue
from manifests.database import alone
from manifests.errors import DeepfieldError
from manifests.settings import Settings
from manifests.snapshots import head, read_info, read_snapshot, resolve
from manifests.tables import decisions


@dataclass(frozen=True)
class Hand:
    """Frames handed out now, and the ids of all that the reviewer holds."""

    items: tuple[Item, ...]
    held: frozenset[str]


@dataclass(frozen=True)
class Said:
    """What became of a statement: the rows added, one sentence for each frame refused, and what was dealt then."""

    made: tuple[Decision, ...]
    refused: dict[str, str]
    hand: Hand | None = None


@dataclass(frozen=True)
class Sheet:
    """A snapshot opened for review."""

    snapshot_id: str
    rows: pd.DataFrame
    policy: Policy
    queue: Queue
    at: dict[str, int]

    def row(self, image_id: str) -> dict[str, Any] | None:
        """The manifest row of a frame, None where the snapshot has none."""
        return dict(self.rows.iloc[self.at[image_id]]) if image_id in self.at else None

    def verdict(self, image_id: str) -> str | None:
        """What the policy says of a frame, None where the snapshot has none."""
        return str(self.rows["verdict"].array[self.at[image_id]]) if image_id in self.at else None


class Desk:
    """Hands out frames and takes in decisions, for any number of reviewers and threads."""

    def __init__(self, settings: Settings, engine: Engine, claim_minutes: float = CLAIM_MINUTES) -> None:
        """Open the newest snapshot. Claims end after `claim_minutes`.

        Raises:
            DeepfieldError: there is no snapshot, or its policy is not known.
        """
        self._settings, self._engine, self._minutes = settings, engine, claim_minutes
        self._lock = RLock()
        self._ahead = False  # whether the queue may have learnt what was not saved in the end
        self._sheet = self._read()

    @property
    def sheet(self) -> Sheet:
        """The newest snapshot, with what was said up to the last act."""
        return self._sheet

    def deal(self, reviewer: str, count: int, in_view: Sequence[str] = (), now: datetime | None = None) -> Hand:
        """Give the reviewer up to `count` frames besides those in view: what is in hand, then what nobody looks at."""
        with self._lock, alone(self._engine, REVIEW_LOCK) as connection:
            self._catch_up(connection)
            return self._hand_out(connection, reviewer, count, in_view, now)

    def take(self, reviewer: str, count: int = 1, now: datetime | None = None) -> list[Item]:
        """Give the reviewer up to `count` frames: what is in hand, then what nobody looks at."""
        return list(self.deal(reviewer, count, now=now).items)

    def holds(self, reviewer: str) -> list[Claim]:
        """What the reviewer has in hand, what came into it last at the front."""
        with self._lock, self._engine.connect() as connection:
            return [one for one in running(connection).values() if one.reviewer == reviewer]

    def say(
        self,
        statement: Statement,
        image_ids: Sequence[str],
        *,
        override: bool = False,
        all_or_none: bool = True,
        deal: int | None = None,
        in_view: Sequence[str] = (),
        now: datetime | None = None,
    ) -> Said:
        """Take in one statement on frames, each of which must wait for this reviewer and be looked at by nobody else.

        With `override` also frames that do not wait, which replaces what was said of them. With `all_or_none`, one
        refused frame refuses all. Where `deal` is given, hands out so many frames in the same transaction.
        """
        with self._lock, self._whole(), alone(self._engine, REVIEW_LOCK) as connection:
            self._catch_up(connection)
            queue = self._sheet.queue
            held = running(connection, now)
            subjects, refused = [], {}
            for image_id in dict.fromkeys(image_ids):
                earlier = any(one.request_id == statement.request_id for one in queue.said(image_id))
                role = queue.role(image_id, statement.reviewer)
                fault = None if override or earlier else self._fault(image_id, statement.reviewer, role, held)
                if fault is None:
                    subjects.append(Subject(image_id, role or "override", self._sheet.verdict(image_id)))
                else:
                    refused[image_id] = fault
            made: list[Decision] = []
            if subjects and not (refused and all_or_none):
                digest = self._sheet.policy.digest
                whole = replace(statement, snapshot_id=self._sheet.snapshot_id, policy_digest=digest)
                made = append(connection, subjects, whole, now)
                queue.learn(made)
            if deal is None:
                return Said(tuple(made), refused)
            hand = self._hand_out(connection, statement.reviewer, deal, in_view, now)
            return Said(tuple(made), refused, hand)

    def undo(
        self, reviewer: str, image_ids: Sequence[str] = (), *, origin: str, request_id: str | None = None
    ) -> list[Decision]:
        """Take back the reviewer's last decisions on frames, or the last on any, and hand the frames out again.

        Raises:
            DeepfieldError: there is none to take back, on one of them.
        """
        with self._lock:
            seen = self._sheet.snapshot_id, self._sheet.policy.digest
            undone = take_back(self._engine, reviewer, image_ids, origin, request_id, *seen)
            with alone(self._engine, REVIEW_LOCK) as connection:
                self._catch_up(connection)
                held = running(connection)
                free = [one.image_id for one in undone if one.image_id not in held]
                queue = self._sheet.queue
                claim(connection, reviewer, [one for one in free if queue.role(one, reviewer)], self._minutes)
            return undone

    def release(self, reviewer: str, image_ids: Sequence[str] | None = None) -> None:
        """End the reviewer's claims, on these frames or on all."""
        with self._lock, alone(self._engine, REVIEW_LOCK) as connection:
            release(connection, reviewer, image_ids)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Remember when an act fails that the queue may know more than the catalogue."""
        try:
            yield
        except BaseException:
            self._ahead = True
            raise

    def _read(self) -> Sheet:
        snapshot_id = resolve(self._settings.manifest_dir, None)
        info = read_info(self._settings.manifest_dir, snapshot_id)
        rows = read_snapshot(self._settings.manifest_dir, snapshot_id)
        policy = policy_of(info.policy_digest, self._settings.home)
        queue = Queue(
            rows,
            history(self._engine),
            audit_rate=policy.audit_rate,
            second_opinion_rate=policy.second_opinion_rate,
        )
        at = {image_id: index for index, image_id in enumerate(rows["image_id"])}
        return Sheet(snapshot_id, rows, policy, queue, at)

    def _catch_up(self, connection: Connection) -> None:
        if self._ahead or head(self._settings.manifest_dir) != self._sheet.snapshot_id:
            self._sheet, self._ahead = self._read(), False
        self._sheet.queue.learn(history(connection, after=self._sheet.queue.last_id))

    def _hand_out(
        self, connection: Connection, reviewer: str, count: int, in_view: Sequence[str], now: datetime | None
    ) -> Hand:
        queue = self._sheet.queue
        held = running(connection, now)
        mine = [one for one in held.values() if one.reviewer == reviewer]
        settled = [one.image_id for one in mine if queue.role(one.image_id, reviewer) is None]
        if settled:  # somebody decided them without asking
            release(connection, reviewer, settled)
        kept = [one for one in mine if one.image_id not in settled]
        aged = [one.image_id for one in kept if one.expires_at < iso(self._later(0.7, now))]
        if aged:
            renew(connection, reviewer, aged, self._minutes, now)
        items = [found for one in kept if one.image_id not in in_view and (found := queue.find(one.image_id))][:count]
        fresh = queue.first(reviewer, held.keys(), count - len(items)) if len(items) < count else []
        if fresh:
            claim(connection, reviewer, [item.image_id for item in fresh], self._minutes, now)
        return Hand((*items, *fresh), frozenset((*(one.image_id for one in kept), *(item.image_id for item in fresh))))

    def _later(self, share: float, now: datetime | None) -> datetime:
        return (now or datetime.now(UTC)) + timedelta(minutes=share * self._minutes)

    def _fault(self, image_id: str, reviewer: str, role: Role | None, held: dict[str, Claim]) -> str | None:
        """Why a reviewer may not decide on a frame now, in one sentence; None where all is well."""
        short = image_id[:12]
        if role is not None:
            other = held.get(image_id)
            if other is None or other.reviewer == reviewer:
                return None
            return f"{other.reviewer} is looking at frame {short} until {other.expires_at[11:16]} UTC."
        verdict = self._sheet.verdict(image_id)
        if verdict is None:
            return f"There is no frame {short} in the newest snapshot."
        votes = self._sheet.queue.standing(image_id).votes
        if votes:
            last = votes[-1]
            return f"Frame {short} was decided already: {last.action} by {last.reviewer}, {last.decided_at}."
        return f"Frame {short} is not in the review queue: the policy says {verdict}."


def refuse(said: Said) -> None:
    """Raise the first refusal of a statement, if there is one.

    Raises:
        DeepfieldError: a frame was refused.
    """
    for sentence in said.refused.values():
        raise DeepfieldError(f"{sentence} Use --override to decide all the same.")


def decided_since(engine: Engine, reviewer: str, moment: datetime) -> int:
    """How many acceptances and rejections of the reviewer from a moment on were not taken back."""
    with engine.connect() as connection:
        return connection.scalar(_COUNTED, {"reviewer": reviewer, "moment": iso(moment)}) or 0


_undone = select(decisions.c.undoes).where(decisions.c.action == "undo", decisions.c.reviewer == bindparam("reviewer"))
_COUNTED = select(func.count()).where(
    decisions.c.reviewer == bindparam("reviewer"),
    decisions.c.decided_at >= bindparam("moment"),
    decisions.c.action.in_(["accept", "reject"]),
    decisions.c.decision_id.not_in(_undone),
)
