"""`deepfield review` as people and programs see it, decisions as files; a mistake is one sentence, nothing is lost."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from manifest_rows import frames
from typer.testing import CliRunner

from curation.review.decisions import effective, history
from curation.review.records_cli import review_app
from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings
from tests_support import jpeg

ROOT = Path(__file__).parents[2]


@pytest.fixture
def call(home, snapshot):
    snapshot(frames(3))

    def invoke(*arguments: str):
        result = CliRunner().invoke(review_app, arguments)
        assert result.exception is None or isinstance(result.exception, DeepfieldError | SystemExit), result.exc_info
        return result

    return invoke


def test_next_shows_values_and_the_decision_needs_no_id(call, engine):
    shown = call("next", "--as", "ann").stdout
    assert "noise_sigma_dn 10.2 DN, doubtful > 10, sure > 20 (noisy)" in shown and "3 wait" in shown
    assert "review-2" in call("reject", "--as", "ann", "--reason", "noisy", "--reason", "blurred", "--next").stdout
    (row,) = history(engine)
    assert (row.action, row.reasons, row.role, row.policy_verdict) == ("reject", "noisy,blurred", "doubt", "review")
    assert row.seconds >= 0 and row.snapshot_id and row.policy_digest
    assert "accept" in call("accept", "--as", "ann").stdout
    assert "took back accept" in call("undo", "--as", "ann").stdout
    numbers = json.loads(call("stats", "--json").stdout)
    assert (numbers["waiting"], numbers["rejected"], numbers["reviewers"]) == (2, 1, {"ann": 3})
    assert numbers["false_accept"] == {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    assert "frames wait" in call("stats").stdout


def test_several_ids_are_decided_at_once_or_not_at_all(call, engine):
    lines = [json.loads(line) for line in call("list", "--json").stdout.splitlines()]
    assert [line["reasons"] for line in lines] == ["noisy"] * 3 and all("verdict" in line for line in lines)
    ids = [line["image_id"] for line in lines]
    call("accept", ids[0], "--as", "ann")
    refused = call("accept", *ids, "--as", "bob")
    assert "was decided already: accept by ann" in str(refused.exception) and len(history(engine)) == 1
    assert call("accept", *ids, "--as", "bob", "--override").exit_code == 0
    assert len(effective(history(engine))) == 3
    assert call("list", "--reason", "blurred", "--archive", "hla", "--min-age", "2").stdout == ""
    assert call("undo", *ids[:2], "--as", "bob").stdout.count("took back") == 2


def test_what_waits_for_a_check_is_listed_and_shown_without_what_was_thought_of_it(call, snapshot, engine):
    snapshot(pd.concat([frames(1, "accept", reasons=""), frames(1, "reject")]), audit=1.0, second=1.0)
    lines = [json.loads(line) for line in call("list", "--json").stdout.splitlines()]
    hidden = {"verdict": None, "reasons": None, "rule_values": None, "doubt": None, "role": "audit"}
    assert len(lines) == 2 and all(line | hidden == line for line in lines)
    assert call("list").stdout.count("for a check") == 2
    for command in (["list"], ["show", lines[0]["image_id"]], ["next", "--as", "ann"]):
        text = call(*command).stdout
        assert "verdict" not in text and "accepted" not in text and "rejected" not in text and "doubtful" not in text
        assert "for a check" in text
    assert "--why" in call("show", lines[0]["image_id"]).stdout and "--why" not in call("next", "--as", "ann").stdout
    assert call("list", "--reason", "noisy").stdout == "" and call("list", "--disputed").stdout == ""
    one = lines[0]["image_id"]
    call("accept", one, "--as", "ann", "--note", "fine")
    assert "fine" not in call("show", one).stdout  # a second opinion is wanted
    call("reject", one, "--as", "bob")
    assert call("list", "--disputed").stdout.startswith(one[:12])
    call("accept", one, "--as", "cid")
    shown = call("show", one).stdout
    assert "verdict" in shown and "ann accept: fine" in shown


def test_who_asks_is_told_why_any_frame_was_rejected(call, snapshot):
    rows = pd.concat([frames(1, "reject", noise_sigma_dn=25.0), frames(1, noise_sigma_dn=12.0)])
    snapshot(rows, audit=1.0)
    for image_id, verdict in zip(rows["image_id"], ("reject", "review"), strict=True):
        shown = call("show", image_id, "--why").stdout
        assert f"verdict    {verdict}" in shown and "doubtful > 10, sure > 20 (noisy)" in shown
        assert "for a check" not in shown and "--why" not in shown


def test_a_frame_that_no_measurement_rejected_is_shown_with_what_did(call, snapshot):
    twin = "same_rendering of a1: inliers 90 >= 12, overlap 0.9 >= 0.3 (duplicate)"
    broken = "The picture lacks the data of its lower part. (corrupt)"
    doubts = "noise_sigma_dn 12 > 10 DN (noisy); 3 doubts >= 3 together reject"
    rows = frames(3, "reject", rule_values=[twin, broken, doubts], noise_sigma_dn=[1.0, None, 12.0])
    snapshot(rows)
    shown = [call("show", image_id, "--picture", "no").stdout for image_id in rows["image_id"]]
    assert twin in shown[0] and broken in shown[1]
    assert "3 doubts >= 3 together reject" in shown[2] and shown[2].count("noise_sigma_dn 12 ") == 1


def test_the_terminal_draws_the_picture(call, home, snapshot):
    rgb = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    stored = BlobStore(home.blobs_dir).put(jpeg(rgb))
    snapshot(frames(1, image_id=stored.sha256))
    begins = {
        "blocks": "\x1b[38;2;",
        "kitty": "\x1b_Ga=T,f=100",
        "iterm2": "\x1b]1337;File=inline=1",
        "sixel": "\x1bPq",
    }
    for way, start in begins.items():
        assert call("show", stored.sha256, "--picture", way).stdout.startswith(start)


def test_mistakes_are_one_sentence(call, snapshot, engine):
    snapshot(pd.concat([frames(3), frames(1, "accept")]))
    sure = frames(1, "accept")["image_id"][0]
    for arguments, says in (
        (("accept", "ffffffff"), "There is no frame"),
        (("accept", sure), "is not in the review queue: the policy says accept"),
        (("accept",), "no frame in hand"),
        (("reject", sure, "--reason", "a,b"), "one word without a comma"),
        (("undo",), "no decision to take back"),
    ):
        message = str(call(*arguments).exception)
        assert says in message and "\n" not in message
    assert history(engine) == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_decisions_travel_and_arrive_once(call, engine, tmp_path, kind):
    ids = frames(3)["image_id"]
    call("reject", ids[0], "--as", "ann", "--note", 'a "quoted", remark', "--reason", "noisy")
    call("accept", ids[1], "--as", "bob")
    call("undo", "--as", "bob")
    path = tmp_path / f"said.{kind}"
    assert "3 rows" in call("export", "-o", str(path)).stdout
    before = history(engine)
    assert "0 rows added, 3 known already" in call("import", str(path)).stdout
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM decisions WHERE reviewer = 'bob'")
    assert "2 rows added, 1 known" in call("import", str(path)).stdout
    assert history(engine) == before


def damaged(path: Path, text: str) -> tuple[tuple[bytes, str], ...]:
    head, *_ = text.splitlines()
    return (
        (text.replace("action", "akction").encode(), "no column 'action'"),
        (text.replace(head, head + ",colour").encode(), "colour"),
        (text[:-9].encode(), "cut short"),
        ("\n".join([*text.splitlines()[:-1], "abc,accept"]).encode() + b"\n", "fields"),
        (text.replace("accept", "love").encode(), "'love'"),
        (text.replace("T", " at "). encode(), "no time"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"\n", "no column"),
        (b"", "cut short"),
    )  # fmt: skip


def test_a_file_that_cannot_be_used_changes_nothing(call, engine, tmp_path):
    ids = frames(3)["image_id"]
    call("accept", ids[0], "--as", "ann")
    good = tmp_path / "said.csv"
    call("export", "-o", str(good))
    for data, says in damaged(good, good.read_text()):
        bad = tmp_path / "bad.csv"
        bad.write_bytes(data)
        message = str(call("import", str(bad)).exception)
        assert says in message and "\n" not in message, (data, message)
    parquet = tmp_path / "said.parquet"
    call("export", "-o", str(parquet))
    whole = parquet.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        parquet.write_bytes(whole[:size])
        assert "cannot be read" in str(call("import", str(parquet)).exception)
    for arguments in (("import", "none.csv"), ("import", str(tmp_path)), ("export", "-o", "x.xlsx")):
        assert isinstance(call(*arguments).exception, UsageError)
    assert len(history(engine)) == 1


def test_a_full_disk_is_one_sentence_and_loses_nothing(call, home, engine):
    ids = frames(3)["image_id"]
    call("accept", ids[0], "--as", "ann")
    engine.dispose()
    size = max(path.stat().st_size for path in home.home.glob("catalog.db*"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # no file may grow beyond what is there now; Python ignores the signal that goes with it.
    # The note alone is as long: a log that an open connection has left grown must not hold it
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 4096 * 4096, before[1]))
    try:
        failed = call("accept", ids[1], "--as", "ann", "--note", "x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be used" in one_sentence(failed)
    assert [one.image_id for one in history(engine)] == [ids[0]]
    assert call("accept", ids[1], "--as", "ann").exit_code == 0


def test_a_disk_that_is_mounted_read_only_is_one_sentence_and_loses_nothing(call, home, engine):
    ids = frames(3)["image_id"]
    call("accept", ids[0], "--as", "ann")
    engine.dispose()
    # in a mount namespace of its own, as permissions do not stop root
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    alone = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []), "sh", "-c", mount, home.home]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    command = [*alone, sys.executable, "-m", "flows.cli", "review", "accept", ids[1], "--as", "ann"]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1, failed.stderr
    assert "attempt to write a readonly database" in failed.stderr
    assert [one.image_id for one in history(engine)] == [ids[0]]


def test_a_read_only_database_is_one_sentence_and_loses_nothing(call, home, engine, tmp_path, monkeypatch):
    ids = frames(3)["image_id"]
    call("accept", ids[0], "--as", "ann")
    said = tmp_path / "said.csv"
    call("export", "-o", str(said))
    said.write_text(said.read_text().replace(ids[0], ids[2]))
    before = history(engine)
    monkeypatch.setenv("DEEPFIELD_DATABASE_URL", f"sqlite:///file:{home.home / 'catalog.db'}?mode=ro&uri=true")
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    for arguments in (("accept", ids[1]), ("reject", ids[1]), ("skip", ids[1]), ("next",), ("undo",)):
        assert "attempt to write a readonly database" in one_sentence(call(*arguments, "--as", "ann"))
    assert "attempt to write a readonly database" in one_sentence(call("import", str(said)))
    assert call("list").stdout.count("\n") == 2 and "frames wait" in call("stats").stdout
    assert call("export", "-o", str(said)).exit_code == 0
    assert history(engine) == before
    assert not (tmp_path / "file:").exists()  # a URI is no path


def one_sentence(result) -> str:
    assert isinstance(result.exception, DeepfieldError) and "\n" not in str(result.exception)
    return str(result.exception)
