"""The scraping flows under a real Prefect server: what they bring, what they show, and that a rerun brings nothing."""

import json

import pytest
from prefect.artifacts import Artifact

from flows.scrape import scrape_esahubble, scrape_heritage, scrape_hla, scrape_hubblesite
from manifests.errors import UsageError
from manifests.settings import load_settings
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky

SECRET = "a-word-that-nobody-may-read"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "500")
    monkeypatch.setenv("DEEPFIELD_CONNECTIONS", "8")
    monkeypatch.setenv("DEEPFIELD_REVIEW_TOKEN", SECRET)
    monkeypatch.setenv("DEEPFIELD_DATABASE_URL", f"sqlite:///{tmp_path / SECRET}.db")
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


def shown(key: str) -> list[dict]:
    found = Artifact.get(key)
    assert found is not None and found.type == "table"
    return json.loads(found.data)


@pytest.mark.slow
def test_each_archive_is_scraped_shown_and_not_asked_again(settings, prefect_server):
    square = "POLYGON ICRS 210.2 54.0 211.4 54.0 211.4 54.7 210.2 54.7"
    with serve(synthetic_sky(1, visits=8, sides_px=(260, 300))) as archive:
        url = archive.url
        runs = {
            "hla": lambda: scrape_hla(polygon=square, archive_url=url),
            "esahubble": lambda: scrape_esahubble(limit=3, archive_url=f"{url}/esahubble"),
            "hubblesite": lambda: scrape_hubblesite(limit=3, archive_url=f"{url}/hubblesite"),
            "heritage": lambda: scrape_heritage(limit=3, archive_url=f"{url}/heritage"),
        }
        for name, run in runs.items():
            first = run()
            assert first["got"] > 0, name
            assert len(shown(f"scrape-{name}-came-in")) == first["got"]
            asked = len(archive.log)
            again = run()
            assert again["got"] == 0, name
            assert again["skipped"] + again["refused"] + again["failed"] == again["found"] == first["found"]
            assert shown(f"scrape-{name}-came-in") == []
            later = [line.path for line in archive.log[asked:] if line.path.endswith((".jpg", ".png"))]
            assert not later, name
        fits = scrape_hla(polygon=square, fits=True, composite="asinh", archive_url=url)
        assert fits["got"] > 0
        with pytest.raises(UsageError, match="set fits as well"):
            scrape_hla(composite="asinh", archive_url=url)
    kept = b"".join(path.read_bytes() for path in prefect_server.rglob("*") if path.is_file())
    assert b"crawl_sky" in kept and SECRET.encode() not in kept
