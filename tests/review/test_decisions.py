"""Decisions: nothing said is lost or said twice, undo takes back exactly one row, votes are counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.review.decisions import Statement, Subject, decide, effective, history, standing, undo
from manifests.database import open_database
from manifests.errors import DeepfieldError

IDS = [digit * 64 for digit in "abcd"]


def say(engine, action, reviewer, image_id=IDS[0], role="doubt", **more):
    return decide(engine, [Subject(image_id, role, "review")], Statement(action, reviewer, **more))


def test_a_decision_keeps_all_that_is_known_of_it(engine):
    words = Statement("reject", "ann", "web", ("noisy", "blurred"), "streaks", 2.5, "snap", "digest")
    decide(engine, [Subject(IDS[0], "audit", "accept")], words)
    (row,) = history(engine, IDS[0])
    assert (row.action, row.reasons, row.note, row.reviewer, row.origin) == (
        "reject",
        "noisy,blurred",
        "streaks",
        "ann",
        "web",
    )
    assert (row.seconds, row.snapshot_id, row.policy_digest, row.role, row.policy_verdict) == (
        2.5,
        "snap",
        "digest",
        "audit",
        "accept",
    )


def test_the_same_request_twice_is_said_once(engine):
    assert len(say(engine, "accept", "ann", request_id="r1")) == 1
    assert say(engine, "accept", "ann", request_id="r1") == []
    # what arrived of it in part is completed
    both = [Subject(IDS[0]), Subject(IDS[1])]
    assert [one.image_id for one in decide(engine, both, Statement("accept", "ann", request_id="r1"))] == [IDS[1]]
    assert undo(engine, "ann", request_id="u1") == undo(engine, "ann", request_id="u1")
    assert len(history(engine)) == 3


def test_undo_takes_back_ones_own_last_word_and_keeps_both_rows(engine):
    say(engine, "accept", "ann")
    say(engine, "reject", "bob", role="override")
    assert effective(history(engine))[IDS[0]].action == "reject"
    assert [one.action for one in undo(engine, "bob")] == ["reject"]
    assert effective(history(engine))[IDS[0]].action == "accept"
    with pytest.raises(DeepfieldError, match="bob has no decision"):
        undo(engine, "bob")
    undo(engine, "ann", [IDS[0]])
    assert effective(history(engine)) == {}
    assert len(history(engine)) == 4


def test_several_are_taken_back_at_once_or_none_is(engine):
    for image_id in IDS[:3]:
        say(engine, "accept", "ann", image_id)
    with pytest.raises(DeepfieldError, match="no decision on dddd"):
        undo(engine, "ann", [IDS[0], IDS[3]])
    assert len(effective(history(engine))) == 3
    taken = undo(engine, "ann", [IDS[2], IDS[0]], request_id="u1")
    assert [one.image_id for one in taken] == [IDS[2], IDS[0]] and set(effective(history(engine))) == {IDS[1]}
    assert {one.image_id for one in undo(engine, "ann", [IDS[2], IDS[0]], request_id="u1")} == {IDS[0], IDS[2]}
    assert len(history(engine)) == 5


def test_blind_opinions_are_counted_and_a_third_one_settles(engine):
    say(engine, "accept", "ann")
    say(engine, "reject", "bob", role="second")
    assert standing(history(engine)).disputed and effective(history(engine)) == {}
    say(engine, "reject", "cid", role="third")
    assert effective(history(engine))[IDS[0]].reviewer == "cid"
    say(engine, "accept", "dan", role="override")
    held = standing(history(engine))
    assert held.held.reviewer == "dan" and len(held.votes) == 1


steps = st.lists(st.tuples(st.sampled_from(["accept", "reject", "skip", "undo"]), st.sampled_from(IDS)), max_size=15)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_any_sequence_equals_a_stack_per_frame(tmp_path_factory, sequence):
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('db') / 'catalog.db'}")
    stacks = {i: [] for i in IDS}
    for action, image_id in sequence:
        if action != "undo":
            say(engine, action, "ann", image_id)
            stacks[image_id].append(action)
        elif stacks[image_id]:
            undo(engine, "ann", [image_id])
            stacks[image_id].pop()
    expected = {
        i: [a for a in stack if a != "skip"][-1] for i, stack in stacks.items() if set(stack) & {"accept", "reject"}
    }
    assert {i: d.action for i, d in effective(history(engine)).items()} == expected
