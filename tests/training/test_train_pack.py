import json

import numpy as np
import pytest
from tiny import drawn, info, tiny_pack

from manifests.errors import DeepfieldError
from training.pack import hold_out, open_pack, write_pack


def test_a_pack_gives_back_what_was_written(pack):
    assert [frame.split for frame in pack.frames] == ["train"] * 6 + ["val"] * 2 + ["test"] * 3
    for number, frame in enumerate(pack.frames):
        rgb, valid = drawn(number)
        assert np.array_equal(pack.rgb(frame), rgb)
        assert np.array_equal(pack.valid(frame), valid)


def test_frames_of_different_sizes_lie_one_after_another(tmp_path):
    sizes = (40, 33, 64)
    frames = ((info(n, "train"), *drawn(n, side)) for n, side in enumerate(sizes))
    pack = open_pack(write_pack(tmp_path / "p", frames, snapshot_id="s", max_side_px=64))
    for number, (frame, side) in enumerate(zip(pack.frames, sizes, strict=True)):
        assert np.array_equal(pack.rgb(frame), drawn(number, side)[0])


def test_a_failed_pack_leaves_nothing(tmp_path):
    def broken():
        yield info(0, "train"), *drawn(0)
        raise DeepfieldError("no more")

    with pytest.raises(DeepfieldError, match="no more"):
        write_pack(tmp_path / "packs" / "p", broken(), snapshot_id="s", max_side_px=64)
    assert list((tmp_path / "packs").iterdir()) == []


def test_an_empty_pack_is_refused(tmp_path):
    with pytest.raises(DeepfieldError, match="no accepted frame"):
        write_pack(tmp_path / "p", iter(()), snapshot_id="s", max_side_px=64)


def test_who_comes_second_keeps_the_finished_pack(tmp_path):
    first = tiny_pack(tmp_path / "p", {"train": 1}, "first")
    assert tiny_pack(tmp_path / "p", {"train": 2}, "second").snapshot_id == first.snapshot_id
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_damage_is_named(pack, tmp_path):
    with pytest.raises(DeepfieldError, match=r"pack\.json is missing"):
        open_pack(tmp_path)
    (pack.folder / "valid.u8").write_bytes(b"1")
    with pytest.raises(DeepfieldError, match=r"valid\.u8 is missing or cut short"):
        open_pack(pack.folder)
    described = json.loads((pack.folder / "pack.json").read_text())
    (pack.folder / "pack.json").write_text(json.dumps(described | {"format": 99}))
    with pytest.raises(DeepfieldError, match="format 99"):
        open_pack(pack.folder)
    (pack.folder / "pack.json").write_text("{")
    with pytest.raises(DeepfieldError, match="damaged"):
        open_pack(pack.folder)


def test_the_val_split_is_held_out(pack):
    train, held, from_train = hold_out(pack, color_only=True)
    assert (len(train), len(held), from_train) == (6, 2, False)


def test_without_val_whole_groups_of_train_are_held_out_and_never_test(tmp_path):
    frames = [(info(n, "train", group_id=f"g{n // 2:02d}"), *drawn(n, 32)) for n in range(24)]
    frames.append((info(99, "test"), *drawn(99, 32)))
    pack = open_pack(write_pack(tmp_path / "p", iter(frames), snapshot_id="s", max_side_px=32))
    train, held, from_train = hold_out(pack, color_only=True)
    assert from_train
    assert {f.group_id for f in held} == {"g00", "g10"}
    assert not {f.group_id for f in held} & {f.group_id for f in train}
    assert {f.split for f in (*train, *held)} == {"train"}


def test_too_little_to_train_on_is_a_sentence(tmp_path):
    with pytest.raises(DeepfieldError, match="val split and a single group"):
        hold_out(tiny_pack(tmp_path / "a", {"train": 1}), color_only=True)
    with pytest.raises(DeepfieldError, match="no accepted colour frames in its train split"):
        hold_out(tiny_pack(tmp_path / "b", {"train": 3, "val": 1}, color=False), color_only=True)
    assert len(hold_out(open_pack(tmp_path / "b"), color_only=False)[0]) == 3
