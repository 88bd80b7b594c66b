"""An HLA at which everything goes wrong at times: what can be had arrives bit for bit, the rest is told."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from nasty import Crawl, Truth, lost, settle
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers.crawl import crawl
from scrapers.hla import hla_query, open_hla
from scrapers.mast import mast_query, open_mast
from scrapers.replica.exchange import Reply, Routes
from scrapers.replica.faults import KINDS, Faults
from scrapers.replica.hla import hla_routes
from scrapers.replica.mast import mast_routes
from scrapers.replica.oddities import Oddities
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone
from scrapers.tally import CrawlSummary

M101 = Cone(210.8, 54.35, 1.0)
NEAR = Cone(210.8, 54.35, 0.02)
NASTY = Faults.nasty(0, retry_after_s=0, stall_s=0.02)


def crawling(region: Cone, *, fits: bool = False) -> Crawl:
    def bring_in(url: str, engine: Engine, blobs: BlobStore, settings: Settings) -> CrawlSummary:
        archive = open_hla(settings, hla_query(fits=fits), f"{url}/mirror")
        archive.client._first_backoff_s = 0.001
        return crawl(archive, region, engine=engine, blobs=blobs, settings=settings, min_size=64)

    return bring_in


COLOUR, FEW, FEW_FITS = crawling(M101), crawling(NEAR), crawling(NEAR, fits=True)


@pytest.fixture(scope="module")
def routes() -> Routes:
    sky = synthetic_sky(seed=5, visits=56, sides_px=(96, 128))
    return {**hla_routes(sky, "/mirror"), "/robots.txt": lambda request: Reply(b"", "text/plain")}


@pytest.fixture(scope="module")
def truths(routes: Routes, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Crawl], Truth]:
    calm = Settings(requests_per_second=5000)
    return lru_cache(lambda crawl: Truth.of(routes, crawl, calm, tmp_path_factory.mktemp("calm")))


def test_everything_within_reach_arrives_and_the_rest_is_told(
    truths: Callable[[Crawl], Truth], quick: Settings, tmp_path: Path
) -> None:
    truth = truths(COLOUR)
    met: Counter[str | None] = Counter()
    for faults in truth.seeds(NASTY, 8):
        met += settle(COLOUR, faults, truth, quick, tmp_path / str(faults.seed))
    assert set(met) == set(KINDS)


def test_what_fails_for_now_is_brought_by_the_next_run(
    truths: Callable[[Crawl], Truth], quick: Settings, tmp_path: Path
) -> None:
    once = quick.model_copy(update={"attempts": 1})
    (faults,) = truths(COLOUR).seeds(NASTY, 1)
    settle(COLOUR, faults, truths(COLOUR), once, tmp_path / "home")


@pytest.mark.parametrize("crawl", [FEW, FEW_FITS])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"forbidden"}))
def test_a_fault_of_everything_that_passes_loses_nothing(
    kind: str, crawl: Crawl, truths: Callable[[Crawl], Truth], quick: Settings, tmp_path: Path
) -> None:
    settle(crawl, Faults(1.0, (kind,), retry_after_s=0, stall_s=0.02), truths(crawl), quick, tmp_path / "home")


def test_odd_rows_of_a_nasty_archive(quick: Settings, tmp_path: Path) -> None:
    sky = synthetic_sky(seed=5, visits=56, sides_px=(96, 128))
    odd = {**hla_routes(sky, "/mirror", Oddities(seed=2)), "/robots.txt": lambda request: Reply(b"", "text/plain")}
    truth = Truth.of(odd, COLOUR, Settings(requests_per_second=5000, attempts=1), tmp_path / "calm")
    calm = Truth.of({**hla_routes(sky, "/mirror"), "/robots.txt": odd["/robots.txt"]}, COLOUR, quick, tmp_path / "even")
    # odd rows cost no picture, and bring none twice
    assert set(truth.needs) - truth.never == set(calm.needs)
    assert truth.never and all(name.endswith("_lost") for name in truth.never)
    (faults,) = truth.seeds(NASTY, 1)
    settle(COLOUR, faults, truth, quick, tmp_path / "home")


def crawl_mast(url: str, engine: Engine, blobs: BlobStore, settings: Settings) -> CrawlSummary:
    archive = open_mast(settings, mast_query("hap,hla"), f"{url}/mirror")
    archive.client._first_backoff_s = 0.001
    return crawl(archive, NEAR, engine=engine, blobs=blobs, settings=settings, min_size=64)


def test_a_nasty_mast(routes: Routes, quick: Settings, tmp_path: Path) -> None:
    sky = synthetic_sky(seed=5, visits=56, sides_px=(96, 128))
    with_mast = {**routes, **mast_routes(sky, routes, "/mirror")}
    truth = Truth.of(with_mast, crawl_mast, quick, tmp_path / "calm")
    # what is asked by a form, faults choose by the form, which the truth does not keep: here all faults pass
    passing = replace(NASTY, kinds=tuple(kind for kind in KINDS if kind != "forbidden"), lasting=0.0)
    settle(crawl_mast, passing, truth, quick, tmp_path / "home")


@pytest.mark.parametrize("kind", ["unavailable", "too_many_until", "cut", "reset", "html", "redirect_chain", "text"])
def test_a_robots_txt_that_fails_at_first_stops_nothing(
    kind: str, truths: Callable[[Crawl], Truth], quick: Settings, tmp_path: Path
) -> None:
    faults = Faults(1.0, (kind,), retry_after_s=0)
    settle(FEW, faults, truths(FEW), quick, tmp_path / "home", spared=frozenset())


def test_an_archive_that_stalls_longer_than_we_wait(
    truths: Callable[[Crawl], Truth], quick: Settings, tmp_path: Path
) -> None:
    impatient = quick.model_copy(update={"timeout_s": 0.5, "attempts": 2})
    (faults,) = truths(FEW_FITS).seeds(Faults(0.5, ("stall", "stall_midway"), lasting=0.3, stall_s=1.5), 1)
    assert any(lost(faults, url, patient=False) for urls in truths(FEW_FITS).needs.values() for url in urls)
    met = settle(FEW_FITS, faults, truths(FEW_FITS), impatient, tmp_path / "home", patient=False)
    assert set(met) == {"stall", "stall_midway"}
