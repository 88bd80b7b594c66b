"""Curation as a whole, on real SQLite, Parquet and picture files."""

import hashlib
import math
import os
import re
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_skies import encoded, page, put, sky
from hypothesis import given
from hypothesis import strategies as st

from curation.curate import build_snapshot, curate, dry_run, pending_images
from curation.measuring import measure_batch, parted, read_measures
from curation.policy import RULES_ONLY, Policy, Rule, load_policy
from curation.review.decisions import Statement, Subject, decide, undo
from manifests.errors import DeepfieldError
from manifests.overlap import split_report
from manifests.schema import conform
from manifests.settings import Settings
from manifests.snapshots import read_snapshot
from manifests.splits import assign_splits

POLICY = load_policy(RULES_ONLY)
STRICT = Policy("strict", 2, (Rule("noisy", "noise_sigma_dn", "above", 0.5, 1.0),))


def run(home, engine, blobs, policy=POLICY):
    summary = curate(settings=home, engine=engine, blobs=blobs, policy=policy)
    return summary, read_snapshot(home.manifest_dir).set_index("image_id")


def filled(engine, blobs):
    """Skies with twins, a page, a gray frame, a burnt one and a damaged file; returns image_id by name."""
    rgb = sky(1, 330, 400)
    gray = cv2.cvtColor(sky(4), cv2.COLOR_RGB2GRAY)
    pictures = {
        "sky": encoded(rgb),
        "sky-again": encoded(rgb, compress_level=1),
        "sky-small": encoded(cv2.resize(rgb, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA), "JPEG", quality=85),
        "sky-mirrored": encoded(np.ascontiguousarray(rgb[:, ::-1]), "JPEG", quality=92),
        "other": encoded(sky(2), "JPEG", quality=92),
        "page": encoded(page()),
        "gray": encoded(gray),
        "burnt": encoded(cv2.circle(sky(5), (180, 150), 90, (255, 255, 255), -1), "JPEG", quality=92),
        "damaged": encoded(sky(6), "JPEG")[:4000],
        "web page": b"<html>not found</html>",
    }
    return {name: put(engine, blobs, name, data) for name, data in pictures.items()}


def test_a_run_measures_removes_twins_decides_and_splits(home, engine, blobs):
    ids = filled(engine, blobs)
    summary, rows = run(home, engine, blobs)
    assert summary.new and summary.images == summary.measured == len(ids) == len(rows)

    assert rows.loc[ids["sky"], "verdict"] == rows.loc[ids["other"], "verdict"] == "accept"
    sky_twins = rows.loc[[ids["sky"], ids["sky-again"]]]
    kept = min(ids["sky"], ids["sky-again"])
    assert sky_twins["duplicate_of"].dropna().tolist() == [kept]
    assert sky_twins["duplicate_kind"].dropna().tolist() == ["exact"]
    for name in ("sky-small", "sky-mirrored"):
        row = rows.loc[ids[name]]
        assert (row["duplicate_of"], row["duplicate_kind"]) == (kept, "same_rendering")
        assert (row["verdict"], row["reasons"]) == ("reject", "duplicate")
        assert re.fullmatch(
            rf"same_rendering of {kept[:12]}: inliers \d+ >= 12, lightness_correlation [\d.]+ >= 0.95, .*\(duplicate\)",
            row["rule_values"],
        )
    (exact,) = sky_twins["rule_values"][sky_twins["duplicate_of"].notna()]
    assert exact == f"exact of {kept[:12]}: the same pixels (duplicate)"
    assert rows.loc[[ids[n] for n in ("sky", "sky-again", "sky-small", "sky-mirrored")], "group_id"].nunique() == 1
    related = dict(one.split(":")[::-1] for one in rows.loc[ids["sky"], "relations"].split(","))
    assert related.pop(ids["sky-again"]) == "exact"
    assert related == {ids["sky-small"]: "same_rendering", ids["sky-mirrored"]: "same_rendering"}

    assert "no_colour" in rows.loc[ids["gray"], "reasons"] and rows.loc[ids["gray"], "verdict"] == "reject"
    assert "saturated" in rows.loc[ids["burnt"], "reasons"] and rows.loc[ids["burnt"], "verdict"] == "reject"
    assert rows.loc[ids["page"], "verdict"] != "accept"
    for name, reason in (("damaged", "corrupt"), ("web page", "not_a_picture")):
        row = rows.loc[ids[name]]
        assert (row["verdict"], row["reasons"], row["width_px"]) == ("reject", reason, 0)
        assert pd.isna(row["coverage"]) and row["rule_values"].endswith(f"({reason})")
    assert set(rows["split"]) <= {"train", "val", "test"}
    assert summary.reasons["reject"]["duplicate"] == 3 == sum(summary.duplicates.values())


