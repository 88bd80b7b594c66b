"""The report on splits finds every leak, and none where there is none."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from manifests.cli import manifest_app
from manifests.errors import DeepfieldError
from manifests.overlap import binding, split_report
from manifests.schema import conform
from manifests.settings import load_settings
from manifests.snapshots import write_snapshot
from manifests.splits import Fractions, alias_bonds, assign_splits, derived_edges, target_bonds

HALF = Fractions(val=0.3, test=0.3)


def square(ra, dec=10.0):
    return f"POLYGON ICRS {ra} {dec} {ra + 0.1} {dec} {ra + 0.1} {dec + 0.1} {ra} {dec + 0.1}"


def table(count, **columns):
    ids = [f"{number:064x}" for number in range(count)]
    return conform(pd.DataFrame({"image_id": ids, "verdict": "accept", "split": "train", "group_id": ids, **columns}))


BONDS = {
    "duplicate": {"duplicate_of": [None, f"{0:064x}"]},
    "same_pixels": {"pixel_sha256": ["p", "p"]},
    "footprint": {"s_region": [square(10), square(10.05)]},
    "release": {"release_id": ["opo0328", "opo0328"]},
    "alias": {"product_id": ["stsci:2003-28-a", "esahubble:opo0328a"], "aliases": [None, "stsci:2003-28-a"]},
    "object": {"target_name": ["M 31", "m31"]},
    "derived": {"derived_from": [None, f"{'f' * 64},{0:064x}"]},
    "relation": {"relations": [f"same_object:{5:064x},same_sky:{1:064x}", None]},
    "group": {"group_id": ["g", "g"]},
}


@pytest.mark.parametrize("kind", BONDS)
def test_each_bond_between_two_splits_is_a_leak(kind):
    rows = table(2, **BONDS[kind])
    assert split_report(rows).leaks == ()
    leaks = split_report(rows.assign(split=["train", "test"])).leaks
    assert [(one.kind, {one.split_a, one.split_b}) for one in leaks] == [(kind, {"train", "test"})]
    assert split_report(rows.assign(split=["train", "none"])).leaks == ()


def test_one_in_no_split_may_be_related_to_two_splits():
    related = [f"same_rendering:{1:064x},same_sky:{2:064x}", None, None]
    rows = table(3, relations=related, split=["none", "train", "test"])
    assert split_report(rows).leaks == () and split_report(rows).bonds["relation"] == 2
    assert len(split_report(rows.assign(split=["val", "train", "test"])).leaks) == 2


def test_names_of_one_picture_chain_and_what_it_was_made_of_is_bound():
    rows = table(3, product_id=["a:1", "b:2", "c:3"], aliases=["x:9", "y:8,x:9", "b:2"])
    ids = rows["image_id"].tolist()
    assert alias_bonds(rows) == [(ids[0], ids[1]), (ids[1], ids[2])]
    rows = table(2, derived_from=[None, f"{0:064x},{'e' * 64}"])
    assert derived_edges(rows) == [(rows["image_id"][1], rows["image_id"][0])]


@st.composite
def archives(draw):
    """Rows in any tangle of bonds."""
    count = draw(st.integers(1, 14))
    few = st.one_of(st.none(), st.integers(0, 5))

    def column(make):
        return [None if value is None else make(value) for value in draw(st.lists(few, min_size=count, max_size=count))]

    return table(
        count,
        s_region=column(lambda n: square(10 + 0.07 * n)),
        release_id=column(lambda n: f"r{n}"),
        product_id=[f"p:{n}" for n in range(count)],
        aliases=column(lambda n: f"p:{n},other:{n}"),
        derived_from=column(lambda n: f"{n:064x}"),
        pixel_sha256=column(str),
    )


@settings(max_examples=30)
@given(archives(), st.lists(st.integers(1, 6), max_size=3))
def test_what_is_assigned_step_by_step_never_leaks_and_never_moves(rows, steps):
    """A snapshot that grows in steps: the report finds nothing, whatever binds the frames."""
    previous = {}
    for end in [*np.cumsum(steps), len(rows)]:
        known = rows.iloc[: min(end, len(rows))]
        bonds = [bond for kind, some in binding(known).items() if kind != "group" for bond in some]
        result = assign_splits(known["image_id"], bonds, previous, HALF)
        assert {i: result[i] for i in previous} == previous
        previous = result
        ids = known["image_id"]
        written = known.assign(split=[result[i].split for i in ids], group_id=[result[i].group_id for i in ids])
        report = split_report(written)
        assert report.leaks == ()
        assert sum(report.images.values()) == len(known)


@settings(max_examples=60)
@given(archives(), st.data())
def test_a_report_misses_no_leak(rows, data):
    chosen = st.lists(st.sampled_from(["train", "val", "test", "none"]), min_size=len(rows), max_size=len(rows))
    rows = rows.assign(split=data.draw(chosen))
    leaks = {(one.kind, *sorted((one.split_a, one.split_b))) for one in split_report(rows).leaks}
    used = rows[rows["split"] != "none"].to_dict("records")
    expected = set()
    for one, two in combinations(used, 2):
        kinds = {
            "release": one["release_id"] is not None and one["release_id"] == two["release_id"],
            "same_pixels": one["pixel_sha256"] is not None and one["pixel_sha256"] == two["pixel_sha256"],
            "derived": one["derived_from"] == two["image_id"] or two["derived_from"] == one["image_id"],
            "alias": bool(names(one) & names(two)),
            "footprint": one["s_region"] and two["s_region"] and abs(corner(one) - corner(two)) < 0.1,
        }
        if one["split"] != two["split"]:
            expected |= {(kind, *sorted((one["split"], two["split"]))) for kind, bound in kinds.items() if bound}
    assert leaks == expected


def names(row):
    return {row["product_id"], *(row["aliases"] or row["product_id"]).split(",")}


def corner(row):
    return float(row["s_region"].split()[2])


def test_frames_that_look_alike_across_splits_are_shown():
    rng = np.random.default_rng(0)
    hashes = [rng.bytes(32).hex() for _ in range(40)]
    hashes[7] = f"{int(hashes[2], 16) ^ 0b1011:064x}"
    hashes[8] = hashes[9] = "0" * 64  # blank pictures are alike and no copies
    rows = table(40, phash256=hashes, split=["train", "val", "test", "none"] * 10)
    report = split_report(rows)
    assert report.leaks == () and [(one.a, one.b) for one in report.look_alikes] == []
    rows = rows.assign(split=["train"] * 3 + ["test"] * 37)
    assert [(one.a[-1], one.b[-1]) for one in split_report(rows).look_alikes] == [("2", "7")]


def test_names_bind_whatever_their_spelling_but_not_where_they_name_no_object():
    rows = table(6, target_name=["M 31", "m31, Andromeda Galaxy", "ANY", "any", "andromeda-galaxy", None])
    ids = rows["image_id"].tolist()
    assert target_bonds(rows) == [(ids[0], ids[1]), (ids[1], ids[4])]
    assert target_bonds(rows.assign(synthetic_position=True)) == []


def test_the_command_ends_with_1_on_a_leak(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    load_settings.cache_clear()
    rows = table(3, release_id=["r", "r", None])
    runner = CliRunner()
    for split, code, said in (("train", 0, "no leak"), ("test", 1, "LEAK release")):
        written = rows.assign(split=["train", split, "val"])
        write_snapshot(written, manifest_dir=tmp_path / "manifest", policy_digest=split)
        done = runner.invoke(manifest_app, ["splits"])
        assert done.exit_code == code and said in done.stdout
        report = json.loads(runner.invoke(manifest_app, ["splits", "--json"]).stdout)
        assert report["bonds"]["release"] == 1 and len(report["leaks"]) == code
    assert isinstance(done.exception, DeepfieldError) and "1 leak between" in str(done.exception)
    load_settings.cache_clear()
