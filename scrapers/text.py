"""Words out of markup: text without tags, positions and dates as outreach pages write them."""

import json
import logging
import re
import warnings
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, NavigableString, Tag, XMLParsedAsHTMLWarning
from bs4.exceptions import ParserRejectedMarkup

from scrapers.entities import unescape
from scrapers.http import HttpError
from scrapers.writable import writable

# What a page turns out to be is for its reader to judge, and to say in a sentence of ours.
for _category in (XMLParsedAsHTMLWarning, MarkupResemblesLocatorWarning):
    warnings.filterwarnings("ignore", category=_category)
logging.getLogger("bs4.dammit").setLevel(logging.ERROR)

_BEGINNING, _ENDING = re.compile(rb"<html[\s>]", re.IGNORECASE), re.compile(rb"</html\s*>", re.IGNORECASE)
_CHARSET = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)
_HEAD = 4096
_LONGEST = 8 * 2**20
_TAG = re.compile(r"<[^<>]*>")
# elements that a browser sets apart
BREAKS = frozenset({"br", "p", "div", "li", "td", "tr", "th", "h1", "h2", "h3", "h4"})
_MINUS = "-\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}"
# 12:21:49.4, 12h21m49.4s, 12h 21m 49s.4, 12h 21.8m, 78° 23' 11.27"
_ANGLE = re.compile(
    rf"(?P<sign>[{_MINUS}+]?)\s*(?P<whole>\d{{1,3}})\s*(?:h|deg\.?|d|°|:|\s)\s*"
    r"(?P<minutes>\d{1,2}(?:\.\d+)?)\s*(?:min\.?|m|'|′|’|:|\s)\s*"
    r"(?:(?P<seconds>\d{1,2})\s*s?(?P<fraction>\.\d*)?)?"
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})\s+(?P<month>[A-Za-z]+)\s+(?P<year>(?:19|20)\d\d)")
_MONTH_FIRST = re.compile(r"(?P<month>[A-Za-z]+)\s+(?P<day>\d{1,2}),?\s+(?P<year>(?:19|20)\d\d)")


def plain_text(text: str) -> str:
    """Text without tags, entities, control characters and runs of white space."""
    return " ".join(writable(unescape(_TAG.sub(" ", text))).split())


def markup(body: bytes, what: str) -> BeautifulSoup:
    """A page as a tree; a check for `PoliteClient.get` may call it.

    Half a page reads as well as a whole one, with fewer pictures on it: what begins as a page must end as one.

    Raises:
        HttpError: transient: it is cut short, cannot be parsed at all, or is far too long.
    """
    _refuse_long(body, what, "not_a_page")
    if _BEGINNING.search(body, 0, _HEAD) and not _ENDING.search(body):
        raise HttpError("transient", "not_a_page", f"{what} came without its end.")
    try:
        return BeautifulSoup(_decoded(body), "lxml")
    except ParserRejectedMarkup as error:
        raise HttpError("transient", "not_a_page", f"{what} cannot be read: {error}.") from error


def _decoded(body: bytes) -> str:
    """A page as text, by the encoding it tells; without a usable one it is UTF-8.

    The parser would guess at length, wrongly where a byte is damaged, and fail where the name of the encoding is.
    """
    told = _CHARSET.search(body, 0, _HEAD)
    try:
        return body.decode(told[1].decode() if told else "utf-8", "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def json_value(body: bytes, what: str) -> Any:
    """A JSON reply.

    Raises:
        HttpError: transient: it is none, or far too long.
    """
    _refuse_long(body, what, "not_json")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HttpError("transient", "not_json", f"{what} is no JSON: {error}.") from error


def _refuse_long(body: bytes, what: str, reason: str) -> None:
    # as a tree a page takes a hundred times its length in memory
    if len(body) > _LONGEST:
        raise HttpError("transient", reason, f"{what} is {len(body) / 1e6:.0f} MB long, which no page of a site is.")


def path_of(url: str) -> str:
    """The path of an address or link, unescaped; empty where it is none."""
    try:
        return unquote(urlsplit(url.strip()).path)
    except ValueError:
        return ""


def words(tag: Tag) -> str:
    """The text of an element, with space where a browser breaks the line and nowhere else; comments are no text."""
    parts = []
    for part in tag.descendants:
        if isinstance(part, Tag):
            parts.append(" " if part.name in BREAKS else "")
        elif type(part) is NavigableString:
            parts.append(part)
    return "".join(parts)


def angle(text: str, *, hours: bool) -> float | None:
    """Degrees of "18 23 22.20", "02:39:55.29", "12h 21m 49s.4" or "-01:33:51.5"; None for anything else.

    `hours` says that the first number counts hours. Seconds of 60.00, a rounding that sites print, are taken.
    """
    # one site prints "78&deg 23'", without the semicolon that ends an entity
    found = _ANGLE.search(unescape(text.replace("&deg ", "° ")))
    if found is None:
        return None
    minutes, seconds = float(found["minutes"]), float(f"{found['seconds'] or 0}{found['fraction'] or ''}")
    if minutes > 60 or seconds > 60:
        return None
    size = (int(found["whole"]) + minutes / 60 + seconds / 3600) * (15.0 if hours else 1.0)
    value = -size if found["sign"] and found["sign"] in _MINUS else size
    return value if abs(value) <= (360.0 if hours else 90.0) else None


def date(text: str) -> str | None:
    """The day in "8 May 2023, 06:00" or "November 09, 2022 11:00AM (EST)", ISO 8601; None where there is none.

    The hour is left out: sites give it in their own time, or not at all.
    """
    found = _DAY_FIRST.search(text) or _MONTH_FIRST.search(text)
    if found is None:
        return None
    try:
        month = MONTHS.index(found["month"].lower()[:3]) + 1
        day = datetime(int(found["year"]), month, int(found["day"]), tzinfo=UTC)
    except ValueError:
        return None
    return day.strftime("%Y-%m-%dT%H:%M:%SZ")