def test_however_many_crops_come_each_is_held_against_the_picture_that_it_was_cut_from(home, engine, blobs):
    # a frame votes for ten others, so that of twenty crops not each is proposed with the whole
    whole = sky(8, 420, 520, stars=300)
    random = np.random.default_rng(5)
    pictures = {"whole": encoded(whole)}
    for number in range(20):
        share = random.uniform(0.82, 0.93)
        height, width = int(420 * share), int(520 * share)
        y, x = random.integers(0, 420 - height + 1), random.integers(0, 520 - width + 1)
        pictures[f"crop {number}"] = encoded(whole[y : y + height, x : x + width], "JPEG", quality=90)
    names = list(pictures)
    ids = {name: put(engine, blobs, name, pictures[name]) for name in names[:6]}
    _, few = run(home, engine, blobs)
    assert few["duplicate_of"].dropna().tolist() == 5 * [ids["whole"]]
    ids |= {name: put(engine, blobs, name, pictures[name]) for name in names[6:]}
    _, all_ = run(home, engine, blobs)
    assert all_["duplicate_of"].dropna().tolist() == 20 * [ids["whole"]]


def test_what_was_found_related_is_not_forgotten_when_pictures_are_added(home, engine, blobs, monkeypatch):
    one, other = sky(8, 420, 520, stars=300), sky(8, 420, 520, stars=300)[:380, :460]
    ids = [put(engine, blobs, name, encoded(rgb)) for name, rgb in (("one", one), ("other", other))]
    _, before = run(home, engine, blobs)
    assert before["duplicate_of"].notna().sum() == 1
    put(engine, blobs, "more", encoded(sky(2)))
    # as if so many more had come that the two are not among the likest of each other
    for source in ("near_hashes", "alike"):
        monkeypatch.setattr(f"curation.curate.{source}", lambda _: {})
    _, rows = run(home, engine, blobs)
    assert rows.loc[ids, "duplicate_of"].tolist() == before.loc[ids, "duplicate_of"].tolist()


def test_running_again_measures_nothing_and_gives_the_same_snapshot(home, engine, blobs):
    filled(engine, blobs)
    first, _ = run(home, engine, blobs)
    parts = {path: path.stat().st_mtime_ns for path in home.measures_dir.rglob("*.parquet")}
    second, _ = run(home, engine, blobs)
    assert (second.snapshot_id, second.new, second.measured) == (first.snapshot_id, False, 0)
    assert {path: path.stat().st_mtime_ns for path in home.measures_dir.rglob("*.parquet")} == parts


def test_the_order_in_which_frames_came_changes_nothing(tmp_path):
    from manifests.blobs import BlobStore
    from manifests.database import open_database

    names = ["c", "a", "d", "b"]
    data = {"a": encoded(sky(1)), "b": encoded(sky(1), "JPEG"), "c": encoded(sky(2)), "d": encoded(page())}
    tables = []
    for order in (names, sorted(names)):
        place = Settings(home=tmp_path / "".join(order))
        engine, blobs = open_database(place.database), BlobStore(place.blobs_dir)
        for name in order:
            put(engine, blobs, name, data[name])
        for half in (pending_images(settings=place, engine=engine)[::2], pending_images(settings=place, engine=engine)):
            measure_batch(half, blobs_dir=place.blobs_dir, measures_dir=place.measures_dir, max_pixels=10**7)
        build_snapshot(settings=place, engine=engine, blobs=blobs, policy=POLICY)
        tables.append(read_snapshot(place.manifest_dir))
    pd.testing.assert_frame_equal(*tables)


