import pytest
from fake_archive import FakeHost, serve_colour_rows
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers import ledger
from scrapers.crawl import crawl
from scrapers.hla import Hla, hla_query
from scrapers.http import PoliteClient
from scrapers.politeness import Gates
from scrapers.report import Reporter, describe, sentence
from scrapers.sky import Cone
from scrapers.tally import CrawlSummary, Progress

HALF = Progress(
    tiles=3, tiles_asked=3, found=40, got=18, skipped=0, refused=1, failed=1, bytes=5_000_000, seconds=100.0
)


def test_elsewhere_than_on_a_terminal_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("scrapers.report.time.monotonic", lambda: now)
    with Reporter("hla") as report:
        for _ in range(200):
            now += 1.0
            report(HALF)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        "hla: 3 of 3 parts asked, 40 products: 18 fetched, 0 known before, 1 refused, 1 failed; 5.0 MB, 0.1 MB/s, "
        "about 2 min left"
    )


def test_the_end_is_one_sentence_with_the_reasons() -> None:
    assert describe(Progress()).startswith("0 products")
    summary = CrawlSummary(HALF, 0, {"busy": 1, "too_small": 1}, ("it is small",), None)
    assert sentence("hla", summary).endswith("0.1 MB/s in 100 s. Not taken: 1 busy, 1 too_small.")


def test_a_crawl_that_is_interrupted_ends_and_can_go_on(
    host: FakeHost, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    serve_colour_rows(host, 20)

    def archive() -> Hla:
        return Hla(PoliteClient(host.url, quick, Gates(5000, quick.connections)), hla_query())

    def interrupt(progress: Progress) -> None:
        if progress.got == 3:
            raise KeyboardInterrupt

    region = Cone(1, 2, 0.1)
    with pytest.raises(KeyboardInterrupt):
        crawl(archive(), region, engine=engine, blobs=blobs, settings=quick, on_progress=interrupt)
    here = {count.status: count.number for count in ledger.counts(engine) if count.what == "products"}
    assert here["got"] >= 3 and here["got"] + here["open"] == 20
    again = crawl(archive(), region, engine=engine, blobs=blobs, settings=quick).progress
    assert (again.got, again.skipped) == (here["open"], here["got"])
