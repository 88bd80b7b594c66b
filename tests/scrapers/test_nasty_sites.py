"""Outreach sites at which everything goes wrong at times: what can be had arrives bit for bit, the rest is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nasty import Crawl, Truth, settle
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery, crawl_gallery
from scrapers.heritage import open_heritage
from scrapers.hubblesite import HubbleSiteQuery, open_hubblesite
from scrapers.replica.esahubble import esahubble_routes
from scrapers.replica.exchange import Reply, Routes
from scrapers.replica.faults import Faults
from scrapers.replica.heritage import heritage_routes
from scrapers.replica.hubblesite import hubblesite_routes
from scrapers.replica.sky import synthetic_sky
from scrapers.tally import CrawlSummary
from scrapers.versions import Limits

LIMITS = Limits(10**9, 10**9)
NASTY = Faults.nasty(0, retry_after_s=0, stall_s=0.02)
Open = Callable[[Settings, str], Gallery]
SITES: dict[str, Open] = {
    "esahubble": lambda settings, url: open_esahubble(settings, LIMITS, archive_url=f"{url}/esahubble"),
    "esahubble_feed": lambda settings, url: open_esahubble(
        settings, LIMITS, feed=True, archive_url=f"{url}/esahubble"
    ),
    "hubblesite": lambda settings, url: open_hubblesite(
        settings, LIMITS, HubbleSiteQuery(era="2023"), archive_url=f"{url}/hubblesite"
    ),
    "hubblesite_api": lambda settings, url: open_hubblesite(
        settings, LIMITS, HubbleSiteQuery(type=None, era="api"), archive_url=f"{url}/hubblesite"
    ),
    "heritage": lambda settings, url: open_heritage(settings, LIMITS, archive_url=f"{url}/heritage"),
    "collection": lambda settings, url: open_heritage(
        settings, LIMITS, collection=True, archive_url=f"{url}/hubblesite"
    ),
}  # fmt: skip


def crawling(site: Open) -> Crawl:
    def bring_in(url: str, engine: Engine, blobs: BlobStore, settings: Settings) -> CrawlSummary:
        gallery = site(settings, url)
        gallery.client._first_backoff_s = 0.001
        return crawl_gallery(gallery, engine=engine, blobs=blobs, settings=settings, min_size=32)[1]

    return bring_in


@pytest.fixture(scope="module")
def routes() -> Routes:
    sky = synthetic_sky(seed=5, visits=24, sides_px=(64, 96))
    return {
        **esahubble_routes(sky, "/esahubble"),
        **hubblesite_routes(sky, "/hubblesite"),
        **heritage_routes(sky, "/heritage", "/hubblesite"),
        "/robots.txt": lambda request: Reply(b"", "text/plain"),
    }


@pytest.mark.parametrize("site", SITES)
def test_everything_within_reach_arrives_and_the_rest_is_told(
    site: str, routes: Routes, quick: Settings, tmp_path: Path
) -> None:
    crawl = crawling(SITES[site])
    truth = Truth.of(routes, crawl, Settings(requests_per_second=5000), tmp_path / "calm")
    for faults in truth.seeds(NASTY, 2):
        settle(crawl, faults, truth, quick, tmp_path / str(faults.seed))
