import math
import random
import threading
from datetime import UTC, datetime

import pytest
from fake_archive import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from scrapers.pace import Clock, HostPausedError
from scrapers.politeness import Gate, Gates, Stopped, SystemClock, backoff_s, retry_after_s


def gate_of(rate: float, connections: int, clock: Clock) -> Gate:
    return Gates(rate, connections, clock).gate("a")


def moments(clock: FakeClock, gate: Gate, number: int) -> list[float]:
    out = []
    for _ in range(number):
        with gate.slot(600):
            out.append(clock.now())
    return out


@given(rate=st.floats(0.1, 50), number=st.integers(10, 200))
def test_no_second_holds_more_than_the_rate_and_little_is_wasted(rate: float, number: int) -> None:
    clock = FakeClock()
    asked = moments(clock, gate_of(rate, 4, clock), number)
    window = max(1.0, 1.0 / rate)
    most = max(sum(1 for other in asked if start <= other < start + window) for start in asked)
    assert most <= math.ceil(rate * window)
    assert (number - 1) / (asked[-1] - asked[0]) >= 0.95 * rate


@given(rate=st.sampled_from([0.2, 1.0, 2.0, 7.0, 40.0]), seed=st.integers(0, 10**6))
def test_waking_late_never_fills_a_second_beyond_the_rate(rate: float, seed: int) -> None:
    class LateClock(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds + chance.choice((0.0, 0.002, 0.01, 0.04, 0.3)))

    chance = random.Random(seed)
    clock = LateClock()
    asked = moments(clock, gate_of(rate, 4, clock), 100)
    most = math.ceil(rate)
    # with some to spare for ways to the server of different length
    assert all(later - sooner > 1.02 for sooner, later in zip(asked, asked[most:], strict=False))


def test_crawl_delay_slows_down_but_never_speeds_up() -> None:
    clock = FakeClock()
    gate = gate_of(2.0, 4, clock)
    gate.pace.slow_down(0.1)
    gate.pace.slow_down(100.0)
    first, second, third = moments(clock, gate, 3)
    assert second - first >= 10 and third - second >= 10


def test_a_pause_holds_back_even_a_request_that_has_its_token() -> None:
    class PausingClock(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.slept) == 1:  # while the second request waits for its turn, the first is told to pause
                gate.pace.pause(30.0)

    clock = PausingClock()
    gate = gate_of(1.0, 4, clock)
    first, second = moments(clock, gate, 2)
    assert second - first >= 30.0


def test_a_pause_longer_than_a_request_can_wait_is_an_error() -> None:
    clock = FakeClock()
    gate = gate_of(1.0, 4, clock)
    gate.pace.pause(700.0)
    with pytest.raises(HostPausedError), gate.slot(600.0):
        pytest.fail("the host asked to be left alone")


def test_never_more_connections_than_allowed() -> None:
    gate = gate_of(1e6, 3, SystemClock())
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(40):
            with gate.slot(600):
                with lock:
                    inside += 1
                    most = max(most, inside)
                beat.wait(0.0005)
                with lock:
                    inside -= 1

    beat = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


def test_hosts_have_gates_of_their_own() -> None:
    gates = Gates(1.0, 2, FakeClock())
    assert gates.gate("a") is gates.gate("a")
    assert gates.gate("a") is not gates.gate("b")


def test_stopping_ends_all_waits() -> None:
    clock = SystemClock()
    clock.stop()
    with pytest.raises(Stopped):
        clock.sleep(3600)


def test_retry_after_in_both_forms() -> None:
    now = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after_s("120") == 120
    assert retry_after_s(" 0 ") == 0
    assert retry_after_s("Sat, 01 Mar 2025 12:02:00 GMT", now) == 120
    assert retry_after_s("Saturday, 01-Mar-25 12:02:00 GMT", now) == 120
    assert retry_after_s("Sat, 01 Mar 2025 11:00:00 GMT", now) == 0
    for for_ever in ("99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"):
        assert retry_after_s(for_ever, now) == 86_400
    for unusable in (None, "", "soon", "-5", "1.5", "12:00"):
        assert retry_after_s(unusable, now) is None


@given(st.text(max_size=40))
def test_any_retry_after_is_a_wait_or_nothing(value: str) -> None:
    wait = retry_after_s(value)
    assert wait is None or wait >= 0


@given(st.integers(1, 40))
def test_backoff_doubles_up_to_a_minute(tries: int) -> None:
    top = min(60.0, 2.0 ** (tries - 1))
    assert top / 2 <= backoff_s(tries, 1.0) <= top