@given(st.integers(0, 400), st.integers(1, 70), st.integers(1, 9))
def test_every_process_gets_as_many_and_as_large_parts(number, most, workers):
    ids = [f"{index:03d}" for index in range(number)]
    parts = parted(ids, most, workers)
    assert list(chain.from_iterable(parts)) == ids
    assert all(1 <= len(part) <= most for part in parts)
    if number > most:
        needed = math.ceil(number / most)
        assert len(parts) == min(number, math.ceil(needed / workers) * workers)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_adding_a_frame_changes_no_other_row(home, engine, blobs):
    filled(engine, blobs)
    _, before = run(home, engine, blobs)
    put(engine, blobs, "new", encoded(sky(77)))
    summary, after = run(home, engine, blobs)
    assert summary.measured == 1
    pd.testing.assert_frame_equal(after.loc[before.index], before)


def test_a_picture_that_holds_two_of_other_splits_takes_the_place_of_neither(home, engine, blobs):
    whole = sky(1, 420, 600)
    ids = {}
    for split, crop, ra in (("train", whole[:, :300], 10.0), ("test", whole[:, 300:], 10.2)):
        # bytes after its end change the name of a picture and nothing else
        data = next(d for n in range(99) if bucket(d := encoded(crop) + bytes(n)) == split)
        ids[split] = put(engine, blobs, split, data, s_region=f"CIRCLE ICRS {ra} 20 0.05")
    _, before = run(home, engine, blobs)
    assert {before.loc[ids[split], "split"] == split for split in ids} == {True}
    newcomer = put(engine, blobs, "whole", encoded(whole), s_region="CIRCLE ICRS 10.1 20 0.15")
    _, after = run(home, engine, blobs)
    decisive = ["verdict", "duplicate_of", "group_id", "split"]
    pd.testing.assert_frame_equal(after.loc[before.index, decisive], before[decisive])
    assert after.loc[newcomer, "split"] == "none" and after.loc[newcomer, "duplicate_of"] in ids.values()
    assert split_report(after.reset_index()).leaks == ()


def bucket(data):
    """The split that a picture of these bytes gets where it is alone."""
    name = hashlib.sha256(data).hexdigest()
    return assign_splits([name], [])[name].split


def test_products_with_the_same_bytes_are_aliases_of_one_image(home, engine, blobs):
    data = encoded(sky(1))
    put(engine, blobs, "later", data, fetched_at="2026-02-01T00:00:00Z")
    image_id = put(engine, blobs, "first", data, fetched_at="2026-01-01T00:00:00Z", target_name="M101", s_ra=210.8)
    put(engine, blobs, "also", data, fetched_at="2026-03-01T00:00:00Z")
    _, rows = run(home, engine, blobs)
    row = rows.loc[image_id]
    assert len(rows) == 1
    assert (row["product_id"], row["aliases"], row["target_name"]) == ("drawn:first", "drawn:also,drawn:later", "M101")
    assert row["s_ra"] == 210.8 and row["access_format"] == "image/png"


def test_names_at_other_sites_are_aliases_whether_or_not_the_bytes_are_the_same(home, engine, blobs):
    names = "esahubble:opo0328a,heritage:2003/28"
    one = put(engine, blobs, "stsci", encoded(sky(1)), fetched_at="2026-01-01T00:00:00Z", aliases=names)
    put(engine, blobs, "copy", encoded(sky(1)), fetched_at="2026-02-01T00:00:00Z", aliases="stsci:2003-28-a")
    other = put(engine, blobs, "esa", encoded(sky(2)), aliases="heritage:2003/28,stsci:2003-28-a")
    _, rows = run(home, engine, blobs)
    assert rows.loc[one, "aliases"] == "drawn:copy,esahubble:opo0328a,heritage:2003/28,stsci:2003-28-a"
    assert rows.loc[other, "aliases"] == "heritage:2003/28,stsci:2003-28-a"


