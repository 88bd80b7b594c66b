"""The search service answers as HLA's recorded reply does, and as hla.md says where no reply was recorded."""

import html
import io
import re
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import pyvo
import requests
from astropy.io.votable.exceptions import AstropyWarning
from astropy.table import Table

from scrapers.replica.catalogue import COLOR
from scrapers.replica.exchange import Request
from scrapers.replica.hla import hla_routes
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky

RECORDED = Path(__file__).parents[3] / "shared/reference/recorded/hla/hlaSIAP_m101_best_fits_size0_2012.xml"
M101 = "pos=210.80227,54.34895"


@pytest.fixture(scope="module")
def sky():
    return synthetic_sky(seed=1, sides_px=(96, 128))


@pytest.fixture(scope="module")
def ask(sky):
    search = hla_routes(sky)["/cgi-bin/hlaSIAP.cgi"]

    def reply(query: str) -> str:
        answer = search(Request("/cgi-bin/hlaSIAP.cgi", query, "http://127.0.0.1:8580"))
        assert answer.status == 200
        assert answer.media_type == "text/xml"
        return answer.body.decode()

    return reply


def table(text: str) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        return Table.read(io.BytesIO(text.encode()), format="votable", verify="ignore")


def definitions(text: str) -> tuple[list, list]:
    root = ET.fromstring(text)
    resource = root.find("RESOURCE")
    return (
        [sorted(field.attrib.items()) for field in resource.iter("FIELD")],
        [sorted((k, v) for k, v in param.attrib.items() if k != "value") for param in resource.findall("PARAM")],
    )


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded replies beside the checkout")
def test_fields_parameters_and_header_are_those_of_the_recorded_reply(ask):
    theirs = RECORDED.read_text()
    ours = ask(f"{M101}&size=0&format=image/fits&imagetype=best")
    assert definitions(ours) == definitions(theirs)
    assert ours.splitlines()[:16] == theirs.splitlines()[:6] + ours.splitlines()[6:7] + theirs.splitlines()[7:16]
    assert ours.splitlines()[-4:] == theirs.splitlines()[-4:]
    shape = re.compile(r"^( *<[^!>\s]+)", re.M)
    row = r"          <TR>.*?</TR>\n"
    assert shape.findall(re.search(row, ours, re.S)[0]) == shape.findall(re.search(row, theirs, re.S)[0])


def test_cells_are_written_as_the_archive_writes_them(sky, ask):
    row = {name: table(ask(f"{M101}&size=0&imagetype=color"))[name][0] for name in ("Dataset", "Level")}
    assert row == {"Dataset": "hst_08591_01_acs_wfc_f814w_f555w_f435w", "Level": COLOR}
    text = ask(f"{M101}&size=0&imagetype=color")
    for cell in (
        f"<TD>{sky.visits[0].grid.ra:.6f}</TD>",
        f"<TD>{sky.visits[0].grid.dec:.6f}</TD>",
        "<TD>F814W/F555W/F435W</TD>",
        "<TD>5912.0</TD>",
    ):
        assert cell in text
    assert re.search(r"<TD>\d+\.000000</TD>\s*<TD>2002-11-\d\d \d\d:\d\d:\d\d</TD>", text)
    assert "<TD>1.38889E-05</TD>" in text
    assert "<TD>-1.38889E-05 0 0 1.38889E-05</TD>" in text
    assert re.search(r"<TD>(\d+) \1</TD>", text)
    assert "<TD>08591_01 ACS/WFC F814W/F555W/F435W (color) NGC5457</TD>" in text
    bands = [f"hst_08591_01_acs_wfc_{name}" for name in ("f814w", "f555w", "f435w")]
    assert f"<TD>{','.join(bands)}</TD>" in text
    assert re.search(r"<TD>Polygon J2000 [\d. -]+ Polygon J2000  [\d. -]+</TD>", text)


def test_urls_are_escaped_twice_and_usable_once_undone(ask):
    jpeg = ask(f"{M101}&size=0&imagetype=color&format=image/jpeg")
    assert "&amp;green=hst_08591_01_acs_wfc_f555w&amp;blue=" in re.search(r"<!\[CDATA\[(.*?)\]\]>", jpeg)[1]
    url = table(jpeg)["URL"][0]
    assert "&amp;size=ALL&amp;format=jpeg&amp;asinh=1&amp;autoscale=99.50" in url
    assert html.unescape(url).startswith(
        "http://127.0.0.1:8580/cgi-bin/fitscut.cgi?red=hst_08591_01_acs_wfc_f814w&green="
    )


