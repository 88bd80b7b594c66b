"""Candidates by local features: frames that have rare features in common may show one picture, whatever the crop.

Each descriptor of a frame votes for the frames that have one like it. A descriptor that many frames share, as every
round star does, says little: its vote is divided among them, and lost where the crowd is large (weighting by rarity,
Sivic and Zisserman 2003, ICCV, 1470). Like descriptors are found where one of sixteen pieces of them is equal, which
needs no training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import prange

from curation.hamming import ones
from manifests.compiled import compiled, compiled_parallel

# Of 578 real frames with 30 twins among them, all twins have 3.2 votes or more and are among the three frames that one
# of the two gave most votes; 2 votes or more have 1 % of the 167,000 pairs.
MIN_VOTES = 2.0
_MOST_VOTED = 10
_MAX_HAMMING = 40  # of 256 bits
_CROWD = 50  # frames

_PIECES = 16
_PIECE_BITS = (16, 22)  # wider where there are more descriptors, so that few have a piece in common by chance
_ALIKE = 4  # descriptors that have a piece in common by chance
_BUSY = 100  # times as many, or as chance brings together: what they share is common
_BLOCKS = 64


@dataclass(frozen=True)
class Vote:
    """That frame `a` gave `b` so many votes; both are positions in the sequences that were given."""

    a: int
    b: int
    votes: float


def vote(queries: Sequence[np.ndarray], stored: Sequence[np.ndarray]) -> list[Vote]:
    """The ten frames of `stored`, with two votes at least, that each frame of `queries` gives most votes.

    Both hold one array of ORB descriptors, uint8 (n, 32), for each frame, in one order of frames; `queries` may be
    those of the mirrored frames. A frame never votes for itself.
    """
    words, frames = _stacked(stored)
    if not len(words):
        return []
    bits = int(np.clip(np.ceil(np.log2(len(words) / _ALIKE)), *_PIECE_BITS))
    order, starts = _index(words, bits)
    asked, of_frame = _stacked(queries)
    bounds = np.searchsorted(of_frame, np.arange(len(queries) + 1))
    busy = _BUSY * max(_ALIKE, len(words) >> bits)
    found = np.full((len(queries), _MOST_VOTED), -1, np.int64)
    votes = np.zeros((len(queries), _MOST_VOTED))
    _count(asked, _pieces(asked, bits), bounds, words, frames, order, starts, len(stored), busy, found, votes)
    chosen = np.argwhere(found >= 0)
    return sorted(
        (Vote(int(a), int(found[a, place]), float(votes[a, place])) for a, place in chosen),
        key=lambda one: (one.a, one.b),
    )


def _stacked(descriptors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All descriptors as uint64 (n, 4), and the frame of each."""
    frames = np.repeat(np.arange(len(descriptors), dtype=np.int32), [len(one) for one in descriptors])
    return np.concatenate([*descriptors, np.zeros((0, 32), np.uint8)]).view(np.uint64), frames


def _pieces(words: np.ndarray, bits: int) -> np.ndarray:
    """Sixteen pieces of each descriptor, uint32 (n, 16); wider ones than 16 bits reach into their neighbours."""
    plain = words.view(np.uint16).astype(np.uint32)
    return (plain | np.roll(plain, -1, axis=1) << 16) & np.uint32((1 << bits) - 1)


def _index(words: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """For each piece the descriptors in its order, and where each of its values begins among them."""
    pieces = _pieces(words, bits)
    order = np.empty((_PIECES, len(words)), np.int32)
    starts = np.empty((_PIECES, (1 << bits) + 1), np.int32)
    for piece in range(_PIECES):
        order[piece] = np.argsort(pieces[:, piece], kind="stable")
        starts[piece, 0] = 0
        starts[piece, 1:] = np.cumsum(np.bincount(pieces[:, piece], minlength=1 << bits))
    return order, starts


@compiled_parallel
def _count(asked, pieces, bounds, words, frames, order, starts, number, busy, found, votes):  # type: ignore[no-untyped-def]
    """Fill `found` and `votes` with the most voted of each asking frame, in no order."""
    for block in prange(_BLOCKS):
        seen = np.full(number, -1, np.int64)  # by which descriptor last
        tally = np.zeros(number)
        like = np.empty(number, np.int64)
        named = np.empty(number, np.int64)
        for frame in range(block, len(bounds) - 1, _BLOCKS):
            candidates = 0
            for one in range(bounds[frame], bounds[frame + 1]):
                crowd = 0
                for piece in range(_PIECES):
                    begin, end = starts[piece, pieces[one, piece]], starts[piece, pieces[one, piece] + 1]
                    if end - begin > busy:
                        continue
                    for place in range(begin, end):
                        other = order[piece, place]
                        if frames[other] == frame or seen[frames[other]] == one:
                            continue
                        apart = np.uint64(0)
                        for word in range(4):
                            apart += ones(asked[one, word] ^ words[other, word])
                        if apart <= np.uint64(_MAX_HAMMING):
                            seen[frames[other]] = one
                            like[crowd] = frames[other]
                            crowd += 1
                if crowd <= _CROWD:
                    for place in range(crowd):
                        if tally[like[place]] == 0.0:
                            named[candidates] = like[place]
                            candidates += 1
                        tally[like[place]] += 1.0 / crowd
            _keep_most(named[:candidates], tally, found[frame], votes[frame])
            tally[named[:candidates]] = 0.0


@compiled
def _keep_most(named, tally, found, votes):  # type: ignore[no-untyped-def]
    """The named with the most votes, at least two, the earlier frame where two have as many."""
    for other in np.sort(named):
        if tally[other] < MIN_VOTES:
            continue
        least = np.argmin(votes)
        if found[least] < 0 or tally[other] > votes[least]:
            found[least], votes[least] = other, tally[other]
