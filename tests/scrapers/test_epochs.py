from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.epochs import exposure_dates

MJD_0 = 678576  # proleptic ordinal of 1858-11-17


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("September 2009 - February 2015", (2009, 9, 1), (2015, 3, 1)),
        ("19 December 2010, 6 July 2014", (2010, 12, 19), (2014, 7, 7)),
        ("Jan. 5-7, 1995", (1995, 1, 5), (1995, 1, 8)),
        ("5, 6 & 9 May 2002", (2002, 5, 5), (2002, 5, 10)),
        ("August 5 and September 7, 1999", (1999, 8, 5), (1999, 9, 8)),
        ("March and May 2001", (2001, 3, 1), (2001, 6, 1)),
        ("November 1, 2003; May 2004", (2003, 11, 1), (2004, 6, 1)),
        ("December 1998 and 2000", (1998, 12, 1), (2001, 1, 1)),
        ("Dec. 2016", (2016, 12, 1), (2017, 1, 1)),
        ("1995-1997", (1995, 1, 1), (1998, 1, 1)),
        ("2003-04-12, 2004-02-29", (2003, 4, 12), (2004, 3, 1)),
        ("May 11, 2009 (12 orbits of proposal 11108)", (2009, 5, 11), (2009, 5, 12)),
        ("Feb 30, 2001", (2001, 2, 1), (2001, 3, 1)),
    ],
)
def test_what_pages_say(text: str, first: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    assert exposure_dates(text) == (date(*first).toordinal() - MJD_0, date(*after).toordinal() - MJD_0)


@pytest.mark.parametrize("text", ["", "The date(s) that the telescope looked.", "March", "May 1889", "Mars at 14:05"])
def test_what_is_no_date(text: str) -> None:
    assert exposure_dates(text) is None


@given(st.text() | st.lists(st.sampled_from(["12", "May", "1995", "-", ",", "2003-13-40", "31", "feb"])).map(" ".join))
def test_any_text(text: str) -> None:
    found = exposure_dates(text)
    assert found is None or 47892 <= found[0] < found[1] <= 88069  # 1990 to 2099


def test_modified_julian_dates() -> None:
    assert exposure_dates("1 January 2000") == (51544.0, 51545.0)
