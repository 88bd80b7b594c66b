"""FITS of single filters from HLA: which rows, which addresses, what comes of the bytes."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from fake_archive import Answer, FakeHost, picture, sia_reply, sia_row
from sqlalchemy import Engine
from typer.testing import CliRunner

from curation.curate import curate
from curation.policy import RULES_ONLY, load_policy
from manifests.blobs import BlobStore
from manifests.errors import UsageError
from manifests.settings import Settings, load_settings
from manifests.snapshots import read_snapshot
from scrapers import crawl as crawling
from scrapers.cli import scrape_app
from scrapers.hla import Hla, hla_query, open_hla, products
from scrapers.replica.server import serve
from scrapers.replica.sky import SyntheticSky, synthetic_sky
from scrapers.sky import Cone
from scrapers.votable import read_rows

BASE = "https://hla.stsci.edu"
RECORDED = Path(__file__).parents[3] / "shared/reference/recorded/hla/hlaSIAP_m101_best_fits_size0_2012.xml"
GETDATA = "/cgi-bin/getdata.cgi"
NAME = "HST_9490_01_ACS_WFC_F814W"
HERE = Cone(210.8, 54.35, 0.2)


def file_row(base: str, **cells: Any) -> dict[str, Any]:
    own = {
        "URL": f"{base}{GETDATA}?dataset={NAME}",
        "Level": 2,
        "Spectral_Elt": "F814W",
        "Dataset": NAME,
        "Format": "image/fits",
        "filename": NAME,
    }
    return sia_row(base, 490, **(own | cells))


def drizzled(side: int = 300) -> bytes:
    """A file as the archive has it: primary, SCI and WHT."""
    primary = fits.PrimaryHDU()
    primary.header["FILTER"], primary.header["EXPTIME"] = "F814W", 720.0
    science = fits.ImageHDU(np.random.default_rng(1).normal(0, 1, (side, side)).astype(np.float32), name="SCI")
    for key, value in {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 150.0, "CRPIX2": 150.0, "CRVAL1": 210.8,
        "CRVAL2": 54.35, "CD1_1": -1.38889e-5, "CD2_2": 1.38889e-5,
    }.items():  # fmt: skip
        science.header[key] = value
    out = io.BytesIO()
    fits.HDUList([primary, science, fits.ImageHDU(np.ones((side, side), np.float32), name="WHT")]).writeto(out)
    return out.getvalue()


@pytest.fixture
def archive(host: FakeHost, quick: Settings) -> Hla:
    one = open_hla(quick, hla_query(fits=True), host.url)
    one.client._first_backoff_s = 0.01
    return one


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded replies are not beside this checkout")
def test_the_recorded_reply_has_13_files_of_single_filters() -> None:
    rows = read_rows(RECORDED.read_bytes(), "HLA")
    levels = hla_query("best", fits=True).levels
    found = products(rows, BASE, levels, fits=True)
    assert [one.source_name for one in found if one.filters == "detection"]
    single = [one for one in found if one.filters != "detection"]
    assert len(single) == 13
    jpegs = products(rows, BASE, {1, 2, 3, 4, 5})
    assert not {one.product_id for one in found} & {one.product_id for one in jpegs}
    for one in single:
        assert one.access_url == f"{BASE}{GETDATA}?dataset={one.source_name}"
        assert one.access_format == "image/fits" and not one.expects_colour and one.s_region
        assert one.release_id in {jpeg.release_id for jpeg in jpegs}


def test_only_files_of_single_filters_are_asked_for(host: FakeHost, archive: Hla, quick: Settings) -> None:
    rows = [
        sia_row(host.url, 490, Format="image/fits"),
        file_row(host.url),
        file_row(host.url, Dataset="HST_9490_01_ACS_WFC_total", Spectral_Elt="detection"),
        file_row(host.url, Dataset="two", Spectral_Elt="F814W/F606W"),
        file_row(host.url, Dataset="page", Format="text/html"),
        # a server that knows JPEGs only, and one that says nothing
        file_row(host.url, Dataset="other", URL=f"{host.url}/cgi-bin/fitscut.cgi?red=other", Format="image/jpeg"),
        file_row(host.url, Dataset="silent", URL=""),
    ]
    host.say("/cgi-bin/hlaSIAP.cgi", sia_reply(rows))
    tile = archive.tile(HERE)
    assert json.loads(tile.request)["format"] == "image/fits"
    assert json.loads(tile.request)["imagetype"] == "combined"
    found = archive.ask(tile)
    assert {one.product_id for one in found} == {f"hla:fits:{name}" for name in (NAME, "other", "silent")}
    assert {one.access_url for one in found} == {f"{host.url}{GETDATA}?dataset={n}" for n in (NAME, "other", "silent")}
    total = open_hla(quick, hla_query(filters="detection", fits=True), host.url)
    tile = total.tile(HERE)
    assert json.loads(tile.request)["filter"] == "detection"
    assert "HST_9490_01_ACS_WFC_total" in {one.source_name for one in total.ask(tile)}


def test_colour_pictures_have_no_files() -> None:
    assert hla_query(fits=True).imagetypes == ("combined",)
    assert 4 not in hla_query("best,color", fits=True).levels
    with pytest.raises(UsageError, match="use --imagetype combined"):
        hla_query("color", fits=True)


@pytest.mark.parametrize(
    ("cells", "flag"),
    [
        ({}, False),
        ({"Spectral_Elt": "F814W/F606W", "filename": "a,b"}, True),
        ({"Spectral_Elt": "F814W/F606W", "filename": None}, True),
        ({"Spectral_Elt": None, "filename": "a,b,c"}, False),
        ({"Spectral_Elt": "F814W/F606W", "filename": "a,b,c"}, None),
        ({"Spectral_Elt": None, "filename": "picture"}, None),
        ({"Level": 2, "Spectral_Elt": "F814W/F606W"}, None),
    ],
)
def test_green_made_of_two_filters_is_known(cells: dict[str, Any], flag: bool | None) -> None:
    (one,) = products(read_rows(sia_reply([sia_row(BASE, 1, **cells)]), "HLA"), BASE, {2, 4})
    assert one.synthetic_green is flag


def test_a_file_is_stored_with_what_its_header_adds(
    host: FakeHost, archive: Hla, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    whole = drizzled()
    host.say("/cgi-bin/hlaSIAP.cgi", sia_reply([file_row(host.url, ExpTime=None, RA=None, DEC=None, scale=None)]))
    # an error page of text, half a file, and a file without its weights: each is asked for again
    host.say(GETDATA, b"dataset parameter is required\n", whole[: len(whole) // 2], whole[:-100_000], whole)
    patient = quick.model_copy(update={"attempts": 4})
    archive = open_hla(patient, hla_query(fits=True), host.url)
    archive.client._first_backoff_s = 0.01
    summary = crawling.crawl(archive, HERE, engine=engine, blobs=blobs, settings=patient)
    assert summary.progress.got == 1
    (entry,) = crawling.products_in(archive, HERE, engine=engine)
    assert entry.line.sha256 is not None and blobs.read(entry.line.sha256) == whole
    one = entry.product
    assert (one.access_format, one.filters, one.t_exptime) == ("image/fits", "F814W", 720.0)
    assert one.s_ra == pytest.approx(210.8, abs=1e-4) and one.s_resolution == pytest.approx(0.05, rel=1e-4)
    assert one.s_region is not None and one.s_region.startswith("Polygon J2000 210.7")  # the chips', not the image's


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (Answer(b"dataset parameter is required\n"), "failed", "not_a_picture"),
        (Answer(drizzled()[:-100_000]), "refused", "corrupt"),
        (Answer(picture(1)), "refused", "not_fits"),
        (Answer(drizzled(200)), "refused", "too_small"),
        (Answer(drizzled(), headers={"Content-Length": str(2**40)}), "refused", "too_large"),
    ],
)
def test_what_is_no_file_is_written_down(
    host: FakeHost, archive: Hla, engine: Engine, blobs: BlobStore, quick: Settings, answer: Answer, status: str,
    reason: str,
) -> None:  # fmt: skip
    host.say("/cgi-bin/hlaSIAP.cgi", sia_reply([file_row(host.url)]))
    host.say(GETDATA, answer)
    summary = crawling.crawl(archive, HERE, engine=engine, blobs=blobs, settings=quick)
    assert summary.reasons == {reason: 1}
    assert [entry.line.status for entry in crawling.products_in(archive, HERE, engine=engine)] == [status]
    assert list(blobs) == []


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(visits=24, sides_px=(288, 320))


def test_files_and_jpegs_of_a_visit_go_through_curation_together(
    sky: SyntheticSky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, blobs: BlobStore,
    quick: Settings,
) -> None:  # fmt: skip
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "5000")
    load_settings.cache_clear()
    with serve(sky, prefix="/mirror") as server:
        three, two = ([visit for visit in sky.visits if len(visit.filters) == number] for number in (3, 2))
        for visit in (three[0], three[1], two[0]):
            where = ["--ra", str(visit.grid.ra), "--dec", str(visit.grid.dec), "--radius", "0"]
            for more in ([], ["--fits"]):
                result = CliRunner().invoke(scrape_app, ["hla", *where, "--archive-url", f"{server.url}/mirror", *more])
                assert result.exit_code == 0, result.exception
    load_settings.cache_clear()
    curate(settings=quick, engine=engine, blobs=blobs, policy=load_policy(RULES_ONLY))
    rows = read_snapshot(quick.manifest_dir)
    files, colour = rows[rows["access_format"] == "image/fits"], rows[rows["access_format"] == "image/jpeg"]
    assert len(files) > len(colour) >= 3
    assert set(files["domain"]) == {"linear"} and set(files["channels"]) == {1}
    assert set(colour["domain"]) == {"stretched"}
    assert files["synthetic_green"].isna().all()
    of_two = colour["filters"].str.count("/") == 1
    assert colour["synthetic_green"].tolist() == of_two.tolist() and 0 < of_two.sum() < len(colour)
    assert rows.groupby("release_id")["group_id"].nunique().max() == 1
    assert set(files["release_id"]) == set(colour["release_id"])
    assert set(files["verdict"]) <= {"accept", "review", "reject"} and files["noise_sigma_dn"].notna().all()
