"""The pace of hosts, kept in the catalogue: all processes that share it ask a host together, not each for itself.

Time is that of the machine where the catalogue is an SQLite file, and the database's where it is a server, whose
clients may run on several machines with clocks of their own.
"""

import time
from dataclasses import asdict, dataclass
from typing import ClassVar

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.dialects import postgresql

from manifests.database import lightly
from manifests.tables import hosts
from scrapers.pace import Change, HostState

_STATE = (hosts.c.next_at, hosts.c.paused_until, hosts.c.failures, hosts.c.open_until)


@dataclass(frozen=True)
class InCatalogue:
    """Keeps states in the table `hosts`; see `scrapers.pace.Keeper`."""

    engine: Engine
    # a write a quarter of a second at most; who comes next waits no longer than that for moments nobody used
    block_s: ClassVar[float] = 0.25

    def change(self, host: str, change: Change) -> tuple[HostState, float]:
        """See `scrapers.pace.Keeper`.

        Raises:
            DeepfieldError: the catalogue cannot be used.
        """
        with lightly(self.engine) as connection:
            now, before = self._look(connection, host)
            after = change(before or HostState(), now)
            if before is None:
                connection.execute(insert(hosts).values(host=host, **asdict(after)))
            elif after != before:
                connection.execute(update(hosts).where(hosts.c.host == host).values(**asdict(after)))
            return after, now

    def _look(self, connection: Connection, host: str) -> tuple[float, HostState | None]:
        if self.engine.dialect.name == "sqlite":
            row = connection.execute(select(*_STATE).where(hosts.c.host == host)).one_or_none()
            return time.time(), HostState(*row) if row else None
        clock = func.extract("epoch", func.clock_timestamp())
        query = select(clock, *_STATE).where(hosts.c.host == host).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            new = postgresql.insert(hosts).values(host=host, **asdict(HostState()))
            connection.execute(new.on_conflict_do_nothing())
            row = connection.execute(query).one()
        now, *state = row
        return float(now), HostState(*state)
