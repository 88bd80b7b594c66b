"""How often and how wide one host is asked: pace, connections, pauses it demands, and the waits between tries."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

# Intervals are stretched by this much, so that a request that is late by some milliseconds does not
# push the next ones into a second that is full already.
_SLACK = 1.02
_A_DAY_S = 86_400.0


class Clock(Protocol):
    """Where time comes from; tests bring their own."""

    def now(self) -> float:
        """Seconds that never run backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


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


class TokenBucket:
    """A bucket of one token that refills `rate` times a second: requests are spaced evenly, never in bursts."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._interval = _SLACK / rate
        self._clock = clock
        self._free_at = self._paused_until = clock.now()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next token and return how many seconds to wait until it may be used."""
        with self._lock:
            now = self._clock.now()
            start = max(now, self._free_at, self._paused_until)
            self._free_at = start + self._interval
            return start - now

    def slow_down(self, rate: float) -> None:
        """Refill at most `rate` times a second from now on."""
        with self._lock:
            self._interval = max(self._interval, _SLACK / rate)

    def pause(self, seconds: float) -> None:
        """Hand out nothing for so long, as a host asks by `Retry-After`."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.now() + seconds)

    def paused_for(self) -> float:
        """Seconds that are left of a pause."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.now())


class HostPausedError(Exception):
    """The host asked to be left alone for longer than a request can wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for {seconds:.0f} s")
        self.seconds = seconds


class Gate:
    """The way to one host, shared by all threads: as many at once and as fast as is polite."""

    def __init__(self, rate: float, connections: int, clock: Clock) -> None:
        self.bucket = TokenBucket(rate, clock)
        self._clock = clock
        self._connections = threading.BoundedSemaphore(connections)

    @contextmanager
    def slot(self, longest_pause_s: float) -> Iterator[None]:
        """Hold one connection to the host, from the moment the pace allows a request until its reply was read.

        Raises:
            HostPausedError: the host asked for a pause longer than `longest_pause_s`.
        """
        with self._connections:
            while True:
                if (left := self.bucket.paused_for()) > longest_pause_s:
                    raise HostPausedError(left)
                self._clock.sleep(self.bucket.reserve())
                # another thread may have been told to pause while this one waited for its token
                if not self.bucket.paused_for():
                    break
            yield


class Gates:
    """One gate for every host, made when it is first asked for."""

    def __init__(self, rate: float, connections: int, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._rate = rate
        self._width = connections
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    def gate(self, host: str) -> Gate:
        """The gate of a host (name and port)."""
        with self._lock:
            if host not in self._gates:
                self._gates[host] = Gate(self._rate, self._width, self.clock)
            return self._gates[host]


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
