import time
from collections import Counter
from collections.abc import Callable

import pytest
from fake_archive import Answer, FakeClock, FakeHost, picture, serve_colour_rows, sia_reply, sia_row
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers import crawl as crawling
from scrapers import ledger
from scrapers.hla import Hla, hla_query, open_hla
from scrapers.http import HttpError, PoliteClient
from scrapers.politeness import Gates
from scrapers.replica.faults import Faults
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone
from scrapers.tally import CrawlSummary, Progress

M101 = Cone(210.8, 54.35, 0.2)
SIA, FITSCUT = "/cgi-bin/hlaSIAP.cgi", "/cgi-bin/fitscut.cgi"

Run = Callable[..., CrawlSummary]


@pytest.fixture
def archive(host: FakeHost, quick: Settings) -> Hla:
    one = open_hla(quick, hla_query(), host.url)
    one.client._first_backoff_s = 0.01
    return one


@pytest.fixture
def run(archive: Hla, engine: Engine, blobs: BlobStore, quick: Settings) -> Run:
    def crawl(region: Cone = M101, **options: object) -> CrawlSummary:
        return crawling.crawl(archive, region, engine=engine, blobs=blobs, settings=quick, **options)  # type: ignore[arg-type]

    return crawl


def test_a_second_run_asks_for_nothing(host: FakeHost, run: Run, blobs: BlobStore) -> None:
    serve_colour_rows(host, 12)
    told: list[Progress] = []
    first = run(on_progress=told.append)
    assert (first.progress.found, first.progress.got) == (12, 12)
    assert first.progress.bytes == sum(blobs.path(name).stat().st_size for name in blobs)
    assert len(list(blobs)) == 12
    assert told[-1].done == 12 and [one.done for one in told] == sorted(one.done for one in told)
    asked = len(host.log)
    second = run()
    assert (second.progress.got, second.progress.skipped) == (0, 12)
    assert len(host.log) == asked == 14  # robots.txt, the question, the pictures


def test_what_failed_is_asked_again_and_what_was_refused_is_not(host: FakeHost, run: Run) -> None:
    serve_colour_rows(host, 4)
    answers = {
        "HST_9000_01_ACS_WFC_F814W": Answer(status=500),
        "HST_9001_01_ACS_WFC_F814W": Answer(picture(1, (90, 90))),
        "HST_9002_01_ACS_WFC_F814W": Answer(status=404),
    }
    good = Answer(picture(3))
    host.script(FITSCUT, lambda path, query: answers.get(query["red"][0], good))
    first = run().progress
    assert (first.got, first.refused, first.failed) == (1, 1, 2)
    asked = len(host.log)
    answers["HST_9000_01_ACS_WFC_F814W"] = answers["HST_9001_01_ACS_WFC_F814W"] = good
    second = run()
    assert (second.progress.got, second.progress.skipped) == (1, 3)
    assert len(host.log) == asked + 1
    third = run(refresh=True)
    assert (third.progress.got, third.progress.failed) == (1, 1)
    assert third.reasons == {"gone": 1}
    assert len(host.asked(SIA)) == 2


def test_a_missing_blob_is_fetched_again(host: FakeHost, run: Run, blobs: BlobStore) -> None:
    serve_colour_rows(host, 3)
    run()
    lost = sorted(blobs)[0]
    blobs.path(lost).unlink()
    assert run().progress.got == 1
    assert lost in blobs


def test_what_a_killed_crawl_left_half_written_is_removed(host: FakeHost, run: Run, blobs: BlobStore) -> None:
    left = blobs.root / "incoming" / "tmpabc.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(picture(1)[:100])
    serve_colour_rows(host, 2)
    run()
    assert len(list(blobs)) == 2 and not left.exists()


def test_a_limit_is_the_first_products_by_name(host: FakeHost, run: Run, engine: Engine, archive: Hla) -> None:
    serve_colour_rows(host, 9)
    assert run(limit=4).progress.got == 4
    assert run(limit=4).progress.got == 0
    assert run(limit=6).progress.got == 2
    here = crawling.products_in(archive, M101, engine=engine)
    assert [entry.line.status for entry in here] == ["got"] * 6 + ["open"] * 3
    assert len(crawling.products_in(archive, M101, engine=engine, limit=2)) == 2


def test_grey_where_colour_was_promised_is_refused(host: FakeHost, run: Run, blobs: BlobStore) -> None:
    serve_colour_rows(host, 2)
    host.script(FITSCUT, lambda path, query: Answer(picture(1, mode="L")))
    summary = run()
    assert summary.reasons == {"not_rgb": 2} and "in grey" in summary.errors[0]
    assert list(blobs) == []


def test_pictures_elsewhere_are_not_fetched(host: FakeHost, run: Run) -> None:
    other = FakeHost()
    try:
        other.say(FITSCUT, picture(1))
        host.say(SIA, sia_reply([sia_row(other.url, 1)]))
        summary = run()
        assert summary.reasons == {"elsewhere": 1}
        assert not other.log
    finally:
        other.close()


