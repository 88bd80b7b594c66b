"""Train, validation and test: whole groups by a hash, so that nothing leaks and nothing ever moves."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from manifests.footprints import overlapping

SPLITS = ("train", "val", "test")
_SALT = "deepfield-split-1"


@dataclass(frozen=True)
class Fractions:
    """Share of the groups that goes to validation and to test; the rest is train."""

    val: float = 0.1
    test: float = 0.15


@dataclass(frozen=True)
class Assignment:
    """The group a frame belongs to and its split: `train`, `val`, `test` or `none`."""

    group_id: str
    split: str


def field_edges(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of `image_id` whose footprints overlap; made-up positions do not count."""
    real = rows[~rows["synthetic_position"].fillna(False).astype(bool)]
    ids = real["image_id"].tolist()
    return [(ids[i], ids[j]) for i, j in overlapping(real["s_region"].tolist())]


def release_edges(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of `image_id` that chain all pictures of one release or visit together."""
    known = rows[rows["release_id"].notna()]
    edges = []
    for _, members in known.groupby("release_id", sort=True)["image_id"]:
        ids = sorted(members)
        edges += list(pairwise(ids))
    return edges


def assign_splits(
    image_ids: Iterable[str],
    edges: Iterable[tuple[str, str]],
    previous: Mapping[str, Assignment] | None = None,
    fractions: Fractions | None = None,
) -> dict[str, Assignment]:
    """Give every image a group and a split.

    Images joined by an edge form a group. A new group goes to the split that a hash of its smallest member names.
    An image that had a split keeps it. A newcomer takes the split of the group it joins; one that would join groups
    of different splits gets `none`. Where a newly found edge joins two old images of different splits, the one that
    is not in train gets `none`: losing it is better than leaking it.
    """
    fractions = fractions or Fractions()
    ids = sorted(set(image_ids))
    old = {i: previous[i] for i in ids if i in previous} if previous else {}
    pairs = [(a, b) for a, b in edges if a != b]
    result = dict(old)
    for a, b in pairs:
        if a in result and b in result:
            splits = {result[a].split, result[b].split} - {"none"}
            if len(splits) > 1:
                for side in (a, b):
                    if result[side].split != "train":
                        result[side] = Assignment(result[side].group_id, "none")
    # frames that no one uses bind nobody: without this a single conflict would spread to all later neighbours
    unused = {i for i, assignment in result.items() if assignment.split == "none"}
    for members in _components(ids, [pair for pair in pairs if not unused & set(pair)]):
        known = [result[i] for i in members if i in old and i not in unused]
        splits = {assignment.split for assignment in known}
        newcomers = [i for i in members if i not in old]
        if not newcomers:
            continue
        if len(splits) > 1:
            group, split = newcomers[0], "none"
        elif known:
            group, split = min(assignment.group_id for assignment in known), splits.pop()
        else:
            group, split = members[0], _bucket(members[0], fractions)
        result.update({i: Assignment(group, split) for i in newcomers})
    return result


def leaks(assignments: Mapping[str, Assignment], edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges between two different splits; an empty list proves that nothing leaks along the edges given."""
    found = []
    for a, b in edges:
        splits = {assignments[a].split, assignments[b].split} - {"none"}
        if len(splits) > 1:
            found.append((a, b))
    return found


def _components(ids: list[str], pairs: list[tuple[str, str]]) -> list[list[str]]:
    parent = {i: i for i in ids}

    def root(i: str) -> str:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs:
        if a in parent and b in parent:
            first, second = sorted((root(a), root(b)))
            parent[second] = first
    groups: dict[str, list[str]] = {}
    for i in ids:
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def _bucket(key: str, fractions: Fractions) -> str:
    share = int.from_bytes(hashlib.sha256(f"{_SALT}:{key}".encode()).digest()[:8]) / 2**64
    if share < fractions.test:
        return "test"
    return "val" if share < fractions.test + fractions.val else "train"
