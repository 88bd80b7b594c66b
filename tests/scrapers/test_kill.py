"""A crawl that is killed at any moment loses nothing and repeats only what was in flight."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_archive import Answer, FakeHost, picture, serve_colour_rows
from forked import Forked
from sqlalchemy import func, select, text

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.tables import fetches, products

PRODUCTS = 40
CONNECTIONS = 3
CRAWL = f"""
import sys
from pathlib import Path
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from scrapers.crawl import crawl
from scrapers.hla import hla_query, open_hla
from scrapers.sky import Cone

home, url = sys.argv[1:]
settings = Settings(home=Path(home), requests_per_second=5000, connections={CONNECTIONS}, attempts=3)
crawl(open_hla(settings, hla_query(), url), Cone(210.8, 54.35, 0.2), engine=open_database(settings.database),
      blobs=BlobStore(settings.blobs_dir), settings=settings)
"""


def start(home: Path, host: FakeHost) -> Forked:
    return Forked([home, host.url], script=CRAWL)


@pytest.fixture
def archive(host: FakeHost) -> Iterator[FakeHost]:
    serve_colour_rows(host, PRODUCTS)
    yield host


def fetched(host: FakeHost) -> Counter[str]:
    return Counter(parse_qs(urlsplit(path).query)["red"][0] for path in host.asked("/cgi-bin/fitscut.cgi"))


def check_home(home: Path) -> None:
    """Every product is here, whole, and the database is sound."""
    settings = Settings(home=home)
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        shas = list(connection.scalars(select(products.c.sha256).where(products.c.status == "got")))
        got = connection.scalar(select(func.count()).where(fetches.c.outcome == "got"))
    assert len(shas) == len(set(shas)) == PRODUCTS
    assert all(blobs.intact(sha) for sha in shas)
    assert set(blobs) == set(shas)
    assert got is not None and got >= PRODUCTS
    engine.dispose()


def test_killed_at_any_moment_and_started_again(archive: FakeHost, tmp_path: Path) -> None:
    # the server kills the crawl when it is asked for the n-th picture, so that the moments are the same every time
    moments = [1, 2, 9, 20, 33]
    reached = Event()
    count = 0

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        nonlocal count
        count += 1
        if moments and not reached.is_set() and count >= moments[0]:
            moments.pop(0)
            victim.kill()
            reached.set()
        return Answer(picture(int(query["red"][0].split("_")[1])))

    archive.script("/cgi-bin/fitscut.cgi", answer)
    kills = len(moments)
    for _ in range(kills):
        reached.clear()
        victim = start(tmp_path, archive)
        assert victim.wait(60) == -signal.SIGKILL
        assert reached.is_set()
    victim = start(tmp_path, archive)
    assert victim.wait(60) == 0, victim.stderr
    check_home(tmp_path)
    asked = fetched(archive)
    assert len(asked) == PRODUCTS
    # at each kill every thread of the crawl may have had one product between the question and the ledger
    in_flight = 2 * CONNECTIONS + (os.cpu_count() or 1)
    assert sum(asked.values()) <= PRODUCTS + kills * in_flight
    assert len(archive.asked("/cgi-bin/hlaSIAP.cgi")) == 1
    total = sum(asked.values())
    assert start(tmp_path, archive).wait(60) == 0
    assert sum(fetched(archive).values()) == total


def test_two_crawls_at_once_share_one_ledger(archive: FakeHost, tmp_path: Path) -> None:
    both = [start(tmp_path, archive) for _ in range(2)]
    for one in both:
        assert one.wait(60) == 0, one.stderr
    check_home(tmp_path)
    assert set(fetched(archive).values()) <= {1, 2}
