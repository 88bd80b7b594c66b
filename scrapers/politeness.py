"""How often and how wide one host is asked: connections, its turn for every request, and the waits between tries."""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapers.pace import Clock, HostPausedError, InMemory, Keeper, Pace

_LOG = logging.getLogger(__name__)
_A_DAY_S = 86_400.0
_WORTH_TELLING_S = 5.0
_LOOK_AGAIN_S = 2.0  # a pause may end early: a host that was tried may have answered


class Stopped(Exception):
    """The user wants out; raised by every wait after `SystemClock.stop`."""


class SystemClock:
    """The real time. `stop` ends every wait at once, so that Ctrl-C need not wait for a pause to end."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: `stop` was called.
        """
        if self._stopped.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End all waits, now and later."""
        self._stopped.set()


class Gate:
    """The way to one host, shared by all threads: as many at once and as fast as is polite."""

    def __init__(self, pace: Pace, connections: int, clock: Clock) -> None:
        self.pace = pace
        self._clock = clock
        self._connections = threading.BoundedSemaphore(connections)
        self._turn = threading.Lock()

    @contextmanager
    def slot(self, longest_pause_s: float) -> Iterator[None]:
        """Hold one connection to the host, from the moment the pace allows a request until its reply was read.

        Whoever holds it says what came of the request: `pace.answered` or `pace.failed`.

        Raises:
            HostPausedError: the host is to be left alone for longer than `longest_pause_s`.
        """
        with self._connections:
            # one at a time: who waits here for the moment goes when it has come, and not before another
            with self._turn:
                told = False
                while True:
                    try:
                        wait = self.pace.take()
                    except HostPausedError as pause:
                        if pause.seconds > longest_pause_s:
                            raise
                        if not told and pause.seconds > _WORTH_TELLING_S:
                            _LOG.warning("%s Waiting for that.", pause)
                            told = True
                        wait = min(pause.seconds, _LOOK_AGAIN_S)
                    if wait <= 0:
                        break
                    self._clock.sleep(wait)
            yield


class Gates:
    """One gate for every host, made when it is first asked for. A keeper given later is that of all gates."""

    def __init__(self, rate: float, connections: int, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._rate = rate
        self._width = connections
        self._keeper: Keeper = InMemory(self.clock)
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    def gate(self, host: str) -> Gate:
        """The gate of a host (name and port)."""
        with self._lock:
            if host not in self._gates:
                pace = Pace(host, self._rate, self._keeper, self.clock)
                self._gates[host] = Gate(pace, self._width, self.clock)
            return self._gates[host]

    def keep_in(self, keeper: Keeper) -> None:
        """Keep the pace of all hosts there from now on."""
        with self._lock:
            if keeper == self._keeper:
                return
            self._keeper = keeper
            for gate in self._gates.values():
                gate.pace.keep_in(keeper)


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, given as a number or as an HTTP date (RFC 9110, 10.2.3).

    Returns None where there is no such header or it says neither. A host that wants more than a day is asked again
    after one: dates come out wrong more often than archives close for years.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), _A_DAY_S)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(0.0, (when - (now or datetime.now(UTC))).total_seconds()), _A_DAY_S)


def backoff_s(tries: int, first_s: float, longest_s: float = 60.0) -> float:
    """Wait after the given number of failed tries: doubling, with jitter so that clients do not return in step.

    Half of the wait is random ("equal jitter"): a full random wait may be next to none.
    """
    top = min(longest_s, first_s * 2.0 ** (tries - 1))
    return top / 2 + random.uniform(0, top / 2)
