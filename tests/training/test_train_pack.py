import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny import drawn, info, tiny_pack

from manifests.errors import DeepfieldError
from training.pack import hold_out, open_pack
from training.pack_resize import resized_pack
from training.pack_travel import unpack, write_travelling
from training.pack_write import PackWriter, write_pack


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


@pytest.mark.parametrize("died", ["by an error", "by a power cut", "in its journal", "at another size"])
def test_a_pack_that_was_cut_off_is_gone_on_with(tmp_path, died, monkeypatch):
    monkeypatch.setattr("training.pack_write._SYNC_EVERY", 2)
    asked = []

    def frames(number, broken=False):
        for n in range(number):
            asked.append(n)
            yield info(n, "train"), *drawn(n)
        if broken:
            raise DeepfieldError("no more")

    folder, partial = tmp_path / "p", tmp_path / ".p.building"
    with pytest.raises(DeepfieldError, match="no more"):
        write_pack(folder, frames(3, broken=True), snapshot_id="s", max_side_px=64 if died == "at another size" else 80)
    assert not folder.exists()
    if died == "by a power cut":
        with (partial / "pixels.u8").open("r+b") as handle:
            handle.truncate(2 * 3 * 80 * 80 + 7)
    if died == "in its journal":
        journal = (partial / "frames.jsonl").read_bytes()
        (partial / "frames.jsonl").write_bytes(journal[:-9])
    with PackWriter(folder, "s", 80) as writer:
        kept = {"by an error": 3, "by a power cut": 2, "in its journal": 2, "at another size": 0}[died]
        assert writer.names == {info(n, "train").image_id for n in range(kept)}
    pack = open_pack(write_pack(folder, frames(5), snapshot_id="s", max_side_px=80))
    assert len(pack.frames) == 5
    for n, frame in enumerate(pack.frames):
        assert np.array_equal(pack.rgb(frame), drawn(n)[0])
        assert np.array_equal(pack.valid(frame), drawn(n)[1])
        assert frame.valid_px == drawn(n)[1].sum()
        assert not frame.full
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_one_writes_while_another_waits(tmp_path):
    with ThreadPoolExecutor(1) as other, PackWriter(tmp_path / "p", "s", 80) as first:
        second = other.submit(write_pack, tmp_path / "p", iter(()), snapshot_id="s", max_side_px=80)
        first.add(info(0, "train"), *drawn(0))
        assert not second.done()
        first.finish()
    assert len(open_pack(second.result()).frames) == 1


def test_an_empty_pack_is_refused(tmp_path):
    with pytest.raises(DeepfieldError, match="no accepted frame"):
        write_pack(tmp_path / "p", iter(()), snapshot_id="s", max_side_px=64)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "letter.txt").touch()
    with pytest.raises(DeepfieldError, match="exists and is no pack"):
        write_pack(tmp_path / "p", iter(()), snapshot_id="s", max_side_px=64)


def test_who_comes_second_keeps_the_finished_pack(tmp_path):
    first = tiny_pack(tmp_path / "p", {"train": 1})
    assert tiny_pack(tmp_path / "p", {"train": 2}).frames == first.frames
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_folder_with_the_pack_of_something_else_is_refused(pack, tmp_path):
    other = tiny_pack(tmp_path / "other", {"train": 2}, "another")
    travelling = write_travelling(other, tmp_path / "frames.tar")
    with pytest.raises(DeepfieldError, match="pack of snapshot snap at 80 px already: choose another folder, or del"):
        unpack(travelling, pack.folder)
    resized_pack(pack, 40, tmp_path / "small")
    with pytest.raises(DeepfieldError, match="pack of snapshot snap at 40 px already"):
        resized_pack(other, 40, tmp_path / "small")


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
