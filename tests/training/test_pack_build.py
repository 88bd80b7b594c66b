import numpy as np
import pandas as pd
import pytest

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError
from manifests.resize import shrink
from tests_support import jpeg
from training.pack import open_pack
from training.pack_build import build_pack, trainable


def picture(number: int, size: tuple[int, int] = (90, 120), gray: bool = False) -> bytes:
    values = np.random.default_rng(number).integers(20, 200, (*size, 1 if gray else 3), dtype=np.uint8)
    return jpeg(values.repeat(3, axis=2) if gray else values, 95)


def rows_of(blobs: BlobStore, pictures: list[bytes], **columns) -> pd.DataFrame:
    count = len(pictures)
    base = {
        "image_id": [blobs.put(data).sha256 for data in pictures],
        "verdict": ["accept"] * count,
        "decision": [None] * count,
        "duplicate_of": [None] * count,
        "group_id": [f"g{n}" for n in range(count)],
        "split": ["train"] * count,
        "source_name": [f"{n}.jpg" for n in range(count)],
        "licence": ["CC0"] * count,
    }
    return pd.DataFrame(base | columns)


def test_a_persons_decision_overrides_the_verdict(tmp_path):
    rows = rows_of(
        BlobStore(tmp_path),
        [picture(n) for n in range(6)],
        verdict=["accept", "accept", "review", "reject", "review", "accept"],
        decision=[None, "reject", None, "accept", "accept", None],
        duplicate_of=[None, None, None, None, None, "other"],
    )
    kept = trainable(rows)
    assert set(kept["image_id"]) == set(rows["image_id"].iloc[[0, 3, 4]])
    assert list(kept["image_id"]) == sorted(kept["image_id"])


def test_frames_without_a_split_are_left_out(tmp_path):
    rows = rows_of(BlobStore(tmp_path), [picture(n) for n in range(2)], split=["none", "val"])
    assert list(trainable(rows)["split"]) == ["val"]


def test_a_pack_is_built_once_and_shrunk(tmp_path):
    blobs = BlobStore(tmp_path / "blobs")
    rows = rows_of(blobs, [picture(0), picture(1, gray=True), picture(2, (30, 40))])
    folder = build_pack(rows, blobs, tmp_path / "packs" / "p", snapshot_id="s1", max_side_px=60)
    pack = open_pack(folder)
    by_id = {frame.image_id: frame for frame in pack.frames}
    colour, gray, small = (by_id[name] for name in rows["image_id"])
    assert (colour.height, colour.width) == (45, 60)
    assert (small.height, small.width) == (30, 40)
    assert (colour.color, gray.color) == (True, False)
    before = (folder / "pixels.u8").stat().st_mtime_ns
    assert build_pack(rows.iloc[:0], blobs, folder, snapshot_id="s1", max_side_px=60) == folder
    assert (folder / "pixels.u8").stat().st_mtime_ns == before
    with pytest.raises(DeepfieldError, match="pack of snapshot s1 at 60 px already"):
        build_pack(rows, blobs, folder, snapshot_id="s1", max_side_px=50)


def test_the_manifest_knows_better_what_is_gray(tmp_path):
    blobs = BlobStore(tmp_path / "blobs")
    rows = rows_of(blobs, [picture(0), picture(1)], grayscale=pd.array([True, None], dtype="boolean"))
    pack = open_pack(build_pack(rows, blobs, tmp_path / "packs" / "p", snapshot_id="s", max_side_px=200))
    assert {f.image_id: f.color for f in pack.frames} == dict(zip(rows["image_id"], [False, True], strict=True))


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_a_missing_or_damaged_blob_names_the_frame(tmp_path, damage):
    blobs = BlobStore(tmp_path / "blobs")
    rows = rows_of(blobs, [picture(0), picture(1)[:400] if damage == "corrupt" else picture(1)])
    name = rows["image_id"][1]
    if damage == "missing":
        blobs.path(name).unlink()
    with pytest.raises(DeepfieldError, match=f"Frame {name} is accepted but cannot be packed"):
        build_pack(rows, blobs, tmp_path / "packs" / "p", snapshot_id="s", max_side_px=60)
    assert not (tmp_path / "packs" / "p").exists()
    if damage == "corrupt":
        rows = rows.assign(image_id=[rows["image_id"][0], blobs.put(picture(1)).sha256])
    blobs.put(picture(1))
    pack = open_pack(build_pack(rows, blobs, tmp_path / "packs" / "p", snapshot_id="s", max_side_px=60))
    assert {frame.image_id for frame in pack.frames} == set(rows["image_id"])
    assert [path.name for path in (tmp_path / "packs").iterdir()] == ["p"]


def test_shrinking_keeps_flux_and_lets_no_fill_in():
    rgb = np.full((40, 60, 3), 100, np.uint8)
    rgb[:, :20] = 50
    valid = np.ones((40, 60), bool)
    valid[:, 41:] = False
    rgb[~valid] = 255
    small, mask = shrink(rgb, valid, 30)
    assert small.shape == (20, 30, 3)
    assert set(np.unique(small[mask])) == {50, 100}
    assert mask[:, :20].all()
    assert not mask[:, 21:].any()
    assert shrink(rgb, valid, 60)[0] is rgb
