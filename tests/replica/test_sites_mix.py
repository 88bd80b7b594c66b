"""What outreach sites have beside clean observations, and what the scrapers make of it."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from PIL import Image
from sqlalchemy import Engine

from curation.intake import provenance
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.frames import decode
from manifests.settings import Settings
from scrapers.crawl import planned_products
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery, crawl_gallery
from scrapers.heritage import open_heritage
from scrapers.hubblesite import HubbleSiteQuery, open_hubblesite
from scrapers.ledger import Entry
from scrapers.replica.drawings import KINDS, draw
from scrapers.replica.mix import TROUBLES, with_companions
from scrapers.replica.odd_files import vast_png
from scrapers.replica.outreach import Picture, Renditions, pictures
from scrapers.replica.server import ReplicaServer, serve
from scrapers.replica.sky import SyntheticSky, synthetic_sky
from scrapers.tally import CrawlSummary
from scrapers.versions import Limits

LIMITS = Limits(10**9, 4 * 10**8)


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(seed=7, visits=64, sides_px=(90, 100))


@pytest.fixture(scope="module")
def shown(sky: SyntheticSky) -> dict[str, Picture]:
    return {one.name: one for one in with_companions(pictures(sky))}


@pytest.fixture(scope="module")
def troubled(shown: dict[str, Picture]) -> dict[str, Picture]:
    return {one.trouble: one for one in shown.values() if one.trouble}


@pytest.fixture(scope="module")
def server(sky: SyntheticSky) -> Iterator[ReplicaServer]:
    with serve(sky) as one:
        yield one


@pytest.fixture
def quick(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, requests_per_second=5000, connections=4, timeout_s=20, attempts=2)


@pytest.fixture
def engine(quick: Settings) -> Iterator[Engine]:
    one = open_database(quick.database)
    yield one
    one.dispose()


@pytest.fixture
def blobs(quick: Settings) -> BlobStore:
    return BlobStore(quick.blobs_dir)


def bring_in(
    gallery: Gallery, engine: Engine, blobs: BlobStore, quick: Settings
) -> tuple[dict[str, Entry], CrawlSummary]:
    plan, summary = crawl_gallery(gallery, engine=engine, blobs=blobs, settings=quick, min_size=32)
    assert summary.stopped is None and not summary.tiles_failed
    return {entry.product.source_name: entry for entry in planned_products(plan, engine=engine)}, summary


def test_every_kind_and_every_trouble_is_there_once_at_least(shown: dict[str, Picture]) -> None:
    assert {one.drawn for one in shown.values()} - {None} == set(KINDS)
    assert sorted(one.trouble for one in shown.values() if one.trouble) == sorted(TROUBLES)
    for one in shown.values():
        beside = shown.get(f"{one.name[:-1]}a")
        assert beside is None or beside.release == one.release
    assert {one.type for one in shown.values()} >= {"Observation", "Artwork", "Chart", "Photographic", "Planetary"}
    wrongly = {one.drawn for one in shown.values() if one.type == "Observation" and one.drawn}
    assert {"annotated", "diagram", "portrait", "wide_field"} <= wrongly


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_are_whole_pictures_and_differ_by_their_seed(kind: str) -> None:
    sky = Image.effect_noise((120, 100), 30).convert("RGB")
    first, again, other = (np.asarray(draw(kind, sky, seed)) for seed in (1, 1, 2))
    assert first.shape == (100, 120, 3) and first.dtype == np.uint8
    assert (first == again).all() and np.ptp(first) > 60
    assert kind == "gray" or (first != other).any()
    assert (first != np.asarray(sky)).any() or kind == "gray"


def test_esahubble_with_all_its_troubles(
    server: ReplicaServer,
    shown: dict[str, Picture],
    troubled: dict[str, Picture],
    quick: Settings,
    engine: Engine,
    blobs: BlobStore,
) -> None:
    gallery = open_esahubble(quick, LIMITS, archive_url=f"{server.url}/esahubble")
    entries, summary = bring_in(gallery, engine, blobs, quick)
    observations = {name for name, one in shown.items() if one.type == "Observation"}
    absent = {troubled["unsized"].name, troubled["embargoed"].name}
    assert set(entries) == observations - absent
    assert summary.reasons == {"gone": 1}
    lost = entries.pop(troubled["lost"].name)
    assert lost.line.status == "gone" and all(entry.line.status == "got" for entry in entries.values())

    def product(trouble: str):  # type: ignore[no-untyped-def]
        return entries[troubled[trouble].name].product

    assert product("untyped").access_format == "image/jpeg", "by its bytes, for no header says so"
    assert "/screen/" in product("vast").access_url or "/publicationjpg/" in product("vast").access_url
    grid = troubled["vast"].dataset.grid
    whole = pytest.approx(grid.scale_deg * max(grid.nx, grid.ny), rel=1e-3)
    assert product("vast").s_fov == whole, "a stand-in covers what the original does"
    rough = product("rough")
    assert rough.s_ra is not None and (rough.s_region, rough.s_fov) == (None, None)
    assert (product("astray").s_ra, product("astray").s_region) == (None, None)
    cmyk = blobs.read(entries[troubled["cmyk"].name].line.sha256 or "")
    assert Image.open(io.BytesIO(cmyk)).mode == "CMYK" and decode(cmyk).channels == 3
    for name, entry in entries.items():
        told, truth = entry.product, shown[name]
        assert (told.image_type, told.credit, bool(told.licence)) == ("Observation", truth.credit, True)
        assert told.obs_release_date and (truth.release is None) is (told.aliases is None)


def test_originals_of_all_depths_and_the_one_that_is_too_long(
    server: ReplicaServer, troubled: dict[str, Picture], quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    originals = Limits(LIMITS.max_bytes, 10**12, originals=True)
    gallery = open_esahubble(quick, originals, archive_url=f"{server.url}/esahubble")
    huge = quick.model_copy(update={"max_bytes": 2**31})
    entries, _ = bring_in(gallery, engine, blobs, huge)
    kinds = {}
    for trouble in ("deep", "gray", "cmyk"):
        entry = entries[troubled[trouble].name]
        data = blobs.read(entry.line.sha256 or "")
        assert entry.product.access_format == "image/tiff" and data[:2] in (b"II", b"MM")
        frame = decode(data)
        kinds[trouble] = (data.count(b"\x10\0\x10\0\x10\0") > 0, frame.channels)
        assert (frame.width, frame.height) == (troubled[trouble].width, troubled[trouble].height)
    assert kinds == {"deep": (True, 3), "gray": (False, 1), "cmyk": (False, 3)}
    vast = entries[troubled["vast"].name]
    assert vast.line.status == "got" and vast.product.access_format == "image/jpeg"
    asked = [line for line in server.log if line.path.endswith(f"original/{troubled['vast'].name}.tif")]
    assert not asked or {line.bytes for line in asked} == {0}
    reply = requests.head(
        f"{server.url}/esahubble/media/archives/images/original/{troubled['vast'].name}.tif", timeout=20
    )
    assert int(reply.headers["Content-Length"]) > 2**31


def test_an_original_that_is_too_long_gives_way_to_a_copy_and_none_of_it_is_read(
    server: ReplicaServer, troubled: dict[str, Picture], quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    name = troubled["vast"].name
    original = f"{server.url}/esahubble/media/archives/images/original/{name}.tif"
    generous, before = Limits(10**11, 10**12, originals=True), len(server.log)
    gallery = open_esahubble(quick, generous, archive_url=f"{server.url}/esahubble")
    entries, _ = bring_in(gallery, engine, blobs, quick)
    assert entries[name].line.status == "got" and entries[name].product.access_url != original
    asked = [line for line in server.log[before:] if line.path == original.removeprefix(server.url)]
    assert sum(line.bytes for line in asked) == 0


def test_hubblesite_takes_the_clean_twin_and_leaves_what_is_for_printing(
    sky: SyntheticSky,
    server: ReplicaServer,
    shown: dict[str, Picture],
    troubled: dict[str, Picture],
    quick: Settings,
    engine: Engine,
    blobs: BlobStore,
) -> None:
    gallery = open_hubblesite(quick, LIMITS, HubbleSiteQuery(), archive_url=f"{server.url}/hubblesite")
    entries, summary = bring_in(gallery, engine, blobs, quick)
    by_release: dict[str, list[Picture]] = {}
    for one in shown.values():
        if one.release and one.facet == "Observations" and one.trouble != "embargoed":
            by_release.setdefault(one.name[:-1], []).append(one)
    assert {entry.product.release_id for entry in entries.values()} == set(by_release)
    refused = {entry.product.release_id for entry in entries.values() if entry.line.status == "refused"}
    gone = {entry.product.release_id for entry in entries.values() if entry.line.status == "gone"}
    assert refused == {troubled["print_only"].name[:-1]} and gone == {troubled["lost"].name[:-1]}
    assert summary.reasons == {"no_file": 1, "gone": 1}
    clean, made = 0, Renditions(sky)
    for entry in entries.values():
        number = entry.product.source_name.partition("-")[0]
        for one in by_release[entry.product.release_id]:
            if entry.line.sha256 and one.placed and str(one.image_id) == number and one.image_id % 5 == 2:
                assert blobs.read(entry.line.sha256) == made.encoded(one, "PNG").body, "the one without letters"
                assert made.encoded(one, "PNG") != made.encoded(replace(one, drawn="annotated", name="x"), "PNG")
                clean += 1
    assert clean
    bomb = next(e for e in entries.values() if e.product.release_id == troubled["bomb"].name[:-1])
    assert bomb.line.status == "got" and Image.open(blobs.path(bomb.line.sha256 or "")).width < 100


def test_a_picture_that_unpacks_to_more_than_its_page_states(quick: Settings) -> None:
    data = vast_png(25_000, 17_000)
    assert len(data) < 100_000 and Image.open(io.BytesIO(data)).size == (25_000, 17_000)
    assert decode(vast_png(700, 500)).rgb.shape == (500, 700, 3)


@pytest.mark.parametrize("era", ["2017", "2020", "2023"])
def test_every_era_has_the_heritage_releases(
    era: str, sky: SyntheticSky, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    with serve(sky, era=era, mixed=False) as server:  # type: ignore[arg-type]
        entries, _ = bring_in(open_heritage(quick, LIMITS, archive_url=f"{server.url}/heritage"), engine, blobs, quick)
        moved = requests.get(f"{server.url}/heritage/2003/28/index.html", allow_redirects=False, timeout=20)
    releases = {one.name[:-1] for one in pictures(sky) if one.in_heritage and not one.drawn}
    assert {entry.product.release_id for entry in entries.values()} == releases
    assert (moved.status_code == 301) is (era != "2017")


def _check_columns(rows: pd.DataFrame) -> None:
    """Every site fills what it tells, in the manifest's names and units."""
    always = ["obs_title", "licence", "obs_release_date", "release_id", "access_url", "access_estsize", "source_name"]
    assert rows[always].notna().all(axis=None)
    esa, hubblesite = (rows[rows["obs_collection"] == name] for name in ("ESA/Hubble", "HubbleSite"))
    assert set(esa["licence"]) == {"CC BY 4.0"} and esa["credit"].notna().all()
    assert hubblesite["credit"].notna().mean() > 0.8, "a few pages name nobody"
    for site in (esa, hubblesite):
        seen = site[site["filters"].notna()]
        assert len(seen) > 5 and (seen["em_min"] < seen["em_max"]).all() and seen["em_max"].between(2e-7, 2e-6).all()
        assert seen[["s_ra", "s_dec"]].notna().mean().min() > 0.9, "all but the one that contradicts itself"
        assert seen[["instrument_name", "facility_name", "target_name"]].notna().all(axis=None)
        assert set(site["image_type"].dropna()) <= {"Observation", "Observations"}
    exposed = hubblesite["t_min"].notna()
    assert exposed.any() and (hubblesite["t_max"] > hubblesite["t_min"])[exposed].all()
    assert hubblesite["t_min"][exposed].between(47892, 61000).all(), "days since 1990, MJD"


