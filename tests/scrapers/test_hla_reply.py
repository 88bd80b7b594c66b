import json
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_archive import Answer, FakeHost, sia_reply, sia_row
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UsageError
from manifests.footprints import parse_region
from manifests.schema import OBSCORE, PROVENANCE
from manifests.settings import Settings
from scrapers.hla import INSTRUMENTS, hla_query, open_hla, products
from scrapers.http import HttpError
from scrapers.passbands import wavelengths_m
from scrapers.products import Product, product_id, release_of
from scrapers.sky import Cone
from scrapers.votable import read_rows

BASE = "https://hla.stsci.edu"
RECORDED = Path(__file__).parents[3] / "shared/reference/recorded/hla/hlaSIAP_m101_best_fits_size0_2012.xml"
ALL = {1, 2, 3, 4, 5}
TWO = sia_reply([sia_row(BASE, 1), sia_row(BASE, 2, Level=2, Wavelength=-9999)])

recorded = pytest.mark.skipif(not RECORDED.exists(), reason="the recorded replies are not beside this checkout")


@pytest.mark.shared
@recorded
def test_the_recorded_reply_gives_24_products_with_usable_addresses() -> None:
    rows = read_rows(RECORDED.read_bytes(), "HLA")
    assert len(rows) == 24
    assert all(len(row) == 33 for row in rows)
    found = products(rows, BASE, ALL)
    assert len(found) == 24
    for row, product in zip(rows, found, strict=True):
        url = urlsplit(product.access_url)
        asked = parse_qs(url.query)
        bands = [asked[colour][0] for colour in ("red", "green", "blue") if colour in asked]
        assert product.access_url.startswith(f"{BASE}/cgi-bin/fitscut.cgi?red=")
        assert "amp;" not in product.access_url
        assert bands == row["filename"].split(",")
        assert asked["size"] == ["ALL"] and asked["format"] == ["jpeg"]
        assert product.t_min is not None and 51000 < product.t_min < 56000
        assert product.s_ra == pytest.approx(210.8, abs=0.1) and product.s_dec == pytest.approx(54.35, abs=0.1)
        assert parse_region(product.s_region)
    colour = [product for product in found if product.expects_colour]
    assert len(colour) == 4
    assert len({product.release_id for product in found}) == 7
    assert "hst_09490_01_acs_wfc" in {product.release_id for product in colour}


