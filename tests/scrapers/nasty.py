"""Crawling a local archive that goes wrong, and comparing what came with what it would have served."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, select

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.tables import fetches, products, tiles
from scrapers.http import HttpError
from scrapers.replica.delivery import split_hop
from scrapers.replica.exchange import Reply, Request, Routes, find_handler
from scrapers.replica.faults import HARMLESS, Faults
from scrapers.replica.server import Access, ReplicaServer
from scrapers.tally import CrawlSummary

Crawl = Callable[[str, Engine, BlobStore, Settings], CrawlSummary]
_MOST_RUNS = 6
_STALLS = frozenset({"stall", "stall_midway"})


def local(url: str) -> str:
    """Path and query of an address: what a replica's faults are chosen by."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def asked(log: Iterable[Access]) -> list[str]:
    """Path and query of every request, one for a chain of redirects that a fault made."""
    urls = (f"{line.path}?{line.query}" if line.query else line.path for line in log if line.path != "/robots.txt")
    return [url for url, hop in map(split_hop, urls) if hop is None]


@dataclass(frozen=True)
class Row:
    """What the ledger says of a product, and which addresses were asked for it."""

    status: str
    reason: str | None
    error: str | None
    sha256: str | None
    access_url: str
    asked: frozenset[str]


@dataclass
class Home:
    """A catalogue and a blob store that a crawl fills."""

    settings: Settings
    engine: Engine = field(init=False)
    blobs: BlobStore = field(init=False)

    def __post_init__(self) -> None:
        self.engine, self.blobs = open_database(self.settings.database), BlobStore(self.settings.blobs_dir)

    def rows(self) -> dict[str, Row]:
        with self.engine.connect() as connection:
            urls: dict[str, set[str]] = {}
            for name, url in connection.execute(select(fetches.c.product_id, fetches.c.url)):
                urls.setdefault(name, set()).add(local(url))
            columns = (products.c.status, products.c.reason, products.c.error, products.c.sha256, products.c.access_url)
            return {
                name: Row(*rest, frozenset(urls.get(name, ())))
                for name, *rest in connection.execute(select(products.c.product_id, *columns))
            }

    def unanswered(self) -> list[str | None]:
        """The errors of tiles that have no answer."""
        with self.engine.connect() as connection:
            return list(connection.scalars(select(tiles.c.error).where(tiles.c.status != "done")))

    def state(self) -> tuple[dict[str, str], list[str | None]]:
        """What further runs may change."""
        return {name: row.status for name, row in self.rows().items()}, self.unanswered()

    def half_written(self) -> list[Path]:
        """Files that are not whole blobs."""
        files = [path for path in self.settings.blobs_dir.rglob("*") if path.is_file()]
        return [path for path in files if not (len(path.name) == 64 and self.blobs.intact(path.name))]


@contextmanager
def home(settings: Settings, folder: Path) -> Any:
    one = Home(settings.model_copy(update={"home": folder}))
    yield one
    one.engine.dispose()


@dataclass(frozen=True)
class Truth:
    """What a calm crawl brought: what every product needs, and the addresses of lists that lead to them.

    Products that `never` come are those of which the archive has no picture even when nothing goes wrong.
    """

    routes: Routes
    needs: dict[str, frozenset[str]]
    lists: frozenset[str]
    never: frozenset[str]
    _bodies: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, routes: Routes, crawl: Crawl, settings: Settings, folder: Path) -> "Truth":
        with ReplicaServer(routes) as server, home(settings, folder) as here:
            crawl(server.url, here.engine, here.blobs, here.settings)
            rows = here.rows()
            never = frozenset(name for name, row in rows.items() if row.status != "got")
            assert len(rows) - len(never) > 1
            urls = frozenset(asked(server.log))
        moved = {url: there for url in urls if (there := _moved_to(routes, url))}
        needs = {name: row.asked | {moved[url] for url in row.asked if url in moved} for name, row in rows.items()}
        return cls(routes, needs, urls - frozenset().union(*needs.values()), never)

    def body(self, url: str) -> bytes:
        """What the server sends when nothing goes wrong, a redirect of its own followed."""
        where = local(url)
        if where not in self._bodies:
            self._bodies[where] = answer(self.routes, _moved_to(self.routes, where) or where).body
        return self._bodies[where]

    def seeds(self, faults: Faults, number: int) -> list[Faults]:
        """The faults by the first seeds that leave every list within reach."""
        found, seed = [], 0
        while len(found) < number:
            one = replace(faults, seed=seed)
            if not any(lost(one, url, patient=False) for url in self.lists):
                found.append(one)
            seed += 1
        return found


