"""Crawls of regions larger than one question: all ways of cutting find the same, nothing twice, resumable."""

import math
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_archive import Answer, FakeHost, picture, sia_reply, sia_row
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers import ledger
from scrapers.coverage import coverages
from scrapers.crawl import FIRST, ROUND, crawl, look, products_in
from scrapers.hla import Hla, hla_query, open_hla
from scrapers.http import PoliteClient
from scrapers.politeness import Gates
from scrapers.regions import Polygon, Region, WholeSky, polygon
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone, separation
from scrapers.tally import CrawlSummary, Progress
from scrapers.tiling import Tiling

SIA, FITSCUT = "/cgi-bin/hlaSIAP.cgi", "/cgi-bin/fitscut.cgi"
WAYS = (Tiling(order=6), Tiling(order=7), Tiling(grid=True))
FIELDS = [(ra, dec) for ra in range(0, 360, 24) for dec in (-90, -60, -25, 0, 25, 60, 90)]


@pytest.fixture
def sky_of_fields(host: FakeHost, quick: Settings) -> Hla:
    """An archive with a product 0.2 degrees wide at each of the FIELDS."""

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        ra, dec = (float(number) for number in query["pos"][0].split(","))
        near = [
            sia_row(host.url, n, RA=x, DEC=y, naxis="100 100", scale="0.002", regionSTCS=None)
            for n, (x, y) in enumerate(FIELDS)
            if separation(ra, dec, x, y) <= float(query["size"][0]) + 0.1 * math.sqrt(2)
        ]
        return Answer(sia_reply(near))

    host.script(SIA, answer)
    host.script(FITSCUT, lambda path, query: Answer(picture(int(query["red"][0].split("_")[1]))))
    return archive_at(host.url, quick)


def archive_at(url: str, settings: Settings) -> Hla:
    """An archive with a client of its own: one that is interrupted stops all that share its gates."""
    return Hla(PoliteClient(url, settings, Gates(5000, settings.connections)), hla_query())


def asked_for(host: FakeHost, path: str) -> Counter[str]:
    return Counter(str(sorted(parse_qs(urlsplit(one).query).items())) for one in host.asked(path))


@pytest.fixture(scope="module")
def archive_of_visits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hla]:
    home = tmp_path_factory.mktemp("visits")
    with serve(synthetic_sky(visits=25)) as server:
        yield open_hla(Settings(home=home, requests_per_second=5000), hla_query("all"), server.url)


@pytest.mark.parametrize("region", [Cone(210.8, 54.35, 0.05), Cone(210.8, 54.35, 0.3), Cone(211.3, 54.2, 1.4)])
def test_all_ways_find_what_one_question_finds(archive_of_visits: Hla, region: Cone) -> None:
    truth = {product.obs_id for product in archive_of_visits.ask(archive_of_visits.tile(region))}
    assert truth
    for tiling in WAYS:
        assert {product.obs_id for product in look(archive_of_visits, region, tiling)} == truth


