"""Several worker processes at one region: one ledger, one archive, and nothing asked for twice."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_archive import Answer, FakeHost, picture, sia_reply, sia_row
from forked import Forked
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
import time
from pathlib import Path
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from scrapers.crawl import crawl
from scrapers.hla import hla_query, open_hla
from scrapers.sky import Cone

home, url, database, radius, begin = sys.argv[1:]
settings = Settings(home=Path(home), requests_per_second=5000, connections={CONNECTIONS}, attempts=3)
engine = open_database(database)
print("ready", flush=True)
while not Path(begin).exists():
    time.sleep(0.002)
summary = crawl(open_hla(settings, hla_query(), url), Cone(210.8, 54.35, float(radius)), engine=engine,
                blobs=BlobStore(settings.blobs_dir), settings=settings)
assert not summary.stopped and not summary.tiles_failed, summary
print(summary.progress.got, summary.progress.found)
"""


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
def workers(archive: FakeHost, tmp_path: Path, database: str, radius: float) -> Iterator[list[Forked]]:
    """Processes that have the catalogue open and wait for a file to begin."""
    started = [
        Forked([tmp_path, archive.url, database, radius, tmp_path / f"begin-{number}"], script=CRAWL)
        for number in range(WORKERS)
    ]
    for one in started:
        one.wait_for("ready\n")
    yield started
    for one in started:
        one.kill()
        one.wait()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    one = open_database(database)
    yield one
    one.dispose()


def begin(folder: Path, numbers: range) -> None:
    for number in numbers:
        (folder / f"begin-{number}").touch()


def numbers(worker: Forked) -> tuple[int, int]:
    """How many products a worker brought, and how many it found."""
    assert worker.wait(120) == 0, worker.stderr
    _, got, found = worker.stdout.split()
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
    archive: FakeHost, workers: list[Forked], engine: Engine, tmp_path: Path
) -> None:
    begin(tmp_path, range(WORKERS))
    shares, found = zip(*(numbers(one) for one in workers), strict=True)
    number = check_ledger(engine, BlobStore(Settings(home=tmp_path).blobs_dir), archive)
    assert sum(shares) == number
    assert set(found) == {number}  # those who came too late to ask as well
    assert set(Counter(archive.asked(SIA)).values()) == {1}
    assert set(fetched(archive).values()) == {1}


def test_one_of_four_is_killed_and_the_others_finish_its_work(
    archive: FakeHost, workers: list[Forked], engine: Engine, tmp_path: Path
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
    begin(tmp_path, range(1))
    assert under_way.wait(60)  # the victim has pictures on their way when the others come
    begin(tmp_path, range(1, WORKERS))
    for one in others:
        numbers(one)
    assert victim.wait(60) == -signal.SIGKILL
    number = check_ledger(engine, BlobStore(Settings(home=tmp_path).blobs_dir), archive)
    counts = fetched(archive)
    assert len(counts) == number
    # each thread of the victim may have had one picture between the question and the ledger
    assert sum(counts.values()) <= number + 2 * CONNECTIONS + (os.cpu_count() or 1)
    assert set(Counter(archive.asked(SIA)).values()) == {1}
