"""The review queue: which frames of a snapshot wait for a person, in which order, and why each is asked about.

Most informative first: what the policy is most undecided about, and among equals what is most unlike anything decided.
Between them, in places drawn by lot, stand a sample of what the policy was sure of and of what one person has decided,
so that the errors of both can be counted. A frame that two people disagree on is asked about before all others.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curation.review.decisions import NOTHING_SAID, Decision, Role, Standing, by_image, standing
from curation.review.novelty import nearest, portraits
from curation.review.sampling import drawn, lot
from manifests.errors import UsageError

_STEPS = 10.0  # of doubt: frames of one step are told apart by how unlike they are to those decided
_DISPUTED, _SKIPPED = 1e4, -1e2


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
    role: Role
    fetched_at: str | None

    @property
    def blind(self) -> bool:
        """Whether a person is to judge it without knowing what the policy or others said."""
        return self.role != "doubt"


class Queue:
    """The frames of one snapshot that people are asked about. It learns of decisions as they are made."""

    def __init__(
        self, rows: pd.DataFrame, said: Sequence[Decision], *, audit_rate: float, second_opinion_rate: float
    ) -> None:
        """Take the rows of a snapshot, all that was said so far, and the shares that are drawn for a check."""
        self._rates = audit_rate, second_opinion_rate
        known = by_image(said)
        disputed = {image_id for image_id, some in known.items() if standing(some).disputed}
        sure = _auditable(rows) & np.array([drawn("audit", one, audit_rate) for one in rows["image_id"]], bool)
        asked = rows[(rows["verdict"] == "review") | sure | rows["image_id"].isin(disputed)]
        self._rows = asked[["image_id", "source_name", "obs_collection", "verdict", "reasons", "rule_values"]].copy()
        self._rows["doubt"] = asked["doubt"].fillna(0.0)
        self._rows["fetched_at"] = asked["fetched_at"]
        self._at = {image_id: index for index, image_id in enumerate(asked["image_id"])}
        self._points = portraits(asked)
        self._novelty = nearest(self._points, self._points[:0])
        self._doubt = self._rows["doubt"].to_numpy(float).copy()
        for index in np.flatnonzero(asked["verdict"].to_numpy() != "review"):
            # anywhere in the queue, so that its place does not tell what the policy thinks
            self._doubt[index] = lot("audit", asked["image_id"].iloc[index]) / max(audit_rate, 1e-9)
        self._doubt = np.minimum(self._doubt, 1.0)
        self._roles: list[Role | None] = ["doubt" if v == "review" else "audit" for v in asked["verdict"]]
        self._checked: dict[int, Role] = {}  # those of them that wait for a second or third opinion
        self._open = np.ones(len(asked), bool)
        self._bonus = np.zeros(len(asked))
        self._said: dict[str, list[Decision]] = {}
        self.last_id = 0
        self.learn(said)

    def learn(self, said: Iterable[Decision]) -> None:
        """Take in decisions that were made since, in their order.

        A decision that is taken back goes on counting as a frame that the others are compared with.
        """
        news = by_image(said)
        decided = []
        for image_id, some in news.items():
            self._said.setdefault(image_id, []).extend(some)
            self.last_id = max(self.last_id, some[-1].decision_id)
            index = self._at.get(image_id)
            if index is not None:
                self._settle(index, self.standing(image_id))
                if any(one.action in ("accept", "reject") for one in some):
                    decided.append(index)
        if decided:
            np.minimum(self._novelty, nearest(self._points, self._points[decided]), out=self._novelty)

    def standing(self, image_id: str) -> Standing:
        """What was decided on a frame of the snapshot, in the queue or not."""
        return standing(self._said[image_id]) if image_id in self._said else NOTHING_SAID

    def said(self, image_id: str) -> list[Decision]:
        """All rows on one frame, in their order."""
        return list(self._said.get(image_id, ()))

    def all_said(self) -> Mapping[str, Sequence[Decision]]:
        """All rows, by frame."""
        return self._said

    def role(self, image_id: str, reviewer: str | None) -> Role | None:
        """Why a frame waits for this reviewer, or for anybody where that is None; None where it does not."""
        index = self._at.get(image_id)
        if index is None or not self._open[index]:
            return None
        role = self._roles[index]
        return None if role in ("second", "third") and self._has_voted(image_id, reviewer) else role

    def first(self, reviewer: str | None, taken: Collection[str], count: int) -> list[Item]:
        """The first frames that wait for this reviewer, or for anybody, without those that are taken."""
        score = self._scores()
        for image_id in taken:
            if image_id in self._at:
                score[self._at[image_id]] = -np.inf
        for index in self._checked:
            if self._has_voted(self._rows["image_id"].iat[index], reviewer):
                score[index] = -np.inf
        count = min(count, len(score))
        best = np.argpartition(-score, count - 1)[:count] if count else np.array([], int)
        # the later of equal ones by name, so that the order does not depend on that of the rows
        ranked = sorted((-score[i], self._rows["image_id"].iat[i], i) for i in best if np.isfinite(score[i]))
        return [self.item(int(index)) for _, _, index in ranked]

    def waiting(self) -> list[Item]:
        """All frames that wait, for whomever, in the order of the queue."""
        return self.first(None, (), len(self._rows))

    def count(self, reviewer: str | None = None) -> int:
        """How many frames wait for this reviewer, or for anybody."""
        voted = sum(self._has_voted(self._rows["image_id"].iat[index], reviewer) for index in self._checked)
        return int(self._open.sum()) - voted

    def item(self, index: int) -> Item:
        """The item at a position."""
        row = self._rows.iloc[index]
        return Item(
            image_id=row["image_id"],
            source_name=row["source_name"] or "",
            obs_collection=row["obs_collection"] or "",
            verdict=row["verdict"],
            reasons=tuple(reason for reason in (row["reasons"] or "").split(",") if reason),
            rule_values=row["rule_values"] or "",
            doubt=float(row["doubt"]) if math.isfinite(row["doubt"]) else 0.0,
            role=self._roles[index] or "doubt",
            fetched_at=row["fetched_at"],
        )

    def find(self, image_id: str) -> Item | None:
        """The item of a frame that people are asked about, waiting or not."""
        return self.item(self._at[image_id]) if image_id in self._at else None

    def _settle(self, index: int, now: Standing) -> None:
        image_id = self._rows["image_id"].iat[index]
        verdict = self._rows["verdict"].iat[index]
        self._bonus[index] = _SKIPPED * now.skips
        if not now.votes:
            self._open[index], self._roles[index] = True, "doubt" if verdict == "review" else "audit"
        elif now.disputed:
            self._open[index], self._roles[index] = True, "third"
            self._bonus[index] += _DISPUTED
        elif len(now.votes) == 1 and now.votes[0].role != "override" and drawn("second", image_id, self._rates[1]):
            self._open[index], self._roles[index] = True, "second"
        else:
            self._open[index], self._roles[index] = False, None
        role = self._roles[index]
        if role in ("second", "third"):
            self._checked[index] = role
        else:
            self._checked.pop(index, None)

    def _scores(self) -> np.ndarray:
        score = np.floor(self._doubt * _STEPS) + 0.999 * self._novelty + 1e-4 * self._doubt + self._bonus
        score[~self._open] = -np.inf
        for index, role in self._checked.items():
            if role == "second":  # by lot, as what it was doubted for is settled
                place = lot("second", self._rows["image_id"].iat[index]) / self._rates[1]
                score[index] = _STEPS * place + self._bonus[index]
        return score

    def _has_voted(self, image_id: str, reviewer: str | None) -> bool:
        return reviewer is not None and any(vote.reviewer == reviewer for vote in self.standing(image_id).votes)


def find(rows: pd.DataFrame, beginning: str) -> dict[str, Any]:
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


def _auditable(rows: pd.DataFrame) -> np.ndarray:
    """What the rules alone were sure of and a person can look at: no repeats, nothing that cannot be decoded."""
    sure = rows["verdict"].isin(["accept", "reject"]) & rows["duplicate_of"].isna() & (rows["width_px"] > 0)
    return sure.to_numpy(bool)