def test_products_of_a_visit(sky, ask):
    rows = table(ask("pos=0,0&size=180&imagetype=all&format=image/fits"))
    assert len(rows) == len(sky.datasets)
    visits = {visit.dataset("total"): visit for visit in sky.visits}
    for name, visit in visits.items():
        base = name.split("total")[0].split("TOTAL")[0]
        own = [row for row in rows if str(row["Dataset"]).startswith(base)]
        colour = [row for row in own if row["Level"] == COLOR]
        assert len(own) == len(visit.filters) + 1 + (len(visit.filters) > 1)
        assert len(colour) == (len(visit.filters) > 1)
        assert [row["Spectral_Elt"] for row in own[: len(visit.filters)]] == sorted(visit.filters)
        assert own[len(visit.filters)]["Spectral_Elt"] == "detection"
        assert "getdata.cgi?dataset=" in own[0]["URL"]
        for row in colour:
            assert ("green=" in row["URL"]) == (len(visit.filters) > 2)
            assert row["NExposures"] == visit.exposures * len(visit.filters)
            assert str(row["filename"]).count(",") == min(len(visit.filters), 3) - 1


def test_rows_come_in_the_text_order_of_their_visits(ask):
    names = [str(name) for name in table(ask("pos=0,0&size=180&imagetype=combined"))["Dataset"]]
    heads = [re.match(r"(?i)(hst_\d+_.._(acs_wfc|wfc3_uvis|wfpc2))", name)[1].lower() for name in names]
    assert heads == sorted(heads)
    assert any(name.startswith("HST_") for name in names)
    assert any(re.match(r"HST_9\d\d\d_\d\d_ACS_WFC_F", name) for name in names)  # not padded in old names
    assert any(re.match(r"hst_09\d\d\d_", name) for name in names)


@pytest.mark.parametrize(
    ("imagetype", "levels"),
    [("best", {2, 4}), ("combined", {2}), ("color", {4}), ("COLOR,mosaic", {4}), ("all", {2, 4}), ("hlsp", set())],
)
def test_imagetype_chooses_levels(ask, imagetype, levels):
    rows = table(ask(f"{M101}&size=0.3&imagetype={imagetype}"))
    assert set(rows["Level"]) == levels


@pytest.mark.parametrize(
    ("wanted", "formats"),
    [
        ("image/fits", {"image/fits"}),
        ("FITS", {"image/fits"}),
        ("image/jpeg", {"image/jpeg"}),
        ("jpeg", {"image/jpeg"}),
        ("ALL", {"image/fits", "image/jpeg"}),
        ("image/fits,application/tar,text/html", {"image/fits"}),
        ("json", {"image/fits"}),
    ],
)
def test_format_chooses_urls(ask, wanted, formats):
    text = ask(f"{M101}&size=0&format={wanted}")
    rows = table(text)
    assert set(rows["Format"]) == formats
    assert len(rows) == 5 * len(formats)
    assert f'name="INPUT:FORMAT" value="{wanted}"' in text


def test_filters_instruments_proposals_and_names(ask):
    everything = table(ask(f"{M101}&size=1&imagetype=all"))
    for query, keep in (
        ("inst=WFPC2", lambda row: row["Detector"] == "WFPC2"),
        ("inst=acs,wfc3", lambda row: row["Detector"] != "WFPC2"),
        ("spectral_elt=f658n", lambda row: "F658N" in row["Spectral_Elt"]),
        ("filter=detection", lambda row: row["Spectral_Elt"] == "detection"),
        ("prop_id=8802", lambda row: row["PropID"] == 8802),
        ("visit=hst_08591_01_acs_wfc_total", lambda row: row["Dataset"] == "hst_08591_01_acs_wfc_total"),
    ):
        expected = [str(row["Dataset"]) for row in everything if keep(row)]
        assert expected
        assert [str(name) for name in table(ask(f"{M101}&size=1&imagetype=all&{query}"))["Dataset"]] == expected


