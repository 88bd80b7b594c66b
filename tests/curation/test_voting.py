"""Candidates by local features: crops and turned copies among strangers, and what is kept of a frame on disk."""

import cv2
import numpy as np
from drawn_skies import frame, sky

from curation.descriptors import load_descriptors, write_descriptors
from curation.features import Descriptors, describe
from curation.neighbours import alike
from curation.voting import vote


def described(rgb: np.ndarray) -> Descriptors:
    found = describe(frame(np.ascontiguousarray(rgb)))
    assert found is not None
    return found


def test_crops_turns_and_mirror_images_are_found_among_strangers():
    rgb = sky(1, 480, 560)
    turn = cv2.getRotationMatrix2D((280, 240), 27, 1)
    changed = {
        "crop": rgb[90:400, 120:480],
        "turned": cv2.warpAffine(rgb, turn, (560, 480))[80:400, 100:460],
        "smaller": cv2.resize(rgb, (300, 257), interpolation=cv2.INTER_AREA),
        "mirrored": rgb[:, ::-1],
    }
    strangers = {f"stranger {seed}": described(sky(seed, 400, 500)) for seed in range(2, 12)}
    found = alike(
        dict(sorted(({"one": described(rgb)} | {n: described(p) for n, p in changed.items()} | strangers).items()))
    )
    for name in ("crop", "turned", "smaller"):
        assert False in found[tuple(sorted(("one", name)))], name
    assert True in found["mirrored", "one"]


def test_a_crop_is_found_where_there_is_nothing_but_it_and_its_picture():
    rgb = sky(8, 420, 520, stars=300)
    assert False in alike({"crop": described(rgb[:380, :460]), "whole": described(rgb)})["crop", "whole"]


def test_what_everybody_has_counts_for_little():
    rng = np.random.default_rng(0)
    common = rng.integers(0, 256, (40, 32), dtype=np.uint8)
    rare = rng.integers(0, 256, (5, 32), dtype=np.uint8)
    own = [rng.integers(0, 256, (60, 32), dtype=np.uint8) for _ in range(80)]
    frames = [np.concatenate([one, common]) for one in own]
    assert vote(frames, frames) == []
    frames[3], frames[70] = np.concatenate([frames[3], rare]), np.concatenate([frames[70], rare])
    assert [(one.a, one.b, one.votes) for one in vote(frames, frames)] == [(3, 70, 5.0), (70, 3, 5.0)]


def test_the_order_of_frames_does_not_matter():
    frames = {f"{n}": described(sky(n % 4, 300 + 7 * n, 360)) for n in range(8)}
    backwards = dict(reversed(frames.items()))
    assert alike(frames) == alike(backwards)


def test_frames_without_features_and_no_frames_at_all_find_nothing():
    nothing = np.zeros((0, 32), np.uint8)
    assert alike({}) == {}
    assert alike({"a": Descriptors(nothing, nothing), "b": Descriptors(nothing, nothing)}) == {}
    assert describe(frame(sky(1), np.zeros((300, 360), bool))) is None


def test_descriptors_come_back_as_they_were_written(tmp_path):
    nothing = np.zeros((0, 32), np.uint8)
    written = {"b" * 64: described(sky(1)), "a" * 64: Descriptors(nothing, nothing), "c" * 64: described(sky(2))}
    for kept in (written, {"a" * 64: written["a" * 64]}, {}):
        write_descriptors(kept, tmp_path / "part.npz")
        back = load_descriptors(tmp_path / "part.npz")
        assert sorted(back) == sorted(kept)
        for name, one in kept.items():
            assert np.array_equal(back[name].plain, one.plain)
            assert np.array_equal(back[name].mirrored, one.mirrored)
