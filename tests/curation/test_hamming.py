import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.hamming import near_across, near_pairs, radii, unpack


def drawn(seed: int, number: int, words: int) -> np.ndarray:
    """Different hashes, a third of them a few bits away from another one."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (number, words), dtype=np.uint64)
    for target in range(0, number, 3):
        near = hashes[rng.integers(number)].copy()
        for bit in rng.choice(64 * words, rng.integers(0, 24), replace=False):
            near[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        hashes[target] = near
    return np.unique(hashes, axis=0)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.bitwise_count(one[:, None, :] ^ other[None, :, :]).sum(axis=2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(0, 120), words=st.sampled_from([1, 2, 4]), cut=st.integers(0, 20))
def test_the_pairs_are_those_that_comparing_all_with_all_finds(seed, number, words, cut):
    hashes = drawn(seed, number, words)
    distances = apart(hashes, hashes)
    first, second = np.nonzero(np.triu(distances <= cut, 1))
    found = near_pairs(hashes, cut)
    assert found.first.tolist() == first.tolist()
    assert found.second.tolist() == second.tolist()
    assert found.distance.tolist() == distances[first, second].tolist()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.integers(0, 34))
def test_queries_find_what_is_stored_equal_hashes_included(seed, cut):
    stored = drawn(seed, 90, 4)
    queries = np.concatenate([stored[::2], drawn(seed + 1, 40, 4)])
    distances = apart(queries, stored)
    first, second = np.nonzero(distances <= cut)
    found = near_across(queries, stored, cut)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == list(zip(first, second, strict=True))


def test_more_pairs_than_there_was_room_for_are_all_found():
    crowd = np.arange(1 << 10, dtype=np.uint64)[:, None]  # 1,024 hashes within 10 bits of each other
    assert len(near_pairs(crowd, 10).first) == 1024 * 1023 // 2


def test_equal_hashes_are_refused():
    with pytest.raises(ValueError, match="grouped"):
        near_pairs(np.zeros((2, 1), np.uint64), 8)


@given(chunks=st.integers(1, 16), distance=st.integers(0, 80))
def test_the_radii_leave_no_way_past_all_chunks(chunks, distance):
    found = radii(chunks, distance)
    # to be missed, a pair must differ by more than the radius in every chunk
    assert sum(radius + 1 for radius in found) > distance
    assert max(found) - min(found) <= 1


def test_hexadecimal_hashes_are_read_whole():
    assert unpack(["00000000000000ff" + "0" * 48, "f" * 64]).tolist() == [[255, 0, 0, 0], [2**64 - 1] * 4]
