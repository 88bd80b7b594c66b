"""What a reviewer is told of a frame: its values against the thresholds, and the frames that look like it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from curation.policy import Policy
from manifests import schema

# Words for a rejection, as the keys 1 to 9 of the page: those of the policy's reasons that an eye can tell, and others.
REASONS = (
    "noisy",
    "blurred",
    "saturated",
    "partial",
    "empty",
    "artefact",
    "no_colour",
    "not_observation",
    "duplicate",
)

State = Literal["bad", "doubtful", "fine", "unsaid"]
_WORST_FIRST: tuple[State, ...] = ("bad", "doubtful", "fine", "unsaid")

_ALIKE_BITS = 72  # of 256; unrelated pictures differ in about half of them
_MEASURED = {"score", *(column.name for column in schema.MEASURES)}
_UNITS = {column.name: column.unit for _, group in schema.GROUPS for column in group}


@dataclass(frozen=True)
class Gauge:
    """A value against its thresholds: on the suspect `side` of `review` doubtful, of `reject` bad.

    `words` say of the classifier's score what moved it. Where the frame is to be judged without knowing what the
    policy thinks, the state is `unsaid` and there are no thresholds.
    """

    reason: str
    measure: str
    unit: str
    side: str
    value: float
    review: float | None
    reject: float | None
    state: State
    words: str = ""


@dataclass(frozen=True)
class Twin:
    """A frame that looks like another: how it is related, and in how many of 256 bits their hashes differ."""

    image_id: str
    source_name: str
    relation: str
    bits: int | None
    size: str


def gauges(policy: Policy, row: Mapping[str, Any], blind: bool = False) -> list[Gauge]:
    """The frame's values against every rule and the classifier that say something of it, the worst first.

    With `blind`, the values alone: who checks the policy is not to know what it thinks.
    """
    found = []
    state: State
    for rule in policy.rules:
        value = row.get(rule.measure)
        if value is None or pd.isna(value) or rule.domain not in ("any", row.get("domain")):
            continue
        state = "fine"
        if rule.reject is not None and rule.exceeds(float(value), rule.reject):
            state = "bad"
        elif rule.exceeds(float(value), rule.review):
            state = "doubtful"
        gauge = Gauge(
            rule.reason, rule.measure, _UNITS[rule.measure], rule.side, float(value), rule.review, rule.reject, state
        )
        found.append(replace(gauge, review=None, reject=None, state="unsaid") if blind else gauge)
    judge = policy.classifier
    if judge is not None and judge.speaks_of(row) and not blind:
        said = judge.forest.opinion(row)
        state = "bad" if judge.rejects(said) else "doubtful" if said.score > judge.review else "fine"
        words = "like good frames" if state == "fine" else "; ".join(judge.moved_by(said))
        found.append(Gauge(judge.reason, "score", "", "above", said.score, judge.review, judge.reject, state, words))
    return sorted(found, key=lambda gauge: _WORST_FIRST.index(gauge.state))


def beyond_measurements(rule_values: str | None) -> list[str]:
    """What decided on a frame and is no measurement: what it repeats, why it has no pixels, doubts that add up."""
    parts = (rule_values or "").split("; ")
    return [part for part in parts if part and part.partition(" ")[0] not in _MEASURED]


class Lookalikes:
    """Finds the frames of a snapshot that look like one of them."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """Unpack the hashes of all rows: 32 bytes each."""
        self._rows = rows
        self._hashed = np.flatnonzero(rows["phash256"].notna())
        digits = "".join(rows["phash256"].iloc[self._hashed])
        self._bits = np.frombuffer(bytes.fromhex(digits), np.uint64).reshape(len(self._hashed), 4)
        self._copies: dict[str, list[int]] = {}
        for index in np.flatnonzero(rows["duplicate_of"].notna()):
            self._copies.setdefault(rows["duplicate_of"].iat[index], []).append(int(index))
        self._at = {image_id: index for index, image_id in enumerate(rows["image_id"])}

    def of(self, image_id: str, limit: int = 4) -> list[Twin]:
        """The frames it repeats or that repeat it, then those whose hash is near, the nearest first."""
        at = self._at[image_id]
        relations: dict[int, str] = {}
        original = self._rows["duplicate_of"].iat[at]
        if original is not None and original in self._at:
            relations[self._at[original]] = "kept instead of this"
        for index in self._copies.get(image_id, ()):
            relations[index] = "dropped for this"
        distances = self._distances(at)
        for index in sorted(distances, key=lambda one: (distances[one], one)):
            if distances[index] <= _ALIKE_BITS and index != at:
                relations.setdefault(index, "looks alike")
        chosen = sorted(relations, key=lambda i: (relations[i] == "looks alike", distances.get(i, 256), i))[:limit]
        return [self._twin(index, relations[index], distances.get(index)) for index in chosen]

    def _distances(self, at: int) -> dict[int, int]:
        where = np.flatnonzero(self._hashed == at)
        if not len(where):
            return {}
        bits = np.bitwise_count(self._bits ^ self._bits[where[0]]).sum(axis=1)
        near = np.argsort(bits, kind="stable")[:16]
        return {int(self._hashed[i]): int(bits[i]) for i in near}

    def _twin(self, index: int, relation: str, bits: int | None) -> Twin:
        row = self._rows.iloc[index]
        return Twin(row["image_id"], row["source_name"] or "", relation, bits, f"{row['width_px']}x{row['height_px']}")
