"""Exports: whole or not at all, the same bytes each time, readable by others."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import webdataset
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from manifests.blobs import BlobStore
from manifests.card import dataset_card
from manifests.cli import manifest_app
from manifests.errors import DeepfieldError, UsageError
from manifests.export import export, select
from manifests.schema import conform
from manifests.settings import load_settings
from manifests.shards import Sample, write_shards
from manifests.snapshots import SnapshotInfo, write_snapshot
from tests_support import jpeg

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def picture(seed, form="JPEG"):
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    if form == "JPEG":
        return jpeg(pixels)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()


@pytest.fixture
def snapshot(tmp_path):
    """Twelve pictures in all splits and verdicts: rows and blob store."""
    blobs = BlobStore(tmp_path / "home" / "blobs")
    rows = []
    for number in range(12):
        form = "PNG" if number % 3 == 0 else "JPEG"
        rows.append(
            {
                "image_id": blobs.put(picture(number, form)).sha256,
                "verdict": "accept",
                "access_format": f"image/{form.lower()}",
                "split": ("train", "train", "val", "test")[number % 4],
                "width_px": 60,
                "height_px": 40,
                "obs_collection": "HLA",
                "obs_title": 'M 51 | "Whirlpool"\nin two lines',
                "credit": "NASA, ESA | one" if number else None,
                "licence": "CC BY 4.0",
                "s_ra": 202.5 if number == 1 else None,
                "domain": "stretched",
            }
        )
    rows[3] |= {"verdict": "reject", "reasons": "noisy"}
    rows[4] |= {"verdict": "review", "decision": "accept"}
    rows[5] |= {"decision": "reject"}
    rows[6] |= {"duplicate_of": rows[2]["image_id"], "decision": "accept"}
    rows[7] |= {"split": "none"}
    fits = blobs.put(b"SIMPLE  =                    T" + b" " * 2850).sha256
    rows.append({"image_id": fits, "verdict": "accept", "access_format": "image/fits", "split": "train"})
    return conform(pd.DataFrame(rows)), blobs


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_pictures_are_those_to_train_on_unless_asked_otherwise(snapshot):
    rows, _ = snapshot
    assert len(select(rows, "csv").rows) == 13
    assert len(select(rows, "folder").rows) == 10
    assert len(select(rows, "webdataset").rows) == 9
    found = select(rows, "imagefolder")
    assert (len(found.rows), found.left_out) == (8, 1)
    assert len(select(rows, "folder", "all").rows) == 13
    assert len(select(rows, "webdataset", "reject").rows) == 2
    assert select(rows, "webdataset", split="none").rows["split"].tolist() == ["none"]
    assert set(select(rows, "csv", split="test").rows["split"]) == {"test"}


def test_a_verdict_that_does_not_exist_is_not_one_without_rows():
    error = CliRunner().invoke(manifest_app, ["show", "--verdict", "rejected"]).exception
    assert isinstance(error, UsageError) and "choose one of accept, review, reject." in str(error)


@pytest.mark.parametrize("wrong", [("tiff", None, None), ("csv", "good", None), ("csv", None, "dev")])
def test_an_unknown_choice_is_one_sentence(snapshot, wrong):
    with pytest.raises(UsageError, match=r"^There is no .* choose one of [^\n]*$"):
        select(snapshot[0], *wrong)


@pytest.mark.parametrize("kind", ["folder", "imagefolder", "webdataset"])
def test_the_same_rows_in_any_order_give_the_same_bytes(snapshot, tmp_path, kind):
    rows, blobs = snapshot
    shuffled = rows.sample(frac=1, random_state=1)
    for name, table in (("one", rows), ("two", shuffled)):
        export(select(table, kind).rows, tmp_path / name, kind, blobs, card="card")
        time.sleep(0.01)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") != {}
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o755


def test_shards_are_read_by_tarfile_and_hold_the_original_bytes(snapshot, tmp_path):
    rows, blobs = snapshot
    chosen = select(rows, "webdataset").rows
    export(chosen, tmp_path / "out", "webdataset", blobs, shard_bytes=14_000)
    seen = {}
    for path in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(path) as shard:
            members = shard.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
            for image, text in zip(members[::2], members[1::2], strict=True):
                key, suffix = image.name.split(".")
                assert text.name == f"{key}.json" and suffix in ("jpg", "png", "fits")
                assert shard.extractfile(image).read() == blobs.read(key)
                row = json.load(shard.extractfile(text))
                seen[f"{path.name}/{image.name}"] = (key, row["split"], row.get("credit"))
                assert path.name.startswith({"val": "validation"}.get(row["split"], row["split"]) + "-")
    assert len(list((tmp_path / "out").glob("train-*.tar"))) > 1
    credits = pd.read_csv(tmp_path / "out" / "credits.csv").set_index("file_name")
    assert set(credits.index) == set(seen)
    assert all(credits.loc[name, "image_id"] == key for name, (key, _, _) in seen.items())


def test_the_webdataset_library_reads_the_shards(snapshot, tmp_path):
    rows, blobs = snapshot
    chosen = select(rows[rows["access_format"] != "image/fits"], "webdataset").rows
    export(chosen, tmp_path / "out", "webdataset", blobs)
    shards = [str(path) for path in sorted((tmp_path / "out").glob("train-*.tar"))]
    pictures = webdataset.WebDataset(shards, shardshuffle=False)
    read = {one["__key__"]: one for one in pictures.decode("pil").rename(image="jpg;png")}
    assert set(read) == set(chosen.loc[chosen["split"] == "train", "image_id"])
    assert all(one["image"].size == (60, 40) and one["json"]["image_id"] == key for key, one in read.items())


def test_samples_of_a_format_are_alike_for_readers_that_guess_types_from_the_first_five(snapshot, tmp_path):
    rows, blobs = snapshot
    rows = rows[rows["access_format"] != "image/fits"]
    chosen = select(rows, "webdataset").rows
    info = SnapshotInfo("20260102T030405Z-00000000", None, "", 2, "", "", "", len(rows), {}, ())
    card = dataset_card(rows, chosen, info, "webdataset")
    export(chosen, tmp_path / "out", "webdataset", blobs, card=card)
    front = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---")[1])
    listed = set()
    for config in front["configs"]:
        columns = set()
        for number, files in enumerate(config["data_files"]):
            for path in sorted((tmp_path / "out").glob(files["path"])):
                listed.add(path.name)
                with tarfile.open(path) as shard:
                    members = shard.getmembers()
                    assert {Path(member.name).suffix for member in members} == {f".{config['config_name']}", ".json"}
                    texts = [json.load(shard.extractfile(member)) for member in members[1::2]]
                columns |= {tuple(text) for text in texts}
                # types are guessed from the first split alone
                assert number or all(any(text[name] is not None for text in texts[:5]) for name in texts[0])
        # only a JPEG has a position
        assert [("licence" in one, "s_ra" in one) for one in columns] == [(True, config["config_name"] == "jpg")]
    assert listed == {path.name for path in (tmp_path / "out").glob("*.tar")}
    table = pd.read_parquet(tmp_path / "out" / "manifest.parquet")
    assert table["s_ra"].notna().sum() == chosen["s_ra"].notna().sum() and set(rows.columns) <= set(table.columns)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3000), max_size=20), st.integers(1, 8000))
def test_no_sample_is_lost_and_a_shard_is_no_larger_than_asked(tmp_path_factory, sizes, most):
    folder = tmp_path_factory.mktemp("shards")
    samples = [Sample(f"{n:03d}", {".jpg": bytes(size), ".json": b"{}"}) for n, size in enumerate(sizes)]
    places = write_shards(folder, "train", iter(samples), most)
    assert [place.split("/")[1] for place in places] == [f"{sample.key}.jpg" for sample in samples]
    for path in folder.glob("*.tar"):
        with tarfile.open(path) as shard:
            names = shard.getnames()
            taken = sum(512 + -(-m.size // 512) * 512 for m in shard.getmembers())
        assert names and (taken <= most or len(names) == 2)
        assert [f"{path.name}/{n}" for n in names[::2]] == [p for p in places if p.startswith(f"{path.name}/")]


def test_an_image_folder_has_its_metadata_beside_the_pictures(snapshot, tmp_path):
    rows, blobs = snapshot
    chosen = select(rows, "imagefolder").rows
    export(chosen, tmp_path / "out", "imagefolder", blobs)
    columns = set()
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        folder = tmp_path / "out" / name
        lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        assert {line["image_id"] for line in lines} == set(chosen.loc[chosen["split"] == split, "image_id"])
        assert all((folder / line["file_name"]).read_bytes() == blobs.read(line["image_id"]) for line in lines)
        assert len(list(folder.iterdir())) == len(lines) + 1
        columns.add(tuple(lines[0]))
    # one schema for all, so nothing that is empty in one split and a number in another
    assert len(columns) == 1 and "s_ra" not in next(iter(columns)) and "licence" in next(iter(columns))
    table = pd.read_parquet(tmp_path / "out" / "manifest.parquet")
    assert table["s_ra"].notna().sum() == 1 and set(rows.columns) <= set(table.columns)


@pytest.mark.parametrize("kind", ["folder", "imagefolder", "webdataset"])
@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_harmed_blob_leaves_nothing_behind(snapshot, tmp_path, kind, harm):
    rows, blobs = snapshot
    chosen = select(rows, kind).rows
    victim = blobs.path(chosen["image_id"].iloc[-1])
    victim.chmod(0o644)
    victim.unlink() if harm == "missing" else victim.write_bytes(victim.read_bytes() + b"x")
    with pytest.raises(DeepfieldError, match=f"^Blob {victim.name} [^\n]*scrape it again"):
        export(chosen, tmp_path / "out", kind, blobs)
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


def test_nothing_is_overwritten_and_nothing_at_all_is_not_exported(snapshot, tmp_path):
    rows, blobs = snapshot
    (tmp_path / "there").mkdir()
    for kind in ("csv", "parquet", "folder", "webdataset"):
        with pytest.raises(DeepfieldError, match="exists already"):
            export(rows, tmp_path / "there", kind, blobs)
    with pytest.raises(DeepfieldError, match="nothing to export"):
        export(rows.iloc[:0], tmp_path / "out", "folder", blobs)
    assert not (tmp_path / "out").exists()


KILLED = """
import sys, time
from pathlib import Path
import pandas as pd
from manifests.blobs import BlobStore
from manifests.export import export
rows = pd.read_pickle(sys.argv[1])
def slow():
    print("one", flush=True)
    time.sleep(60)
