"""What changed between two snapshots, by image and by column."""

from dataclasses import dataclass

import pandas as pd

WATCHED = ("verdict", "reasons", "decision", "duplicate_of", "group_id", "split", "source_name")


@dataclass(frozen=True)
class Change:
    """One image that is new, gone, or has another value in one of the watched columns."""

    image_id: str
    column: str
    before: str | None
    after: str | None


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


def _text(value: object) -> str | None:
    return None if pd.isna(value) else str(value)
