"""Several worker processes at one region: one ledger, one archive, and nothing asked for twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_archive import Answer, FakeHost, picture, sia_reply, sia_row
from sqlalchemy import Engine, func, select

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.tables import asks, fetches, products, tiles
from scrapers import claims, ledger

SIA, FITSCUT = "/cgi-bin/hlaSIAP.cgi", "/cgi-bin/fitscut.cgi"
WORKERS = 4
PER_TILE = 6
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

home, url, database, radius = sys.argv[1:]
settings = Settings(home=Path(home), requests_per_second=5000, connections={CONNECTIONS}, attempts=3)
engine = open_database(database)
print("ready", flush=True)
sys.stdin.readline()
summary = crawl(open_hla(settings, hla_query(), url), Cone(210.8, 54.35, float(radius)), engine=engine,
                blobs=BlobStore(settings.blobs_dir), settings=settings)
assert not summary.stopped and not summary.tiles_failed, summary
print(summary.progress.got, summary.progress.found)
"""

Worker = subprocess.Popen[str]


@pytest.fixture
def archive(host: FakeHost) -> FakeHost:
    """An HLA whose every tile has some products of its own, and one that all have."""

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        number = host.asked(SIA).index(path) * PER_TILE
        own = [sia_row(host.url, number + index, RA=210.8, DEC=54.35) for index in range(1, PER_TILE)]
        return Answer(sia_reply([sia_row(host.url, 0), *own]))

    host.script(SIA, answer)
    host.script(FITSCUT, lambda path, query: Answer(picture(int(query["red"][0].split("_")[1]))))
    return host


@pytest.fixture
def radius() -> float:
    """That of the region in degrees: more than 1 for one of many tiles."""
    return 1.5


@pytest.fixture
def workers(archive: FakeHost, tmp_path: Path, database: str, radius: float) -> Iterator[list[Worker]]:
    """Processes that have the catalogue open and wait for a word to begin."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CRAWL, str(tmp_path), archive.url, database, str(radius)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(WORKERS)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n", one.communicate()[1]
    yield started
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    one = open_database(database)
    yield one
    one.dispose()


def begin(workers: list[Worker]) -> None:
    for one in workers:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()


def numbers(worker: Worker) -> tuple[int, int]:
    """How many products a worker brought, and how many it found."""
    out, errors = worker.communicate(timeout=120)
    assert worker.returncode == 0, errors
    got, found = out.split()
    return int(got), int(found)


def check_ledger(engine: Engine, blobs: BlobStore, archive: FakeHost) -> int:
    """Everything is here and nobody has anything in hand any more; the number of products."""
    parts = len(set(archive.asked(SIA)))
    with engine.connect() as connection:
        states = dict(connection.execute(select(products.c.status, func.count()).group_by(products.c.status)).all())
        shas = list(connection.scalars(select(products.c.sha256)))
        asked = dict(connection.execute(select(asks.c.outcome, func.count()).group_by(asks.c.outcome)).all())
        tried = dict(connection.execute(select(fetches.c.outcome, func.count()).group_by(fetches.c.outcome)).all())
    number = parts * (PER_TILE - 1) + 1
    assert states == {"got": number} and all(blobs.intact(sha) for sha in shas)
    assert {(one.what, one.status): one.number for one in ledger.counts(engine)} == {
        ("tiles", "done"): parts,
        ("products", "got"): number,
    }
    assert asked["got"] >= parts and set(asked) == {"got"}
    assert tried["got"] >= number and set(tried) == {"got"}
    assert not claims.held(engine, products) and not claims.held(engine, tiles)
    return number


def fetched(archive: FakeHost) -> Counter[str]:
    return Counter(parse_qs(urlsplit(path).query)["red"][0] for path in archive.asked(FITSCUT))


@pytest.mark.parametrize("radius", [1.5, 0.5])
def test_four_workers_ask_for_everything_once(
    archive: FakeHost, workers: list[Worker], engine: Engine, tmp_path: Path
) -> None:
    begin(workers)
    shares, found = zip(*(numbers(one) for one in workers), strict=True)
    number = check_ledger(engine, BlobStore(Settings(home=tmp_path).blobs_dir), archive)
    assert sum(shares) == number
    assert set(found) == {number}  # those who came too late to ask as well
    assert set(Counter(archive.asked(SIA)).values()) == {1}
    assert set(fetched(archive).values()) == {1}


def test_one_of_four_is_killed_and_the_others_finish_its_work(
    archive: FakeHost, workers: list[Worker], engine: Engine, tmp_path: Path
) -> None:
    victim, *others = workers
    under_way = Event()

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        if len(archive.asked(FITSCUT)) == 8:
            under_way.set()
        if len(archive.asked(FITSCUT)) == 16:
            os.kill(victim.pid, signal.SIGKILL)
        return Answer(picture(int(query["red"][0].split("_")[1])))

    archive.script(FITSCUT, answer)
    begin([victim])
    assert under_way.wait(60)  # the victim has pictures on their way when the others come
    begin(others)
    for one in others:
        numbers(one)
    victim.communicate(timeout=60)
    assert victim.returncode == -signal.SIGKILL
    number = check_ledger(engine, BlobStore(Settings(home=tmp_path).blobs_dir), archive)
    counts = fetched(archive)
    assert len(counts) == number
    # each thread of the victim may have had one picture between the question and the ledger
    assert sum(counts.values()) <= number + 2 * CONNECTIONS + (os.cpu_count() or 1)
    assert set(Counter(archive.asked(SIA)).values()) == {1}