export(rows, Path(sys.argv[2]), "folder", BlobStore(Path(sys.argv[3])), on_picture=slow)
"""


def test_kill_9_leaves_no_half_folder_and_the_next_run_clears_up(snapshot, tmp_path):
    rows, blobs = snapshot
    chosen = select(rows, "folder").rows
    chosen.to_pickle(tmp_path / "rows.pickle")
    arguments = [tmp_path / "rows.pickle", tmp_path / "out", blobs.root]
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert child.stdout.readline() == b"one\n"
    with pytest.raises(DeepfieldError, match="Another process is writing"):
        export(chosen, tmp_path / "out", "folder", blobs)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not (tmp_path / "out").exists() and (tmp_path / ".out.part").exists()
    export(chosen, tmp_path / "out", "folder", blobs)
    assert len(list((tmp_path / "out").glob("*/*"))) == len(chosen) and not (tmp_path / ".out.part").exists()


def test_the_commands_write_pictures_and_card(snapshot, tmp_path, monkeypatch):
    rows, blobs = snapshot
    monkeypatch.setenv("DEEPFIELD_HOME", str(blobs.root.parent))
    load_settings.cache_clear()
    info = write_snapshot(
        rows, manifest_dir=blobs.root.parent / "manifest", policy_digest="d" * 64, note="policy default", now=NOW
    )
    runner = CliRunner()
    done = runner.invoke(manifest_app, ["export", str(tmp_path / "hf"), "--format", "imagefolder"])
    assert done.exit_code == 0 and "8 of 13 images" in done.stdout and "1 FITS" in done.stderr
    text = (tmp_path / "hf" / "README.md").read_text()
    head = text.split("---\n")[1]
    fields = {line.split(": ", 1)[0]: json.loads(line.split(": ", 1)[1]) for line in head.splitlines()}
    assert fields["size_categories"] == ["n<1K"] and fields["license"] == "other"
    assert [one["split"] for one in fields["configs"][0]["data_files"]] == ["train", "validation", "test"]
    for said in (info.snapshot_id, "d" * 64, "default", "CC BY 4.0", "HLA", "NASA, ESA \\| one", info.content_sha256):
        assert said in text, said
    assert "| validation | 2 |" in text
    shown = runner.invoke(manifest_app, ["card"])
    assert shown.exit_code == 0 and "| train | 6 |" in shown.stdout and shown.stdout.startswith("---\n")
    done = runner.invoke(manifest_app, ["export", str(tmp_path / "x.csv"), "--split", "test"])
    assert len(pd.read_csv(tmp_path / "x.csv")) == (rows["split"] == "test").sum()
    for arguments in (["export", str(tmp_path / "y.tiff")], ["card", str(tmp_path / "x.csv")]):
        assert isinstance(runner.invoke(manifest_app, arguments).exception, DeepfieldError)
    load_settings.cache_clear()


def test_a_card_of_an_empty_selection_says_so(snapshot):
    rows, _ = snapshot
    info = type("Info", (), dict.fromkeys(("snapshot_id", "created_at", "policy_digest", "content_sha256"), "x"))()
    info.note, info.parent, info.rows, info.schema_version = "", None, 0, 2
    assert "0 pictures" in dataset_card(rows, rows.iloc[:0], info)
