"""The desk: who gets which frame in which order, and what is refused."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from manifest_rows import frames
from sqlalchemy import event

from curation.review.decisions import Statement, effective, history
from curation.review.desk import Desk, decided_since
from curation.review.exchange import Imported, export_decisions, import_decisions
from curation.review.queue import find
from curation.review.sitting import sit
from curation.review.statistics import statistics
from manifests.database import open_database
from manifests.errors import CatalogueError, UsageError
from manifests.schema import conform

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def desk(home, engine, snapshot):
    def open_one(rows, **shares):
        snapshot(rows, **shares)
        return Desk(home, engine)

    return open_one


def names(items):
    return [item.source_name for item in items]


def test_the_most_doubtful_comes_first_and_the_skipped_last(desk):
    one = desk(frames(3, doubt=[0.2, 0.9, None]))
    assert names(one.sheet.queue.waiting()) == ["review-1", "review-0", "review-2"]
    (first,) = one.take("ann")
    one.say(Statement("skip", "ann"), [first.image_id])
    assert names(one.sheet.queue.waiting()) == ["review-0", "review-2", "review-1"]


def test_of_equally_doubtful_frames_the_one_unlike_those_decided_comes_first(desk):
    levels = [1.0, 2.0, 3.0, 4.0, 100.0]
    one = desk(frames(5, doubt=0.5, noise_sigma_dn=levels, median_level_dn=levels))
    decided = find(one.sheet.rows, frames(1)["image_id"][0])["image_id"]
    one.say(Statement("accept", "ann"), [decided])
    assert names(one.sheet.queue.waiting())[0] == "review-4"
    assert names(one.sheet.queue.waiting())[-1] == "review-1"


def test_two_reviewers_never_hold_the_same_frame(desk):
    one = desk(frames(3))
    (first,), (second,) = one.take("ann", now=NOW), one.take("bob", now=NOW)
    assert first.image_id != second.image_id
    assert one.take("ann", now=NOW) == [first]
    (third,) = one.take("cid", now=NOW)
    assert len({first.image_id, second.image_id, third.image_id}) == 3
    assert one.take("dan", now=NOW) == []
    said = one.say(Statement("accept", "dan"), [first.image_id], now=NOW)
    assert "ann is looking at frame" in said.refused[first.image_id] and not said.made
    assert one.take("dan", now=NOW + timedelta(minutes=16)) == [first]


def test_two_desks_share_one_catalogue(desk, home, engine):
    one = desk(frames(4))
    other = Desk(home, engine)
    mine, theirs = one.take("ann", 2), other.take("bob", 2)
    assert not {item.image_id for item in mine} & {item.image_id for item in theirs}
    one.say(Statement("accept", "ann"), [mine[0].image_id])
    said = other.say(Statement("reject", "bob"), [mine[0].image_id])
    assert "decided already: accept by ann" in said.refused[mine[0].image_id]
    assert other.sheet.queue.count() == 3
    other.say(Statement("reject", "bob"), [mine[0].image_id], override=True)
    assert effective(history(engine))[mine[0].image_id].action == "reject"


def test_undo_puts_the_frame_back_into_ones_hand(desk):
    one = desk(frames(9))
    first, second = one.take("ann", 2)
    one.say(Statement("accept", "ann"), [first.image_id])
    assert [undone.image_id for undone in one.undo("ann", origin="cli")] == [first.image_id]
    assert {item.image_id for item in one.take("ann", 2)} == {first.image_id, second.image_id}


def test_a_database_that_may_not_be_written_loses_nothing_and_is_used_again(desk, engine):
    one = desk(frames(3))
    (first,) = one.take("ann")

    def forbid(connection, *_):
        connection.exec_driver_sql("PRAGMA query_only = 1")

    event.listen(engine, "begin", forbid)
    with pytest.raises(CatalogueError, match="readonly database"):
        one.say(Statement("accept", "ann"), [first.image_id])
    event.remove(engine, "begin", forbid)
    engine.dispose()
    assert history(engine) == []
    assert one.take("ann") == [first]
    assert len(one.say(Statement("accept", "ann"), [first.image_id]).made) == 1


def test_either_database_will_do(home, snapshot, database, tmp_path):
    snapshot(frames(4), second=1.0)
    engine = open_database(database)
    one, other = Desk(home, engine), Desk(home, engine)
    (first,), (second,) = one.take("ann"), other.take("bob")
    assert first.image_id != second.image_id
    made = one.say(Statement("accept", "ann"), [first.image_id], deal=1).made
    assert other.say(Statement("reject", "bob"), [first.image_id]).made[0].role == "second"
    other.undo("bob", origin="cli")
    assert effective(history(engine))[first.image_id] == made[0]
    path = tmp_path / "said.csv"
    export_decisions(history(engine), path)
    assert import_decisions(engine, path) == Imported(0, 3)
    assert decided_since(engine, "ann", NOW) == 1 and decided_since(engine, "bob", NOW) == 0
    engine.dispose()


def test_a_new_snapshot_is_seen_without_opening_anew(desk, snapshot):
    one = desk(frames(2))
    snapshot(frames(5))
    assert len(one.take("ann", 9)) == 5


def test_the_audit_draws_sure_frames_and_measures_the_policys_errors(desk):
    rows = pd.concat([frames(300, "accept"), frames(300, "reject"), frames(10)])
    one = desk(rows, audit=0.1)
    drawn = [item for item in one.sheet.queue.waiting() if item.role == "audit"]
    assert 30 < len(drawn) < 90 and {item.verdict for item in drawn} == {"accept", "reject"}
    for number, item in enumerate(drawn):
        word = "reject" if number % 4 == 0 and item.verdict == "accept" else item.verdict
        one.say(Statement(word, "ann", seconds=10.0), [item.image_id])
    found = statistics(one.sheet.queue)
    accepted = sum(item.verdict == "accept" for item in drawn)
    assert found.false_accept.total == accepted and found.false_accept.hits > 0
    low, high = found.false_accept.interval
    assert low < found.false_accept.value < high
    assert (found.false_reject.hits, found.false_reject.interval[0]) == (0, 0.0)
    assert found.per_hour == pytest.approx(360.0) and found.hours_left == pytest.approx(10 / 360)


def test_repeats_and_what_cannot_be_seen_are_not_audited(desk):
    rows = pd.concat([frames(20, "reject", duplicate_of="a" * 64), frames(20, "accept", width_px=0)])
    assert desk(rows, audit=1.0).sheet.queue.count() == 0


def test_a_second_opinion_is_blind_and_a_dispute_goes_to_a_third_person_first(desk):
    one = desk(frames(3), second=1.0)
    (first,) = one.take("ann")
    one.say(Statement("accept", "ann"), [first.image_id])
    assert one.sheet.queue.role(first.image_id, "bob") == "second"
    assert one.sheet.queue.role(first.image_id, "ann") is None
    assert "decided already" in one.say(Statement("reject", "ann"), [first.image_id]).refused[first.image_id]
    assert one.say(Statement("reject", "bob"), [first.image_id]).made[0].role == "second"
    assert first.image_id not in {item.image_id for item in one.take("bob", 9)}
    one.release("bob")
    (asked,) = one.take("cid")
    assert (asked.image_id, asked.role) == (first.image_id, "third")
    assert statistics(one.sheet.queue).disputed == 1
    one.say(Statement("reject", "cid"), [first.image_id])
    assert one.sheet.queue.role(first.image_id, "dan") is None
    numbers = statistics(one.sheet.queue)
    assert (numbers.disputed, numbers.rejected) == (0, 1) and numbers.agreement[0].frames == 1


@pytest.mark.parametrize(
    ("beginning", "message"), [("abc", "too short"), ("ffffff", "There is no frame"), ("", "too short")]
)
def test_ids_that_name_no_frame(beginning, message):
    with pytest.raises(UsageError, match=message):
        find(conform(frames(2)), beginning)


def test_an_ambiguous_beginning_asks_for_more():
    rows = conform(pd.DataFrame({"image_id": ["a" * 63 + "1", "a" * 63 + "2"]}))
    with pytest.raises(UsageError, match="2 frames begin"):
        find(rows, "aaaaaa")
    assert find(rows, "a" * 63 + "2")["image_id"].endswith("2")


def test_a_sitting_takes_a_key_for_each_decision(desk, engine):
    one = desk(frames(4))
    keys, shown, lines = iter("xasurx" + "r2" + "r\r" + "u" + "q"), [], []
    made = sit(
        one, "ann", show=lambda image_id, blind: shown.append(image_id), read_key=lambda: next(keys), say=lines.append
    )
    rows = history(engine)
    assert [(row.action, row.reasons) for row in rows] == [
        ("accept", ""),
        ("skip", ""),
        ("undo", ""),
        ("reject", "blurred"),
        ("reject", ""),
        ("undo", ""),
    ]
    assert made == 2 and one.holds("ann") == [] and lines[0].startswith("4 wait, 0 done")
    assert lines[1].startswith("review-3: accept.  3 wait, 1 done") and any("Took back skip." in line for line in lines)
    assert shown[1] == shown[3] and all(row.seconds is not None for row in rows if row.action != "undo")
