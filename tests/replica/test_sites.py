"""The outreach sites of the local archive, by their own pages and by what the scrapers make of them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image
from pyavm import AVM
from sqlalchemy import Engine
from typer.testing import CliRunner

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.footprints import overlapping
from manifests.settings import Settings, load_settings
from scrapers.cli import scrape_app
from scrapers.crawl import planned_products
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery, crawl_gallery, look_through
from scrapers.heritage import open_heritage
from scrapers.hubblesite import HubbleSiteQuery, open_hubblesite
from scrapers.ledger import Entry
from scrapers.products import Product
from scrapers.replica.exchange import Request
from scrapers.replica.faults import Faults
from scrapers.replica.frames import FrameFolder
from scrapers.replica.hubblesite import hubblesite_routes
from scrapers.replica.outreach import pictures
from scrapers.replica.server import ReplicaServer, serve
from scrapers.replica.sky import SyntheticSky, synthetic_sky
from scrapers.sky import separation
from scrapers.versions import Limits

LIMITS = Limits(10**9, 10**9)
VISITS = 56


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(seed=5, visits=VISITS, sides_px=(300, 320))


@pytest.fixture(scope="module")
def server(sky: SyntheticSky) -> Iterator[ReplicaServer]:
    with serve(sky, mixed=False) as one:
        yield one


@pytest.fixture
def quick(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, requests_per_second=5000, connections=4, timeout_s=20, attempts=3)


@pytest.fixture
def engine(quick: Settings) -> Iterator[Engine]:
    one = open_database(quick.database)
    yield one
    one.dispose()


@pytest.fixture
def blobs(quick: Settings) -> BlobStore:
    return BlobStore(quick.blobs_dir)


def bring_in(
    gallery: Gallery, engine: Engine, blobs: BlobStore, quick: Settings, limit: int | None = None
) -> list[Entry]:
    plan, summary = crawl_gallery(gallery, engine=engine, blobs=blobs, settings=quick, limit=limit)
    assert (summary.stopped, summary.errors) == (None, ())
    return planned_products(plan, engine=engine, limit=limit)


def test_names_are_unlike_and_of_all_kinds(sky: SyntheticSky) -> None:
    shown = pictures(sky)
    assert len({one.name for one in shown}) == len(shown) == sum(d.level == 4 for d in sky.datasets)
    assert {one.name[:4] for one in shown} >= {"heic", "potw"} and any(one.release for one in shown)
    assert {one.type for one in shown} == {"Observation", "Artwork"}
    assert shown == pictures(sky)


def test_esahubble_lists_every_observation_once(server: ReplicaServer, sky: SyntheticSky, quick: Settings) -> None:
    base = f"{server.url}/esahubble"
    wanted = {one.name for one in pictures(sky) if one.type == "Observation"}
    assert len(wanted) > 50, "more than a page"
    gallery = open_esahubble(quick, LIMITS, archive_url=base)
    first = gallery.ask(gallery.page("observation", 1))
    second = gallery.ask(gallery.page("observation", 2))
    assert (len(first.products), first.more, second.more) == (50, True, False)
    assert {one.source_name for one in (*first.products, *second.products)} == wanted
    feed = open_esahubble(quick, LIMITS, feed=True, archive_url=base)
    listed = feed.ask(feed.page("d2d", 1))
    assert {one.source_name for one in listed.products} == wanted


def test_esahubble_pages_and_files_tell_the_same(
    server: ReplicaServer, sky: SyntheticSky, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    gallery = open_esahubble(quick, LIMITS, archive_url=f"{server.url}/esahubble")
    before = {p.product_id: p for p in look_through(gallery, 4) if isinstance(p, Product)}
    shown = {f"esahubble:{one.name}": one for one in pictures(sky)}
    entries = bring_in(gallery, engine, blobs, quick, 4)
    assert len(entries) == 4
    for entry in entries:
        told, page, truth = entry.product, before[entry.product.product_id], shown[entry.product.product_id]
        grid = truth.dataset.grid
        middle = grid.to_sky((grid.nx - 1) / 2, (grid.ny - 1) / 2)
        assert told.s_ra is not None and told.s_dec is not None and page.s_ra is not None and page.s_dec is not None
        assert separation(told.s_ra, told.s_dec, *middle) < 1e-6
        assert separation(page.s_ra, page.s_dec, *middle) < 1e-4
        assert told.s_fov == pytest.approx(page.s_fov, rel=0.05)
        assert told.s_resolution == pytest.approx(grid.scale_deg * 3600, rel=1e-3)
        assert told.filters == page.filters == "/".join(truth.dataset.elements)
        assert overlapping([told.s_region, page.s_region]) == [(0, 1)]
        assert Image.open(blobs.path(entry.line.sha256 or "")).size == (grid.nx, grid.ny)


def test_every_derivative_repeats_the_originals_avm(server: ReplicaServer, sky: SyntheticSky, tmp_path: Path) -> None:
    one = next(one for one in pictures(sky) if one.placed)
    cdn = f"{server.url}/esahubble/cdn/archives/images"
    for folder, tagged in (("large", True), ("screen", True), ("thumb700x", True), ("thumb300y", False)):
        reply = requests.get(f"{cdn}/{folder}/{one.name}.jpg", timeout=30)
        assert reply.headers["Content-Type"] == "image/jpeg"
        (tmp_path / "x.jpg").write_bytes(reply.content)
        if tagged:
            avm = AVM.from_image(str(tmp_path / "x.jpg"))
            assert avm.Spatial.ReferenceDimension == [one.width, one.height]
        else:
            assert b"xmpmeta" not in reply.content
    assert Image.open(io.BytesIO(reply.content)).height <= 300
    original = requests.get(f"{server.url}/esahubble/media/archives/images/original/{one.name}.tif", timeout=30)
    assert original.content[:4] in (b"II*\0", b"MM\0*")


def test_esahubble_manners(server: ReplicaServer, sky: SyntheticSky) -> None:
    base = f"{server.url}/esahubble/images"
    name = pictures(sky)[0].name

    def status(path: str) -> tuple[int, str]:
        reply = requests.get(f"{base}{path}", allow_redirects=False, timeout=30)
        return reply.status_code, reply.headers.get("Location", "")

    assert status(f"/{name}") == (301, f"/esahubble/images/{name}/")
    assert status(f"/{name}/")[0] == 200
    for path in ("/archive/observation/page/99/", "/nothing/", "/archive/category/cats/", "/d2d/?page=99"):
        assert status(path)[0] == 404
    assert "No images were found." in requests.get(f"{base}/?search=zebra", timeout=30).text
    assert requests.get(f"{base}/viewall/", timeout=30).text.count("id: '") == len(pictures(sky))


def test_both_generations_of_markup_are_served(server: ReplicaServer, sky: SyntheticSky) -> None:
    cells = set()
    for one in pictures(sky)[:6]:
        text = requests.get(f"{server.url}/esahubble/images/{one.name}/", timeout=30).text
        cells.add("th" if '<th class="title"' in text else "td")
    assert cells == {"td", "th"}


@pytest.mark.parametrize("era", ["auto", "2023", "2020", "2017", "api"])
def test_hubblesite_in_every_era(
    era: str, server: ReplicaServer, sky: SyntheticSky, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    query = HubbleSiteQuery(type=None, era=era)  # type: ignore[arg-type]
    gallery = open_hubblesite(quick, LIMITS, query, archive_url=f"{server.url}/hubblesite")
    entries = bring_in(gallery, engine, blobs, quick, 3)
    shown = {one.image_id: one for one in pictures(sky)}
    for entry in entries:
        release = entry.product.release_id
        (truth,) = [
            one for one in shown.values() if one.name[:-1] == release or f"stsci:{one.image_id}-Image" == release
        ]
        assert Image.open(blobs.path(entry.line.sha256 or "")).size == (truth.width, truth.height), "the largest file"
        assert entry.product.access_format == "image/png"
    plan_all = {p.product_id for p in look_through(gallery) if isinstance(p, Product)}
    assert len(plan_all) == sum(1 for one in shown.values() if one.release or one.type == "Artwork")


def test_hubblesite_of_one_era_only(sky: SyntheticSky, quick: Settings) -> None:
    for era in ("2020", "2017", "api"):
        with ReplicaServer(hubblesite_routes(sky, "/hs", (era,))) as alone:
            hasty = quick.model_copy(update={"attempts": 1})
            gallery = open_hubblesite(hasty, LIMITS, HubbleSiteQuery(), archive_url=f"{alone.url}/hs")
            page = gallery.ask(gallery.page("images", 1))
            assert len(page.products) >= 25 and page.more


def test_hubblesite_facets(server: ReplicaServer, sky: SyntheticSky, quick: Settings) -> None:
    base = f"{server.url}/hubblesite"

    def count(**query: str | None) -> int:
        gallery = open_hubblesite(quick, LIMITS, HubbleSiteQuery(**query), archive_url=base)  # type: ignore[arg-type]
        return len(gallery.ask(gallery.page("images", 1)).products)

    artwork, everything = count(type="Artwork"), count(type=None)
    assert 0 < artwork < everything == artwork + count(type="Observations")
    assert 0 < count(category="105-galaxies") < count()
    assert 0 < count(collection="Hubble Heritage") < count()


def test_heritage_and_the_same_release_elsewhere(
    server: ReplicaServer, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    heritage = bring_in(open_heritage(quick, LIMITS, archive_url=f"{server.url}/heritage"), engine, blobs, quick)
    collection = open_heritage(quick, LIMITS, collection=True, archive_url=f"{server.url}/hubblesite")
    names = {p.release_id for p in look_through(collection) if isinstance(p, Product)}
    assert names <= {entry.product.release_id for entry in heritage}
    moved = [entry for entry in heritage if "/hubblesite/files/" in entry.product.access_url]
    stayed = [entry for entry in heritage if entry.product.access_url.endswith("aa.jpg")]
    assert moved and stayed and len(moved) + len(stayed) == len(heritage)
    esa = open_esahubble(quick, LIMITS, archive_url=f"{server.url}/esahubble")
    shared = names & {p.release_id for p in look_through(esa) if isinstance(p, Product)}
    assert shared == names, "one release has one name on all sites"


def test_a_folder_of_frames_goes_out_unchanged(
    tmp_path: Path, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, name in enumerate(("opo0328a.jpg", "heic0206g_screen.jpg", "mine.png")):
        Image.effect_noise((300 + number, 280), 40).convert("RGB").save(folder / name)
    with serve(FrameFolder(folder)) as server:
        gallery = open_esahubble(quick, LIMITS, archive_url=f"{server.url}/esahubble")
        entries = bring_in(gallery, engine, blobs, quick)
        sites = open_hubblesite(quick, LIMITS, HubbleSiteQuery(), archive_url=f"{server.url}/hubblesite")
        assert {p.release_id for p in look_through(sites) if isinstance(p, Product)} >= {"opo0328"}
    stored = {blobs.read(entry.line.sha256 or "") for entry in entries}
    assert stored == {path.read_bytes() for path in folder.iterdir()}
    by_name = {entry.product.source_name: entry.product for entry in entries}
    assert {"opo0328a", "heic0206g"} < set(by_name)
    assert all(one.s_ra is None and one.s_region is None for one in by_name.values()), "no position is made up"


def test_a_nasty_server_costs_time_but_no_picture(
    sky: SyntheticSky, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    patient = quick.model_copy(update={"attempts": 4, "timeout_s": 2.0})
    faults = Faults(0.3, ("unavailable", "reset", "cut", "html"), seed=2, retry_after_s=0)
    with serve(sky, faults=faults, mixed=False) as server:
        gallery = open_heritage(patient, LIMITS, archive_url=f"{server.url}/heritage")
        entries = bring_in(gallery, engine, blobs, patient, 6)
        assert len(entries) == 6 and all(entry.line.here(blobs) for entry in entries)


def test_the_commands(server: ReplicaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "5000")
    load_settings.cache_clear()

    def scrape(site: str, *options: str) -> tuple[list[dict[str, object]], str]:
        result = CliRunner().invoke(scrape_app, [site, "--archive-url", f"{server.url}/{site}", "--json", *options])
        assert result.exit_code == 0, result.exception
        return [json.loads(line) for line in result.stdout.splitlines()], result.stderr

    for site in ("heritage", "hubblesite", "esahubble"):
        listed, _ = scrape(site, "--list", "--limit", "2")
        assert len(listed) == 2 and {"obs_id", "access_url", "licence", "release_id"} <= set(listed[0])
        assert not (tmp_path / "home" / "blobs" / site).exists()
        brought, said = scrape(site, "--limit", "2")
        assert [one["obs_id"] for one in brought] == [one["obs_id"] for one in listed]
        assert all(one["status"] == "got" and len(str(one["image_id"])) == 64 for one in brought)
        assert f"{site}: 2 products: 2 fetched, 0 known before, 0 refused, 0 failed" in said
        _, said = scrape(site, "--limit", "2")
        assert "0 fetched, 2 known before" in said
    galaxies, _ = scrape("esahubble", "--list", "--category", "galaxies", "--limit", "1", "--max-mb", "0.2")
    assert galaxies
    load_settings.cache_clear()


def test_the_printed_declination_loses_its_sign(sky: SyntheticSky) -> None:
    from scrapers.replica.esahubble import esahubble_routes

    one = next(one for one in pictures(sky) if one.placed and -1 < one.dataset.grid.dec < 0)
    reply = esahubble_routes(sky)["/images"](Request(f"/images/{one.name}/", "", "http://h"))
    assert "<td>0&deg 49' 12.00\"</td>" in reply.body.decode()
    assert "dec=-0.82" in reply.body.decode()
