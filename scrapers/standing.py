"""How the crawls stand, read from the ledger: per archive what was asked, what came, what did not and why."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Engine, Select, Table, case, func, select

from manifests.tables import asks, fetches, products, tiles
from scrapers import claims, ledger

GIVEN_UP = ("failed", "refused", "gone")  # states of a product that was asked for and did not come


@dataclass
class Standing:
    """One archive. `tiles` and `products` count by state, `reasons` the products by state and reason.

    `requests` counts every one that was sent, `vain` those of them that brought nothing; `bytes` is what was fetched,
    `last_active` when the newest request began, `in_hand` what workers are asking for right now.
    """

    archive: str
    tiles: Counter[str] = field(default_factory=Counter)
    products: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    requests: int = 0
    vain: int = 0
    bytes: int = 0
    last_active: str | None = None
    in_hand: list[claims.Held] = field(default_factory=list)


class Missing(NamedTuple):
    """A product that did not come, or a tile that could not be asked and so has no reason but its error."""

    archive: str
    what: str
    status: str
    reason: str | None
    attempts: int
    at: str
    error: str | None


def standings(engine: Engine, archive: str | None = None) -> list[Standing]:
    """How each archive stands, or only the one named, in the order of names."""
    found: dict[str, Standing] = {}
    for count in ledger.counts(engine):
        here = found.setdefault(count.archive, Standing(count.archive))
        if count.what == "tiles":
            here.tiles[count.status] += count.number
        else:
            here.products[count.status] += count.number
            if count.reason:
                here.reasons[count.status][count.reason] += count.number
    for log, table in ((asks, tiles), (fetches, products)):
        with engine.connect() as connection:
            for row in connection.execute(_effort(log, table)):
                here = found[row.archive]
                here.requests += row.requests
                here.vain += row.vain
                here.bytes += int(row.bytes or 0)
                here.last_active = max(here.last_active or "", row.last_active)
        for held in claims.held(engine, table).values():
            found[held.archive].in_hand.append(held)
    return [found[name] for name in sorted(found) if archive in (None, name)]


def missing(engine: Engine, archive: str | None = None) -> Iterator[Missing]:
    """Every tile that could not be asked and every product that did not come, by archive and name."""
    for table, name, reason in ((tiles, tiles.c.request, None), (products, products.c.product_id, products.c.reason)):
        columns = [table.c.archive, name, table.c.status, table.c.attempts, table.c.updated_at, table.c.error]
        query = select(*columns, *([] if reason is None else [reason])).where(table.c.status.in_(GIVEN_UP))
        if archive is not None:
            query = query.where(table.c.archive == archive)
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.archive, name).execution_options(yield_per=500))
            for of, what, status, attempts, at, error, *why in rows:
                yield Missing(of, what, status, why[0] if why else None, attempts, at, error)


def _effort(log: Table, table: Table) -> Select[Any]:
    """What was sent and received per archive, out of the log of attempts on tiles or on products."""
    got = log.c.outcome == "got"
    size = case((got, log.c.size_bytes), else_=0) if table is products else 0 * log.c.seconds
    return (
        select(
            table.c.archive,
            func.count().label("requests"),
            func.sum(case((log.c.error.is_not(None), 1), else_=0)).label("vain"),
            func.sum(size).label("bytes"),
            func.max(log.c.started_at).label("last_active"),
        )
        .join_from(log, table)
        .group_by(table.c.archive)
    )
