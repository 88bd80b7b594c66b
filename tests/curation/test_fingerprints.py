"""Fingerprints and candidates: symmetric pictures find each other, and the search equals the plain definition."""

import cv2
import imagehash
import numpy as np
import pytest
from drawn_skies import frame, sky, turned_footprint
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation.fingerprints import Fingerprints, fingerprint, symmetries
from curation.neighbours import MAX_DISTANCE_64, MAX_DISTANCE_256, near_hashes, together, united


@pytest.mark.parametrize("number", range(1, 8))
def test_the_eight_symmetries_propose_each_other_with_the_right_mirroring(number):
    rgb = sky(1)
    turned = np.ascontiguousarray(np.rot90(rgb[:, ::-1] if number >= 4 else rgb, number % 4))
    prints = {"a": fingerprint(frame(rgb)), "b": fingerprint(frame(turned))}
    assert (number >= 4) in near_hashes(prints)["a", "b"]


def test_symmetries_are_eight_different_views():
    square = np.arange(16).reshape(4, 4)
    assert len({view.tobytes() for view in map(np.ascontiguousarray, symmetries(square))}) == 8


def test_hashes_are_those_of_imagehash_for_every_symmetry():
    square = cv2.cvtColor(sky(5, 64, 64), cv2.COLOR_RGB2GRAY)
    found = fingerprint(frame(np.repeat(square[..., None], 3, axis=2)))
    views = [Image.fromarray(np.ascontiguousarray(view)) for view in symmetries(square)]
    assert found.phash64 == tuple(str(imagehash.phash(view, hash_size=8)) for view in views)
    assert found.phash256 == tuple(str(imagehash.phash(view, hash_size=16)) for view in views)


def test_the_pixel_hash_names_pixels_and_shape():
    rgb = sky(2)
    assert fingerprint(frame(rgb)).pixel_sha256 == fingerprint(frame(rgb.copy())).pixel_sha256
    other = rgb.copy()
    other[0, 0, 0] ^= 1
    assert fingerprint(frame(other)).pixel_sha256 != fingerprint(frame(rgb)).pixel_sha256


def test_no_data_has_no_influence_on_perceptual_hashes():
    rgb, valid = sky(3), turned_footprint(300, 360)
    white, black = rgb.copy(), rgb.copy()
    white[~valid], black[~valid] = 255, 0
    one, other = fingerprint(frame(white, valid)), fingerprint(frame(black, valid))
    assert (one.phash64, one.phash256) == (other.phash64, other.phash256)


def test_a_frame_without_data_proposes_nothing():
    empty = fingerprint(frame(sky(1), np.zeros((300, 360), bool)))
    assert empty.phash64 is None
    assert near_hashes({"a": empty, "b": empty}) == {}


def test_blank_pictures_do_not_propose_each_other():
    blank = fingerprint(frame(np.full((300, 300, 3), 40, np.uint8)))
    assert near_hashes({"a": blank, "b": blank}) == {}


def _hex(bits: int, value: int) -> str:
    return f"{value:0{bits // 4}x}"


# few flipped bits of few seeds, so that near pairs are common
_values = st.tuples(st.sampled_from([0x5A5A_F00F_1234_9ABC, 0x0F0F_3333_AAAA_7171]), st.integers(0, 2**20 - 1))


@settings(max_examples=30, deadline=None)
@given(st.lists(_values, min_size=2, max_size=12), st.integers(0, 7))
def test_candidates_are_exactly_the_near_pairs(entries, symmetry):
    def prints(seed, flips):
        plain, other = seed ^ flips, seed ^ (flips << 40)
        hashes = [_hex(64, (plain * (7919 + k)) % 2**64) for k in range(8)]
        hashes[0], hashes[symmetry] = _hex(64, plain), _hex(64, other if symmetry else plain)
        # 256-bit hashes far from each other, each by its own
        far = tuple(_hex(256, int.from_bytes(bytes([(flips >> s) & 255, s + 1]) * 16)) for s in range(8))
        return Fingerprints("", tuple(hashes), far)

    table = {f"{n:02d}": prints(*entry) for n, entry in enumerate(entries)}

    def near(a: Fingerprints, b: Fingerprints) -> set[bool]:
        sides = set()
        for one, other, cut in (
            (a.phash64, b.phash64, MAX_DISTANCE_64),
            (a.phash256, b.phash256, MAX_DISTANCE_256),
        ):
            bits = len(one[0]) * 4
            if not all(bits // 16 <= int(h[0], 16).bit_count() <= bits - bits // 16 for h in (one, other)):
                continue
            for k in range(8):
                distance = min(
                    (int(one[k], 16) ^ int(other[0], 16)).bit_count(), (int(one[0], 16) ^ int(other[k], 16)).bit_count()
                )
                if distance <= cut:
                    sides.add(k >= 4)
        return sides

    names = sorted(table)
    expected = {
        (a, b): tuple(sorted(sides))
        for n, a in enumerate(names)
        for b in names[n + 1 :]
        if (sides := near(table[a], table[b]))
    }
    assert near_hashes(table) == expected


def test_pairs_of_all_sources_are_united_in_one_order_and_once():
    groups = together([["b", "a"], ["d", "c", "c"], ["e", "e"], ["f"]])
    assert groups == {("a", "b"): (False, True), ("c", "d"): (False, True)}
    near = {("c", "e"): (True,), ("a", "b"): (True,), ("a", "c"): (False,)}
    assert list(united({("c", "e"): (False,)}, near, groups).items()) == [
        (("a", "b"), (False, True)),
        (("a", "c"), (False,)),
        (("c", "d"), (False, True)),
        (("c", "e"), (False, True)),
    ]


def test_a_crowd_that_shares_a_hash_is_compared_with_one_of_them():
    crowd = {f"{n:03d}": Fingerprints("", (_hex(64, 0x5A5A_F00F_1234_9ABC),) * 8, None) for n in range(100)}
    found = near_hashes(crowd)
    assert {name for pair in found for name in pair} == set(crowd)
    assert len(found) == 99
