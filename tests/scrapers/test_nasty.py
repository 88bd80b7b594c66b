"""An HLA at which everything goes wrong at times: what can be had arrives bit for bit, the rest is told."""

from collections import Counter
from pathlib import Path

import pytest
from nasty import Truth, settle
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers.crawl import crawl
from scrapers.hla import hla_query, open_hla
from scrapers.replica.exchange import Reply, Routes
from scrapers.replica.faults import KINDS, Faults
from scrapers.replica.hla import hla_routes
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone
from scrapers.tally import CrawlSummary

M101 = Cone(210.8, 54.35, 1.0)
NASTY = Faults.nasty(0, retry_after_s=0, stall_s=0.02)


def bring_in(url: str, engine: Engine, blobs: BlobStore, settings: Settings) -> CrawlSummary:
    archive = open_hla(settings, hla_query(), f"{url}/mirror")
    archive.client._first_backoff_s = 0.001
    return crawl(archive, M101, engine=engine, blobs=blobs, settings=settings, min_size=64)


@pytest.fixture(scope="module")
def routes() -> Routes:
    sky = synthetic_sky(seed=5, visits=56, sides_px=(96, 128))
    return {**hla_routes(sky, "/mirror"), "/robots.txt": lambda request: Reply(b"", "text/plain")}


@pytest.fixture(scope="module")
def truth(routes: Routes, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp("calm")
    return Truth.of(routes, bring_in, Settings(home=folder, requests_per_second=5000), folder)


def test_everything_within_reach_arrives_and_the_rest_is_told(truth: Truth, quick: Settings, tmp_path: Path) -> None:
    met: Counter[str | None] = Counter()
    for faults in truth.seeds(NASTY, 8):
        met += settle(bring_in, faults, truth, quick, tmp_path / str(faults.seed))
    assert set(met) == set(KINDS)


def test_what_fails_for_now_is_brought_by_the_next_run(truth: Truth, quick: Settings, tmp_path: Path) -> None:
    once = quick.model_copy(update={"attempts": 1})
    for faults in truth.seeds(NASTY, 2):
        settle(bring_in, faults, truth, once, tmp_path / str(faults.seed))
