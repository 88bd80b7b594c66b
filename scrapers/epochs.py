"""When exposures were taken, out of the words of a page: "September 2009 - February 2015"."""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date

from scrapers.text import MONTHS

_MJD_0 = date(1858, 11, 17).toordinal()
_WORD = re.compile(
    r"(?P<year>\b(?:19|20)\d\d\b)|(?P<month>\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b)|(?P<day>(?<![\d.])\d{1,2}(?![\d.]*\d))",
    re.IGNORECASE,
)
_ISO = re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_LAUNCH = 1990  # the telescope saw nothing before


@dataclass
class _Month:
    number: int
    days: list[int] = field(default_factory=list)
    year: int | None = None


def exposure_dates(text: str) -> tuple[float, float] | None:
    """Begin of the first and end of the last day, month or year that a text names, MJD; None where it names none.

    Days stand before their month or behind it, and months that share a year name it once: "19 December 2010, 6 July
    2014", "Jan. 5-7, 1995", "March and May 2001", "1995".
    """
    text = _ISO.sub(_in_words, text)
    words = [(str(found.lastgroup), found.group()) for found in _WORD.finditer(text)]
    spans = [span for span in map(_span, _months(words)) if span]
    # a year is one of its own where no month belongs to it
    named = {first.year for first, _ in spans} | {last.year for _, last in spans}
    years = {int(word) for kind, word in words if kind == "year"} - named
    spans += [(date(year, 1, 1), date(year, 12, 31)) for year in years if year >= _LAUNCH]
    if not spans:
        return None
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    return float(first.toordinal() - _MJD_0), float(last.toordinal() - _MJD_0 + 1)


def _in_words(iso: re.Match[str]) -> str:
    month = int(iso[2])
    return f" {iso[1]} {MONTHS[month - 1]} {iso[3]} " if 1 <= month <= len(MONTHS) else " "


def _months(words: list[tuple[str, str]]) -> list[_Month]:
    """The months of a text with the days and the year that belong to each."""
    days_first = bool(words) and words[0][0] == "day"
    year_first = bool(words) and words[0][0] == "year"
    found: list[_Month] = []
    waiting: list[int] = []
    year: int | None = None
    for kind, word in words:
        if kind == "month":
            month = _Month(MONTHS.index(word.lower()[:3]) + 1, year=year if year_first else None)
            found.append(month)
            if days_first:
                month.days, waiting = waiting, []
        elif kind == "day":
            if days_first:
                waiting.append(int(word))
            elif found and (year_first or found[-1].year is None):
                found[-1].days.append(int(word))
        else:
            year = int(word)
            if not year_first:
                for month in found:
                    month.year = month.year or year
    return found


def _span(month: _Month) -> tuple[date, date] | None:
    if month.year is None or month.year < _LAUNCH:
        return None
    length = monthrange(month.year, month.number)[1]
    days = [day for day in month.days if 1 <= day <= length]
    return (
        date(month.year, month.number, min(days, default=1)),
        date(month.year, month.number, max(days, default=length)),
    )
