"""Which pairs of frames are worth judging: near hashes, rare features in common, and what an archive says.

A candidate costs a few milliseconds and decides nothing, so the distances are generous.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from curation.features import Descriptors
from curation.fingerprints import SYMMETRIES, Fingerprints
from curation.hamming import near_across, unpack
from curation.voting import vote

Pair = tuple[str, str]
Found = dict[Pair, tuple[bool, ...]]
"""Pairs (a, b), a < b, each with the mirrorings to try: False, True or both."""

BOTH = (False, True)

# Wider cuts find little more (real twins are crops, which features find), and as much again that is no pair.
MAX_DISTANCE_64 = 10
MAX_DISTANCE_256 = 48

_CROWD = 20  # frames of one hash are compared with each other up to this number


def near_hashes(fingerprints: Mapping[str, Fingerprints]) -> Found:
    """Pairs whose perceptual hashes are near under any of the eight symmetries of the square.

    Frames without a hash, and hashes with nearly all bits alike (blank pictures), propose nothing.
    """
    found: dict[Pair, set[bool]] = defaultdict(set)
    for bits, name, cut in ((64, "phash64", MAX_DISTANCE_64), (256, "phash256", MAX_DISTANCE_256)):
        known = {i: getattr(fp, name) for i, fp in fingerprints.items() if getattr(fp, name) is not None}
        ids = sorted(i for i, hashes in known.items() if _has_content(hashes[0], bits))
        for a, b, mirrored in _near(ids, [known[i] for i in ids], cut):
            found[min(a, b), max(a, b)].add(mirrored)
    return _sorted(found)


def alike(descriptors: Mapping[str, Descriptors]) -> Found:
    """Pairs that have rare local features in common, whatever the crop, size or turn."""
    names = list(descriptors)
    stored = [one.plain for one in descriptors.values()]
    found: dict[Pair, set[bool]] = defaultdict(set)
    for mirrored, queries in ((False, stored), (True, [one.mirrored for one in descriptors.values()])):
        for given in vote(queries, stored):
            a, b = sorted((names[given.a], names[given.b]))
            found[a, b].add(mirrored)
    return _sorted(found)


def together(groups: Iterable[Sequence[str]]) -> Found:
    """All pairs within each group, either way round: what an archive says of them is nothing of that."""
    return dict(sorted((pair, BOTH) for group in groups for pair in combinations(sorted(set(group)), 2)))


def united(*parts: Found) -> Found:
    """The pairs of all parts, each with all its mirrorings."""
    merged: dict[Pair, set[bool]] = defaultdict(set)
    for part in parts:
        for pair, sides in part.items():
            merged[pair] |= set(sides)
    return _sorted(merged)


def _near(ids: Sequence[str], hashes: Sequence[Sequence[str]], cut: int) -> Iterator[tuple[str, str, bool]]:
    """Pairs of ids with a hash of one, in some symmetry, within the cut of the other's plain one."""
    if not hashes:
        return
    members: dict[str, list[str]] = defaultdict(list)
    for name, variants in zip(ids, hashes, strict=True):
        members[variants[0]].append(name)
    stored = list(members)
    for group in members.values():
        yield from ((a, b, False) for a, b in _of_one_hash(group))
    for symmetry in range(SYMMETRIES):
        asking: dict[str, list[str]] = defaultdict(list)
        for name, variants in zip(ids, hashes, strict=True):
            asking[variants[symmetry]].append(name)
        queries = list(asking)
        pairs = near_across(unpack(queries), unpack(stored), cut)
        for query, other in zip(pairs.first, pairs.second, strict=True):
            left, right = asking[queries[query]], members[stored[other]]
            # of a crowd that shares a hash, such as blank pictures, one speaks for all
            few = len(left) * len(right) <= _CROWD**2
            for a in left if few else left[:1]:
                yield from ((a, b, symmetry >= SYMMETRIES // 2) for b in (right if few else right[:1]) if a != b)


def _of_one_hash(group: Sequence[str]) -> Iterator[Pair]:
    return combinations(group, 2) if len(group) <= _CROWD else ((group[0], other) for other in group[1:])


def _sorted(found: Mapping[Pair, set[bool]]) -> Found:
    return {pair: tuple(sorted(sides)) for pair, sides in sorted(found.items())}


def _has_content(text: str, bits: int) -> bool:
    ones = int(text, 16).bit_count()
    return bits // 16 <= ones <= bits - bits // 16
