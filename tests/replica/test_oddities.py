"""Odd rows of the search are as real ones were seen to be, and the scraper reads them as what they stand for."""

from collections import Counter

import pytest

from manifests.footprints import parse_region
from scrapers.hla import products
from scrapers.http import HttpError
from scrapers.replica.exchange import Request
from scrapers.replica.hla import hla_routes
from scrapers.replica.oddities import Oddities
from scrapers.replica.sky import SyntheticSky, synthetic_sky
from scrapers.votable import Row, read_rows

BASE = "http://127.0.0.1:8580"
SEARCH = "/cgi-bin/hlaSIAP.cgi"
LEVELS = {2, 4}


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(seed=1, visits=100, sides_px=(96, 128))


def reply(sky: SyntheticSky, oddities: Oddities | None) -> bytes:
    query = "pos=0,0&size=180&imagetype=all&format=image/jpeg"
    return hla_routes(sky, oddities=oddities)[SEARCH](Request(SEARCH, query, BASE)).body


def rows(sky: SyntheticSky, oddities: Oddities | None) -> list[Row]:
    return read_rows(reply(sky, oddities), "HLA")


def test_every_oddity_is_there_and_the_seed_decides(sky: SyntheticSky) -> None:
    even, odd = rows(sky, None), rows(sky, Oddities(seed=3, share=1.0))
    assert reply(sky, Oddities(seed=3)) == reply(sky, Oddities(seed=3)) != reply(sky, Oddities(seed=4))
    assert rows(sky, Oddities(share=0.0)) == even
    names = Counter(row["dataset"] for row in odd)
    assert max(names.values()) == 2
    assert {name.lower() for name in names if not name.endswith("_lost")} == {row["dataset"].lower() for row in even}
    assert len({name.lower() for name in names}) < len(names)
    lost = [row for row in odd if row["dataset"].endswith("_lost")]
    answer = hla_routes(sky)["/cgi-bin/fitscut.cgi"](
        Request("/cgi-bin/fitscut.cgi", lost[0]["url"].partition("?")[2].replace("&amp;", "&"), BASE)
    )
    assert b"fitscut error" in answer.body
    assert {row["exptime"] for row in odd if row["exptime"] is not None and row["exptime"] < 0} == {-9999}
    assert any(row["target"] is None and row["starttime"] is None for row in odd)
    assert any((row["starttime"] or "").startswith("1900") for row in odd)
    assert any(row["url"].startswith("http://hla.stsci.edu/cgi-bin/fitscut.cgi?") for row in odd)
    regions = [row["regionstcs"] for row in odd]
    assert any(text.startswith("POLYGON ICRS (") and ")" not in text for text in regions)
    assert any(" -" in text.split(" ", 3)[2].join("  ") for text in regions)


def test_odd_rows_are_read_as_what_they_stand_for(sky: SyntheticSky) -> None:
    even = {one.source_name: one for one in products(rows(sky, None), BASE, LEVELS)}
    odd = products(rows(sky, Oddities(seed=3, share=1.0)), BASE, LEVELS)
    assert {one.source_name for one in odd if not one.source_name.endswith("_lost")} == set(even)
    for one in odd:
        if one.source_name.endswith("_lost"):
            continue
        true = even[one.source_name]
        assert (one.s_ra, one.s_dec, one.access_url) == (true.s_ra, true.s_dec, true.access_url)
        for column in ("t_min", "t_exptime", "target_name", "obs_release_date", "s_resolution"):
            assert getattr(one, column) in (None, getattr(true, column))
        corners = {len(polygon) for polygon in parse_region(one.s_region)}
        assert corners <= {len(polygon) for polygon in parse_region(true.s_region)}


def test_what_is_left_out_is_said(sky: SyntheticSky) -> None:
    with pytest.raises(HttpError, match="left out rows") as caught:
        rows(sky, Oddities(most_rows=20))
    assert caught.value.reason == "overflow"
    assert reply(sky, Oddities(share=0.0, most_rows=20)).count(b"<TR>") == 20
    assert b"OVERFLOW" not in reply(sky, Oddities(most_rows=10**6))
