import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from fake_archive import Answer, FakeClock, FakeHost
from sqlalchemy import Engine, select

from manifests.database import open_database
from manifests.errors import DeepfieldError
from manifests.settings import Settings
from manifests.tables import hosts
from scrapers.http import HttpError, PoliteClient
from scrapers.pace import FAILURES, HostPausedError, HostState, InMemory, Keeper, Pace
from scrapers.politeness import Gates
from scrapers.shared_pace import InCatalogue

UNIX = 1.7e9  # the catalogue's time when the clock says 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    one = FakeClock()
    monkeypatch.setattr(time, "time", lambda: UNIX + one.now())
    return one


@pytest.fixture(params=["memory", "catalogue"])
def keeper(request: pytest.FixtureRequest, clock: FakeClock, engine: Engine) -> Keeper:
    return InMemory(clock) if request.param == "memory" else InCatalogue(engine)


def go(pace: Pace, clock: FakeClock) -> float:
    """Wait for the next moment and take it."""
    while True:
        try:
            wait = pace.take()
        except HostPausedError as pause:
            wait = pause.seconds
        if not wait:
            return clock.now()
        clock.sleep(wait)


def opened(pace: Pace, clock: FakeClock) -> float:
    """Fail until the circuit opens; for how long it does."""
    for _ in range(FAILURES):
        go(pace, clock)
        pace.failed()
    return away(pace)


def away(pace: Pace) -> float:
    with pytest.raises(HostPausedError) as caught:
        pace.take()
    return caught.value.seconds


def test_several_keep_one_pace(keeper: Keeper, clock: FakeClock) -> None:
    paces = [Pace("a", 2.0, keeper, clock) for _ in range(3)]
    asked: list[float] = []
    while len(asked) < 40:
        waits = [pace.take() for pace in paces]
        asked += [clock.now() for wait in waits if not wait]
        clock.sleep(min(wait for wait in waits if wait))
    assert all(later - sooner > 1.02 for sooner, later in zip(asked, asked[2:], strict=False))
    assert (len(asked) - 1) / (asked[-1] - asked[0]) >= 0.95 * 2.0


def test_moments_taken_ahead_are_in_step_too(clock: FakeClock, engine: Engine) -> None:
    paces = [Pace("a", 40.0, InCatalogue(engine), clock) for _ in range(2)]
    asked: list[float] = []
    while len(asked) < 200:
        waits = [pace.take() for pace in paces]
        asked += [clock.now() for wait in waits if not wait]
        if all(waits):
            clock.sleep(min(waits))
    assert all(later - sooner > 1.02 for sooner, later in zip(asked, asked[40:], strict=False))
    assert (len(asked) - 1) / (asked[-1] - asked[0]) >= 0.95 * 40.0


