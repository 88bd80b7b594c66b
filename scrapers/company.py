"""Many items at once: in the threads of this process, and beside other workers that share the ledger."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine, Table

from manifests.settings import Settings
from scrapers.claims import Busy, keeping, left_behind
from scrapers.http import PoliteClient
from scrapers.tally import Tally

T = TypeVar("T")
R = TypeVar("R")

_TELL_S = 10.0  # how often progress is told where nothing happens


def in_company(
    work: Callable[[T], R | Busy],
    items: Sequence[T],
    each: Callable[[R], None],
    *,
    engine: Engine,
    table: Table,
    key: Callable[[T], str],
    client: PoliteClient,
    settings: Settings,
    tally: Tally,
) -> list[T]:
    """Work on what no other worker has in hand, and at the end on what others left; what they still have in hand."""
    run = partial(_in_threads, work, each=each, client=client, settings=settings, tally=tally)
    client.share_pace(engine)
    with keeping(engine):
        busy = run(items)
        if not busy:
            return []
        left = set(left_behind(engine, table, [key(item) for item in busy]))
        theirs = [item for item in busy if key(item) not in left]
        return theirs + run([item for item in busy if key(item) in left])


def _in_threads(
    work: Callable[[T], R | Busy],
    items: Iterable[T],
    each: Callable[[R], None],
    *,
    client: PoliteClient,
    settings: Settings,
    tally: Tally,
) -> list[T]:
    """Hand every result to `each`, in this thread, as it is done; end early when the archive is to be left alone.

    Returns the items that are in other hands. More threads than connections: while one looks at what came and writes
    it down, another uses the connection. The host's gate counts those.
    """
    threads = 2 * settings.connections + (os.cpu_count() or 1)
    remaining = iter(items)
    running: dict[Future[R | Busy], T] = {}
    busy: list[T] = []
    with _pool(threads, client) as pool:
        while True:
            while len(running) < threads and tally.stopped is None:
                item = next(remaining, None)
                if item is None:
                    break
                running[pool.submit(work, item)] = item
            if not running:
                return busy
            done = wait(running, timeout=_TELL_S, return_when=FIRST_COMPLETED).done
            if not done:
                tally.report()
            for future in done:
                item, result = running.pop(future), future.result()
                if isinstance(result, Busy):
                    busy.append(item)
                else:
                    each(result)


@contextmanager
def _pool(threads: int, client: PoliteClient) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="crawl")
    try:
        yield pool
    except KeyboardInterrupt:
        client.stop()  # else the end would wait for every pause
        raise
    finally:
        pool.shutdown(cancel_futures=True)