@pytest.mark.shared
@recorded
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_prefix_of_the_recorded_reply_is_rows_or_one_error(data: st.DataObject) -> None:
    body = RECORDED.read_bytes()
    cut = data.draw(st.integers(0, len(body) - len("</VOTABLE>\n")))
    with pytest.raises(HttpError) as caught:
        read_rows(body[:cut], "HLA")
    assert caught.value.kind == "transient"


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "insert", "double"]),
            st.integers(0, len(TWO) - 1),
            st.integers(0, 60),
            st.sampled_from(
                [b"<", b">", b"&", b"</TD>", b"<TD/>", b"<TR>", b"-9999", b"NaN", b"1e999", b'datatype="char"', b"\xff"]
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_mutation_of_a_reply_is_products_or_one_error(changes: list[tuple[str, int, int, bytes]]) -> None:
    body = bytearray(TWO)
    for kind, place, size, what in changes:
        at = min(place, len(body))
        if kind == "flip" and at < len(body):
            body[at] = (body[at] + size) % 256
        elif kind == "cut":
            del body[at : at + size]
        elif kind == "insert":
            body[at:at] = what
        else:
            body[at:at] = body[at : at + size]
    try:
        found = products(read_rows(bytes(body), "HLA"), BASE, ALL)
    except HttpError as error:
        assert str(error).startswith("HLA") or "The VOTable of HLA" in str(error)
        return
    for product in found:
        json.dumps(product.record())


def test_rows_become_products_with_obscore_names() -> None:
    found = products(read_rows(TWO, "HLA"), BASE, ALL)
    one, two = found
    assert one.product_id == "hla:HST_9001_01_ACS_WFC_F814W_F555W_F435W"
    assert one.source_name == one.obs_id == "HST_9001_01_ACS_WFC_F814W_F555W_F435W"
    assert one.release_id == "hst_09001_01_acs_wfc"
    assert one.expects_colour and not two.expects_colour
    assert one.t_min == 52878.5
    assert one.obs_release_date == "2004-08-27T11:07:45Z"
    assert one.s_resolution == pytest.approx(0.05, rel=1e-4)
    assert one.s_fov == pytest.approx(5400 * 1.38889e-5)
    assert one.em_min == pytest.approx(377.8e-9) and one.em_max == pytest.approx(958.85e-9)
    assert one.credit and "Hubble Legacy Archive" in one.credit
    assert one.access_url.count("&") == 4 and "amp;" not in one.access_url
    assert len(parse_region(one.s_region)) == 1  # the sliver of two corners is none


def test_quirks_become_nulls() -> None:
    odd = sia_row(
        BASE, 1, RA=None, ExpTime=-9999, StartTime="1900-01-01 00:00:00", ReleaseDate="soon", scale=None, naxis=None,
        PropID=None, Detector=None, regionSTCS=" ", Level=None,
    )  # fmt: skip
    one = products(read_rows(sia_reply([odd]), "HLA"), BASE, {4})[0]
    gone = ("s_ra", "s_dec", "t_exptime", "t_min", "obs_release_date", "s_resolution", "s_fov", "em_min", "s_region")
    assert [getattr(one, name) for name in gone] == [None] * len(gone)
    assert one.release_id == one.source_name
    assert not set(gone) & set(one.record())


def test_a_dataset_counts_once_and_other_levels_do_not() -> None:
    rows = [
        sia_row(BASE, 1),
        sia_row(BASE, 1, Level=4),
        sia_row(BASE, 2, Level=2),
        sia_row(BASE, 3, Format="text/html"),
    ]
    assert [p.obs_id for p in products(read_rows(sia_reply(rows), "HLA"), BASE, {4})] == [rows[0]["Dataset"]]


def test_addresses_of_the_public_host_follow_the_archive_that_was_asked() -> None:
    mirror = "http://127.0.0.1:8000/mirror"
    here, there = sia_row(mirror, 1), sia_row("http://hla.stsci.edu", 2)
    elsewhere = sia_row("http://evil.example.org", 3)
    urls = [p.access_url for p in products(read_rows(sia_reply([here, there, elsewhere]), "HLA"), mirror, {4})]
    assert [url.split("/cgi-bin")[0] for url in urls] == [mirror, mirror, "http://evil.example.org"]


def test_two_filters_ask_for_red_and_blue_and_drizzled_wfpc2_for_its_quality() -> None:
    row = sia_row(BASE, 1, Format="image/fits", filename="a_wf,b_wf", Detector="WFPC2")
    url = products(read_rows(sia_reply([row]), "HLA"), BASE, {4})[0].access_url
    assert url.endswith("fitscut.cgi?red=a_wf&blue=b_wf&size=ALL&format=jpeg&asinh=1&autoscale=99.50&qext=4")


def test_loose_pictures_of_a_local_archive_say_so() -> None:
    row = sia_row(
        "http://127.0.0.1:1", 1, Target="SYNTHETIC-POSITION", PropID=None, Dataset="hst_frames_opo9738c10__ab"
    )
    one = products(read_rows(sia_reply([row]), "HLA"), "http://127.0.0.1:1", {4})[0]
    assert one.synthetic_position is True
    assert one.credit is None
    assert one.release_id == "opo9738"
    assert release_of("topology1234a") is None


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", "transient", "an empty reply"),
        (b"<html><body>Service message</body></html>", "transient", "an HTML page"),
        (b"dataset parameter is required", "transient", "text"),
        (TWO[:2000], "transient", "cut short or damaged"),
        (b"<VOTABLE><RESOURCE/></VOTABLE>", "transient", "damaged"),
        (
            b'<VOTABLE version="1.1"><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">pos\nbad</INFO>'
            b"</RESOURCE></VOTABLE>",
            "permanent",
            "HLA refuses the question: pos bad.",
        ),
        (
            b'<VOTABLE version="1.1"><INFO name="QUERY_STATUS" value="ERROR">no</INFO></VOTABLE>',
            "permanent",
            "refuses the question: no.",
        ),
        (sia_reply([], '<INFO name="QUERY_STATUS" value="OVERFLOW"/>'), "permanent", "left out rows"),
    ],
)
def test_what_is_no_answer_is_one_sentence(body: bytes, kind: str, words: str) -> None:
    with pytest.raises(HttpError, match=words) as caught:
        read_rows(body, "HLA")
    assert caught.value.kind == kind


