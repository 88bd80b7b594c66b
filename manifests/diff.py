"""What changed between two snapshots, by image and column, and by reason."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from manifests.export import effective_verdict

WATCHED = ("verdict", "reasons", "decision", "duplicate_of", "group_id", "split", "source_name")


@dataclass(frozen=True)
class Change:
    """One image that is new, gone, or has another value in one of the watched columns."""

    image_id: str
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Shift:
    """How many images went from one verdict to another because of one reason; None where they were not there."""

    before: str | None
    after: str | None
    reason: str
    images: int


def diff(before: pd.DataFrame, after: pd.DataFrame) -> list[Change]:
    """Changes from one snapshot's rows to another's, in the order of `image_id`.

    A new image is a change of the column `image_id` from None, a removed one a change to None.
    """
    old, new = before.set_index("image_id"), after.set_index("image_id")
    changes = [Change(i, "image_id", None, i) for i in new.index.difference(old.index)]
    changes += [Change(i, "image_id", i, None) for i in old.index.difference(new.index)]
    both = old.index.intersection(new.index)
    for column in WATCHED:
        a, b = old.loc[both, column], new.loc[both, column]
        differs = ~((a == b) | (a.isna() & b.isna()))
        changes += [Change(i, column, _text(a[i]), _text(b[i])) for i in both[differs.to_numpy()]]
    return sorted(changes, key=lambda change: (change.image_id, change.column))


def by_reason(before: pd.DataFrame, after: pd.DataFrame) -> list[Shift]:
    """Count the images whose verdict changed, came or went, by the verdicts and by what changed them.

    Verdicts are those that hold, a person's decision before the policy's; it is then the reason, as `decision` or
    `decision undone`. Else the reasons are those that came or went with the verdict, and where none did, those it has:
    then a threshold moved. An image with several reasons counts in each.
    """
    columns = ["verdict", "reasons", "decision"]
    old, new = (
        rows.set_index("image_id")[columns].assign(holds=effective_verdict(rows).array) for rows in (before, after)
    )
    both = old.join(new, how="outer", lsuffix="_before", rsuffix="_after")
    counts: Counter[tuple[str | None, str | None, str]] = Counter()
    for row in both.where(both.notna(), None).itertuples():
        if row.holds_before != row.holds_after:
            for reason in _causes(row):
                counts[row.holds_before, row.holds_after, reason] += 1
    shifts = [Shift(*key, images) for key, images in counts.items()]
    return sorted(shifts, key=lambda one: (str(one.before), str(one.after), -one.images, one.reason))


def _causes(row: Any) -> list[str]:
    if row.decision_after is not None and row.decision_after != row.decision_before:
        return ["decision"]
    if row.decision_before is not None and row.decision_after is None and row.verdict_after is not None:
        return ["decision undone"]
    old, new = (set(filter(None, (reasons or "").split(","))) for reasons in (row.reasons_before, row.reasons_after))
    return sorted((old ^ new) or new or {"no reason"})


def _text(value: object) -> str | None:
    return None if pd.isna(value) else str(value)