def test_an_archive_without_an_answer_is_one_error(host: FakeHost, run: Run, engine: Engine) -> None:
    host.say(SIA, b"<html>down for maintenance</html>")
    with pytest.raises(HttpError, match="an HTML page, not a VOTable"):
        run()
    assert [(count.what, count.status) for count in ledger.counts(engine)] == [("tiles", "failed")]
    serve_colour_rows(host, 1)
    host._answers[SIA].pop(0)
    assert run().progress.got == 1


def test_an_archive_that_goes_away_is_left_alone(
    host: FakeHost, archive: Hla, run: Run, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(time, "time", clock.now)
    archive.client = PoliteClient(host.url, quick, Gates(quick.requests_per_second, quick.connections, clock))
    serve_colour_rows(host, 60)
    host.script(FITSCUT, lambda path, query: Answer(status=503))
    summary = run()
    assert summary.stopped is not None and "stays open" in summary.stopped
    assert "failed" in summary.stopped and "times in a row and is left alone until" in summary.stopped
    # some at once, and then one now and then for some minutes
    assert len(host.asked(FITSCUT)) < 30 and clock.now() > 300
    assert run().progress.got == 0
    clock.sleep(7200)
    serve_colour_rows(host, 60)
    assert run().progress.got == 60


def test_a_wide_region_is_asked_in_parts_and_keeps_to_its_edge(
    host: FakeHost, run: Run, archive: Hla, engine: Engine
) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        ra, dec = (float(number) for number in query["pos"][0].split(","))
        name = f"HST_{round(abs(ra) * 1000)}{round((dec + 90) * 1000)}"
        return Answer(sia_reply([sia_row(host.url, 1, RA=ra, DEC=dec, Dataset=name), sia_row(host.url, 2)]))

    host.script(SIA, answer)
    host.script(FITSCUT, lambda path, query: Answer(picture(1)))
    region = Cone(210.8, 54.35, 1.5)
    summary = run(region)
    parts = len(host.asked(SIA))
    assert parts == summary.progress.tiles == summary.progress.tiles_asked > 4
    # a centre of a part may lie outside of the region; the row that all parts have counts once
    assert 2 <= summary.progress.found < parts + 1
    assert len(host.asked(FITSCUT)) == summary.progress.found
    assert len(crawling.look(archive, region)) == summary.progress.found
    asked = len(host.log)
    run(region)
    assert len(host.log) == asked


def test_parts_that_fail_are_told_and_asked_again(host: FakeHost, run: Run) -> None:
    bad: list[str] = []

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        if not bad or path in bad:
            bad.append(path)
            return Answer(b"nothing", 500)
        return Answer(sia_reply([sia_row(host.url, 1)]))

    host.script(SIA, answer)
    host.script(FITSCUT, lambda path, query: Answer(picture(1)))
    region = Cone(210.8, 54.35, 1.5)
    first = run(region)
    assert first.tiles_failed == 1 and first.progress.got == 1
    bad[:] = ["none"]
    asked = len(host.asked(SIA))
    assert run(region).tiles_failed == 0
    assert len(host.asked(SIA)) == asked + 1


def test_listing_writes_nothing_down(host: FakeHost, archive: Hla, engine: Engine) -> None:
    serve_colour_rows(host, 5)
    assert len(crawling.look(archive, M101)) == 5
    assert ledger.counts(engine) == []
    assert not host.asked(FITSCUT)


def test_a_batch_may_be_run_again(
    host: FakeHost, archive: Hla, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    serve_colour_rows(host, 6)
    plan = crawling.plan_tiles(archive, M101, engine=engine)
    assert [crawling.ask_tile(archive, tile, engine=engine) for tile in plan.tiles] == [6]
    todo = crawling.open_products(plan, engine=engine, blobs=blobs)
    assert todo.skipped == 0

    def batch() -> Progress:
        return crawling.fetch_batch(
            archive.client, todo.product_ids, engine=engine, blobs=blobs, settings=quick
        ).progress

    assert (batch().got, batch().skipped) == (6, 6)
    assert len(host.asked(FITSCUT)) == 6


@pytest.mark.slow
def test_the_local_archive_with_its_faults_gives_every_picture_bit_exact(
    engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    sky = synthetic_sky(visits=12)
    faults = Faults(0.6, times=2, retry_after_s=0, stall_s=0.05, seed=3)
    with serve(sky, prefix="/mirror", faults=faults) as server:
        archive = open_hla(quick, hla_query(), f"{server.url}/mirror")
        archive.client._first_backoff_s = 0.01
        summary = crawling.crawl(archive, Cone(210.8, 54.35, 1.0), engine=engine, blobs=blobs, settings=quick)
        assert summary.progress.found == summary.progress.got > 5
        statuses = Counter(access.status for access in server.log)
        assert statuses[503] + statuses[429] + statuses[0] > 0
        with serve(sky, prefix="/mirror") as calm:
            for entry in crawling.products_in(archive, Cone(210.8, 54.35, 1.0), engine=engine):
                assert entry.line.sha256 is not None and blobs.intact(entry.line.sha256)
                path = entry.product.access_url.removeprefix(server.url)
                reply = open_hla(quick, hla_query(), f"{calm.url}/mirror").client.get(calm.url + path, len)
                assert reply.body == blobs.read(entry.line.sha256)
