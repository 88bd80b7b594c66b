"""No bit of what was measured flips unseen: a damaged part is set aside, and what it held is measured anew."""

import logging

import pytest
from drawn_skies import encoded, put, sky
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.curate import curate
from curation.measuring import measure_batch, read_descriptors, read_measures
from curation.pairs import read_judgements
from curation.policy import RULES_ONLY, load_policy
from manifests.seals import check_parts

POLICY = load_policy(RULES_ONLY)


@pytest.fixture
def curated(home, engine, blobs):
    """The files of a home with two twins and another, each measured in a part of its own, and its snapshot."""
    for name, data in {"a": encoded(sky(1)), "b": encoded(sky(1), "JPEG", quality=92), "c": encoded(sky(2))}.items():
        put(engine, blobs, name, data)
    snapshot_id = curate(settings=home, engine=engine, blobs=blobs, policy=POLICY, batch=1).snapshot_id
    files = sorted(path for path in home.measures_dir.rglob("part-*"))
    assert {path.suffix for path in files} == {".parquet", ".npz", ".sha256"} and len(files) == 3 * 3 + 2
    return files, snapshot_id


def flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_part_with_a_flipped_bit_is_read(curated, home, data):
    files, _ = curated
    path = data.draw(st.sampled_from(files), "file")
    whole = {one: one.read_bytes() for one in files if one.stem == path.stem}
    place, bit = data.draw(st.integers(0, len(whole[path]) - 1), "byte"), data.draw(st.integers(0, 7), "bit")
    path.write_bytes(flipped(whole[path], place, bit))
    count, (said,) = check_parts(home.measures_dir)
    assert count == 4 and path.stem in said and "makes it anew" in said
    pair = path.parent.name.startswith("pairs")
    assert len(read_measures(home.measures_dir)) == len(read_descriptors(home.measures_dir)) == (3 if pair else 2)
    assert len(read_judgements(home.measures_dir)) == (0 if pair else len(read_judgements(home.measures_dir)))
    assert not any(one.exists() for one in whole) and (path.parent / "damaged" / path.name).exists()
    for one, kept in whole.items():
        one.write_bytes(kept)
    assert check_parts(home.measures_dir) == (4, [])


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("kind", ["frames-*/*.parquet", "frames-*/*.npz", "pairs-*/*.parquet"])
def test_what_is_damaged_or_lost_is_made_anew(curated, home, engine, blobs, caplog, kind, lost):
    _, snapshot_id = curated
    path = next(home.measures_dir.glob(kind))
    if lost:
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(flipped(data, len(data) // 2, 3))
    with caplog.at_level(logging.WARNING):
        again = curate(settings=home, engine=engine, blobs=blobs, policy=POLICY, batch=1)
    assert again.snapshot_id == snapshot_id and again.measured == (0 if "pairs" in kind else 1)
    assert path.stem in caplog.text and "made anew" in caplog.text
    assert check_parts(home.measures_dir) == (4, [])


def test_a_part_without_a_seal_is_measured_again(curated, home, engine, blobs):
    _, snapshot_id = curated
    next(home.measures_dir.glob("frames-*/*.sha256")).unlink()
    assert len(read_measures(home.measures_dir)) == 2
    again = curate(settings=home, engine=engine, blobs=blobs, policy=POLICY, batch=1)
    assert (again.snapshot_id, again.measured) == (snapshot_id, 1)


def test_a_batch_that_is_measured_twice_is_the_same_bytes(curated, home, blobs):
    files, _ = curated
    before = {path: path.read_bytes() for path in files}
    for image_id in blobs:
        measure_batch([image_id], blobs_dir=blobs.root, measures_dir=home.measures_dir, max_pixels=10**7)
    assert {path: path.read_bytes() for path in home.measures_dir.rglob("part-*")} == before