def test_the_annotated_twin_of_a_clean_picture_is_the_one_dropped(home, engine, blobs):
    clean = sky(8, 420, 520, stars=300)
    annotated = clean.copy()
    cv2.putText(annotated, "Whirlpool Galaxy M51", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    cv2.rectangle(annotated, (10, 10), (510, 410), (255, 255, 255), 1)
    small = encoded(clean[:400, :500], "JPEG", quality=92)
    kept = put(engine, blobs, "clean", small, release_id="potw1")
    dropped = put(engine, blobs, "annotated", encoded(annotated), release_id="potw1")
    _, rows = run(home, engine, blobs)
    assert rows.loc[dropped, "duplicate_of"] == kept and rows.loc[kept, "verdict"] == "accept"


def test_an_annotated_twin_without_a_row_of_letters_is_dropped_too(home, engine, blobs):
    clean = sky(8, 420, 520, stars=300)
    annotated = clean.copy()
    for spot in ((100, 100), (300, 200), (400, 330)):
        cv2.circle(annotated, spot, 22, (0, 255, 0), 2)
    kept = put(engine, blobs, "clean", encoded(clean[:410, :510], "JPEG", quality=92))
    dropped = put(engine, blobs, "annotated", encoded(annotated))
    _, rows = run(home, engine, blobs)
    assert rows.loc[dropped, "text_letters"] == 0
    assert rows.loc[dropped, "duplicate_of"] == kept and rows.loc[kept, "verdict"] == "accept"


def test_one_sky_in_other_colours_is_kept_twice_but_never_split(home, engine, blobs):
    rgb = sky(9, 420, 520, stars=300)
    ids = [put(engine, blobs, n, encoded(p)) for n, p in (("a", rgb), ("b", np.ascontiguousarray(rgb[..., [2, 0, 1]])))]
    _, rows = run(home, engine, blobs)
    assert rows["duplicate_of"].isna().all() and rows.loc[ids, "group_id"].nunique() == 1
    assert rows.loc[ids, "relations"].tolist() == [f"same_sky:{ids[1]}", f"same_sky:{ids[0]}"]


def test_pictures_of_one_object_are_kept_and_share_a_group(home, engine, blobs):
    names = {"a": "M 101, Pinwheel Galaxy", "b": "m101", "c": "ANY", "d": "any", "e": "M102"}
    ids = [put(engine, blobs, n, encoded(sky(40 + k)), target_name=t) for k, (n, t) in enumerate(names.items())]
    _, rows = run(home, engine, blobs)
    assert rows["duplicate_of"].isna().all()
    assert rows.loc[ids[:2], "group_id"].nunique() == 1 and rows.loc[ids[1:], "group_id"].nunique() == 4
    assert rows.loc[ids[0], "relations"] == f"same_object:{ids[1]}" and rows.loc[ids[2:], "relations"].isna().all()


def test_decisions_are_in_the_next_snapshot_and_undo_takes_them_out(home, engine, blobs):
    ids = filled(engine, blobs)
    first, _ = run(home, engine, blobs)
    decide(engine, [Subject(ids["page"])], Statement("reject", "ann", reasons=("chart",)))
    second, rows = run(home, engine, blobs)
    row = rows.loc[ids["page"]]
    assert (row["decision"], row["decided_by"], second.decided) == ("reject", "ann", 1)
    assert second.snapshot_id != first.snapshot_id and row["decided_at"].endswith("Z")
    undo(engine, "ann")
    _, rows = run(home, engine, blobs)
    assert rows["decision"].isna().all()


def test_an_accepted_frame_is_kept_over_its_larger_twin(home, engine, blobs):
    ids = filled(engine, blobs)
    decide(engine, [Subject(ids["sky-small"])], Statement("accept", "ann"))
    for name in ("sky", "sky-again", "sky-mirrored"):
        decide(engine, [Subject(ids[name])], Statement("reject", "ann"))
    _, rows = run(home, engine, blobs)
    assert pd.isna(rows.loc[ids["sky-small"], "duplicate_of"])
    assert rows.loc[ids["sky"], "duplicate_of"] == ids["sky-small"]


def test_a_dry_run_says_what_the_next_run_does_without_reading_pixels(home, engine, blobs):
    filled(engine, blobs)
    first, before = run(home, engine, blobs)
    put(engine, blobs, "unmeasured", encoded(sky(50)))
    for path in home.blobs_dir.glob("??/??/*"):
        path.chmod(0)
    result = dry_run(settings=home, engine=engine, policy=STRICT)
    for path in home.blobs_dir.glob("??/??/*"):
        path.chmod(0o444)
    assert (result.snapshot_id, result.images, result.unmeasured) == (first.snapshot_id, len(before), 1)
    _, after = run(home, engine, blobs, STRICT)
    changed = before.index[after.loc[before.index, "verdict"] != before["verdict"]]
    assert sorted(changed) == [change.image_id for change in result.changes] != []
    for change in result.changes:
        assert after.loc[change.image_id, "verdict"] == change.after


def test_nothing_scraped_and_nothing_to_compare_are_one_sentence(home, engine, blobs):
    with pytest.raises(DeepfieldError, match="deepfield scrape"):
        curate(settings=home, engine=engine, blobs=blobs, policy=POLICY)
    with pytest.raises(DeepfieldError, match="without --dry-run"):
        dry_run(settings=home, engine=engine, policy=POLICY)


def test_missing_bytes_are_counted_and_measured_when_they_come_back(home, engine, blobs):
    here = put(engine, blobs, "here", encoded(sky(1)))
    gone = put(engine, blobs, "gone", encoded(sky(2)))
    data = blobs.read(gone)
    blobs.path(gone).unlink()
    summary, rows = run(home, engine, blobs)
    assert (summary.missing, list(rows.index)) == (1, [here])
    blobs.put(data)
    summary, rows = run(home, engine, blobs)
    assert (summary.missing, summary.measured, len(rows)) == (0, 1, 2)


def test_a_frame_too_large_is_tried_again_under_a_higher_limit(home, engine, blobs):
    image_id = put(engine, blobs, "large", encoded(sky(1)))
    _, rows = run(home.model_copy(update={"max_pixels": 1000}), engine, blobs)
    assert rows.loc[image_id, "reasons"] == "too_large"
    _, rows = run(home, engine, blobs)
    assert rows.loc[image_id, "verdict"] == "accept"


def test_frames_that_cover_one_place_are_compared_whatever_their_hashes(home, engine, blobs):
    rgb = sky(12, 420, 520, stars=300)
    region = "POLYGON ICRS 210.0 54.0 210.1 54.0 210.1 54.1 210.0 54.1"
    crop = np.ascontiguousarray(rgb[20:360, 100:500])
    ids = [put(engine, blobs, n, encoded(p), s_region=region) for n, p in (("whole", rgb), ("crop", crop))]
    _, rows = run(home, engine, blobs)
    assert rows.loc[ids[1], "duplicate_of"] == ids[0]


KILLED = """
import sys
from curation.curate import curate
from curation.policy import RULES_ONLY, load_policy
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import load_settings
if __name__ == "__main__":
    settings = load_settings()
    curate(settings=settings, engine=open_database(settings.database), blobs=BlobStore(settings.blobs_dir),
           policy=load_policy(RULES_ONLY), batch=1)
"""


def test_kill_9_loses_only_what_was_in_flight(home, engine, blobs, tmp_path):
    for seed in range(12):
        put(engine, blobs, f"{seed}", encoded(sky(seed, 420, 520, stars=60)))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = os.environ | {"DEEPFIELD_HOME": str(home.home), "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, str(script)], env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(home.measures_dir.rglob("frames-*/part-*.sha256")):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    done = set(read_measures(home.measures_dir)["image_id"])
    assert 0 < len(done) < 12
    summary, rows = run(home, engine, blobs)
    assert summary.measured == 12 - len(done) and len(rows) == 12
    _, again = run(home, engine, blobs)
    pd.testing.assert_frame_equal(rows, again)


def test_every_manifest_row_fits_the_schema(home, engine, blobs):
    filled(engine, blobs)
    _, rows = run(home, engine, blobs)
    pd.testing.assert_frame_equal(conform(rows.reset_index()), rows.reset_index())
