"""Composites of the local archive's visits: made once, made again where something changed, curated beside the JPEGs."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from curation.curate import curate
from curation.policy import RULES_ONLY, load_policy
from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.frames import decode
from manifests.settings import Settings, load_settings
from manifests.snapshots import read_snapshot
from scrapers import ledger
from scrapers.cli import scrape_app
from scrapers.composite import VERSIONS
from scrapers.compositing import compose_visits, visits_of
from scrapers.ledger import Entry, Line
from scrapers.products import Product
from scrapers.replica.server import ReplicaServer, serve
from scrapers.replica.sky import SyntheticSky, synthetic_sky

Scrape = Callable[..., Result]


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(visits=24, sides_px=(288, 320))


@pytest.fixture(scope="module")
def server(sky: SyntheticSky) -> Iterator[ReplicaServer]:
    with serve(sky) as one:
        yield one


@pytest.fixture
def scrape(server: ReplicaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scrape]:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "5000")
    load_settings.cache_clear()

    def hla(visit: Any, *more: str) -> Result:
        where = ["--ra", str(visit.grid.ra), "--dec", str(visit.grid.dec), "--radius", "0.0001"]
        return CliRunner().invoke(scrape_app, ["hla", *where, "--archive-url", server.url, *more])

    yield hla
    load_settings.cache_clear()


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def of(sky: SyntheticSky, **wanted: Any) -> Any:
    return next(v for v in sky.visits if all(getattr(v, name) == value for name, value in wanted.items()))


def test_a_visit_becomes_a_picture_once(
    sky: SyntheticSky, scrape: Scrape, blobs: BlobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = of(sky, kind="lost_chip")
    first = scrape(visit, "--fits", "--composite", "asinh", "--json")
    *files, made = lines(first)
    assert "asinh composites: 1 visits with several filters: 1 made, 0 known before, 0 not possible.\n" in first.stderr
    assert [one["access_format"] for one in files] == ["image/fits"] * 3
    assert made["product_id"] == "hla:composite-asinh:HST_9999_01_ACS_WFC"
    assert made["obs_id"] == visit.product and made["filters"] == "F814W/F555W/F435W"
    by_filter = {one["filters"]: one["image_id"] for one in files}
    assert made["derived_from"] == ",".join(by_filter[name] for name in ("F814W", "F555W", "F435W"))
    assert (made["rendering"], made["synthetic_green"], made["access_format"]) == ("asinh-1", False, "image/png")
    assert made["release_id"] == files[0]["release_id"] and made["t_exptime"] == 3 * visit.exptime_s
    assert made["s_ra"] == pytest.approx(visit.grid.ra, abs=1e-4) and "access_url" not in made
    assert files[0]["s_region"] != files[1]["s_region"] and files[1]["s_region"] in made["s_region"]

    frame = decode(blobs.path(made["image_id"]))
    planes = [np.isfinite(sky.plane(visit.dataset(name)).pixels)[::-1] for name in visit.filters]
    assert np.array_equal(frame.valid, np.logical_and.reduce(planes))
    partial = np.logical_or.reduce(planes) & ~frame.valid
    assert made["partial_fraction"] == pytest.approx(partial.mean()) and partial.mean() > 0.15

    again = lines(scrape(visit, "--fits", "--composite", "asinh", "--json"))[-1]
    assert again == made
    other = lines(scrape(visit, "--fits", "--composite", "lupton", "--json"))[-1]
    assert other["product_id"] == "hla:composite-lupton:HST_9999_01_ACS_WFC"
    assert other["image_id"] != made["image_id"] and other["derived_from"] == made["derived_from"]

    # a lost blob and a new version are made again, to the same bytes where nothing else changed
    blobs.path(made["image_id"]).unlink()
    result = scrape(visit, "--fits", "--composite", "asinh", "--json")
    assert "1 made, 0 known before" in result.stderr and lines(result)[-1]["image_id"] == made["image_id"]
    monkeypatch.setitem(VERSIONS, "asinh", 2)
    assert lines(scrape(visit, "--fits", "--composite", "asinh", "--json"))[-1]["rendering"] == "asinh-2"
    counts = {(count.what, count.status, count.number) for count in ledger.counts(engine)}
    assert counts == {("tiles", "done", 3), ("products", "got", 5)}


def test_a_visit_waits_for_its_filters(sky: SyntheticSky, scrape: Scrape) -> None:
    visit = of(sky, detector="WFPC2", label="good")
    part = scrape(visit, "--fits", "--composite", "asinh", "--limit", "2")
    assert part.exit_code == 0
    assert (
        "0 visits with several filters: 0 made" in part.stderr
        and "1 more wait for filters that are not here yet" in part.stderr
    )
    whole = lines(scrape(visit, "--fits", "--composite", "asinh", "--json"))[-1]
    assert whole["product_id"].endswith("_wfpc2_wf") and whole["filters"].count("/") == 2


def test_a_visit_that_makes_no_picture_says_why_and_stops_no_other(
    sky: SyntheticSky, scrape: Scrape, blobs: BlobStore, engine: Engine, quick: Settings
) -> None:
    good, bad = of(sky, kind="lost_chip"), of(sky, kind="spiral", label="good")
    files = {visit.propid: lines(scrape(visit, "--fits", "--json")) for visit in (good, bad)}
    damaged = blobs.path(files[bad.propid][0]["image_id"])
    whole = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(whole[: len(whole) // 2])
    alone = scrape(bad, "--fits", "--composite", "asinh")
    assert isinstance(alone.exception, DeepfieldError) and "1 not possible (1 corrupt)." in alone.stderr
    assert re.match(r"None of the 1 visits makes a picture\. hst_08591_01.* is cut short", str(alone.exception))
    entries = ledger.entries(engine, [one["product_id"] for rows in files.values() for one in rows])
    both = compose_visits(visits_of(entries, blobs).visits, "lupton", engine=engine, blobs=blobs, settings=quick)
    assert (both.progress.got, both.progress.refused, both.reasons) == (1, 1, {"corrupt": 1})
    # the blob is not what its name says; once it is gone, the file is fetched again
    damaged.unlink()
    assert "1 made" in scrape(bad, "--fits", "--composite", "asinh").stderr


@pytest.mark.parametrize(
    ("more", "complaint"),
    [(["--composite", "asinh"], "add --fits"), (["--fits", "--composite", "log"], "choose from asinh, lupton")],
)
def test_a_wrong_composite_is_one_sentence(sky: SyntheticSky, scrape: Scrape, more: list[str], complaint: str) -> None:
    result = scrape(sky.visits[0], *more)
    assert isinstance(result.exception, UsageError) and complaint in str(result.exception)


def file_of(name: str, status: str = "got", access_format: str = "image/fits") -> Entry:
    product = Product("hla", f"hla:fits:{name}", name, "r", access_format=access_format, instrument_name="ACS/WFC")
    return Entry(product, Line(product.product_id, status, "a" * 64 if status == "got" else None))


def test_visits_are_what_was_drizzled_together(blobs: BlobStore) -> None:
    blob = blobs.path("a" * 64)
    blob.parent.mkdir(parents=True)
    blob.touch()
    entries = [
        *(file_of(f"hst_10188_10_acs_wfc_{name}") for name in ("f814w", "f550m", "f435w", "total")),
        file_of("hst_10188_10_acs_wfc_f606w_03"),  # one exposure
        file_of("hst_10188_10_acs_wfc_f606w", access_format="image/jpeg"),
        # the older release of the same visit, on another grid
        *(file_of(f"HST_10188_10_ACS_WFC_{name}") for name in ("F814W", "F435W")),
        *(file_of(f"hst_08591_27_wfpc2_{name}") for name in ("f547m_wf", "f656n_wf", "f547m_pc")),
        *(file_of(name) for name in ("hst_mos_0000001_acs_wfc_f814w", "hlsp_x_hst_acs-wfc_m101_f435w_v1_sci")),
        # what the archive has no more is not waited for, what failed is
        file_of("hst_11111_01_acs_wfc_f814w"), file_of("hst_11111_01_acs_wfc_f606w"),
        file_of("hst_11111_01_acs_wfc_f435w", "gone"),
        file_of("hst_22222_01_acs_wfc_f814w"), file_of("hst_22222_01_acs_wfc_f606w"),
        file_of("hst_22222_01_acs_wfc_f435w", "failed"),
    ]  # fmt: skip
    found = visits_of(entries, blobs)
    assert {visit.name: visit.dataset for visit in found.visits} == {
        "hst_10188_10_acs_wfc": "hst_10188_10_acs_wfc_f814w_f550m_f435w",
        "HST_10188_10_ACS_WFC": "HST_10188_10_ACS_WFC_F814W_F435W",
        "hst_08591_27_wfpc2_wf": "hst_08591_27_wfpc2_f656n_f547m_wf",
        "hst_11111_01_acs_wfc": "hst_11111_01_acs_wfc_f814w_f606w",
    }
    assert found.waiting == 1


def test_composites_are_curated_beside_the_archive_s_pictures(
    sky: SyntheticSky, scrape: Scrape, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    visits = [of(sky, kind="spiral", label="good"), next(v for v in sky.visits if len(v.filters) == 2)]
    for visit in visits:
        for more in ([], ["--fits", "--composite", "asinh"], ["--fits", "--composite", "lupton"]):
            assert scrape(visit, *more).exit_code == 0
    curate(settings=quick, engine=engine, blobs=blobs, policy=load_policy(RULES_ONLY))
    rows = read_snapshot(quick.manifest_dir).set_index("product_id")
    for visit in visits:
        of_visit = rows[rows["obs_id"].str.startswith(visit.dataset("")[:-1])]
        assert len(of_visit) == len(visit.filters) + 3
        assert of_visit["group_id"].nunique() == of_visit["split"].nunique() == of_visit["release_id"].nunique() == 1
        files = of_visit[of_visit["access_format"] == "image/fits"]
        ours = of_visit[of_visit["rendering"].notna()]
        assert set(files["domain"]) == {"linear"} and set(files["channels"]) == {1} and files["grayscale"].all()
        assert set(ours["domain"]) == {"stretched"} and set(ours["channels"]) == {3} and not ours["grayscale"].any()
        assert sorted(ours["rendering"]) == ["asinh-1", "lupton-1"]
        assert (ours["synthetic_green"] == (len(visit.filters) == 2)).all() and files["synthetic_green"].isna().all()
        assert (ours["partial_fraction"] > 0).all() and of_visit["partial_fraction"].isna().sum() == len(files) + 1
        # no-data and what only some filters saw are both outside of the measurements
        seen = np.logical_and.reduce([np.isfinite(sky.plane(visit.dataset(f)).pixels) for f in visit.filters])
        assert ours["coverage"].tolist() == pytest.approx([seen.mean()] * 2)
        for parents in ours["derived_from"]:
            assert set(parents.split(",")) == set(files["image_id"])
        # the archive's JPEG shows the same as ours, and what was made of counts is kept; no filter repeats another
        twins = of_visit[of_visit["duplicate_of"].notna()]
        assert len(twins) == 2 and set(twins["duplicate_kind"]) == {"same_rendering"}
        assert set(twins["access_format"]) == {"image/jpeg", "image/png"}
        kept = ours[ours["duplicate_of"].isna()]
        assert set(twins["duplicate_of"]) == {kept["image_id"].item()} and kept["verdict"].item() == "accept"
        # one filter has no colour to have, which is no fault of counts
        assert not files["reasons"].fillna("").str.contains("colour|single_filter").any()
        assert set(files["verdict"]) == {"accept"}


def test_a_picture_with_a_half_that_two_filters_saw_gives_way_to_what_knows_it(
    sky: SyntheticSky, scrape: Scrape, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    visit = of(sky, kind="lost_chip")
    for more in ([], ["--fits", "--composite", "asinh"]):
        assert scrape(visit, *more).exit_code == 0
    curate(settings=quick, engine=engine, blobs=blobs, policy=load_policy(RULES_ONLY))
    rows = read_snapshot(quick.manifest_dir)
    jpeg, ours = (rows[rows["access_format"] == kind].iloc[0] for kind in ("image/jpeg", "image/png"))
    assert (jpeg["duplicate_of"], jpeg["verdict"]) == (ours["image_id"], "reject")
    assert ours["duplicate_of"] is None and ours["coverage"] < 0.6 * jpeg["coverage"]
