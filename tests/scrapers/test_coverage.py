import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from astropy.io.fits import getheader
from fake_archive import Answer, FakeHost, picture, sia_reply, sia_row
from mocpy import MOC
from sqlalchemy import Engine
from typer.testing import CliRunner

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import Settings, load_settings
from scrapers import crawl as crawling
from scrapers import mocs
from scrapers.cli import scrape_app
from scrapers.coverage import WHOLE_SKY_DEG2, coverages, describe, export, question_kind
from scrapers.hla import Hla, hla_query, open_hla
from scrapers.mast import mast_query, open_mast
from scrapers.regions import Area, WholeSky, polygon
from scrapers.sky import Cone
from scrapers.tiling import Tiling, cut

SIA, FITSCUT = "/cgi-bin/hlaSIAP.cgi", "/cgi-bin/fitscut.cgi"
FIELD = polygon("POLYGON ICRS 209 53.5 212 53.5 212 55 209 55")


@pytest.fixture
def archive(host: FakeHost, quick: Settings) -> Hla:
    host.say(SIA, sia_reply([sia_row(host.url, 1)]))
    host.say(FITSCUT, Answer(picture(1)))
    return open_hla(quick, hla_query(), host.url)


@pytest.fixture
def brought(archive: Hla, engine: Engine, blobs: BlobStore, quick: Settings) -> MOC:
    """The field of a crawl that is done, as the cells it was asked by."""
    crawling.crawl(archive, FIELD, engine=engine, blobs=blobs, settings=quick)
    return mocs.union(coverage for _, coverage in cut(FIELD, Tiling()) if coverage)


def test_coverage_is_what_was_answered(host: FakeHost, archive: Hla, engine: Engine, brought: MOC) -> None:
    (one,) = coverages(engine)
    assert (one.archive, one.question, one.tiles) == ("hla", "color", len(host.asked(SIA)))
    assert one.moc == brought
    assert mocs.of_polygon(FIELD.vectors, 9).difference(one.moc).empty()
    assert one.area_deg2 == pytest.approx(one.tiles * WHOLE_SKY_DEG2 / 49_152)
    assert describe(one) == f"covered: {one.area_deg2:.3f} deg2, {100 * one.sky_fraction:.2g} % of the sky, for color"
    # what is only planned is not covered
    crawling.plan_tiles(archive, Cone(10, 10, 3), engine=engine)
    assert coverages(engine)[0].moc == brought


def test_questions_that_differ_cover_apart(
    host: FakeHost, archive: Hla, engine: Engine, quick: Settings, brought: MOC
) -> None:
    for query in (hla_query("best"), hla_query(inst="ACS", filters="F814W")):
        other = open_hla(quick, query, host.url)
        plan = crawling.plan_tiles(other, Cone(10, 10, 0.5), engine=engine)
        crawling.ask_tile(other, plan.tiles[0], engine=engine)
    found = {one.question: one for one in coverages(engine)}
    assert len(found) == 3
    narrow = next(one for words, one in found.items() if "F814W" in words)
    assert narrow.question.startswith("color; ") and "inst ACS;" in narrow.question
    assert 0.6 < narrow.area_deg2 < 3.1416 * 0.25
    assert sum(one.moc == brought for one in found.values()) == 1
    assert all("url" not in words and "format" not in words for words in found)


def test_the_place_alone_makes_no_other_kind_of_question(quick: Settings) -> None:
    for archive in (open_hla(quick, hla_query()), open_mast(quick, mast_query("hap", "color"))):
        one, two = (archive.tile(Cone(ra, -10, radius)).request for ra, radius in ((10, 0.2), (20, 0.7)))
        assert one != two and question_kind(one) == question_kind(two)
    state = "http://a/hlaview.html#Images|filter=|RA={}&Dec=3&Radius={}&inst=ACS&inst=WFC3&imagetype={}|"
    told = [json.dumps({"url": state.format(*values)}) for values in ((1, 2, "color"), (7, 1, "color"), (1, 2, "best"))]
    assert question_kind(told[0]) == question_kind(told[1]) != question_kind(told[2])
    assert question_kind(open_hla(quick, hla_query("best")).tile(Cone(1, 1, 1)).request) != question_kind(
        open_hla(quick, hla_query()).tile(Cone(1, 1, 1)).request
    )


@pytest.mark.parametrize("ending", ["fits", "json", "txt"])
def test_a_moc_that_is_exported_is_a_region_again(
    engine: Engine, brought: MOC, tmp_path: Path, archive: Hla, ending: str
) -> None:
    path = tmp_path / f"covered.{ending}"
    export(coverages(engine), path)
    kind = "ascii" if ending == "txt" else ending
    assert MOC.load(path, format=kind) == brought
    if ending == "fits":
        header = getheader(path, 1)
        assert (header["MOCVERS"], header["MOCDIM"], header["MOCORD_S"]) == ("2.0", "SPACE", 6)
    again = crawling.make_plan(archive, Area(path.name, brought.to_string()))
    assert set(again.tiles) == set(crawling.make_plan(archive, FIELD).tiles)


def test_what_cannot_be_exported_is_one_sentence(engine: Engine, brought: MOC, tmp_path: Path, archive: Hla) -> None:
    (one,) = coverages(engine)
    for found, name, of, complaint in (
        ([], "a.fits", None, "Nothing is covered"),
        ([one], "a.png", None, "must end in"),
        ([one], "a.fits", "mast", "one of 'hla color'"),
        ([one, one], "a.fits", None, "one of 'hla color', 'hla color'"),
    ):
        with pytest.raises(UsageError, match=complaint):
            export(found, tmp_path / name, of)
    (tmp_path / "file").write_text("")
    with pytest.raises(DeepfieldError, match="cannot be written"):
        export([one], tmp_path / "file" / "a.fits")
    assert {path.name for path in tmp_path.iterdir()} <= {
        "file",
        "catalog.db",
        "catalog.db-shm",
        "catalog.db-wal",
        "blobs",
    }


def test_the_coverage_of_the_whole_sky_is_all_of_it(engine: Engine, archive: Hla) -> None:
    plan = crawling.plan_tiles(archive, WholeSky(), Tiling(order=1), engine=engine)
    for tile in plan.tiles:
        crawling.ask_tile(archive, tile, engine=engine)
    (one,) = coverages(engine)
    assert (one.tiles, one.sky_fraction) == (48, 1.0)
    assert describe(one) == "covered: 41253 deg2, 100.0 % of the sky, for color"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    load_settings.cache_clear()
    yield tmp_path
    load_settings.cache_clear()


def test_status_tells_and_exports_it(home: Path, brought: MOC) -> None:
    run = CliRunner().invoke
    shown = run(scrape_app, ["status", "--moc-out", str(home / "sky.fits")])
    assert shown.exit_code == 0, shown.exception
    assert "hla        covered: " in shown.stdout and " % of the sky, for color" in shown.stdout
    assert MOC.load(home / "sky.fits", format="fits") == brought
    lines = [json.loads(line) for line in run(scrape_app, ["status", "--json"]).stdout.splitlines()]
    told = next(line for line in lines if line["what"] == "coverage")
    assert told["sky_fraction"] == pytest.approx(brought.sky_fraction)
