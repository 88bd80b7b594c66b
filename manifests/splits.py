"""Train, validation and test: whole groups by a hash, so that nothing leaks and nothing ever moves."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import pandas as pd

from manifests.footprints import overlapping

SPLITS = ("train", "val", "test")
_SALT = "deepfield-split-1"
# What archives give as the target where there is none: parallel exposures and calibrations.
_CALIBRATIONS = frozenset({"bias", "dark", "earthcalib", "flat"})
_NO_OBJECT = _CALIBRATIONS | {"any", "blank", "blanksky", "field", "highlatitude", "none", "parallel", "parallelfield"}


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


Bond = tuple[str, ...]
"""Images (`image_id`) that must not be in different splits: two that overlap, or all that are one release."""


def relations_in(cell: str | None) -> list[tuple[str, str]]:
    """What the column `relations` of a row says: each relation with the `image_id` of the other picture."""
    return [(kind, other) for kind, _, other in (one.partition(":") for one in (cell or "").split(",")) if kind]


def field_edges(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of `image_id` whose footprints overlap; made-up positions do not count."""
    real = rows[~rows["synthetic_position"].fillna(False).astype(bool)]
    ids = real["image_id"].tolist()
    return [(ids[i], ids[j]) for i, j in overlapping(real["s_region"].tolist())]


def bonds_by(rows: pd.DataFrame, column: str) -> list[Bond]:
    """The images that have the same value in a column, such as one release or the same pixels, two or more each."""
    known = rows[rows[column].notna()]
    groups = (tuple(sorted(ids)) for _, ids in known.groupby(column, sort=True)["image_id"])
    return [ids for ids in groups if len(ids) > 1]


def alias_bonds(rows: pd.DataFrame) -> list[Bond]:
    """The images that archives know by one name, whatever their size or crop, two or more each."""
    bearers: dict[str, set[str]] = {}
    for image_id, product_id, aliases in zip(rows["image_id"], rows["product_id"], rows["aliases"], strict=True):
        for name in {product_id, *(aliases or "").split(",")} - {None, ""}:
            bearers.setdefault(name, set()).add(image_id)
    return sorted({tuple(sorted(ids)) for ids in bearers.values() if len(ids) > 1})


def target_bonds(rows: pd.DataFrame) -> list[Bond]:
    """The images of one target, by any of its names, two or more each; case, blanks and dashes do not matter.

    Names that say no object, such as ANY, and those of made-up positions bind nothing.
    """
    bearers: dict[str, set[str]] = {}
    real = rows[rows["target_name"].notna() & ~rows["synthetic_position"].fillna(False).astype(bool)]
    for image_id, names in zip(real["image_id"], real["target_name"], strict=True):
        for name in names.split(","):
            plain = re.sub(r"[\s_-]", "", name.casefold())
            if plain and plain not in _NO_OBJECT:
                bearers.setdefault(plain, set()).add(image_id)
    return sorted({tuple(sorted(ids)) for ids in bearers.values() if len(ids) > 1})


def derived_edges(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of a picture and each image here that it was made of."""
    here = set(rows["image_id"])
    known = rows[rows["derived_from"].notna()]
    return [
        (image_id, origin)
        for image_id, origins in zip(known["image_id"], known["derived_from"], strict=True)
        for origin in origins.split(",")
        if origin in here
    ]


def assign_splits(
    image_ids: Iterable[str],
    bonds: Iterable[Bond],
    previous: Mapping[str, Assignment] | None = None,
    fractions: Fractions | None = None,
) -> dict[str, Assignment]:
    """Give every image a group and a split.

    Images joined by a bond form a group. A new group goes to the split that a hash of its smallest member names.
    An image that had a split keeps it. A newcomer takes the split of the group it joins; one that would join groups
    of different splits gets `none`. Where a newly found bond joins old images of different splits, those that are not
    in train get `none`: losing them is better than leaking them.
    """
    fractions = fractions or Fractions()
    ids = sorted(set(image_ids))
    old = {i: previous[i] for i in ids if i in previous} if previous else {}
    bonds = list(bonds)
    result = dict(old)
    for bond in bonds:
        known = [i for i in bond if i in result]
        if len({result[i].split for i in known} - {"none"}) > 1:
            for i in known:
                if result[i].split != "train":
                    result[i] = Assignment(result[i].group_id, "none")
    # frames that no one uses bind nobody: without this a single conflict would spread to all later neighbours
    unused = {i for i, assignment in result.items() if assignment.split == "none"}
    # they are left out of a bond before it becomes a chain, which would break at them
    pairs = [pair for bond in bonds for pair in pairwise(i for i in bond if i not in unused)]
    for members in components(ids, pairs):
        held = [result[i] for i in members if i in old and i not in unused]
        splits = {assignment.split for assignment in held}
        newcomers = [i for i in members if i not in old]
        if not newcomers:
            continue
        if len(splits) > 1:
            group, split = newcomers[0], "none"
        elif held:
            group, split = min(assignment.group_id for assignment in held), splits.pop()
        else:
            group, split = members[0], _bucket(members[0], fractions)
        result.update({i: Assignment(group, split) for i in newcomers})
    return result


def leaks(split_of: Mapping[str, str], bonds: Iterable[Bond]) -> list[tuple[str, str]]:
    """Pairs of images that a bond joins across two splits, one for each two splits it reaches into.

    An empty list proves that nothing leaks along the bonds given. Images that are not in `split_of` count as unused.
    """
    found = []
    for bond in bonds:
        first: dict[str, str] = {}
        for image_id in bond:
            first.setdefault(split_of.get(image_id, "none"), image_id)
        first.pop("none", None)
        found += list(combinations(first.values(), 2))
    return found


def components(ids: list[str], pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """What pairs bind together, each with its ids in their order; pairs with an id that is not there bind nothing."""
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
