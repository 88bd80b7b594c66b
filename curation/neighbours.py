"""Which pairs of frames are worth judging: those whose hashes are near, and those that an archive says belong together.

A candidate costs a few milliseconds and decides nothing, so the distances are generous.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from curation.fingerprints import SYMMETRIES, Fingerprints

# Of 30 real pairs and 167,000 unrelated ones: 12 bits of 64 in any symmetry find 80 % at 0.5 % of all pairs, 14 bits
# upright 90 % at 0.2 %; 80 bits of 256 add crops of few per cent at 0.15 %.
MAX_DISTANCE_64 = 12
MAX_DISTANCE_64_UPRIGHT = 14
MAX_DISTANCE_256 = 80

_BLOCK_ROWS = 512


def candidates(fingerprints: Mapping[str, Fingerprints]) -> dict[tuple[str, str], tuple[bool, ...]]:
    """Pairs (a, b), a < b, whose perceptual hashes are near, each with the mirrorings to try: False, True or both.

    Frames without a hash, and hashes with nearly all bits alike (blank pictures), propose nothing.
    """
    found: dict[tuple[str, str], set[bool]] = {}
    for bits, name, cut, upright_cut in (
        (64, "phash64", MAX_DISTANCE_64, MAX_DISTANCE_64_UPRIGHT),
        (256, "phash256", MAX_DISTANCE_256, MAX_DISTANCE_256),
    ):
        known = {i: getattr(fp, name) for i, fp in fingerprints.items() if getattr(fp, name) is not None}
        ids = sorted(i for i, hashes in known.items() if _has_content(hashes[0], bits))
        for a, b, mirrored in _near([known[i] for i in ids], cut, upright_cut):
            found.setdefault((ids[a], ids[b]), set()).add(mirrored)
    return {pair: tuple(sorted(sides)) for pair, sides in sorted(found.items())}


def with_known_pairs(
    found: Mapping[tuple[str, str], tuple[bool, ...]], pairs: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[bool, ...]]:
    """Add pairs that are near for another reason, such as one sky position, unmirrored."""
    merged = {pair: set(sides) for pair, sides in found.items()}
    for a, b in pairs:
        if a != b:
            merged.setdefault((min(a, b), max(a, b)), set()).add(False)
    return {pair: tuple(sorted(sides)) for pair, sides in sorted(merged.items())}


def _near(hashes: Sequence[Sequence[str]], cut: int, upright_cut: int) -> Iterator[tuple[int, int, bool]]:
    """Index pairs (a < b, mirrored) within the cut under any symmetry, or within `upright_cut` as they are."""
    if not hashes:
        return
    packed = np.array([[np.frombuffer(bytes.fromhex(text), np.uint64) for text in variants] for variants in hashes])
    plain = packed[:, 0]
    for start in range(0, len(packed), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        for symmetry in range(SYMMETRIES):
            # a's variant against b and b's against a: quantised hashes of turned pictures differ by a bit or two
            distance = np.minimum(
                _distances(packed[block, symmetry], plain), _distances(plain[block], packed[:, symmetry])
            )
            rows, columns = np.nonzero(distance <= (upright_cut if symmetry == 0 else cut))
            rows = rows + start
            later = columns > rows
            mirrored = symmetry >= SYMMETRIES // 2
            yield from ((int(a), int(b), mirrored) for a, b in zip(rows[later], columns[later], strict=True))


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Hamming distances (n, m) of packed hashes (n, words) and (m, words)."""
    total = np.zeros((len(one), len(other)), np.uint16)
    for word in range(one.shape[1]):
        total += np.bitwise_count(one[:, word, None] ^ other[None, :, word])
    return total


def _has_content(text: str, bits: int) -> bool:
    ones = int(text, 16).bit_count()
    return bits // 16 <= ones <= bits - bits // 16