def test_one_picture_is_known_by_the_same_names_at_all_sites(
    server: ReplicaServer, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    for gallery in (
        open_esahubble(quick, LIMITS, archive_url=f"{server.url}/esahubble"),
        open_hubblesite(quick, LIMITS, HubbleSiteQuery(), archive_url=f"{server.url}/hubblesite"),
        open_hubblesite(quick, LIMITS, HubbleSiteQuery(era="2017"), archive_url=f"{server.url}/hubblesite"),
        open_heritage(quick, LIMITS, archive_url=f"{server.url}/heritage"),
    ):
        bring_in(gallery, engine, blobs, quick)
    rows = provenance(engine)
    _check_columns(rows)
    rows = rows[rows["release_id"].str.startswith("opo")]
    assert set(rows["obs_collection"]) == {"ESA/Hubble", "HubbleSite", "Hubble Heritage"}
    shared = 0
    for release, members in rows.groupby("release_id"):
        names = [set(str(names).split(",")) for names in members["aliases"]]
        at_heritage = f"heritage:{'19' if release[3] == '9' else '20'}{release[3:5]}/{release[5:]}"
        known = [one | {str(own)} for one, own in zip(names, members["product_id"], strict=True)]
        assert all(any(name.startswith(("stsci:", "heritage:", "esahubble:")) for name in one) for one in known)
        shared += members["obs_collection"].nunique() == 3
        for one, collection in zip(known, members["obs_collection"], strict=True):
            assert collection == "Hubble Heritage" or at_heritage in one
    assert shared, "some release is at all three sites"
