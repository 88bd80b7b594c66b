"""All pairs of hashes within a Hamming distance, exactly: key-ordered multi-index hashing.

A hash is cut into 16-bit chunks. Where two hashes differ in at most D bits over m chunks, some chunk c differs in at
most r_c bits whenever the r_c add up to D - m + 1 or more (Norouzi, Punjani and Fleet 2012, CVPR, 3108). For each chunk
the hashes are brought into the order of that chunk, and each of the few patterns of r_c bits then joins one stretch
of memory with another: streams instead of random access.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit, prange

from manifests.compiled import compiled_parallel

_CHUNK_BITS = 16
_BUCKETS = 1 << _CHUNK_BITS
_BLOCKS = 256  # of occupied buckets: the unit of work of a thread
_ROOM = 128  # pairs of one block, to begin with


@dataclass(frozen=True)
class Pairs:
    """Index pairs: `first` and `second` int64 (n,), `distance` uint16 (n,), in the order of both indices."""

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray


def near_pairs(hashes: np.ndarray, distance: int) -> Pairs:
    """Pairs i < j of different hashes within `distance` bits of each other, each once.

    `hashes` is uint64 (n, words). Equal hashes must be grouped before: a thousand blank pictures are one hash, not
    half a million pairs.

    Raises:
        ValueError: two hashes are equal.
    """
    if len(distinct(hashes)) != len(hashes):
        raise ValueError("Equal hashes must be grouped first.")
    return _join(hashes, hashes, distance, same=True)


def near_across(queries: np.ndarray, stored: np.ndarray, distance: int) -> Pairs:
    """Pairs (query, stored) within `distance` bits of each other; both are uint64 (n, words)."""
    return _join(queries, stored, distance, same=False)


def distinct(hashes: np.ndarray) -> np.ndarray:
    """The different ones among hashes, uint64 (n, words), in ascending order."""
    ordered = np.sort(hashes, axis=0) if hashes.shape[1] == 1 else hashes[np.lexsort(hashes.T)]
    return ordered[np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])[: len(ordered)]]


def unpack(texts: list[str]) -> np.ndarray:
    """Hexadecimal hashes of one length, a multiple of 64 bits, as uint64 (n, words)."""
    packed = np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64)
    return packed.reshape(len(texts), -1)


def radii(chunks: int, distance: int) -> list[int]:
    """How far each chunk must be searched so that nothing within `distance` is missed."""
    needed = max(0, distance - chunks + 1)
    return [needed // chunks + (chunk < needed % chunks) for chunk in range(chunks)]


def _join(queries: np.ndarray, stored: np.ndarray, distance: int, *, same: bool) -> Pairs:
    found: list[tuple[np.ndarray, ...]] = []
    reach = np.array(radii(queries.shape[1] * 64 // _CHUNK_BITS, distance), np.int64)
    for chunk in range(len(reach)):
        left = _by_chunk(queries, chunk)
        right = left if same else _by_chunk(stored, chunk)
        masks = _masks(int(reach[chunk]))
        room = _ROOM
        while True:
            rows = [np.empty((_BLOCKS, room), kind) for kind in (np.int64, np.int64, np.uint16)]
            counts = _scan(*left, *right, masks, chunk, reach, distance, same, *rows)
            if counts.max() <= room:
                break
            room = int(counts.max())
        used = np.arange(room) < counts[:, None]
        found.append(tuple(row[used] for row in rows))
    first, second, apart = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if same:
        first, second = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], apart[order])


def _by_chunk(hashes: np.ndarray, chunk: int) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
    """The hashes in the order of one chunk, word by word, their indices, and where each value of the chunk begins."""
    word, shift = divmod(chunk * _CHUNK_BITS, 64)
    keys = (hashes[:, word] >> np.uint64(shift)).astype(np.uint16)
    order = np.argsort(keys, kind="stable")  # of 16 bits, a radix sort
    starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=_BUCKETS))])
    return tuple(column[order] for column in hashes.T), order, starts


@lru_cache
def _masks(radius: int) -> np.ndarray:
    """All 16-bit patterns of at most `radius` ones."""
    every = np.arange(_BUCKETS, dtype=np.uint32)
    return every[np.bitwise_count(every) <= radius].astype(np.int64)


@njit(inline="always")
def ones(x: np.uint64) -> np.uint64:
    """The number of ones of a 64-bit word."""
    # LLVM knows this form and makes it one instruction
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(inline="always")
def _apart(left, i, right, j, chunk, reach, distance):  # type: ignore[no-untyped-def]
    """The distance of two hashes; -1 where it is too large, or an earlier chunk finds the pair as well."""
    total = np.uint64(0)
    for word in range(len(left)):
        total += ones(left[word][i] ^ right[word][j])
        if total > np.uint64(distance):
            return -1
    for earlier in range(chunk):
        word, shift = earlier // 4, np.uint64(16 * (earlier % 4))
        if ones(((left[word][i] ^ right[word][j]) >> shift) & np.uint64(0xFFFF)) <= np.uint64(reach[earlier]):
            return -1
    return np.int64(total)


@compiled_parallel
def _scan(left, ol, sl, right, orr, sr, masks, chunk, reach, distance, same, first, second, apart):  # type: ignore[no-untyped-def]
    """Find pairs; each block of buckets writes into a row of its own and counts on where the row is full."""
    counts = np.zeros(_BLOCKS, np.int64)
    room = first.shape[1]
    occupied = np.flatnonzero(sl[1:] > sl[:-1])
    for block in prange(_BLOCKS):
        number = 0
        for mask in masks:
            for at in range(len(occupied) * block // _BLOCKS, len(occupied) * (block + 1) // _BLOCKS):
                bucket = occupied[at]
                other = bucket ^ mask
                if same and other < bucket:
                    continue
                for i in range(sl[bucket], sl[bucket + 1]):
                    begin = i + 1 if same and mask == 0 else sr[other]
                    for j in range(begin, sr[other + 1]):
                        found = _apart(left, i, right, j, chunk, reach, distance)
                        if found >= 0:
                            if number < room:
                                first[block, number] = ol[i]
                                second[block, number] = orr[j]
                                apart[block, number] = found
                            number += 1
        counts[block] = number
    return counts