def test_an_empty_table_is_an_answer() -> None:
    assert read_rows(sia_reply([]), "HLA") == []


def test_the_question_carries_the_region_and_the_conditions(host: FakeHost, quick: Settings) -> None:
    host.say("/x/cgi-bin/hlaSIAP.cgi", Answer(sia_reply([])))
    archive = open_hla(quick, hla_query("Color,hlsp", "wfc3,acs", " f814w,F606W"), f"{host.url}/x/")
    tile = archive.tile(Cone(210.8, -54.35, 0.2))
    assert tile == archive.tile(Cone(210.8, -54.35, 0.2))
    assert archive.ask(tile) == []
    asked = parse_qs(urlsplit(host.asked("/x/cgi-bin/hlaSIAP.cgi")[0]).query)
    assert asked == {
        "pos": ["210.800000,-54.350000"],
        "size": ["0.200000"],
        "imagetype": ["color,hlsp"],
        "inst": ["ACS,WFC3"],
        "format": ["image/jpeg"],
        "proprietary": ["false"],
        "spectral_elt": ["F606W,F814W"],
    }


def test_a_question_answered_with_half_a_table_is_asked_again(host: FakeHost, quick: Settings) -> None:
    whole = sia_reply([sia_row(host.url, 1)])
    host.say("/cgi-bin/hlaSIAP.cgi", whole[:2000], b"<html>busy</html>", whole)
    archive = open_hla(quick, hla_query(), host.url)
    archive.client._first_backoff_s = 0.01
    assert len(archive.ask(archive.tile(Cone(1, 2, 0)))) == 1


def test_queries_know_hla_s_own_names() -> None:
    assert hla_query().imagetypes == ("color",) and hla_query().instruments == INSTRUMENTS
    for wrong in ({"imagetype": "colour"}, {"imagetype": ","}, {"inst": "JWST"}):
        with pytest.raises(UsageError, match="choose from"):
            hla_query(**wrong)


def test_a_product_has_the_columns_of_the_manifest_and_survives_json() -> None:
    names = {field.name for field in fields(Product)}
    assert {column.name for column in (*OBSCORE, *PROVENANCE)} <= names
    one = products(read_rows(TWO, "HLA"), BASE, ALL)[0]
    record = json.loads(json.dumps(one.record() | {"a_column_of_tomorrow": 1}))
    assert Product.from_record("hla", record, expects_colour=True) == one


@given(st.text(max_size=600))
def test_ids_fit_the_ledger_and_stay_apart(name: str) -> None:
    assert len(product_id("folder", name)) <= 255
    assert product_id("folder", name) != product_id("folder", name + "x")


def test_wavelengths_of_filters() -> None:
    assert wavelengths_m("ACS/WFC", "F814W/F606W") == pytest.approx((473.6e-9, 958.85e-9))
    assert wavelengths_m("WFC3/IR", "F160W") == pytest.approx((1402.75e-9, 1671.05e-9))
    for unknown in (("WFPC2", "F814W"), ("ACS/WFC", "detection"), ("ACS/WFC", None), (None, None)):
        assert wavelengths_m(*unknown) == (None, None)
