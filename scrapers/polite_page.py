"""A page in a headless Chromium that reaches its archive only through the archive's `PoliteClient`.

Chromium itself has no network (`scrapers.browser`). Documents, scripts and data that a page asks for are fetched at
the host's pace, with its robots.txt, retries and redirects judged as for every other request; pictures, styles and
whatever lies on other hosts are not loaded.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urldefrag, urlsplit

from playwright.sync_api import Browser, Page, Request, Route
from playwright.sync_api import TimeoutError as TooLateError

from manifests.settings import Settings
from scrapers.attempts import Attempt, HttpError, noted_attempts
from scrapers.http import Check, PoliteClient, Reply, user_agent
from scrapers.politeness import Stopped

T = TypeVar("T")
CheckOf = Callable[[str], Check[Any]]

_MEDIA_TYPES = {"document": "text/html", "script": "text/javascript", "xhr": "text/xml", "fetch": "text/xml"}
_STEP_MS = 500.0
_PATIENCE_S = 30.0  # for drawing what was given; what takes long is the archive's replies
_AFTER_TROUBLE_S = 5.0  # a page without something it asked for is given this long to do without
_LONGEST_S = 3600.0  # for a page that asks and asks


class Supply:
    """What the pages of an archive are given, one after the other. `check_of` says how an address's bytes are judged.

    `not_loaded` counts the requests that were turned down, by host; `attempts` are the requests that were sent.
    """

    def __init__(self, client: PoliteClient, check_of: CheckOf) -> None:
        self.client = client
        self.not_loaded: Counter[str] = Counter()
        self.attempts: list[Attempt] = []
        self._check_of = check_of
        self._kept: dict[str, bytes] = {}

    def get(self, address: str) -> Reply[Any]:
        """What an address answers.

        Raises:
            HttpError: nothing that can be used.
        """
        # Playwright answers in contexts of its own, which know nothing of whoever collects attempts
        with noted_attempts() as attempts:
            try:
                return self.client.get(address, self._check_of(address))
            finally:
                self.attempts += attempts

    def keep(self, address: str) -> bytes:
        """The same for what does not change, as a browser's cache has it: asked once."""
        if address not in self._kept:
            self._kept[address] = self.get(address).body
        return self._kept[address]

    def forget(self) -> None:
        """Keep nothing of what was asked: it may be what made a page go wrong."""
        self._kept.clear()


class PolitePage:
    """One page while it is open; `page` is Playwright's.

    `replies` has what the checks made of the data that the page asked for, by address; `closing` ends its supply.
    """

    def __init__(self, page: Page, address: str, supply: Supply, patience_s: float) -> None:
        self.page = page
        self.address = address
        self.replies: dict[str, Any] = {}
        self.closing = False
        self._supply = supply
        self._patience_s = patience_s
        self._trouble: list[HttpError] = []
        self._elsewhere: set[str] = set()
        self._stopped: Stopped | None = None
        self._answered_at = time.monotonic()

    def quiet_s(self) -> float:
        """Seconds since the page was last given something."""
        return time.monotonic() - self._answered_at

    def wait(self, step: Callable[[float], T], failure: str) -> T:
        """What `step`, called with a time limit in milliseconds, returns once the page is ready for it.

        The page may take half a minute from the last reply it was given, or `Settings.timeout_s` if that is less.

        Raises:
            HttpError: it took longer, for want of a reply or as `failure` says.
            Stopped: the user wants out.
        """
        began = time.monotonic()
        while True:
            try:
                return step(_STEP_MS)
            except TooLateError:
                now = time.monotonic()
            patience = min(self._patience_s, _AFTER_TROUBLE_S) if self._trouble else self._patience_s
            if self._stopped or now - max(began, self._answered_at) > patience or now - began > _LONGEST_S:
                raise self.error(failure)

    def error(self, failure: str) -> HttpError:
        """Why the page does not show what it should: what it could not get, else as `failure` says.

        Raises:
            Stopped: it could not get it because the user wants out.
        """
        if self._stopped:
            raise self._stopped
        if self._trouble:
            return self._trouble[0]
        hosts = ", ".join(sorted(self._elsewhere))
        more = f" Not loaded, for they are not the archive's own hosts: {hosts}." if hosts else ""
        return HttpError("transient", "page", f"{self.address} {failure}.{more}")

    def answer(self, route: Route) -> None:
        """Give the page what it asks for, if that is the archive's and of use."""
        if self.closing:
            return  # nobody waits for it; Playwright's own way, `unroute_all`, hangs where a script runs for ever
        request, body = route.request, None
        try:
            body = self._body(request)
        except Stopped as error:
            self._stopped = error
        except HttpError as error:
            if error.reason == "elsewhere":
                self._elsewhere.add(urlsplit(request.url).netloc)
            else:
                self._trouble.append(error)
        if body is None:
            self._supply.not_loaded[urlsplit(request.url).netloc] += 1
            # of any other error on its way to a page Chromium makes a page, in the place of ours
            route.abort("aborted" if request.is_navigation_request() else "failed")
        else:
            route.fulfill(body=body, content_type=_MEDIA_TYPES[request.resource_type])
            self._answered_at = time.monotonic()

    def _body(self, request: Request) -> bytes | None:
        address = urldefrag(request.url).url
        if request.method != "GET" or request.resource_type not in _MEDIA_TYPES:
            return None
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            return self._supply.keep(address) if address == self.address else None  # it does not lead us away
        if request.resource_type == "script" and not urlsplit(address).query:
            return self._supply.keep(address)
        reply = self._supply.get(address)
        self.replies[address] = reply.value
        return reply.body


@contextmanager
def polite_page(browser: Browser, url: str, supply: Supply, settings: Settings) -> Iterator[PolitePage]:
    """Open a page, in the browser's thread. No cookie, download or service worker outlives it.

    Raises:
        HttpError: the page itself cannot be had.
    """
    address = urldefrag(url).url
    supply.keep(address)
    with browser.new_context(
        user_agent=user_agent(settings.contact), service_workers="block", accept_downloads=False
    ) as context:
        page = context.new_page()
        one = PolitePage(page, address, supply, min(_PATIENCE_S, settings.timeout_s))
        # windows that it opens have no route and so get nothing
        page.route("**/*", one.answer)
        try:
            page.goto(url, wait_until="commit")
            yield one
        finally:
            one.closing = True
