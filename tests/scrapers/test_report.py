import io

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
from scrapers.report import Reporter, describe, duration, sentence
from scrapers.sky import Cone
from scrapers.tally import CrawlSummary, Progress, Tally

HALF = Progress(
    tiles=3,
    tiles_asked=3,
    found=50,
    got=18,
    skipped=10,
    refused=1,
    failed=1,
    bytes=5_000_000,
    seconds=200.0,
    fetching_seconds=100.0,
)
ASKING = Progress(tiles=50, tiles_asked=30, tiles_replied=5, listed=700, seconds=100.0)
# a large region is asked and fetched by turns: the parts tell how long it takes
BY_TURNS = Progress(
    tiles=50, tiles_asked=30, found=40, got=40, bytes=2_000_000, tiles_replied=5, seconds=400, fetching_seconds=20
)


def test_elsewhere_than_on_a_terminal_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("scrapers.report.time.monotonic", lambda: now)
    with Reporter("hla") as report:
        for second in range(200):
            now += 1.0
            report(HALF if second > 100 else ASKING)
        now += 6000.0
        report(HALF)
        report(HALF)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "hla: 30 of 50 parts asked, 700 products listed, about 7 min left"
    assert lines[1:] == 3 * [
        "hla: 3 of 3 parts asked, 50 products: 18 fetched, 10 known before, 1 refused, 1 failed; 5.0 MB, "
        "0.2 products/s, 0.1 MB/s, about 2 min left"
    ]


def test_on_a_terminal_a_bar_with_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    for progress, words in (
        (ASKING, ("hla: asking", "30/50", "700 listed, about 7 min left")),
        (BY_TURNS, ("hla: asking and fetching", "30/50", "0 failed; 2.0 MB, 2.0 products/s, ", "about 27 min left")),
        (HALF, ("hla: fetching", "30/50", "1 failed; 5.0 MB, 0.2 products/s, 0.1 MB/s, about 2 min left")),
    ):
        with Reporter("hla") as report:
            report(progress)
        for one in words:
            assert one in screen.getvalue()


def test_what_is_left_to_others_counts_as_skipped() -> None:
    told: list[Progress] = []
    tally = Tally(told.append)
    tally.tiles = 4
    tally.add_tile(7)
    tally.begin_fetching(10, 4)
    tally.add(None)
    tally.leave(2)
    assert told[-1].fetched == 0 and told[-1].skipped == 7 and told[-1].elsewhere == 2 and told[-1].listed == 7
    assert "2 being fetched by another worker" in describe(told[-1])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5000, "83 min"),
        (5400, "1.5 h"),
        (172_799, "48.0 h"),
        (864_000, "10 days"),
    ],
)
def test_a_length_of_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_end_is_one_sentence_with_the_reasons() -> None:
    assert describe(Progress()).startswith("0 products")
    summary = CrawlSummary(HALF, 0, {"busy": 1, "too_small": 1}, ("it is small",), None)
    assert sentence("hla", summary).endswith("0.1 MB/s in 3 min. Not taken: 1 busy, 1 too_small.")


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
