"""No bit of a dataset flips unseen."""

import shutil
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from typer.testing import CliRunner

from manifests import tables
from manifests.blobs import BlobStore
from manifests.cli import manifest_app
from manifests.database import open_database
from manifests.seals import seal
from manifests.settings import load_settings
from manifests.snapshots import write_snapshot


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A home with two snapshots of three images, and the files that `manifest verify` answers for.

    The last of them are those of the older snapshot, and a blob that is in none.
    """
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    load_settings.cache_clear()
    blobs = BlobStore(tmp_path / "blobs")
    ids = [blobs.put(text.encode()).sha256 for text in ("one", "another", "")]
    folders = []
    for second, names in ((0, ids[:2]), (1, ids)):
        info = write_snapshot(
            pd.DataFrame({"image_id": names, "verdict": "accept", "credit": "Bérénice", "s_ra": 1.5}),
            manifest_dir=tmp_path / "manifest",
            policy_digest="p",
            note='policy "été"',
            now=datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC),
        )
        folders.append(tmp_path / "manifest" / "snapshots" / info.snapshot_id)
    older, newer = (sorted(folder.iterdir()) for folder in folders)
    waiting = blobs.path(blobs.put(b"not curated yet").sha256)
    yield [tmp_path / "manifest" / "HEAD", *newer, *(blobs.path(i) for i in ids[:2]), *older, waiting]
    load_settings.cache_clear()


def verify(*options):
    done = CliRunner().invoke(manifest_app, ["verify", *options])
    return done.exit_code, f"{done.output} {done.exception or ''}"


def test_every_bit_of_head_and_description_is_seen_and_named(dataset):
    assert verify() == (0, verify()[1]) and "4 blobs are intact" in verify()[1]
    for path in dataset[:1] + [path for path in dataset if path.name == "snapshot.json"]:
        data = path.read_bytes()
        # four bits of each byte of the short one, and of the long one a bit of every third byte, each in its turn
        short = len(data) < 100
        for place in range(0, len(data), 1 if short else 3):
            for bit in (0, 3, 5, 7) if short else (place % 8,):
                path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
                code, said = verify()
                assert code == 1 and path.name in said, (path, place, bit, said)
        path.write_bytes(data)
    assert verify()[0] == 0


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_seen_and_its_file_named(dataset, data):
    path = data.draw(st.sampled_from(dataset), "file")
    whole = path.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1), "byte"), data.draw(st.integers(0, 7), "bit")
    path.chmod(0o644)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    code, said = verify()
    path.write_bytes(whole)
    assert code == 1 and path.name in said
    assert verify()[0] == 0


def test_missing_and_additional_files_are_seen(dataset):
    head, part, description, blob, *_ = dataset
    for path in (part, description, blob):
        path.rename(path.with_suffix(".away"))
        code, said = verify()
        path.with_suffix(".away").rename(path)
        assert code == 1 and path.name in said
    shutil.copyfile(part, part.with_name("part-00001.parquet"))
    assert verify()[0] == 1 and "no part of the snapshot" in verify()[1]
    part.with_name("part-00001.parquet").unlink()
    head.write_text("20260102T030404Z-nothere\n")
    assert verify()[0] == 1 and "write the id of the newest" in verify()[1]


def test_one_snapshot_alone_is_checked_on_wish(dataset):
    newer, older = dataset[1].parent.name, dataset[5].parent.name
    for path in dataset[-1], dataset[5]:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1])
    assert verify("--snapshot", newer) == (0, f"snapshot {newer}: all parts and 3 blobs are intact\n ")
    code, said = verify()
    assert code == 1 and f"{newer} and 1 older: 2 faults" in said and dataset[-1].name in said
    code, said = verify("--snapshot", older)
    assert code == 1 and str(dataset[5]) in said


def test_a_damaged_part_of_the_measurements_is_named(dataset):
    part = dataset[0].parents[1] / "measures" / "frames-v1" / "part-0"
    part.parent.mkdir(parents=True)
    part.with_suffix(".parquet").write_bytes(b"rows")
    seal(part)
    assert verify()[0] == 0 and "measurements: 1 part is intact" in verify()[1]
    part.with_suffix(".parquet").write_bytes(b"rowz")
    code, said = verify()
    assert code == 1 and f"{part} has changed since it was written: `deepfield curate` makes it anew." in said
    newer = dataset[1].parent.name
    assert verify("--snapshot", newer)[0] == 0


def test_a_flipped_bit_in_an_index_or_a_page_of_the_catalogue_is_seen(dataset):
    home = dataset[0].parents[1]
    settings = load_settings()
    assert verify()[0] == 0 and not (home / "catalog.db").exists()
    engine = open_database(settings.database)
    tile = {"tile_id": "t" * 64, "archive": "hla", "request": "r", "status": "done", "updated_at": "now"}
    asked = {"tile_id": "t" * 64, "url": "u", "outcome": "got", "seconds": 0.0, "started_at": "now"}
    with engine.begin() as connection:
        connection.execute(insert(tables.tiles), tile)
        connection.execute(insert(tables.asks), asked)
    engine.dispose()
    assert verify()[0] == 0
    path = home / "catalog.db"
    whole = path.read_bytes()
    places = [at for at in range(len(whole)) if whole.startswith(b"t" * 64, at)]
    assert len(places) == 4  # two rows, two indices
    for place in (0, *places):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        code, said = verify()
        assert code == 1 and "The catalogue" in said and "restore it from a copy" in said, (place, said)
    path.write_bytes(whole)
    assert verify()[0] == 0
