"""Four reviewers as processes at one server that is killed twice, and what must hold afterwards."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from manifest_rows import frames
from served import Served, write_home

from curation.review.decisions import history
from manifests.database import open_database
from manifests.settings import Settings

REVIEWERS = ("ann", "bob", "cid", "dan")


def review_in_company(folder: Path, count: int, patience_s: float) -> float:
    """Have `count` frames decided by four people, with two kills of the server; returns decisions a second.

    Raises:
        AssertionError: a decision was lost or doubled, or a frame was shown to two.
    """
    home = folder / "home"
    write_home(home, frames(count + 16))
    server = Served(home)
    logs = [folder / f"{name}.log" for name in REVIEWERS]
    script = Path(__file__).with_name("reviewer_process.py")
    begun = time.monotonic()
    people = [
        subprocess.Popen([sys.executable, script, server.url, name, str(count // 4), log])
        for name, log in zip(REVIEWERS, logs, strict=True)
    ]
    engine = open_database(Settings(home=home).database)
    try:
        for share in (0.3, 0.6):
            while len(history(engine)) < share * count:
                time.sleep(0.05 if count < 1000 else 1.0)
                assert any(one.poll() is None for one in people), [one.returncode for one in people]
            server.kill()
            server.start()
        assert [one.wait(patience_s) for one in people] == [0] * 4
    finally:
        server.stop()
        for one in people:
            one.kill()
    seconds = time.monotonic() - begun
    rows = history(engine)
    engine.dispose()
    lines = [[json.loads(line) for line in log.read_text().splitlines()] for log in logs]
    confirmed = {
        (line["decided"], name, line["action"])
        for name, some in zip(REVIEWERS, lines, strict=True)
        for line in some
        if "decided" in line
    }
    assert {(one.image_id, one.reviewer, one.action) for one in rows} == confirmed
    assert len(rows) == len(confirmed) == len({one.image_id for one in rows}) == count
    assert not _seen_by_two(lines)
    return count / seconds


def _seen_by_two(lines: list[list[dict[str, Any]]]) -> list[str]:
    """Frames that somebody was shown while another still had them in view."""
    events = sorted(
        (line["at"], name, number, line)
        for name, some in zip(REVIEWERS, lines, strict=True)
        for number, line in enumerate(some)
    )
    holder: dict[str, str] = {}
    found = []
    for _, name, _, line in events:
        if "shown" in line:
            if holder.setdefault(line["shown"], name) != name:
                found.append(line["shown"])
        else:
            holder.pop(line.get("decided") or line["released"], None)
    return found