def answer(routes: Routes, url: str, form: bytes = b"") -> Reply:
    """What a path and query are answered with."""
    path, _, query = url.partition("?")
    handler = find_handler(routes, path)
    assert handler is not None
    return handler(Request(path, query, "http://127.0.0.1", form))


def _moved_to(routes: Routes, url: str) -> str | None:
    reply = answer(routes, url)
    return local(dict(reply.headers)["Location"]) if reply.status in (301, 302) else None


def lost(faults: Faults, url: str, *, patient: bool = True) -> bool:
    """Whether an address never brings its bytes; a patient client waits until a stall is over."""
    harmless = HARMLESS | _STALLS if patient else HARMLESS
    return faults.lasts(url) and faults.kind_of(url) not in harmless


def check(here: Home, truth: Truth, faults: Faults, *, patient: bool = True) -> int:
    """Every reachable picture is here bit for bit, every other is listed with its reason; how many are not here."""
    rows = here.rows()
    assert set(rows) == set(truth.needs)
    missing = 0
    for name, row in rows.items():
        away = {url for url in truth.needs[name] | row.asked if lost(faults, url, patient=patient)}
        if row.status == "got":
            assert name not in truth.never and row.sha256 is not None and (row.reason, row.error) == (None, None)
            assert here.blobs.read(row.sha256) == truth.body(row.access_url), name
        else:
            assert away or name in truth.never, (
                f"{name} is {row.status} ({row.reason}) although nothing stands in its way: {row.error}"
            )
            assert row.status in ("failed", "gone", "refused") and row.reason and row.error
            missing += 1
    assert set(here.blobs) == {row.sha256 for row in rows.values() if row.sha256}
    assert not here.half_written()
    return missing


def settle(
    crawl: Crawl,
    faults: Faults,
    truth: Truth,
    settings: Settings,
    folder: Path,
    *,
    spared: frozenset[str] = frozenset({"/robots.txt"}),
    patient: bool = True,
) -> Counter[str | None]:
    """Crawl until a run changes nothing, and check that, and what each run asked; the faults that were met.

    A run takes up what the ones before left open, and nothing else: what is here, refused or gone is not asked for.
    """
    with ReplicaServer(truth.routes, faults=faults, spared=spared) as server, home(settings, folder) as here:
        before = None
        for _ in range(_MOST_RUNS):
            known, start = here.rows(), len(server.log)
            done = {name for name, row in known.items() if row.status not in ("open", "failed")}
            lists = truth.lists if before is None or here.unanswered() else frozenset()
            try:
                summary = crawl(server.url, here.engine, here.blobs, here.settings)
            except HttpError as error:
                assert str(error) in here.unanswered()
            else:
                assert summary.stopped is None
            assert not here.half_written()
            if before is not None:
                # a file that is gone for good gives way to the next smaller one, which a calm crawl never needs
                tried = {name: row.asked for name, row in here.rows().items()}
                may_ask = (
                    urls | tried.get(name, frozenset()) for name, urls in truth.needs.items() if name not in done
                )
                assert set(asked(server.log[start:])) <= frozenset().union(*may_ask) | lists
            if here.state() == before:
                break
            before = here.state()
        assert not here.unanswered()
        check(here, truth, faults, patient=patient)
        return Counter(line.fault for line in server.log if line.fault)