def test_one_alone_writes_seldom_and_is_not_held_up(
    clock: FakeClock, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = []
    change = InCatalogue.change
    monkeypatch.setattr(InCatalogue, "change", lambda *a: changes.append(a) or change(*a))
    pace = Pace("a", 40.0, InCatalogue(engine), clock)
    start = clock.now()
    for _ in range(100):
        go(pace, clock)
    assert 100 / (clock.now() - start) >= 0.95 * 40.0
    assert len(changes) <= 25


def test_who_asks_slowly_holds_others_up_as_long(keeper: Keeper, clock: FakeClock) -> None:
    slow, fast = Pace("a", 100.0, keeper, clock), Pace("a", 100.0, keeper, clock)
    slow.slow_down(0.1)
    first = go(slow, clock)
    assert go(fast, clock) - first >= 10


def test_hosts_do_not_wait_for_each_other(keeper: Keeper, clock: FakeClock) -> None:
    assert Pace("a", 0.01, keeper, clock).take() == 0
    assert Pace("b", 0.01, keeper, clock).take() == 0


def test_a_pause_is_for_all(keeper: Keeper, clock: FakeClock) -> None:
    one, other = Pace("a", 2.0, keeper, clock), Pace("a", 2.0, keeper, clock)
    go(one, clock)
    one.pause(47)
    assert away(other) == pytest.approx(47)
    with pytest.raises(HostPausedError, match=r"a asks to be left alone until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\."):
        other.take()


def test_failures_in_a_row_open_the_circuit_for_all(keeper: Keeper, clock: FakeClock) -> None:
    one, other = Pace("a", 2.0, keeper, clock), Pace("a", 2.0, keeper, clock)
    assert 3 < opened(one, clock) < 7
    with pytest.raises(HostPausedError, match=f"failed {FAILURES} times in a row and is left alone until"):
        other.take()


def test_one_request_tries_and_decides(keeper: Keeper, clock: FakeClock) -> None:
    one, other = Pace("a", 2.0, keeper, clock), Pace("a", 2.0, keeper, clock)
    waits = [opened(one, clock)]
    for _ in range(12):
        go(other, clock)  # the trial; nobody else meanwhile
        assert away(one) > 30
        other.failed()
        waits.append(away(one))
    # doubling, give or take, up to an hour
    assert all(1.1 < later / sooner < 3.4 for sooner, later in pairwise(waits[:9]))
    assert 2700 <= waits[-1] <= 4500
    go(one, clock)
    one.answered()
    assert clock.now() == go(other, clock) or other.take() < 1
    # all is forgotten
    for _ in range(FAILURES - 1):
        go(other, clock)
        other.failed()
    go(other, clock)


def test_what_was_under_way_when_it_opened_changes_nothing(keeper: Keeper, clock: FakeClock) -> None:
    pace = Pace("a", 1000.0, keeper, clock)
    wait = opened(pace, clock)
    for _ in range(20):
        pace.failed()
    assert away(pace) == pytest.approx(wait)


def test_a_trial_that_never_comes_back_is_not_waited_for(keeper: Keeper, clock: FakeClock) -> None:
    lost, other = Pace("a", 2.0, keeper, clock), Pace("a", 2.0, keeper, clock)
    opened(lost, clock)
    go(lost, clock)
    start = clock.now()
    assert go(other, clock) - start == pytest.approx(60)


def test_an_answer_between_failures_counts(keeper: Keeper, clock: FakeClock) -> None:
    pace, other = Pace("a", 2.0, keeper, clock), Pace("a", 2.0, keeper, clock)
    for number in range(3 * FAILURES):
        go(pace, clock)
        pace.failed()
        if number % (FAILURES - 1) == 0:
            go(other, clock)
            other.answered()


def client(host: FakeHost, clock: FakeClock) -> PoliteClient:
    settings = Settings(attempts=2, requests_per_second=1000, connections=4, timeout_s=5)
    return PoliteClient(host.url, settings, Gates(1000, 4, clock))


def test_a_host_that_fails_is_left_alone_and_tried_now_and_then(host: FakeHost, clock: FakeClock) -> None:
    host.say("/bad", Answer(status=500))
    host.say("/good", b"x")
    asking = client(host, clock)
    for _ in range(FAILURES // 2):
        with pytest.raises(HttpError) as caught:
            asking.get(f"{host.url}/bad", len)
        assert caught.value.reason == "busy"
    asked, start = len(host.asked("/bad")), clock.now()
    assert asked == FAILURES
    # a while passes before the host is asked again, and longer ones after that
    for _ in range(3):
        with pytest.raises(HttpError):
            asking.get(f"{host.url}/bad", len)
    assert clock.now() - start > 5 + 10 + 20 + 40
    asking.get(f"{host.url}/good", len)
    with pytest.raises(HttpError) as caught:
        asking.get(f"{host.url}/bad", len)
    assert caught.value.reason == "busy"


def test_a_host_that_stays_away_is_given_up(host: FakeHost, clock: FakeClock) -> None:
    host.say("/bad", Answer(reset=True))
    asking = client(host, clock)
    reasons = set()
    for _ in range(30):
        with pytest.raises(HttpError) as caught:
            asking.get(f"{host.url}/bad", len)
        reasons.add(caught.value.reason)
    assert caught.value.reason == "paused" and "times in a row and is left alone until" in str(caught.value)
    assert len(host.asked("/bad")) < 25


def test_what_is_missing_or_no_picture_is_not_the_hosts_failure(host: FakeHost, clock: FakeClock) -> None:
    def reject(body: bytes) -> None:
        raise HttpError("transient", "not_a_picture", "an HTML page came")

    host.say("/page", b"<html>")
    asking = client(host, clock)
    for _ in range(2 * FAILURES):
        for path, check in (("/gone", len), ("/page", reject)):
            with pytest.raises(HttpError):
                asking.get(f"{host.url}{path}", check)
    assert len(host.asked("/gone")) == 2 * FAILURES and len(host.asked("/page")) == 4 * FAILURES


def test_clients_that_share_a_catalogue_share_the_pace(host: FakeHost, clock: FakeClock, engine: Engine) -> None:
    host.say("/a", Answer(status=503, headers={"Retry-After": "700"}))
    one, other = client(host, clock), client(host, clock)
    for each in (one, other):
        each.share_pace(engine)
    with pytest.raises(HttpError, match="asks to be left alone until"):
        one.get(f"{host.url}/a", len)
    with pytest.raises(HttpError, match="asks to be left alone until"):
        other.get(f"{host.url}/a", len)
    assert len(host.asked("/a")) == 1
    with engine.connect() as connection:
        paused = connection.scalar(select(hosts.c.paused_until))
    assert paused is not None and paused - UNIX == pytest.approx(1700, abs=1)


_COUNTING = """
import sys
from dataclasses import replace
from manifests.database import open_database
from scrapers.shared_pace import InCatalogue

engine = open_database(sys.argv[1])
keeper = InCatalogue(engine)
for _ in range(60):
    keeper.change("a", lambda state, now: replace(state, failures=state.failures + 1))
"""


def test_processes_do_not_change_a_state_at_once(database: str) -> None:
    engine = open_database(database)
    running = [subprocess.Popen([sys.executable, "-c", _COUNTING, database]) for _ in range(3)]
    assert [process.wait(100) for process in running] == [0] * 3
    state, now = InCatalogue(engine).change("a", lambda state, now: state)
    assert state == HostState(failures=180)
    assert abs(now - time.time()) < 3600  # Unix time, by whichever clock
    engine.dispose()


def test_what_else_is_written_is_still_written_through(engine: Engine) -> None:
    InCatalogue(engine).change("a", lambda state, now: HostState(next_at=now))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_a_catalogue_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE hosts")
    with pytest.raises(DeepfieldError, match="cannot be used: no such table: hosts"):
        InCatalogue(engine).change("a", lambda state, now: state)
