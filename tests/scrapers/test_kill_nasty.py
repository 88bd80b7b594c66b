"""kill -9 at random moments of crawling an archive at which everything goes wrong: nothing lost, nothing twice."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import forked
import pytest
from nasty import Crawl, Home, Truth, asked, check, home, local
from sqlalchemy import Engine, text

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers.crawl import crawl
from scrapers.esahubble import open_esahubble
from scrapers.gallery import crawl_gallery
from scrapers.hla import hla_query, open_hla
from scrapers.replica.esahubble import esahubble_routes
from scrapers.replica.exchange import Reply, Routes
from scrapers.replica.faults import HARMLESS, Faults
from scrapers.replica.hla import hla_routes
from scrapers.replica.server import ReplicaServer
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone
from scrapers.tally import CrawlSummary
from scrapers.versions import Limits

CONNECTIONS = 3
IN_FLIGHT = 2 * CONNECTIONS + (os.cpu_count() or 1)  # threads of a crawl
NASTY = Faults.nasty(0, retry_after_s=0, stall_s=0.05)
_QUIET = {"/robots.txt": lambda request: Reply(b"", "text/plain")}


def crawl_hla(url: str, engine: Engine, blobs: BlobStore, settings: Settings) -> CrawlSummary:
    archive = open_hla(settings, hla_query(), url)
    return crawl(archive, Cone(210.8, 54.35, 1.0), engine=engine, blobs=blobs, settings=settings, min_size=64)


def crawl_esahubble(url: str, engine: Engine, blobs: BlobStore, settings: Settings) -> CrawlSummary:
    gallery = open_esahubble(settings, Limits(settings.max_bytes, settings.max_pixels), archive_url=url)
    return crawl_gallery(gallery, engine=engine, blobs=blobs, settings=settings, min_size=64)[1]


class Victim:
    """`deepfield scrape ...` with its state in a folder, to be killed."""

    def __init__(self, command: list[str], folder: Path, server: ReplicaServer) -> None:
        self._command = ["scrape", *command, "--min-size", "64", "--archive-url", server.url]
        self._server = server
        self._environment = {
            **os.environ,
            "DEEPFIELD_HOME": str(folder),
            "DEEPFIELD_REQUESTS_PER_SECOND": "1000",
            "DEEPFIELD_CONNECTIONS": str(CONNECTIONS),
            "DEEPFIELD_ATTEMPTS": "3",
        }

    def kill(self, requests: int, delay_s: float) -> bool:
        """Kill it so long after so many requests of its own; False where it was done before that."""
        start = len(self._server.log)
        process = forked.Forked(self._command, self._environment)
        while process.returncode is None and len(self._server.log) < start + requests:
            time.sleep(0.002)
        time.sleep(delay_s)
        process.kill()
        return process.wait() < 0

    def finish(self) -> str:
        """Let it run to its end; what it said. Everything it does not bring is told in a sentence."""
        done = forked.run(self._command, self._environment)
        assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
        return done.stderr


def sound(here: Home) -> bool:
    with here.engine.connect() as connection:
        return bool(connection.scalar(text("PRAGMA integrity_check")) == "ok")


def killed_and_finished(
    victim: Victim, kills: int, here: Home, truth: Truth, faults: Faults, log: ReplicaServer
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"moments of the kills by random.Random({seed})")  # pytest shows it where something is wrong
    source = random.Random(seed)
    done = sum(victim.kill(source.randint(1, 12), source.uniform(0.0, 0.1)) for _ in range(kills))
    assert done > kills / 2
    assert sound(here)
    state = None
    while state != (state := here.state()):
        said = victim.finish()
    assert sound(here) and not here.unanswered(), said
    check(here, truth, faults)
    # a file that came is asked for once, and once more for every kill that it was in flight at
    good = [line for line in log.log if line.status == 200 and (line.fault is None or line.fault in HARMLESS)]
    times = Counter(asked(good))
    files = {local(row.access_url) for row in here.rows().values() if row.status == "got"}
    assert sum(times[url] - 1 for url in files if times[url]) <= done * IN_FLIGHT


CASES: dict[str, tuple[list[str], Crawl, Callable[..., Routes], int]] = {
    "hla": (["hla", "--ra", "210.8", "--dec", "54.35", "--radius", "1"], crawl_hla, hla_routes, 6),
    "esahubble": (["esahubble"], crawl_esahubble, esahubble_routes, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize("site", CASES)
def test_killed_at_random_moments_of_a_nasty_crawl(site: str, tmp_path: Path) -> None:
    command, crawl_calmly, routes_of, kills = CASES[site]
    routes = {**routes_of(synthetic_sky(seed=5, visits=56, sides_px=(96, 128))), **_QUIET}
    truth = Truth.of(routes, crawl_calmly, Settings(requests_per_second=5000), tmp_path / "calm")
    (faults,) = truth.seeds(NASTY, 1)
    spared = frozenset({"/robots.txt"})
    with ReplicaServer(routes, faults=faults, spared=spared) as server, home(Settings(), tmp_path / "here") as here:
        victim = Victim(command, tmp_path / "here", server)
        killed_and_finished(victim, kills, here, truth, faults, server)
