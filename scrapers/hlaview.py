"""The Hubble Legacy Archive by its page for people, `hlaview.html`, in a headless Chromium.

The page keeps all its state in the hash of its address, searches once, and shows the results twenty at a time, each
in a frame of its own. It is slower than SIA (`scrapers.hla`) and there as a cross-check that both ways find the same
products, and for the day when only the page answers. Which products there are, and where, is what the page shows;
what else is told of them is in the reply to its search.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, urldefrag, urlencode, urlsplit

from playwright.sync_api import Browser, Error

from manifests.errors import UsageError
from manifests.media import describe
from manifests.settings import Settings
from scrapers.attempts import Attempt, HttpError, note_attempts
from scrapers.browser import BrowserThread
from scrapers.hla import INSTRUMENTS, NAME, HlaQuery, credit_for, hla_client, products, rebased
from scrapers.hstnames import parse_name
from scrapers.http import Check, PoliteClient
from scrapers.polite_page import PolitePage, Supply, polite_page
from scrapers.products import Product, Tile, product_id, release_of
from scrapers.sky import Cone
from scrapers.votable import Row, read_rows

_PAGE = "hlaview.html"
_SEARCHES = ("/cgi-bin/hlaSIAP.cgi", "/cgi-bin/acsSIAP.cgi")
_SETTLED_S = 1.0  # a page may say that there is nothing before it has drawn what it got
_POLL_MS = 50.0

# The number of the last result shown, or the message that stands there instead. A page that is turned may show the
# old number for a while.
_SHOWN = """([before, settled]) => {
    const heads = Array.from(document.querySelectorAll('h2'), head => head.innerText.trim());
    const message = heads.find(text => /^(No results|Error)/.test(text));
    const last = parseInt(document.querySelector('#pageendresultscount')?.innerText);
    if (message?.startsWith('Error')) return message;
    if (message || last === 0) return settled ? 'No results' : null;
    return last > before ? last : null;
}"""
# Of each result the text beside its preview and the preview's address. Only colour pictures are known to have their
# text in an element of that class.
_RESULTS = """([first, last]) => {
    const results = [];
    for (let number = first; number <= last; number++) {
        const inside = document.querySelector(`iframe[name="image${number}"]`)?.contentDocument;
        const image = inside?.querySelector('img');
        if (!image) return null;
        results.push([(inside.querySelector('.color') ?? inside.body).innerText, image.src]);
    }
    return results;
}"""
# One page of results has no buttons at all; the last of several has one that does nothing. Twenty results may be
# either all or the first page: where the page tells the total, the buttons are waited for.
_ON = """(last) => {
    const button = document.querySelector('.fwd:not(.inactive)');
    const total = document.querySelector('.pagelabel')?.innerText.match(/ of (\\d+)/)?.[1];
    return button ? 'more' : total > last ? null : 'end';
}"""
_TURN = "() => document.querySelector('.fwd:not(.inactive)').click()"


class HlaView:
    """HLA asked through its page. Tiles are asked one after the other, whatever the thread they are asked in."""

    name = NAME

    def __init__(self, client: PoliteClient, query: HlaQuery, settings: Settings, browser: BrowserThread) -> None:
        self.client = client
        self.query = query
        self.supply = Supply(client, _check_of)
        self._settings = settings
        self._browser = browser

    @property
    def elsewhere(self) -> dict[str, int]:
        """How often the page asked other hosts than the archive's, which was not let through."""
        own = urlsplit(self.client.base).netloc
        return {host: number for host, number in self.supply.not_loaded.items() if host != own}

    def tile(self, cone: Cone) -> Tile:
        """The question for the products in a cone: the page's address with all of its state."""
        everything = self.query.instruments == INSTRUMENTS
        form = [
            ("RA", f"{cone.ra:.6f}"),
            ("Dec", f"{cone.dec:.6f}"),
            ("Radius", f"{cone.radius:.6f}"),
            *([("inst-control", "all")] if everything else []),
            *(("inst", name) for name in self.query.instruments),
            ("imagetype", ",".join(self.query.imagetypes)),
            ("spectral_elt", ",".join(self.query.filters)),
            ("proprietary", "false"),
            ("preview", "1"),
            ("output_size", "256"),
        ]
        state = "|".join(("Images", quote("filterText=$filterTypes="), urlencode(form), ""))
        return Tile(self.name, json.dumps({"url": f"{self.client.base}/{_PAGE}#{state}"}))

    def ask(self, tile: Tile) -> list[Product]:
        """The products a tile has, each dataset once, in the order of the page.

        Raises:
            HttpError: the archive cannot be asked, or the page does not show what it should.
        """
        url: str = json.loads(tile.request)["url"]
        try:
            shown, rows = self._look(url)
        except HttpError as error:
            if error.reason != "page":
                raise
            shown, rows = self._look(url)  # with the page fetched anew, which may have come damaged
        return _merged(shown, rows, self.client.base, self.query.levels)

    def _look(self, url: str) -> tuple[dict[str, str], list[Row]]:
        """What the page shows, and the rows that its search brought."""
        attempts: list[Attempt] = []

        def look(browser: Browser) -> tuple[dict[str, str], list[Row]]:
            try:
                with polite_page(browser, url, self.supply, self._settings) as page:
                    return results_of(page), _rows(page)
            finally:
                attempts.extend(self.supply.attempts)
                self.supply.attempts.clear()

        try:
            return self._browser.run(look)
        except HttpError:
            self.supply.forget()
            raise
        except Error as error:
            self.supply.forget()
            reason = error.message.strip().splitlines()[0]
            raise HttpError("transient", "page", f"Chromium gave up on {urldefrag(url).url} ({reason}).") from error
        finally:
            note_attempts(attempts)


