"""Whether the splits of a snapshot overlap: all that binds frames, found again from its rows alone."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from manifests.splits import (
    SPLITS,
    Bond,
    alias_bonds,
    bonds_by,
    derived_edges,
    field_edges,
    leaks,
    relations_in,
    target_bonds,
)

# Re-encoding and resizing move a 256-bit hash by less; no wrong pair came nearer on a sky of known truth.
_LOOK_ALIKE_BITS = 16
_MOST_HASHES = 100_000
_BLOCK = 512
_LARGEST = 5


@dataclass(frozen=True)
class Crossing:
    """Two frames of different splits, and what joins them."""

    kind: str
    a: str
    b: str
    split_a: str
    split_b: str


@dataclass(frozen=True)
class Group:
    """A group of frames that must share a split."""

    group_id: str
    split: str
    images: int


@dataclass(frozen=True)
class SplitReport:
    """What was found.

    `bonds` counts what binds frames, by kind; `leaks` are those between two of train, validation and test. What
    binds nobody is for people to look at: `look_alikes`, frames of different splits whose hashes hardly differ (None
    where there are too many to compare).
    """

    images: dict[str, int]
    groups: dict[str, int]
    bonds: dict[str, int]
    largest: tuple[Group, ...]
    leaks: tuple[Crossing, ...]
    look_alikes: tuple[Crossing, ...] | None


def split_report(rows: pd.DataFrame) -> SplitReport:
    """Find everything that binds two frames of a snapshot, and where it joins two splits."""
    split_of = dict(zip(rows["image_id"], rows["split"], strict=True))
    bonds = binding(rows)
    found = [(kind, a, b) for kind, some in bonds.items() for a, b in leaks(split_of, some)]
    sizes = rows.groupby(["group_id", "split"], sort=True).size().sort_values(ascending=False, kind="stable")
    used = rows[rows["split"].isin(SPLITS)]
    return SplitReport(
        images={str(name): int(count) for name, count in rows["split"].value_counts().items()},
        groups={str(name): int(count) for name, count in rows.groupby("split")["group_id"].nunique().items()},
        bonds={kind: len(some) for kind, some in bonds.items()},
        largest=tuple(Group(str(group), str(split), int(n)) for (group, split), n in sizes.head(_LARGEST).items()),
        leaks=tuple(Crossing(kind, a, b, split_of[a], split_of[b]) for kind, a, b in found),
        look_alikes=_look_alikes(used),
    )


def binding(rows: pd.DataFrame) -> dict[str, list[Bond]]:
    """Images that must not be in two splits, by what binds them."""
    repeats = rows[rows["duplicate_of"].notna()]
    return {
        "duplicate": list(zip(repeats["image_id"], repeats["duplicate_of"], strict=True)),
        "same_pixels": bonds_by(rows, "pixel_sha256"),
        "footprint": list(field_edges(rows)),
        "release": bonds_by(rows, "release_id"),
        "alias": alias_bonds(rows),
        "object": target_bonds(rows),
        "derived": list(derived_edges(rows)),
        "relation": _related(rows),
        # a large field's relations are not all named, but all of it is one group
        "group": bonds_by(rows[rows["split"].isin(SPLITS)], "group_id"),
    }


def _related(rows: pd.DataFrame) -> list[Bond]:
    """Each image with each that its row says shows the same, whatever found that; two of these need not."""
    known = rows[rows["relations"].notna()]
    return [
        (image_id, other)
        for image_id, relations in zip(known["image_id"], known["relations"], strict=True)
        for _, other in relations_in(relations)
    ]


def _look_alikes(rows: pd.DataFrame) -> tuple[Crossing, ...] | None:
    """For each frame the most alike one of another split, where it is as like as a copy."""
    hashed = rows[rows["phash256"].notna()]
    ones = np.array([int(text, 16).bit_count() for text in hashed["phash256"]], int)
    hashed = hashed[(ones >= 16) & (ones <= 240)]  # blank pictures have hashes of nearly all bits alike
    if len(hashed) > _MOST_HASHES:
        return None
    found = []
    for one, two in combinations(SPLITS, 2):
        first, second = (hashed[hashed["split"] == split] for split in (one, two))
        if first.empty or second.empty:
            continue
        left, right = _words(first["phash256"]), _words(second["phash256"])
        for start in range(0, len(left), _BLOCK):
            apart = np.bitwise_count(left[start : start + _BLOCK, None] ^ right[None]).sum(axis=2, dtype=np.uint16)
            nearest = apart.argmin(axis=1)
            for row in np.flatnonzero(apart[np.arange(len(apart)), nearest] <= _LOOK_ALIKE_BITS):
                a, b = first["image_id"].iloc[start + row], second["image_id"].iloc[nearest[row]]
                found.append(Crossing("look_alike", a, b, one, two))
    return tuple(found)


def _words(texts: pd.Series) -> np.ndarray:
    """Hexadecimal 256-bit hashes as uint64 (n, 4)."""
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64).reshape(-1, 4)
