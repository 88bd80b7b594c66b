"""What changed between snapshots, by image and by reason."""

import json

import pandas as pd
from typer.testing import CliRunner

from manifests.cli import manifest_app
from manifests.diff import Shift, by_reason
from manifests.schema import conform
from manifests.settings import load_settings
from manifests.snapshots import write_snapshot


def rows(**frames):
    """One row per keyword: verdict, reasons and, where there is one, decision."""
    found = [
        {"image_id": name * 64, "verdict": said[0], "reasons": said[1], "decision": said[2] if len(said) > 2 else None}
        for name, said in frames.items()
    ]
    return conform(pd.DataFrame(found))


BEFORE = rows(
    a=("accept", None),
    b=("accept", None),
    c=("review", "noisy"),
    d=("review", "noisy,faint"),
    e=("review", "noisy"),
    f=("accept", None, "reject"),
    g=("reject", "duplicate"),
)
AFTER = rows(
    a=("accept", None),
    b=("reject", "noisy,duplicate"),
    c=("reject", "noisy"),
    d=("accept", None),
    e=("review", "noisy", "accept"),
    f=("accept", None),
    h=("accept", None),
)


def test_changed_verdicts_are_counted_by_what_changed_them():
    assert by_reason(BEFORE, BEFORE) == []
    assert by_reason(BEFORE, AFTER) == [
        Shift(None, "accept", "no reason", 1),
        Shift("accept", "reject", "duplicate", 1),
        Shift("accept", "reject", "noisy", 1),
        Shift("reject", None, "duplicate", 1),
        Shift("reject", "accept", "decision undone", 1),
        Shift("review", "accept", "decision", 1),
        Shift("review", "accept", "faint", 1),
        Shift("review", "accept", "noisy", 1),
        Shift("review", "reject", "noisy", 1),
    ]


def test_the_way_back_is_the_mirror_image():
    there = {(one.before, one.after, one.reason) for one in by_reason(BEFORE, AFTER) if "decision" not in one.reason}
    back = {(one.after, one.before, one.reason) for one in by_reason(AFTER, BEFORE) if "decision" not in one.reason}
    assert there == back


def test_the_command_shows_images_and_reasons(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    load_settings.cache_clear()
    for table in (BEFORE, AFTER):
        write_snapshot(table, manifest_dir=tmp_path / "manifest", policy_digest="p")
    runner = CliRunner()
    whole = runner.invoke(manifest_app, ["diff"]).stdout
    assert "hhhhhhhhhhhh  added" in whole and "verdict: accept -> reject" in whole
    short = runner.invoke(manifest_app, ["diff", "--by-reason"]).stdout.splitlines()
    assert len(short) == 10 and "      1  accept -> reject  noisy" in short
    lines = runner.invoke(manifest_app, ["diff", "--by-reason", "--json"]).stdout.splitlines()
    assert [Shift(**json.loads(line)) for line in lines] == by_reason(BEFORE, AFTER)
    assert all(
        "column" in json.loads(line) for line in runner.invoke(manifest_app, ["diff", "--json"]).stdout.splitlines()
    )
    load_settings.cache_clear()
