"""Splits: nothing leaks, nothing moves."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.splits import Assignment, Fractions, assign_splits, bonds_by, field_edges, leaks

IDS = [f"{i:02d}" for i in range(24)]
edges = st.lists(st.lists(st.sampled_from(IDS), min_size=1, max_size=4).map(tuple), max_size=30)
HALF = Fractions(val=0.3, test=0.3)


def splits(assignments):
    return {image_id: assignment.split for image_id, assignment in assignments.items()}


@settings(deadline=None)
@given(edges)
def test_a_first_assignment_leaks_nothing_and_gives_each_group_one_split(pairs):
    result = assign_splits(IDS, pairs, fractions=HALF)
    assert leaks(splits(result), pairs) == []
    assert {a.split for a in result.values()} <= {"train", "val", "test"}
    for group in {a.group_id for a in result.values()}:
        assert len({a.split for a in result.values() if a.group_id == group}) == 1


@settings(deadline=None)
@given(edges, st.randoms(use_true_random=False))
def test_the_order_of_images_and_edges_does_not_matter(pairs, random):
    shuffled_ids, shuffled = list(IDS), [tuple(random.sample(p, len(p))) for p in pairs]
    random.shuffle(shuffled_ids)
    random.shuffle(shuffled)
    assert assign_splits(shuffled_ids, shuffled, fractions=HALF) == assign_splits(IDS, pairs, fractions=HALF)


@settings(deadline=None)
@given(edges, st.integers(0, 24))
def test_adding_images_never_moves_an_old_one_and_never_leaks(pairs, known):
    old_ids = IDS[:known]
    old_pairs = [tuple(i for i in p if i in old_ids) for p in pairs]
    before = assign_splits(old_ids, old_pairs, fractions=HALF)
    after = assign_splits(IDS, pairs, before, fractions=HALF)
    assert {i: after[i] for i in old_ids} == before
    assert leaks(splits(after), pairs) == []


def test_a_newcomer_between_two_splits_is_used_in_neither():
    before = {"a": Assignment("a", "train"), "b": Assignment("b", "test")}
    after = assign_splits("abc", [("a", "c"), ("b", "c")], before)
    assert after == {**before, "c": Assignment("c", "none")}
    later = assign_splits("abcd", [("a", "c"), ("b", "c"), ("c", "d"), ("a", "d")], after)
    assert later["d"] == Assignment("a", "train")


def test_a_release_holds_together_when_one_of_it_is_out_of_use():
    before = {"a": Assignment("a", "train"), "t": Assignment("t", "test")}
    before = assign_splits("abt", [("a", "b"), ("b", "t")], before)
    assert before["b"].split == "none"
    every = {assign_splits(["a", "b", "t", name], [("a", "b", name), ("b", "t")], before)[name].split for name in IDS}
    assert every == {"train"}


def test_a_new_edge_between_old_splits_drops_the_one_outside_train():
    before = {"a": Assignment("a", "train"), "b": Assignment("b", "test")}
    after = assign_splits("ab", [("a", "b")], before)
    assert after == {"a": Assignment("a", "train"), "b": Assignment("b", "none")}


def test_fractions_hold_for_many_groups():
    ids = [f"{i:05d}" for i in range(5000)]
    counts = pd.Series([a.split for a in assign_splits(ids, []).values()]).value_counts(normalize=True)
    assert abs(counts["test"] - 0.15) < 0.02
    assert abs(counts["val"] - 0.1) < 0.02


def test_edges_come_from_footprints_and_releases():
    square = "POLYGON ICRS 10 10 10.1 10 10.1 10.1 10 10.1"
    beside = "POLYGON ICRS 10.05 10.05 10.2 10.05 10.2 10.2 10.05 10.2"
    rows = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "s_region": [square, beside, square, None],
            "synthetic_position": pd.array([None, False, True, None], dtype="boolean"),
            "release_id": ["heic0001", None, "heic0001", "heic0001"],
        }
    )
    assert field_edges(rows) == [("a", "b")]
    assert bonds_by(rows, "release_id") == [("a", "c", "d")]
