"""MAST's protocol and products: replies good and bad, names of files, which pictures a region has."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_archive import Answer, FakeClock, FakeHost, picture
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.errors import UsageError
from manifests.footprints import parse_region
from manifests.settings import Settings
from scrapers.crawl import crawl, look, products_in
from scrapers.hla import hla_query, open_hla
from scrapers.http import HttpError, PoliteClient
from scrapers.ledger import counts, entries
from scrapers.mast import Mast, MastQuery, mast_query, open_mast
from scrapers.mast_api import ask_rows, download_url, number, read_page, text
from scrapers.mast_products import hap_observations, hap_products, hla_products
from scrapers.politeness import Gates
from scrapers.products import Product
from scrapers.replica.exchange import Reply
from scrapers.replica.hla import hla_routes
from scrapers.replica.mast import mast_routes
from scrapers.replica.server import ReplicaServer
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone

RECORDED = Path(__file__).parents[3] / "shared/reference/recorded/hla/astroquery_mast_caom_cone.json"
INVOKE = "/api/v0/invoke"
FIELD = Cone(210.8, 54.35, 1.0)


@pytest.fixture(scope="module")
def sky() -> Any:
    return synthetic_sky(seed=1, visits=6, sides_px=(264, 280))


@pytest.fixture
def archive(sky: Any) -> Any:
    """A MAST that answers EXECUTING once before it answers, over the HLA of the same sky."""
    hla = hla_routes(sky)
    robots = {"/robots.txt": lambda request: Reply(b"", "text/plain")}
    with ReplicaServer({**hla, **mast_routes(sky, hla, executing=1), **robots}) as server:
        yield server


def patient(url: str, settings: Settings) -> PoliteClient:
    """A client whose waits cost nothing."""
    return PoliteClient(url, settings, Gates(settings.requests_per_second, settings.connections, FakeClock()))


def answer(rows: list[dict[str, Any]], page: int = 1, pages: int = 1, **more: Any) -> bytes:
    paging = {"page": page, "pageSize": 2, "pagesFiltered": pages, "rows": len(rows)}
    return json.dumps({"status": "COMPLETE", "msg": "", "data": rows, "fields": [], "paging": paging, **more}).encode()


def hla_row(obs_id: str, element: str, **more: Any) -> dict[str, Any]:
    return {"obs_id": obs_id, "filters": element, "instrument_name": "ACS/WFC", "s_ra": 10.0, "s_dec": 20.0, **more}


def of_hla(rows: list[dict[str, Any]], *kinds: str) -> list[Product]:
    return hla_products(rows, kinds or ("color",), lambda uri: uri, public=False)


# --- the protocol


def test_all_pages_are_asked_and_executing_is_waited_for(host: FakeHost, quick: Settings) -> None:
    at_work = json.dumps({"status": "EXECUTING", "msg": ""}).encode()
    host.say(INVOKE, at_work, at_work, answer([{"n": 1}, {"n": 2}], 1, 2), at_work, answer([{"n": 3}], 2, 2))
    rows = list(ask_rows(patient(host.url, quick), "Some.Service", {"ra": 1}, page_rows=2))
    assert [row["n"] for row in rows] == [1, 2, 3]
    asked = [json.loads(form["request"]) for _, form in host.forms]
    assert [one["page"] for one in asked] == [1, 1, 1, 2, 2]
    assert (
        asked[0]
        == asked[1]
        == {
            "service": "Some.Service",
            "params": {"ra": 1},
            "format": "json",
            "pagesize": 2,
            "page": 1,
        }
    )


def test_executing_has_an_end(host: FakeHost, quick: Settings) -> None:
    host.say(INVOKE, b'{"status": "EXECUTING"}')
    with pytest.raises(HttpError, match=r"not done with Some\.Service after 10 minutes") as caught:
        list(ask_rows(patient(host.url, quick), "Some.Service", {}))
    assert (caught.value.kind, caught.value.reason) == ("transient", "executing")
    assert 10 < len(host.forms) < 40


def test_a_wrong_count_of_pages_does_not_keep_us_asking(host: FakeHost, quick: Settings) -> None:
    host.say(INVOKE, answer([{"n": 1}], 1, 10**9), answer([], 2, 10**9))
    assert len(list(ask_rows(patient(host.url, quick), "Some.Service", {}))) == 1
    assert len(host.forms) == 2


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"<html><body>Service unavailable</body></html>", "transient", "an HTML page"),
        (b"", "transient", "an empty reply"),
        (answer([{"n": 1}])[:-9], "transient", "not with a whole JSON table"),
        (b"[1, 2]", "transient", "not one of its tables"),
        (b'{"status": "COMPLETE"}', "transient", "sent no rows"),
        (answer([], 3), "transient", "sent page 3 where page 1"),
        (b'{"status": "ERROR", "msg": "Invalid  column\\n name"}', "permanent", "question: Invalid column name."),
        (b'{"status": "ERROR"}', "permanent", "does not say why"),
    ],
)
def test_a_bad_answer_is_one_error(host: FakeHost, quick: Settings, body: bytes, kind: str, message: str) -> None:
    host.say(INVOKE, body)
    with pytest.raises(HttpError, match=message) as caught:
        list(ask_rows(patient(host.url, quick), "Some.Service", {}))
    assert caught.value.kind == kind
    assert len(host.forms) == (quick.attempts if kind == "transient" else 1)
    assert len(str(caught.value).splitlines()) == 1


def test_a_question_that_is_sent_elsewhere_says_so(host: FakeHost, quick: Settings) -> None:
    host.say(INVOKE, Answer(status=303, headers={"Location": "/portal"}))
    with pytest.raises(HttpError, match="without its form"):
        look(Mast(patient(host.url, quick), MastQuery()), FIELD)


characters = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), max_size=60)


@given(characters.filter(lambda uri: "&amp;" not in uri))
def test_a_uri_comes_back_from_its_address(uri: str) -> None:
    url = download_url("https://mast.example/prefix", f"mast:HLA/url/a.cgi?{uri}")
    assert urlsplit(url).path == "/prefix/api/v0.1/Download/file"
    assert parse_qs(urlsplit(url).query, keep_blank_values=True) == {"uri": [f"mast:HLA/url/a.cgi?{uri}"]}
    assert "?" not in urlsplit(url).query and "&" not in urlsplit(url).query


def test_a_literal_escape_is_undone_in_an_address() -> None:
    uri = "mast:HLA/url/cgi-bin/fitscut.cgi?red=A&blue=B&amp;size=ALL&amp;format=fits"
    assert parse_qs(urlsplit(download_url("http://x", uri)).query)["uri"] == [uri.replace("&amp;", "&")]


SAMPLE = answer(
    [
        hla_row("HST_9490_01_ACS_WFC_F814W", "F814W", em_min=700.5, t_min=52593.9, proposal_pi="KUNTZ", obsid=1),
        hla_row("hst_9490_01_acs_wfc_total_j6ll01", "detection", s_region="POLYGON ICRS (1 2 3 4 5 6", obsid=2),
    ]
)


def survives(body: bytes) -> None:
    """Rows, and products of them, or one error of ours."""
    try:
        rows = read_page(body).rows
    except HttpError as error:
        assert str(error)
        return
    for product in of_hla(list(rows), "color", "combined"):
        assert product.product_id and json.dumps(product.record())
    observed = hap_observations(rows, ("color", "combined"))
    for product in hap_products(observed, rows, ("color", "combined"), lambda uri: uri, public=True):
        assert json.dumps(product.record())


@given(st.data())
def test_cut_and_altered_replies_give_rows_or_one_error(data: st.DataObject) -> None:
    body = bytearray(RECORDED.read_bytes() if RECORDED.exists() and data.draw(st.booleans()) else SAMPLE)
    survives(bytes(body[: data.draw(st.integers(0, len(body)))]))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    survives(bytes(body))


cells = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=2))


@given(st.dictionaries(st.sampled_from(["s_ra", "s_dec", "em_min", "em_max", "filters", "s_region", "obsid"]), cells))
def test_any_cells_give_a_product(row: dict[str, Any]) -> None:
    survives(answer([hla_row("hst_09490_01_acs_wfc_f814w", "F814W", **row)]))
    for column in row:
        found = number(row, column)
        assert found is None or abs(found) < float("inf")
        assert text(row, column) != ""


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded replies beside the checkout")
def test_the_recorded_reply() -> None:
    rows = list(read_page(RECORDED.read_bytes(), 1).rows)
    assert len(rows) == 19
    singles = of_hla(rows, "combined")
    assert len(singles) == 14
    first = next(one for one in singles if one.obs_id == "hst_05371_cs_wfpc2_f814w_wf")
    assert first.release_id == "hst_05371_cs_wfpc2" and first.obs_creator_name == "GRIFFITHS"
    assert (first.em_min, first.em_max) == pytest.approx((713.51e-9, 867.45e-9), abs=1e-13)
    assert first.s_region is not None and len(parse_region(first.s_region)) == 1
    # the WF chips of a visit span 2.6 arcminutes
    assert first.s_fov is not None and 0.03 < first.s_fov < 0.08
    colours = of_hla(rows)
    assert [one.obs_id for one in colours] == [f"hst_05092_3e_wfpc2_f814w_f606w_{chip}" for chip in ("pc", "wf")]
    assert all(one.synthetic_green and one.filters == "F814W/F606W" for one in colours)


# --- which pictures there are


def test_hla_colour_is_made_of_the_filters_of_one_release() -> None:
    rows = [
        hla_row("HST_9490_01_ACS_WFC_F435W", "F435W", t_exptime=900, t_min=2.0, t_max=3.0, em_min=390.0, em_max=480.0),
        hla_row("HST_9490_01_ACS_WFC_F814W", "F814W", t_exptime=720, t_min=1.0, t_max=1.5, em_min=700.0, em_max=960.0),
        hla_row("HST_9490_01_ACS_WFC_F555W", "F555W", t_exptime=700, t_min=3.0, t_max=4.0, em_min=480.0, em_max=610.0),
        hla_row("HST_9490_01_ACS_WFC_total", "DETECTION", s_region="POLYGON J2000 1 2 3 4 5 6"),
        hla_row("HST_9490_01_ACS_WFC_F658N_02", "F658N"),
        # a newer release of the same visit, and one filter of another
        hla_row("hst_09490_01_acs_wfc_f814w", "F814W"),
        hla_row("hst_09490_01_acs_wfc_f435w", "F435W"),
        hla_row("hst_09490_02_acs_wfc_f435w", "F435W"),
        hla_row("hst_09490_03_acs_wfc_f435w", "F435W", dataRights="EXCLUSIVE_ACCESS"),
        hla_row("hst_09490_03_acs_wfc_f814w", "F814W"),
    ]
    old, new = of_hla(rows)
    assert old.obs_id == "HST_9490_01_ACS_WFC_F814W_F555W_F435W" and old.filters == "F814W/F555W/F435W"
    query = parse_qs(urlsplit(old.obs_publisher_did or "").query)
    assert [query[band] for band in ("red", "green", "blue")] == [
        [f"HST_9490_01_ACS_WFC_{name}"] for name in ("F814W", "F555W", "F435W")
    ]
    assert (old.t_min, old.t_max, old.t_exptime) == (1.0, 4.0, 2320.0)
    assert (old.em_min, old.em_max) == (390e-9, 960e-9)
    assert old.s_region == "POLYGON J2000 1 2 3 4 5 6" and old.expects_colour and old.synthetic_green is False
    assert new.obs_id == "hst_09490_01_acs_wfc_f814w_f435w" and new.synthetic_green
    assert old.release_id == new.release_id == "hst_09490_01_acs_wfc"
    singles = of_hla(rows, "combined")
    assert not any(one.expects_colour for one in singles) and len(singles) == 8


def test_a_colour_row_of_hla_wins_over_our_own() -> None:
    name = "hst_10879_31_nic_nic1_f170m_f110w"
    rows = [hla_row(f"hst_10879_31_nic_nic1_{one}", one.upper()) for one in ("f110w", "f160w", "f170m")]
    (found,) = of_hla([*rows, hla_row(name, "F170M/F110W")])
    query = parse_qs(urlsplit(found.obs_publisher_did or "").query)
    assert (found.obs_id, query["red"], query["blue"]) == (
        name,
        ["hst_10879_31_nic_nic1_f170m"],
        ["hst_10879_31_nic_nic1_f110w"],
    )


def hap_file(name: str, **more: Any) -> dict[str, Any]:
    return {"productFilename": name, "dataURI": f"mast:HST/product/{name}", "size": 6_000_000, **more}


def test_hap_colour_is_the_file_and_no_thumbnail() -> None:
    stem = "hst_17902_02_wfc3_uvis"
    rows = [
        hla_row(f"{stem}_f814w_ifjp02", "F814W", obsid=11, em_min=700.0, em_max=900.0),
        hla_row(f"{stem}_f555w_ifjp02", "F555W", obsid=12, em_min=450.0, em_max=650.0),
        hla_row(f"{stem}_total_ifjp02", "detection", obsid="13"),
        hla_row("ifjp02010", "F814W", obsid=14),
        hla_row("hst_skycell-p2381x06y09_wfc3_uvis_total_all", "detection", obsid=15),
    ]
    files = [
        hap_file(f"{stem}_total_ifjp02_drc_color.jpg"),
        hap_file(f"{stem}_total_ifjp02_drc_color_thumb.jpg"),
        hap_file(f"{stem}_total_ifjp02_drc.jpg"),
        hap_file(f"{stem}_total_ifjp02_drc.fits"),
        hap_file(f"{stem}_f814w_ifjp02_drc.jpg", size=None),
        hap_file("hst_17902_03_wfc3_uvis_total_ifjp03_drc_color.jpg"),
        hap_file("hst_17902_02_wfc3_uvis_total_ifjp02_drz_color.jpg", dataRights="EXCLUSIVE_ACCESS"),
        hap_file("hst_17902_02_wfc3_uvis_total_ifjp02_drw_color.jpg", dataURI="https://elsewhere.example/x.jpg"),
    ]
    observed = hap_observations(rows, ("color",))
    assert observed.obsids == ("13",)
    (colour,) = hap_products(observed, files, ("color",), lambda uri: uri, public=True)
    assert colour.source_name == f"{stem}_total_ifjp02_drc_color.jpg" and colour.obs_id == f"{stem}_total_ifjp02"
    assert colour.access_estsize == 6000.0 and colour.filters == "F814W/F555W" and colour.synthetic_green
    assert (colour.em_min, colour.em_max, colour.obs_collection) == (450e-9, 900e-9, "HAP")
    assert colour.release_id == "hst_17902_02_wfc3_uvis" and colour.credit and "MAST" not in colour.credit
    both = hap_observations(rows, ("color", "combined"))
    assert set(both.obsids) == {"11", "12", "13"}
    assert len(hap_products(both, files, ("combined",), lambda uri: uri, public=True)) == 2


def test_a_query_names_what_there_is() -> None:
    assert mast_query("HLA", "combined, Color") == MastQuery(("hla",), ("color", "combined"))
    with pytest.raises(UsageError, match="collection 'jwst': choose from hap, hla"):
        mast_query("jwst")
    with pytest.raises(UsageError, match="kind '': choose from"):
        mast_query(kind="")


# --- on the local archive


def test_the_same_visits_as_hla_finds(archive: ReplicaServer, quick: Settings) -> None:
    by_hla = look(open_hla(quick, hla_query(), archive.url), FIELD)
    found = look(Mast(patient(archive.url, quick), MastQuery(), page_rows=12), FIELD)
    of = {name: [one for one in found if one.obs_collection == name] for name in ("HLA", "HAP")}
    assert {one.obs_id for one in of["HLA"]} == {one.obs_id for one in by_hla} != set()
    releases = {one.release_id for one in by_hla}
    assert {one.release_id for one in of["HLA"]} == {one.release_id for one in of["HAP"]} == releases
    filters = {one.obs_id: one.filters for one in by_hla}
    assert all(one.filters == filters[str(one.obs_id)] for one in of["HLA"])
    assert len([line for line in archive.log if line.method == "POST"]) > 12  # several pages, each asked twice


def test_a_visit_at_the_edge_has_all_its_filters_or_is_not_there(
    host: FakeHost, quick: Settings, sky: Any, archive: ReplicaServer
) -> None:
    mast = Mast(patient(archive.url, quick), MastQuery(("hla",)))
    whole = {one.obs_id for one in look(mast, FIELD)}
    by_hla = open_hla(quick, hla_query(), archive.url)
    seen = set()
    for step in range(0, 12, 2):
        region = Cone(FIELD.ra, FIELD.dec, 0.01 * step)
        found = {one.obs_id for one in look(mast, region)}
        assert found == {one.obs_id for one in look(by_hla, region)}
        seen |= found
    assert seen and seen <= whole
    # one filter of three lies a step beyond the edge
    beyond = {"s_region": "POLYGON ICRS 10.011 19.99 10.021 19.99 10.021 20.01 10.011 20.01"}
    here = {"s_region": "POLYGON ICRS 9.99 19.99 10.02 19.99 10.02 20.01 9.99 20.01"}
    rows = [hla_row(f"hst_09490_01_acs_wfc_{name}", name.upper(), **here) for name in ("f814w", "f555w", "total")]
    host.say(INVOKE, answer([*rows, hla_row("hst_09490_01_acs_wfc_f435w", "F435W", **beyond)]))
    mast = Mast(patient(host.url, quick), MastQuery(("hla",)))
    (only,) = mast.ask(mast.tile(Cone(10.0, 20.0, 0.005)))
    assert only.filters == "F814W/F555W/F435W"
    (_, form), *_ = host.forms
    assert json.loads(form["request"])["params"]["position"] == "10.000000, 20.000000, 0.025000"
    assert mast.ask(mast.tile(Cone(10.1, 20.0, 0.005))) == []


def test_a_crawl_brings_in_every_picture_once(
    archive: ReplicaServer, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    mast = Mast(patient(archive.url, quick), MastQuery())

    def run(refresh: bool = False) -> Any:
        return crawl(mast, FIELD, engine=engine, blobs=blobs, settings=quick, refresh=refresh).progress

    first = run()
    assert first.got == first.found > 8 and not first.failed
    assert first.got == len({entry.line.sha256 for entry in products_in(mast, FIELD, engine=engine)})
    assert run().skipped == run(refresh=True).skipped == first.found
    downloads = [line.query for line in archive.log if line.path.endswith("/Download/file")]
    assert len(downloads) == len(set(downloads)) == first.found


def test_pictures_may_be_asked_of_hla_itself(archive: ReplicaServer, quick: Settings) -> None:
    settings = quick.model_copy(update={"mast_hla_pictures": "hla"})
    # open_mast waits by the real clock, as the archive makes it do once for each question
    found = look(open_mast(settings, mast_query("hla"), archive.url), Cone(FIELD.ra, FIELD.dec, 0.2))
    by_hla = {one.obs_id: one.access_url for one in look(open_hla(quick, hla_query(), archive.url), FIELD)}
    assert found and all(by_hla[one.obs_id] == one.access_url for one in found)


def test_an_unescaped_uri_loses_its_question(archive: ReplicaServer, quick: Settings) -> None:
    client = patient(archive.url, quick)
    (uri,) = {one.obs_publisher_did for one in look(Mast(client, MastQuery(("hla",))), FIELD)[:1]}
    file = f"{archive.url}/api/v0.1/Download/file?uri="
    assert client.get(file + str(uri), bytes).body == b"dataset parameter is required\n"
    assert client.get(download_url(archive.url, str(uri)), bytes).body.startswith(b"\xff\xd8\xff")
    with pytest.raises(HttpError, match="status 404"):
        client.get(download_url(archive.url, "mast:HST/product/none.jpg"), bytes)


def test_what_is_said_to_be_too_large_is_not_asked_for(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    stem = "hst_17902_02_wfc3_uvis_total_ifjp"
    rows = [hla_row(f"{stem}0{n}".replace("_02_", f"_0{n}_"), "detection", obsid=n) for n in (1, 2)]
    names = [f"{row['obs_id']}_drc_color.jpg" for row in rows]
    files = [hap_file(name, size=size) for name, size in zip(names, (90_000_000, 90_000), strict=True)]
    host.say(INVOKE, answer(rows), answer(files))
    host.say("/api/v0.1/Download/file", picture(1))
    settings = quick.model_copy(update={"max_bytes": 1_000_000})
    mast = Mast(patient(host.url, settings), MastQuery(("hap",)))
    done = crawl(mast, Cone(10.0, 20.0, 0.1), engine=engine, blobs=blobs, settings=settings).progress
    assert (done.got, done.refused) == (1, 1)
    assert len(host.asked("/api/v0.1/Download/file")) == 1
    (line,) = [one.line for one in entries(engine, [f"mast:{name[:-4]}" for name in names]) if one.line.sha256 is None]
    assert line.status == "refused"
    ((count, reason),) = [(one.number, one.reason) for one in counts(engine) if one.status == "refused"]
    assert (count, reason) == (1, "too_large")
