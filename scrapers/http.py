"""The way to an archive: requests that are paced, tried again, checked, and kept to the archive's own hosts.

Whether a reply is good is judged by its bytes and inside the retry loop: archives answer errors with status 200,
cut pictures short, and answer rightly the second time.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Generic, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from sqlalchemy import Engine

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.attempts import Attempt, HttpError, note_attempts, noted_attempts
from scrapers.hosts import HostList, Origin, is_private
from scrapers.pace import HostPausedError, Pace
from scrapers.politeness import Gates, SystemClock, backoff_s, retry_after_s
from scrapers.revalidation import UnchangedError, Validator, known_validator, note_reply
from scrapers.robots import Robots
from scrapers.shared_pace import InCatalogue
from scrapers.transport import Answer, Form, Transport

T = TypeVar("T")
Check = Callable[[bytes], T]

_REDIRECTS = 5  # RFC 9309, 2.3.1.2 asks for five at least
_LONGEST_PAUSE_S = 600.0
_PASSING = frozenset({408, 421, 425, 429})  # and every 5xx
_NOT_AT_ONCE = frozenset({"paused", "elsewhere"})  # may go well later, but not within this run
_ROBOTS_BYTES = 500 * 1024  # RFC 9309, 2.5: so much is to be read at least
_MOVED = frozenset({301, 302, 303, 307, 308})
_NOT_MODIFIED = 304
_GOOD = _MOVED | {200, _NOT_MODIFIED}
_SEE_OTHER = 303  # RFC 9110, 15.4.4: what is there is to be had by GET, the other redirects leave a POST one


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A good reply: the bytes, what the check made of them, the attempts it took, and its headers."""

    url: str
    body: bytes
    value: T
    attempts: tuple[Attempt, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


def now_utc() -> str:
    """The present moment, ISO 8601 UTC, to the millisecond."""
    return iso_utc(datetime.now(UTC))


def iso_utc(moment: datetime) -> str:
    """A moment of UTC as text that sorts by time, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def user_agent(contact: str | None) -> str:
    """How Deepfield introduces itself: name, version and, where set, whom to write to.

    Raises:
        UsageError: the contact cannot stand in a header.
    """
    name = f"Deepfield/{version('deepfield')}"
    if not contact:
        return name
    if not (contact.isascii() and contact.isprintable()) or set(contact) & set("()"):
        raise UsageError(
            f"DEEPFIELD_CONTACT={contact!r} cannot be sent to an archive: give a mail address or a web page, "
            "without brackets or special characters."
        )
    return f"{name} (+{contact})"


class PoliteClient:
    """Fetches addresses of one archive; safe for many threads.

    `friends` are host names, besides the archive's own address, that it may send us to. Only the archive's own
    address may be private or on loopback.
    """

    def __init__(
        self,
        base: str,
        settings: Settings,
        gates: Gates,
        friends: frozenset[str] = frozenset(),
        first_backoff_s: float = 1.0,
    ) -> None:
        self._hosts = HostList(base, friends)
        self._settings = settings
        self._gates = gates
        self._first_backoff_s = first_backoff_s
        self._robots = Robots(self._read_robots, gates.clock)
        headers = {"User-Agent": user_agent(settings.contact)}
        self._transport = Transport(self._hosts.own, settings, headers, gates.clock.now)

    @property
    def base(self) -> str:
        """The archive's address, without a slash at the end."""
        return self._hosts.base

    @property
    def max_bytes(self) -> int:
        """The largest reply that is read."""
        return self._settings.max_bytes

    def get(self, url: str, check: Check[T], params: dict[str, str] | None = None) -> Reply[T]:
        """Fetch an address until `check` accepts the bytes.

        `check` gets the whole body and returns what it makes of it, or raises `HttpError`: transient ones are
        tried again, up to `Settings.attempts` times, after the host's `Retry-After` or a doubling wait. Within
        `asking_again` the reply is asked for only if it is another one than that known.

        Raises:
            HttpError: nothing usable came; its `attempts` say what was tried.
            UnchangedError: the reply is the one that is known.
        """
        address = _address(url, params)
        reply = self._persist(address, check, self._obey_robots, since=known_validator(address))
        note_reply(address, reply.headers)
        return reply

    def post(self, url: str, check: Check[T], form: Form) -> Reply[T]:
        """Send a form (`application/x-www-form-urlencoded`) until `check` accepts the reply; else as `get`.

        The form must be a question, which may be asked again. A redirect is followed with the same form; one that
        would make it a GET without the form (303) is an error.

        Raises:
            HttpError: nothing usable came; its `attempts` say what was tried.
        """
        reply = self._persist(_address(url), check, self._obey_robots, form)
        note_reply(url, {})  # a POST is never asked whether its answer has changed
        return reply

    def wait(self, seconds: float) -> None:
        """Wait, by the clock that all waits go by; `stop` ends it."""
        self._gates.clock.sleep(seconds)

    def within(self, max_bytes: int) -> "PoliteClient":
        """The same client for replies of so many bytes at most, at the same pace and over the same connections."""
        if max_bytes == self.max_bytes:
            return self
        other = copy(self)
        other._settings = self._settings.model_copy(update={"max_bytes": max_bytes})
        other._transport = self._transport.within(max_bytes)
        return other

    def share_pace(self, engine: Engine) -> None:
        """Keep the pace of all hosts together with all processes that use that catalogue."""
        self._gates.keep_in(InCatalogue(engine))

    def stop(self) -> None:
        """End every wait at once; requests under way end with their reply."""
        if isinstance(self._gates.clock, SystemClock):
            self._gates.clock.stop()

    def _persist(
        self,
        url: str,
        check: Check[T],
        admit: Callable[[str], None],
        form: Form | None = None,
        since: Validator | None = None,
    ) -> Reply[T]:
        """Try until the check accepts, the error is final, or the attempts are used up."""
        attempts: list[Attempt] = []
        while True:
            admit(url)
            turn = _Turn(self._gates.clock.now)
            status, size = None, None
            try:
                final, answer = self._follow(url, admit, form, since, turn)
                status, size = answer.status, len(answer.body)
                if status == _NOT_MODIFIED:
                    raise UnchangedError
                value = check(answer.body)
            except UnchangedError:
                note_attempts([Attempt(url, turn.began_at, turn.seconds, status, size, None)])
                raise
            except HttpError as error:
                why = str(error)
                attempts.append(Attempt(url, turn.began_at, turn.seconds, error.status or status, size, why))
                note_attempts(attempts[-1:])
                error.attempts = tuple(attempts)
                if (
                    error.kind != "transient"
                    or error.reason in _NOT_AT_ONCE
                    or len(attempts) >= self._settings.attempts
                ):
                    raise
            else:
                attempts.append(Attempt(url, turn.began_at, turn.seconds, status, size, None))
                note_attempts(attempts[-1:])
                return Reply(final, answer.body, value, tuple(attempts), answer.headers)
            self._gates.clock.sleep(backoff_s(len(attempts), self._first_backoff_s))

    def _follow(
        self, url: str, admit: Callable[[str], None], form: Form | None, since: Validator | None, turn: "_Turn"
    ) -> tuple[str, Answer]:
        """One request and the redirects it leads to; the address that answered and its answer."""
        here = url
        for _ in range(_REDIRECTS + 1):
            answer = self._send(here, form, since, turn)
            if answer.status not in _MOVED:
                return here, answer
            target = _redirected(here, answer.headers.get("Location", ""))
            if form is not None and answer.status == _SEE_OTHER:
                raise HttpError(
                    "permanent",
                    "moved",
                    f"{here} sends a question on to {target} without its form (status {answer.status}): not followed. "
                    "If the archive has moved, give its new address.",
                )
            if urlsplit(here).scheme == "https" and urlsplit(target).scheme == "http":
                raise HttpError("transient", "elsewhere", f"{here} redirects to {target}, which is not encrypted.")
            try:
                admit(target)
            except HttpError as error:
                # outages and logins redirect away, too: what is not followed now may be here again later
                error.kind = "transient" if error.reason == "elsewhere" else error.kind
                raise
            here = target
        raise HttpError("transient", "redirects", f"{url} redirects more than {_REDIRECTS} times.")

    def _obey_robots(self, url: str) -> None:
        """Admit an address of the archive's own hosts that its robots.txt allows."""
        origin = Origin.of(url)
        if origin is None or not self._hosts.allows(origin):
            where = origin.name if origin else url
            raise HttpError(
                "refused", "elsewhere", f"The archive points to {where}, which is not one of its own hosts: not asked."
            )
        rules = self._robots.rules(origin.url)
        if rules.interval_s > 0:
            self._gates.gate(origin.name).pace.slow_down(1.0 / rules.interval_s)
        if not rules.allow(url):
            path = urlsplit(url).path
            raise HttpError("refused", "robots", f"The robots.txt of {origin.name} forbids robots to ask {path}.")

    def _read_robots(self, origin: str) -> str:
        """The text of a robots.txt; empty where the host has none."""

        def admit(url: str) -> None:
            # RFC 9309, 2.3.1.2: a robots.txt may move to another host, but ours do not lead inside
            hop = Origin.of(url)
            if hop is None or (hop != self._hosts.own and is_private(hop.host)):
                raise HttpError("refused", "elsewhere", f"{origin}/robots.txt redirects to {url}: not followed.")

        try:
            with noted_attempts():  # of nobody's question: every host has its robots.txt read once
                return self._persist(f"{origin}/robots.txt", _robots_text, admit).value
        except HttpError as error:
            if error.status is not None and 400 <= error.status < 500 and error.status not in _PASSING:
                return ""
            if error.status is None:
                raise
            raise HttpError(
                "transient",
                "robots",
                f"{origin} answers {error.status} when asked for its robots.txt, which means that robots must stay "
                "away for now; try again later.",
                error.status,
            ) from error

    def _send(self, url: str, form: Form | None, since: Validator | None, turn: "_Turn") -> Answer:
        """One request, at the host's pace: a POST where there is a form, else a GET.

        A redirect or good status is returned, any other raised.
        """
        origin = Origin.of(url)
        if origin is None:
            raise HttpError("permanent", "bad_url", f"{url!r} is not an address that can be asked.")
        gate = self._gates.gate(origin.name)
        try:
            with gate.slot(_LONGEST_PAUSE_S), turn.taken():
                headers = since.headers() if since else {}
                answer = self._say_how(gate.pace, partial(self._transport.send, origin, url, form, headers))
        except HostPausedError as error:
            raise HttpError("transient", "paused", f"{error} Try again after that.") from error
        if answer.status not in _GOOD or (answer.status == _NOT_MODIFIED and since is None):
            raise _status_error(answer.status, origin.name)
        return answer

    def _say_how(self, pace: Pace, send: Callable[[], Answer]) -> Answer:
        """Send, and tell the host's pace what came of it."""
        try:
            answer = send()
        except HttpError as error:
            if error.kind == "transient":
                pace.failed()
            else:
                pace.answered()
            raise
        if _passing(answer.status):
            pace.failed()
            wait = retry_after_s(answer.headers.get("Retry-After"))
            if wait:
                pace.pause(wait)
        else:
            pace.answered()
        return answer


class _Turn:
    """When a request was first sent and how long it took, redirects included: without the waits for the pace."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.began_at = now_utc()
        self.seconds = 0.0
        self._now = now

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count the time of the block."""
        if not self.seconds:
            self.began_at = now_utc()
        start = self._now()
        try:
            yield
        finally:
            self.seconds += self._now() - start


_SHARING = threading.Lock()


def shared_client(base: str, settings: Settings, friends: frozenset[str] = frozenset()) -> PoliteClient:
    """The client of this process for an archive: all threads and tasks that use it keep its politeness together."""
    with _SHARING:
        return _client(base, settings, friends)


@lru_cache
def _client(base: str, settings: Settings, friends: frozenset[str]) -> PoliteClient:
    return PoliteClient(base, settings, _gates(settings.requests_per_second, settings.connections), friends)


@lru_cache
def _gates(rate: float, connections: int) -> Gates:
    return Gates(rate, connections)


def _address(url: str, params: dict[str, str] | None = None) -> str:
    """An address exactly as it will be asked, so that what is judged is what is sent.

    Raises:
        HttpError: it is none.
    """
    try:
        prepared = requests.Request("GET", url, params=params).prepare().url
    # what requests does not see as wrong, the parts it is made of do
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise HttpError("permanent", "bad_url", f"{url!r} is not an address that can be asked.") from error
    return prepared or url


def _redirected(here: str, location: str) -> str:
    """The full address a redirect leads to.

    Raises:
        HttpError: it leads nowhere that can be asked.
    """
    try:
        # a header is read as Latin-1, but servers write UTF-8
        target = urljoin(here, location.encode("latin-1").decode("utf-8", "replace"))
    except ValueError as error:
        raise HttpError("permanent", "bad_url", f"{here} redirects to {location!r}, which is no address.") from error
    return _address(target)


def _robots_text(body: bytes) -> str:
    return body[:_ROBOTS_BYTES].decode("utf-8", "replace")


def _passing(status: int) -> bool:
    """Whether an answer says more about the moment than about what was asked."""
    return status in _PASSING or (status not in _GOOD and not 400 <= status < 500)


def _status_error(status: int, host: str) -> HttpError:
    if _passing(status):
        return HttpError("transient", "busy", f"{host} answers with status {status}; try again later.", status)
    if status == _NOT_MODIFIED:
        return HttpError("transient", "status", f"{host} says that nothing has changed, which nobody asked.", status)
    if status in (404, 410):
        return HttpError("permanent", "gone", f"{host} does not have this any more (status {status}).", status)
    return HttpError("permanent", "status", f"{host} answers with status {status}.", status)