@contextmanager
def open_hlaview(settings: Settings, query: HlaQuery, archive_url: str | None = None) -> Iterator[HlaView]:
    """HLA by its page, at its usual address or at another; that host then counts as the archive's own.

    Raises:
        DeepfieldError: no Chromium is installed, or it does not start.
        UsageError: the address is none, or FITS files are wanted.
    """
    if query.fits:
        raise UsageError("HLA's page shows pictures only: for FITS files ask without --browser.")
    client = hla_client(settings, archive_url)
    with BrowserThread(settings.chromium) as browser:
        yield HlaView(client, query, settings, browser)


def _check_of(address: str) -> Check[Any]:
    """How the replies to a page's requests are judged: its search as ours is, so that one cut short is asked again."""
    if _is_search(address):
        return lambda body: read_rows(body, "HLA")
    return _html if urlsplit(address).path.endswith(f"/{_PAGE}") else lambda body: None


def _is_search(address: str) -> bool:
    return urlsplit(address).path.endswith(_SEARCHES)


def _html(body: bytes) -> None:
    if describe(body[:256]) != "an HTML page" or b"<script" not in body.lower():
        raise HttpError("transient", "not_a_reply", f"HLA answered with {describe(body[:256])}, not with its own page.")


def results_of(page: PolitePage) -> dict[str, str]:
    """The datasets of all pages of results, and where each one's preview is.

    Raises:
        HttpError: the page does not show what it should, in time.
    """
    found: dict[str, str] = {}
    pages: list[list[tuple[str, str]]] = []
    last = 0
    while True:
        before, last = last, _last_shown(page, last)
        if not last:
            return {}
        shown = list(_read(page, before + 1, last))
        if shown in pages:
            raise page.error(f"shows the same results again as {before + 1} to {last}")
        pages.append(shown)
        for dataset, preview in shown:
            found.setdefault(dataset, preview)
        if not _turn(page, last):
            return found


def _rows(page: PolitePage) -> list[Row]:
    """What the page's search brought."""
    return [row for address, rows in page.replies.items() if _is_search(address) for row in rows]


def _last_shown(page: PolitePage, before: int) -> int:
    """The number of the last result on the page that follows on `before`; 0 where there are no results."""
    shown = page.wait(
        lambda limit_ms: page.page.wait_for_function(
            _SHOWN,
            arg=[before, bool(page.replies) and page.quiet_s() > _SETTLED_S],
            timeout=limit_ms,
            polling=_POLL_MS,
        ).json_value(),
        f"does not turn to the results after {before}" if before else "shows neither results nor that there are none",
    )
    if isinstance(shown, str) and shown.startswith("Error"):
        raise page.error(f"shows no results but {shown!r}")
    if isinstance(shown, str) and before:
        raise page.error(f"has no results any more after {before}")
    return 0 if isinstance(shown, str) else int(shown)


def _read(page: PolitePage, first: int, last: int) -> Iterator[tuple[str, str]]:
    """Dataset and address of the preview of each result on this page."""
    results = page.wait(
        lambda limit_ms: page.page.wait_for_function(
            _RESULTS, arg=[first, last], timeout=limit_ms, polling=_POLL_MS
        ).json_value(),
        f"tells of results {first} to {last} and does not show them all",
    )
    for number, (text, preview) in enumerate(results, first):
        lines = [line.strip() for line in text.splitlines()]
        if len(lines) < 2 or not lines[1] or not preview:
            raise page.error(f"does not name the dataset of result {number}")
        yield lines[1], preview


def _turn(page: PolitePage, last: int) -> bool:
    """Go on to the next page; False where there is none."""
    there = page.wait(
        lambda limit_ms: page.page.wait_for_function(_ON, arg=last, timeout=limit_ms, polling=_POLL_MS).json_value(),
        f"has more results and offers no way on after {last}",
    )
    if there == "more":
        page.page.evaluate(_TURN)  # apart from the wait, which may look twice
    return there == "more"


def _merged(shown: dict[str, str], rows: list[Row], base: str, levels: set[int]) -> list[Product]:
    """Products of what the page shows, with what the rows of its search tell besides."""
    known = {product.product_id for product in products(rows, base, HlaQuery(("all",)).levels)}
    wanted = {product.product_id: product for product in products(rows, base, levels)}
    found = []
    for dataset, preview in shown.items():
        product = _product(dataset, preview, base)
        if product.product_id in wanted:
            found.append(product.filled(wanted[product.product_id].record()))
        elif product.product_id not in known:  # those of other levels are left out, as in `products`
            found.append(product)
    return found


def _product(dataset: str, preview: str, base: str) -> Product:
    url = full_size(preview, base)
    bands = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)} & {"red", "green", "blue"}
    name = parse_name(dataset)
    return Product(
        archive=NAME,
        product_id=product_id(NAME, dataset),
        source_name=dataset,
        release_id=name.release_id if name else release_of(dataset) or dataset,
        expects_colour=len(bands) > 1,
        obs_collection="HLA",
        obs_id=dataset,
        access_url=url,
        access_format="image/jpeg",
        facility_name="HST",
        credit=credit_for(base),
        synthetic_green=len(bands) == 2 if len(bands) > 1 else None,
    )


def full_size(preview: str, base: str) -> str:
    """Where the picture is that a preview shows: the same address without its size, on the archive that was asked."""
    parts = urlsplit(preview)
    kept = [part for part in parts.query.split("&") if part.partition("=")[0].lower() != "output_size"]
    return rebased(parts._replace(query="&".join(kept)).geturl(), base)
