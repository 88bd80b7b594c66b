"""When the next request to a host may start, and whether the host is to be left alone: one state, wherever it is kept.

A keeper holds the state of the hosts: `InMemory` for one process, the catalogue (`scrapers.shared_pace`) for all that
share it. What changes the state is the same for both.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

# Intervals are stretched by _SLACK. A request that starts late by no more than _LATE_S does not delay those after it:
# the stretch makes up for that, and for the ways to the server being of different length.
_SLACK = 1.035
_LATE_S = 0.01
_ROUNDING_S = 1e-6  # of Unix time in a float
FAILURES = 10  # in a row, and the circuit opens
_FIRST_OPEN_S = 5.0
_LONGEST_OPEN_S = 3600.0
_TRIAL_S = 60.0  # so long nobody else asks, unless the trial ends before


class Clock(Protocol):
    """Where time comes from; tests bring their own."""

    def now(self) -> float:
        """Seconds that never run backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True)
class HostState:
    """How a host stands, in seconds of its keeper's time.

    The next request may start at `next_at`, but none before `paused_until`, as the host asked by `Retry-After`, nor
    before `open_until`: after `failures` in a row its circuit is open. When that time is over, one request is let
    through to try, and decides.
    """

    next_at: float = 0.0
    paused_until: float = 0.0
    failures: int = 0
    open_until: float = 0.0


Change = Callable[[HostState, float], HostState]


class Keeper(Protocol):
    """Where the state of hosts is kept."""

    @property
    def block_s(self) -> float:
        """For so long ahead moments are taken at once, where they are closer together than that."""
        ...

    def change(self, host: str, change: Change) -> tuple[HostState, float]:
        """Put `change(state, now)` in the place of a host's state, with nobody in between; that one, and `now`."""
        ...


class InMemory:
    """Keeps states in this process, in the time of a clock."""

    block_s = 0.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, HostState] = {}
        self._lock = threading.Lock()

    def change(self, host: str, change: Change) -> tuple[HostState, float]:
        """See `Keeper`."""
        with self._lock:
            now = self._clock.now()
            state = self._states[host] = change(self._states.get(host, HostState()), now)
            return state, now


class HostPausedError(Exception):
    """The host is to be left alone for `seconds`: it asked for that, or failed too often. The text says which."""

    def __init__(self, host: str, seconds: float, failures: int) -> None:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        why = f"failed {failures} times in a row and is left alone" if failures else "asks to be left alone"
        super().__init__(f"{host} {why} until {until:%Y-%m-%d %H:%M:%S} UTC.")
        self.seconds = seconds


class Pace:
    """The pace of one host: `rate` requests a second at most, spaced evenly, in step with all who share the keeper."""

    def __init__(self, host: str, rate: float, keeper: Keeper, clock: Clock) -> None:
        self._host = host
        self._interval = _SLACK / rate
        self._keeper = keeper
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead_s = 0.0  # the keeper's time less the clock's
        self._next_at = self._mine_until = 0.0  # the moments taken ahead, in the keeper's time
        self._failures = 0  # as the keeper last said
        self._trying = False

    def keep_in(self, keeper: Keeper) -> None:
        """Keep the state there from now on."""
        with self._lock:
            self._keeper = keeper
            self._mine_until = 0.0

    def slow_down(self, rate: float) -> None:
        """At most `rate` requests a second from now on."""
        with self._lock:
            self._interval = max(self._interval, _SLACK / rate)

    def take(self) -> float:
        """Start a request now, if 0 is returned; otherwise ask again after so many seconds.

        Raises:
            HostPausedError: the host is to be left alone.
        """
        with self._lock:
            now = self._clock.now() + self._ahead_s
            start = max(self._next_at, now - _LATE_S)
            if start + self._interval > self._mine_until + _ROUNDING_S:
                return self._take_from_keeper()
            if start > now:
                return start - now
            self._next_at = start + self._interval
            return 0.0

    def _take_from_keeper(self) -> float:
        """Ask the keeper for the next moment, or for some at once where they are close together."""
        moments = max(1, int(self._keeper.block_s / self._interval))
        granted = False

        def grant(state: HostState, now: float) -> HostState:
            nonlocal granted
            granted = now >= max(state.next_at, state.paused_until, state.open_until)
            if not granted:
                return state
            start = max(state.next_at, now - _LATE_S)
            if state.failures >= FAILURES:
                return replace(state, next_at=start + self._interval, open_until=now + _TRIAL_S)
            return replace(state, next_at=start + moments * self._interval)

        state, now = self._keeper.change(self._host, grant)
        self._failures = state.failures
        if granted:
            self._trying = state.failures >= FAILURES
            self._ahead_s = now - self._clock.now()
            self._mine_until = state.next_at
            self._next_at = state.next_at - (0 if self._trying else moments - 1) * self._interval
            return 0.0
        self._mine_until = 0.0
        if state.open_until > now:
            raise HostPausedError(self._host, state.open_until - now, state.failures)
        if state.paused_until > now:
            raise HostPausedError(self._host, state.paused_until - now, 0)
        return state.next_at - now

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so long, as the host asks by `Retry-After`."""
        with self._lock:
            self._mine_until = 0.0
            self._keeper.change(self._host, lambda s, now: replace(s, paused_until=max(s.paused_until, now + seconds)))

    def failed(self) -> None:
        """Count a failure of the host itself; too many in a row open its circuit, for longer and longer."""
        with self._lock:
            trying, self._trying = self._trying, False

            def count(state: HostState, now: float) -> HostState:
                if now < state.open_until and not trying:
                    return state  # asked before it opened
                failures = state.failures + 1
                if failures < FAILURES:
                    return replace(state, failures=failures)
                wait = min(_LONGEST_OPEN_S, _FIRST_OPEN_S * 2.0 ** (failures - FAILURES))
                # some of it by chance, so that not all who share nothing but the host come back at once
                return replace(state, failures=failures, open_until=now + wait * random.uniform(0.75, 1.25))

            self._failures = self._keeper.change(self._host, count)[0].failures
            if self._failures >= FAILURES:
                self._mine_until = 0.0

    def answered(self) -> None:
        """The host answers: what failed before counts no more."""
        with self._lock:
            self._trying = False
            if self._failures:
                state, _ = self._keeper.change(self._host, lambda s, now: replace(s, failures=0, open_until=0.0))
                self._failures = state.failures
