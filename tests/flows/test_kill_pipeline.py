"""kill -9 at any moment of scraping or curating, as `make run` does them, then again: nothing lost, nothing twice."""

import json
import os
import random
import subprocess
from collections import Counter
from urllib.parse import urlsplit

import forked
import pytest
from sqlalchemy import select

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.snapshots import head, read_snapshot, verify
from manifests.tables import products
from scrapers.replica.catalogue import COLOR
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky

CONNECTIONS = 4
# a crawl's threads: beside what is on the wire, what came is being looked at and written down
IN_HAND = 2 * CONNECTIONS + (os.cpu_count() or 1)
M101_DEC = 54.34895


def killed(arguments, environment, after_s):
    """Run a command and kill it with -9, its workers too; True if it was still running."""
    process = forked.Forked(arguments, environment)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return True
    return False


def finish(arguments, environment):
    done = forked.run(arguments, environment)
    assert done.returncode == 0, done.stderr


def written_down(home):
    """The queries of the pictures that the crawl ledger has."""
    engine = open_database(f"sqlite:///{home / 'catalog.db'}")
    with engine.connect() as connection:
        records = connection.execute(select(products.c.record).where(products.c.sha256.is_not(None))).scalars().all()
    engine.dispose()
    return {urlsplit(json.loads(record)["access_url"]).query for record in records}


@pytest.mark.slow
def test_killed_and_started_again(tmp_path):
    random_source = random.Random(20)
    sky = synthetic_sky(1, visits=40, sides_px=(260, 280))
    with serve(sky, latency_s=0.05) as archive:
        environment = {
            **os.environ,
            "DEEPFIELD_HOME": str(tmp_path),
            "DEEPFIELD_REQUESTS_PER_SECOND": "500",
            "DEEPFIELD_CONNECTIONS": str(CONNECTIONS),
        }
        scrape = ["scrape", "hla", "--target", "M101", "--radius", "1", "--archive-url", archive.url]
        kills, settled = 0, set()
        for last in (False,) * 6 + (True,):
            seen = len(archive.log)
            if last:
                finish(scrape, environment)
            else:
                kills += killed(scrape, environment, random_source.uniform(0.05, 1.0))
            assert not settled & {a.query for a in archive.log[seen:]}, "fetched again what was written down"
            settled = written_down(tmp_path)
        answered = Counter(a.query for a in archive.log if a.path.endswith("fitscut.cgi") and a.status == 200)
        # the archive's other visits lie elsewhere on the sky
        expected = [d for d in sky.datasets if d.level == COLOR and abs(d.grid.dec - M101_DEC) < 1]
        assert len(answered) == len(expected) > 30
        assert settled == answered.keys()
        assert sum(answered.values()) - len(answered) <= IN_HAND * kills, "fetched again what was not in hand"
        before = len(archive.log)
        finish(scrape, environment)
        assert [a.path for a in archive.log[before:] if "fitscut" in a.path or "SIAP" in a.path] == []
    blobs = BlobStore(tmp_path / "blobs")
    names = list(blobs)
    assert all(blobs.intact(name) for name in names)

    for _ in range(5):
        killed(["curate"], environment, random_source.uniform(0.05, 2.5))
        if head(tmp_path / "manifest"):
            assert verify(tmp_path / "manifest") == []
    finish(["curate"], environment)
    assert verify(tmp_path / "manifest") == []
    assert sorted(read_snapshot(tmp_path / "manifest")["image_id"]) == names
    first = head(tmp_path / "manifest")
    finish(["curate"], environment)
    assert head(tmp_path / "manifest") == first
