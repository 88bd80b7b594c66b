"""How MAST is asked: services of `api/v0/invoke`, which answer in pages of JSON, and addresses of its files.

MAST's own library, astroquery, is not used: it brings a session of its own, which knows nothing of our pace,
robots.txt, limits of size, checks and ledger, and polls a busy service without a pause.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from manifests.media import describe
from scrapers.http import HttpError, PoliteClient

Row = dict[str, Any]

PAGE_ROWS = 5000
_LONGEST_WAIT_S = 30.0
_PATIENCE_S = 600.0  # as long as astroquery waits for an answer
_STATUSES = ("COMPLETE", "EXECUTING", "ERROR")


@dataclass(frozen=True)
class Page:
    """One page of a reply: whether MAST is still at work on it, its rows, and how many pages there are."""

    executing: bool
    rows: tuple[Row, ...]
    pages: int


def ask_rows(client: PoliteClient, service: str, params: Row, page_rows: int = PAGE_ROWS) -> Iterator[Row]:
    """The rows of a service's answer, all pages of it.

    While the service says EXECUTING the same question is asked again, ten minutes at most.

    Raises:
        HttpError: transient where MAST does not answer, is not done in time or sends something else; permanent where
            it answers with an error of its own.
    """
    number, pages = 1, 1
    while number <= pages:
        page = _ask_page(client, service, params, page_rows, number)
        yield from page.rows
        # a count of pages that is wrong must not keep us asking
        pages = page.pages if page.rows else number
        number += 1


def download_url(base: str, uri: str) -> str:
    """Where the file of a `mast:` URI is.

    The URI is one parameter: what it has of `?` and `&` must not end it. MAST's tables have some with a literal
    `&amp;`, which is undone.
    """
    return f"{base}/api/v0.1/Download/file?uri={quote(uri.replace('&amp;', '&'), safe=':/')}"


def read_page(body: bytes, number: int | None = None) -> Page:
    """Read a reply of `api/v0/invoke`; `number` is the page that was asked for.

    Numbers that are not finite are null; a row that is not a table's row is left out.

    Raises:
        HttpError: transient where the bytes are not a whole reply, or are another page's; permanent for MAST's own
            errors.
    """
    try:
        reply = json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        what = describe(body[:256])
        raise HttpError(
            "transient", "not_a_reply", f"MAST answered with {what}, not with a whole JSON table."
        ) from error
    status = reply.get("status") if isinstance(reply, dict) else None
    if status not in _STATUSES:
        raise HttpError("transient", "not_a_reply", "MAST answered with JSON that is not one of its tables.")
    if status == "ERROR":
        why = " ".join(str(reply.get("msg") or "").split())[:500]
        raise HttpError("permanent", "query", f"MAST refuses the question: {why or 'it does not say why'}.")
    if status == "EXECUTING":
        return Page(True, (), 1)
    rows, paging = reply.get("data"), reply.get("paging")
    if not isinstance(rows, list):
        raise HttpError("transient", "not_a_reply", "MAST says that its answer is complete, but sent no rows.")
    paging = paging if isinstance(paging, dict) else {}
    given = whole(paging.get("page"))
    if number is not None and given is not None and given != number:
        raise HttpError("transient", "not_a_reply", f"MAST sent page {given} where page {number} was asked for.")
    return Page(False, tuple(row for row in rows if isinstance(row, dict)), whole(paging.get("pagesFiltered")) or 1)


def text(row: Row, column: str) -> str | None:
    """A cell as text without blanks around it; None where it is empty or something else. Numbers become text."""
    value = row.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def number(row: Row, column: str) -> float | None:
    """A cell as a number, also where it is written as text; None where it is none or not finite."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def whole(value: object) -> int | None:
    """A whole number as it is, anything else as None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _ask_page(client: PoliteClient, service: str, params: Row, page_rows: int, number: int) -> Page:
    question = {"service": service, "params": params, "format": "json", "pagesize": page_rows, "page": number}
    form = {"request": json.dumps(question)}
    waited, wait = 0.0, 1.0
    while True:
        page = client.post(f"{client.base}/api/v0/invoke", partial(read_page, number=number), form).value
        if not page.executing:
            return page
        if waited >= _PATIENCE_S:
            raise HttpError(
                "transient",
                "executing",
                f"MAST was not done with {service} after {waited / 60:.0f} minutes; try later.",
            )
        client.wait(wait)
        waited, wait = waited + wait, min(2 * wait, _LONGEST_WAIT_S)