def test_all_ways_find_the_same_in_a_polygon(archive_of_visits: Hla) -> None:
    everything = archive_of_visits.ask(archive_of_visits.tile(Cone(210.8, 54.35, 3)))
    # a meridian through the middle of a field parts east from west
    middle = sorted(product.s_ra for product in everything if product.s_ra)[len(everything) // 2]
    east = polygon(f"{middle} 53 213 53 213 56 {middle} 56")
    west = Polygon(((middle, 53), (middle, 56), (208, 56), (208, 53)))
    found: list[set[str | None]] = []
    for region in (east, west):
        ways = [
            {product.obs_id for product in look(archive_of_visits, region, tiling)}
            for tiling in (Tiling(), Tiling(order=5))
        ]
        assert ways[0] == ways[1]
        found.append(ways[0])
    assert found[0] | found[1] == {product.obs_id for product in everything}
    assert 0 < len(found[0] & found[1]) < min(len(found[0]), len(found[1]))


@pytest.mark.parametrize(
    ("region", "fields", "tiling"),
    [
        (Cone(0, 0, 1.5), {(0, 0)}, Tiling()),
        (Cone(0, 0, 1.5), {(0, 0)}, Tiling(grid=True)),
        (Cone(200, 90, 1.2), {(ra, 90) for ra in range(0, 360, 24)}, Tiling()),
        (polygon("358 -1 26 -1 26 1 358 1"), {(0, 0), (24, 0)}, Tiling(order=3)),
        (polygon("358 -1 26 -1 26 1 358 1"), {(0, 0), (24, 0)}, Tiling(grid=True)),
    ],
)
def test_each_product_comes_once_however_the_questions_overlap(
    host: FakeHost,
    sky_of_fields: Hla,
    engine: Engine,
    blobs: BlobStore,
    quick: Settings,
    region: Region,
    fields: set[tuple[int, int]],
    tiling: Tiling,
) -> None:
    def run() -> CrawlSummary:
        return crawl(sky_of_fields, region, tiling, engine=engine, blobs=blobs, settings=quick)

    first = run().progress
    assert first.tiles > 1
    assert first.found == first.got == len(fields)
    entries = products_in(sky_of_fields, region, tiling, engine=engine)
    assert {(entry.product.s_ra, entry.product.s_dec) for entry in entries} == fields
    assert set(asked_for(host, FITSCUT).values()) == set(asked_for(host, SIA).values()) == {1}
    asked = len(host.log)
    again = run().progress
    assert (again.got, again.skipped) == (0, len(fields)) and len(host.log) == asked


def test_the_whole_sky_brings_pictures_from_its_first_round_and_is_resumed(
    host: FakeHost, sky_of_fields: Hla, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    tiling = Tiling(order=2)
    told: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        told.append(progress)
        if progress.tiles_asked > ROUND + 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crawl(sky_of_fields, WholeSky(), tiling, engine=engine, blobs=blobs, settings=quick, on_progress=interrupt)
    assert told[-1].got > 5
    host_log = len(host.log)
    assert 0 < coverages(engine)[0].sky_fraction < 1
    summary = crawl(archive_at(host.url, quick), WholeSky(), tiling, engine=engine, blobs=blobs, settings=quick)
    assert summary.progress.tiles == summary.progress.tiles_asked == 192
    assert summary.progress.found == len(FIELDS) == len(list(blobs))
    assert coverages(engine)[0].sky_fraction == 1.0
    # what was in the air at the interrupt may have been asked once more
    in_the_air = quick.connections + 64
    assert sum(asked_for(host, SIA).values()) <= 192 + in_the_air and len(host.log) > host_log
    assert sum(asked_for(host, FITSCUT).values()) <= len(FIELDS) + in_the_air


def test_a_large_crawl_goes_on_before_it_has_looked_at_all_that_is_open(
    host: FakeHost, sky_of_fields: Hla, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    def run() -> tuple[list[Progress], CrawlSummary]:
        told: list[Progress] = []
        once = quick.model_copy(update={"attempts": 1})
        end = crawl(
            archive_at(host.url, once),
            WholeSky(),
            Tiling(order=2),
            engine=engine,
            blobs=blobs,
            settings=once,
            on_progress=told.append,
        )
        return told, end

    host.script(FITSCUT, lambda path, query: Answer(b"<html>Sorry</html>"))
    assert run()[1].progress.got == 0
    host.script(FITSCUT, lambda path, query: Answer(picture(int(query["red"][0].split("_")[1]))))
    asked = len(host.asked(SIA))
    told, end = run()
    early = next(progress for progress in told if progress.got)
    assert early.tiles_asked == FIRST and early.found < len(FIELDS)
    assert (end.progress.tiles_asked, end.progress.found, end.progress.got) == (192, len(FIELDS), len(FIELDS))
    assert len(host.asked(SIA)) == asked
    last = run()[1].progress
    assert (last.found, last.skipped, last.tiles_asked) == (len(FIELDS), len(FIELDS), 192)


def test_a_limit_ends_the_questions_and_stays_what_it_was(
    host: FakeHost, sky_of_fields: Hla, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    def run(limit: int) -> Progress:
        tiling = Tiling(order=2)
        return crawl(
            sky_of_fields, WholeSky(), tiling, engine=engine, blobs=blobs, settings=quick, limit=limit
        ).progress

    assert run(3).got == 3
    asked = len(host.asked(SIA))
    assert asked < 60
    assert (run(3).got, run(3).skipped) == (0, 3)
    assert len(host.asked(SIA)) == asked
    assert run(30).found == 30 and len(list(blobs)) >= 30
    assert asked < len(host.asked(SIA)) < 192
    listed = look(sky_of_fields, WholeSky(), Tiling(order=2), limit=4)
    assert len(listed) == 4
    assert {count.status for count in ledger.counts(engine) if count.what == "tiles"} == {"done", "open"}
