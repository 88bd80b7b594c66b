"""Claims: one worker at a time, and nothing that a worker leaves behind is lost."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fake_archive import FakeHost, serve_colour_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.tables import fetches, products, tile_products, tiles
from scrapers import claims, crawl, ledger, workers
from scrapers.hla import hla_query, open_hla
from scrapers.http import Attempt, iso_utc
from scrapers.ledger import Outcome
from scrapers.products import Product, Tile
from scrapers.sky import Cone

TILE = Tile("hla", "one")
NAMES = [f"hla:{number}" for number in range(3)]
REMOTE = "far:0123456789ab:7:ba9876543210"  # a worker of a machine that is not this one


def product(name: str) -> Product:
    return Product("hla", name, name, name, access_url="http://h/1")


def plan(engine: Engine) -> None:
    ledger.plan(engine, [TILE])
    ledger.add_products(engine, TILE, [product(name) for name in NAMES])


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    one = open_database(database)
    plan(one)
    yield one
    one.dispose()


def a_worker_that_is_gone() -> str:
    script = "from scrapers.workers import this_worker; print(this_worker())"
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.strip()


def test_one_worker_at_a_time(engine: Engine) -> None:
    assert claims.take(engine, products, NAMES[0], "a")
    assert not claims.take(engine, products, NAMES[0], "b")
    assert not claims.take(engine, products, NAMES[0], "a")
    assert claims.take(engine, products, NAMES[1], "b")
    assert claims.take(engine, tiles, TILE.tile_id, "b")
    assert {one.key: one.worker for one in claims.held(engine, products).values()} == {NAMES[0]: "a", NAMES[1]: "b"}
    claims.give_back(engine, products, NAMES[0], "b")
    assert not claims.take(engine, products, NAMES[0], "b")
    claims.give_back(engine, products, NAMES[0], "a")
    assert claims.take(engine, products, NAMES[0], "b")
    assert not claims.take(engine, products, "hla:unknown", "a")


def test_a_claim_runs_out_unless_it_is_renewed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LEASE_S", 0.0)
    assert claims.take(engine, products, NAMES[0], "a")
    monkeypatch.setattr(claims, "LEASE_S", 60.0)
    time.sleep(0.002)
    assert claims.take(engine, products, NAMES[0], "b")
    before = claims.held(engine, products)[NAMES[0]].until
    claims.renew(engine, "a")
    assert claims.held(engine, products)[NAMES[0]].until == before
    monkeypatch.setattr(claims, "LEASE_S", 120.0)
    claims.renew(engine, "b")
    assert claims.held(engine, products)[NAMES[0]].until > before


def test_a_block_keeps_its_claims_alive(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LEASE_S", 0.2)
    with claims.keeping(engine), claims.claimed(engine, products, NAMES[0]) as mine:
        assert mine
        first = claims.held(engine, products)[NAMES[0]].until
        while (now := claims.held(engine, products))[NAMES[0]].until == first:
            time.sleep(0.01)
        assert now[NAMES[0]].worker == workers.this_worker()
    assert claims.held(engine, products) == {}


def test_claims_end_with_an_error_too(engine: Engine) -> None:
    with pytest.raises(RuntimeError), claims.claimed(engine, products, NAMES[0]):
        raise RuntimeError
    with claims.claimed(engine, products, NAMES[0]) as mine, claims.claimed(engine, products, NAMES[0]) as again:
        assert mine and not again


def test_what_a_dead_process_of_this_machine_had_is_free_at_once(engine: Engine) -> None:
    gone = a_worker_that_is_gone()
    assert workers.is_gone(gone) and not workers.is_gone(workers.this_worker()) and not workers.is_gone(REMOTE)
    assert workers.is_here(workers.this_worker()) and not workers.is_here(gone) and not workers.is_here(REMOTE)
    claims.take(engine, products, NAMES[0], gone)
    claims.take(engine, products, NAMES[1], REMOTE)
    claims.take(engine, products, NAMES[2], workers.this_worker())
    claims.take(engine, tiles, TILE.tile_id, gone)
    with claims.claimed(engine, tiles, TILE.tile_id, wait=True) as mine:
        assert mine
    assert set(claims.held(engine, products)) == set(NAMES[1:])


def test_a_process_that_was_killed_and_not_waited_for_is_gone() -> None:
    script = "from scrapers.workers import this_worker; print(this_worker(), flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    worker = process.stdout.readline().strip()
    assert workers.is_here(worker) and len(worker) <= 64
    process.kill()
    while not workers.is_gone(worker):
        time.sleep(0.01)
    process.communicate()
    # the same process id, given to a later process
    host, place, _, start = worker.split(":")
    assert workers.is_gone(":".join((host, place, workers.this_worker().split(":")[2], start)))


@pytest.mark.parametrize("name", ["", "somebody", "a:b:c", "a:b:c:d", ":::", "a:b:-1:d:e"])
def test_names_of_others_are_never_taken_for_gone(name: str) -> None:
    assert not workers.is_gone(name) and not workers.is_here(name)


def test_a_name_in_words() -> None:
    assert workers.in_words(REMOTE) == "process 7 on far"


@pytest.fixture
def batch(host: FakeHost, engine: Engine, blobs: BlobStore, quick: Settings) -> Callable[[], crawl.CrawlSummary]:
    """Fetching three products of a local archive, the first of which a worker of another machine has in hand."""
    serve_colour_rows(host, 3)
    archive = open_hla(quick, hla_query(), host.url)
    planned = crawl.plan_tiles(archive, Cone(210.8, 54.35, 0.2), engine=engine)
    crawl.ask_batch(archive, planned.tiles, engine=engine, settings=quick)
    names = crawl.open_products(planned, engine=engine, blobs=blobs).product_ids
    assert claims.take(engine, products, names[0], REMOTE)
    return lambda: crawl.fetch_batch(archive.client, names, engine=engine, blobs=blobs, settings=quick)


def test_what_a_worker_far_away_left_is_fetched_when_its_lease_has_run_out(
    engine: Engine, batch: Callable[[], crawl.CrawlSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_POLL_S", 0.02)
    monkeypatch.setattr(claims, "LEASE_S", 0.5)
    claims.renew(engine, REMOTE)
    monkeypatch.setattr(claims, "LEASE_S", 60.0)
    done = batch().progress
    assert (done.got, done.skipped, done.elsewhere) == (3, 0, 0)
    assert claims.held(engine, products) == {}


def test_what_a_worker_far_away_is_at_is_left_to_it(
    engine: Engine, batch: Callable[[], crawl.CrawlSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_POLL_S", 0.02)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.1):
            claims.renew(engine, REMOTE)

    thread = threading.Thread(target=beat)
    thread.start()
    done = batch().progress
    ended.set()
    thread.join()
    assert (done.got, done.skipped, done.elsewhere) == (2, 1, 1)
    assert [one.worker for one in claims.held(engine, products).values()] == [REMOTE]


def test_what_another_worker_tried_meanwhile_is_not_tried_again(
    host: FakeHost, engine: Engine, batch: Callable[[], crawl.CrawlSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_POLL_S", 0.02)
    name = next(iter(claims.held(engine, products)))

    def fail() -> None:
        while len(host.asked("/cgi-bin/fitscut.cgi")) < 2:
            time.sleep(0.01)
        product = ledger.entries(engine, [name])[0].product
        tried = Attempt(product.access_url, iso_utc(datetime.now(UTC)), 0.1, 503, None, "busy")
        ledger.record_outcome(engine, Outcome(product, "failed", (tried,), reason="busy", error="busy"))
        claims.give_back(engine, products, name, REMOTE)

    thread = threading.Thread(target=fail)
    thread.start()
    done = batch().progress
    thread.join()
    assert (done.got, done.skipped) == (2, 1)
    assert len(host.asked("/cgi-bin/fitscut.cgi")) == 2
    assert (batch().progress.got, len(host.asked("/cgi-bin/fitscut.cgi"))) == (1, 3)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "finish", "fail", "kill", "sleep", "tidy"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(NAMES),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    one = open_database(f"sqlite:///{tmp_path_factory.mktemp('claims') / 'catalog.db'}")
    yield one
    one.dispose()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_two_workers_in_any_order_and_killed_at_any_moment(
    shared: Engine, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, str, str]]
) -> None:
    """A model of two workers: who has what in hand, which of them were killed, and what arrived."""
    for table in (fetches, tile_products, products, tiles):
        with shared.begin() as connection:
            connection.execute(delete(table))
    plan(shared)
    lives = {"a": 0, "b": 0}  # a worker that is killed comes back under another name
    dead: set[str] = set()
    in_hand: dict[str, str] = {}  # product: worker, of those alive
    late = 0.0
    arrived: Counter[str] = Counter()
    monkeypatch.setattr(claims, "is_gone", lambda name: name in dead and name.startswith("a"))
    monkeypatch.setattr(
        claims, "_after", lambda seconds: iso_utc(datetime.now(UTC) + timedelta(seconds=seconds + late))
    )

    def name_of(worker: str) -> str:
        return f"{worker}{lives[worker]}"

    def begin(worker: str, key: str) -> None:
        entry = ledger.entries(shared, [key])[0]
        if entry.line.status != "got" and claims.take(shared, products, key, name_of(worker)):
            assert key not in in_hand, "two workers have one product in hand"
            if ledger.entries(shared, [key])[0].line.status == "got":
                claims.give_back(shared, products, key, name_of(worker))
            else:
                in_hand[key] = name_of(worker)

    def end(worker: str, key: str, status: ledger.Status) -> None:
        if in_hand.get(key) != name_of(worker):
            return
        sha = "a" * 64 if status == "got" else None
        ledger.record_outcome(shared, Outcome(product(key), status, (), sha256=sha))
        claims.give_back(shared, products, key, name_of(worker))
        arrived[key] += status == "got"
        del in_hand[key]

    for action, worker, key in steps:
        if action == "begin":
            begin(worker, key)
        elif action in ("finish", "fail"):
            end(worker, key, "got" if action == "finish" else "failed")
        elif action == "kill":
            dead.add(name_of(worker))
            in_hand = {one: by for one, by in in_hand.items() if by != name_of(worker)}
            lives[worker] += 1
        elif action == "sleep":
            late += claims.LEASE_S / 2
            for one in ("a", "b"):
                claims.renew(shared, name_of(one))
        else:
            claims.take_back(shared)
    # whatever happened, who goes on after a lease brings in the rest
    late += claims.LEASE_S + 1
    for one in ("a", "b"):
        claims.renew(shared, name_of(one))
    for key in NAMES:
        if key in in_hand:
            end(in_hand[key][0], key, "got")
        begin("b", key)
        end("b", key, "got")
    assert arrived == dict.fromkeys(NAMES, 1)
    assert claims.held(shared, products) == {}