def test_names_ignore_case_the_last_repeat_wins_and_strangers_are_ignored(ask):
    plain = ask(f"{M101}&size=0&imagetype=color&format=image/jpeg")
    assert (
        ask("target=M101&POS=210.80227%2C54.34895&SIZE=0.0&imagetype=best&IMAGETYPE=color&FORMAT=image%2Fjpeg") == plain
    )


def test_size_zero_means_the_footprint_holds_the_point(sky, ask):
    visit = sky.visits[0]
    chip = visit.polygons()[0]
    (x0, y0), (x1, y1) = (visit.grid.to_pixel(*chip[0]), visit.grid.to_pixel(*chip[2]))
    inside = visit.grid.to_sky((x0 + x1) / 2, (y0 + y1) / 2)
    assert len(table(ask(f"pos={inside[0]:.8f},{inside[1]:.8f}&size=0&imagetype=color"))) == 1
    corner = visit.grid.to_sky(0, 0)
    assert len(table(ask(f"pos={corner[0]:.8f},{corner[1]:.8f}&size=0&imagetype=color"))) == 0
    assert len(table(ask(f"pos={corner[0]:.8f},{corner[1]:.8f}&size=0.001&imagetype=color"))) == 1


@pytest.mark.parametrize(
    ("cone", "targets"),
    [
        ("pos=0,90&size=0.05", {"POLARIS-B", "NORTH-POLE"}),
        ("pos=211,-90&size=0.05", {"SOUTH-POLE"}),
        ("pos=0.005,-0.82&size=0.02", {"MERIDIAN-WEST", "MERIDIAN-EAST"}),
        ("pos=359.9999,-0.82&size=0.005", {"MERIDIAN-WEST"}),
        ("pos=202.4696,47.1952&size=0.1", {"NGC5194", "NGC5195"}),
        ("pos=20,20&size=0.5", set()),
    ],
)
def test_cones_at_the_poles_and_across_the_meridian(ask, cone, targets):
    assert set(table(ask(f"{cone}&imagetype=color"))["Target"]) == targets


def test_nothing_found_is_a_table_without_rows(ask):
    text = ask("pos=20,20&size=0.1")
    assert "<TR>" not in text
    assert text.count("<FIELD ") == 33
    assert 'name="QUERY_STATUS" value="OK"' in text


@pytest.mark.parametrize(
    "query", ["size=1", "pos=M101&size=1", "pos=400,10", "pos=10,95", f"{M101}&size=wide", f"{M101}&size=-1"]
)
def test_a_bad_query_is_a_status_of_error_and_no_table(ask, query):
    root = ET.fromstring(ask(query))
    (info,) = root.find("RESOURCE").findall("INFO")
    assert info.attrib == {"name": "QUERY_STATUS", "value": "ERROR"}
    assert info.text
    assert root.find("RESOURCE/TABLE") is None


def test_pyvo_finds_the_same_products_and_hears_errors(sky):
    with serve(sky) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        service = pyvo.dal.SIAService(f"{server.url}/cgi-bin/hlaSIAP.cgi?imagetype=best&inst=ACS,WFC3,WFPC2&")
        found = service.search((210.80227, 54.34895), 0.2, format="image/jpeg", imagetype="color")
        raw = requests.get(
            f"{server.url}/cgi-bin/acsSIAP.cgi/footprint/x.pl?{M101}&size=0.2&imagetype=color&format=jpeg", timeout=30
        )
        assert sorted(record["Dataset"] for record in found) == sorted(table(raw.text)["Dataset"])
        assert len(found) > 10
        assert found[0].getdataurl().startswith(f"{server.url}/cgi-bin/fitscut.cgi?red=")
        with pytest.raises(pyvo.dal.DALQueryError, match="between 0 and 180"):
            service.search((10, 10), 200.0)


def test_a_prefix_moves_routes_and_links(sky):
    with serve(sky, prefix="/mirror/hla") as server:
        reply = requests.get(
            f"{server.url}/mirror/hla/cgi-bin/hlaSIAP.cgi?{M101}&format=image/jpeg&imagetype=color", timeout=30
        )
        link = html.unescape(table(reply.text)["URL"][0])
        assert link.startswith(f"{server.url}/mirror/hla/cgi-bin/fitscut.cgi?")
        assert requests.get(link, timeout=30).content[:3] == b"\xff\xd8\xff"
        assert requests.get(f"{server.url}/cgi-bin/hlaSIAP.cgi?{M101}", timeout=30).status_code == 404
