"""The review queue: nothing said is lost, nobody looks at the same frame, undo takes back exactly one row."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.review.queue import (
    Statement,
    claim_next,
    claimed,
    decide,
    effective,
    find,
    history,
    undo,
    waiting,
)
from manifests.database import open_database
from manifests.errors import DeepfieldError, UsageError
from manifests.schema import conform

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = [digit * 64 for digit in "abcd"]


@pytest.fixture
def engine(tmp_path):
    return open_database(f"sqlite:///{tmp_path / 'catalog.db'}")


def manifest():
    return conform(
        pd.DataFrame(
            {
                "image_id": IDS,
                "source_name": ["one", "two", "three", "sure"],
                "verdict": ["review", "review", "review", "accept"],
                "reasons": ["noisy", "noisy,partial", "partial", ""],
                "doubt": [0.2, 0.9, None, 0.0],
            }
        )
    )


def test_the_most_doubtful_comes_first_and_the_skipped_last(engine):
    assert [i.source_name for i in waiting(manifest(), [])] == ["two", "one", "three"]
    decide(engine, [IDS[1]], Statement("skip", "ann"))
    assert [i.source_name for i in waiting(manifest(), history(engine))] == ["one", "three", "two"]
    decide(engine, [IDS[0]], Statement("accept", "ann"))
    assert [i.source_name for i in waiting(manifest(), history(engine))] == ["three", "two"]


def test_two_reviewers_never_hold_the_same_frame(engine):
    items = waiting(manifest(), [])
    first = claim_next(engine, items, "ann", now=NOW)
    second = claim_next(engine, items, "bob", now=NOW)
    assert first.image_id != second.image_id
    assert claim_next(engine, items, "ann", now=NOW) == first
    assert claimed(engine, "ann", NOW) == first.image_id
    third = claim_next(engine, items, "cid", now=NOW)
    assert {first.image_id, second.image_id, third.image_id} == set(IDS[:3])
    assert claim_next(engine, items, "dan", now=NOW) is None
    later = NOW + timedelta(minutes=16)
    assert claim_next(engine, items, "dan", now=later) == first
    assert claimed(engine, "ann", later) is None


def test_a_decision_ends_the_claim(engine):
    items = waiting(manifest(), [])
    mine = claim_next(engine, items, "ann")
    decide(engine, [mine.image_id], Statement("reject", "ann", reasons=("noisy", "blurred"), note="streaks"))
    assert claimed(engine, "ann") is None
    row = history(engine, mine.image_id)[0]
    assert (row.action, row.reasons, row.note, row.reviewer, row.origin) == (
        "reject",
        "noisy,blurred",
        "streaks",
        "ann",
        "cli",
    )


def test_undo_takes_back_ones_own_last_word_and_keeps_both_rows(engine):
    decide(engine, [IDS[0]], Statement("accept", "ann"))
    decide(engine, [IDS[0]], Statement("reject", "bob"))
    assert effective(history(engine))[IDS[0]].action == "reject"
    assert undo(engine, "bob").action == "reject"
    assert effective(history(engine))[IDS[0]].action == "accept"
    with pytest.raises(DeepfieldError, match="bob has no decision"):
        undo(engine, "bob")
    undo(engine, "ann", IDS[0])
    assert effective(history(engine)) == {}
    assert len(history(engine)) == 4


steps = st.lists(st.tuples(st.sampled_from(["accept", "reject", "skip", "undo"]), st.sampled_from(IDS)), max_size=15)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_any_sequence_equals_a_stack_per_frame(tmp_path_factory, sequence):
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('db') / 'catalog.db'}")
    stacks = {i: [] for i in IDS}
    for action, image_id in sequence:
        if action != "undo":
            decide(engine, [image_id], Statement(action, "ann"))
            stacks[image_id].append(action)
        elif stacks[image_id]:
            undo(engine, "ann", image_id)
            stacks[image_id].pop()
    expected = {
        i: [a for a in stack if a != "skip"][-1] for i, stack in stacks.items() if set(stack) & {"accept", "reject"}
    }
    assert {i: d.action for i, d in effective(history(engine)).items()} == expected


@pytest.mark.parametrize(
    ("beginning", "message"), [("abc", "too short"), ("ffffff", "There is no frame"), ("", "too short")]
)
def test_ids_that_name_no_frame(beginning, message):
    with pytest.raises(UsageError, match=message):
        find(manifest(), beginning)


def test_an_ambiguous_beginning_asks_for_more():
    rows = conform(pd.DataFrame({"image_id": ["a" * 63 + "1", "a" * 63 + "2"]}))
    with pytest.raises(UsageError, match="2 frames begin"):
        find(rows, "aaaaaa")
    assert find(rows, "a" * 63 + "2")["image_id"].endswith("2")
