"""Claims: which worker has which tile or product in hand, so that many share one ledger and ask for nothing twice.

A claim is a lease: it holds while its worker renews it, and is given back with the outcome. That of a worker that
was killed runs out; on the machine it ran on, the others see that it is gone and take its claims back at once.
Leases are compared by the clocks of the machines, which must agree to within a part of a lease.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Column, Engine, Table, bindparam, or_, select, update

from manifests.database import lightly
from manifests.errors import DeepfieldError
from manifests.tables import products, tiles
from scrapers.http import iso_utc
from scrapers.workers import is_gone, is_here, this_worker

LEASE_S = 120.0
_POLL_S = 0.5

_log = logging.getLogger(__name__)


class Busy(Enum):
    """What comes of work on a tile or product that another worker has in hand."""

    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Held:
    """A claim: the tile or product, its archive, who holds it, and until when unless it is renewed."""

    key: str
    archive: str
    worker: str
    until: str


def take(engine: Engine, table: Table, key: str, worker: str) -> bool:
    """Claim a tile or product for a worker, unless it is claimed: by whomever, that worker included."""
    free = or_(table.c.claimed_until.is_(None), table.c.claimed_until < _after(0.0))
    change = update(table).where(_key(table) == key, free).returning(_key(table))
    with lightly(engine) as connection:
        return connection.scalar(change.values(claimed_by=worker, claimed_until=_after(LEASE_S))) is not None


def give_back(engine: Engine, table: Table, key: str, worker: str) -> None:
    """End a claim, where that worker still has it."""
    with lightly(engine) as connection:
        connection.execute(
            update(table)
            .where(_key(table) == key, table.c.claimed_by == worker)
            .values(claimed_by=None, claimed_until=None)
        )


def renew(engine: Engine, worker: str) -> None:
    """Let all claims of a worker hold for another lease."""
    _change_all(engine, lambda one: one == worker, {"claimed_until": _after(LEASE_S)})


def take_back(engine: Engine) -> None:
    """End the claims of processes of this machine that run no more."""
    _change_all(engine, is_gone, {"claimed_by": None, "claimed_until": None})


def _change_all(engine: Engine, of: Callable[[str], bool], values: dict[str, str | None]) -> None:
    """Change the claims of some workers, row by row in the order of keys.

    In that order the ledger writes everywhere: so no two writers on PostgreSQL wait for each other.
    """
    for table in (tiles, products):
        with engine.connect() as connection:
            query = select(_key(table), table.c.claimed_by).where(table.c.claimed_by.is_not(None))
            rows = [{"key": key, "worker": worker} for key, worker in connection.execute(query) if of(worker)]
        if rows:
            change = update(table).where(_key(table) == bindparam("key"), table.c.claimed_by == bindparam("worker"))
            with engine.begin() as connection:
                connection.execute(change.values(values), sorted(rows, key=lambda row: row["key"]))


def held(engine: Engine, table: Table) -> dict[str, Held]:
    """The claims that hold now, by tile or product."""
    query = select(_key(table), table.c.archive, table.c.claimed_by, table.c.claimed_until).where(
        table.c.claimed_by.is_not(None), table.c.claimed_until >= _after(0.0)
    )
    with engine.connect() as connection:
        return {row[0]: Held(*row) for row in connection.execute(query)}


@contextmanager
def claimed(engine: Engine, table: Table, key: str, *, wait: bool = False) -> Iterator[bool]:
    """Claim a tile or product while the block lasts; False where another has it, unless that is waited for.

    Where the block may last longer than a lease, it belongs into one of `keeping`.
    """
    worker = this_worker()
    while not (mine := take(engine, table, key, worker)) and wait:
        time.sleep(_POLL_S)
        take_back(engine)
    try:
        yield mine
    finally:
        if mine:
            give_back(engine, table, key, worker)


@contextmanager
def keeping(engine: Engine) -> Iterator[None]:
    """Renew this process's claims while the block lasts; those of processes that are gone are taken back first."""
    take_back(engine)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(LEASE_S / 4):
            try:
                renew(engine, this_worker())
            except DeepfieldError as error:
                # the next beat may do better; the work itself will find out what is wrong with the catalogue
                _log.warning("Claims could not be renewed: %s", error)

    thread = threading.Thread(target=beat, name="claims", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def left_behind(engine: Engine, table: Table, keys: Sequence[str]) -> list[str]:
    """Those of the tiles or products that others had and that nobody has any more, in the order given.

    Waits where that is open: for a worker of another machine until it renews its claim, and so is at work, or until
    the claim has run out.
    """
    first = held(engine, table)
    while True:
        take_back(engine)
        now = held(engine, table)
        if not any(key in now and now[key] == first.get(key) and not is_here(now[key].worker) for key in keys):
            return [key for key in keys if key not in now]
        time.sleep(_POLL_S)


def _key(table: Table) -> Column[Any]:
    return next(iter(table.primary_key.columns))


def _after(seconds: float) -> str:
    return iso_utc(datetime.now(UTC) + timedelta(seconds=seconds))
