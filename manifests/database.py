"""Opening the catalogue: one SQLAlchemy engine, brought to the newest schema by Alembic."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from manifests.errors import CatalogueError, DeepfieldError, UsageError

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x0DEE9F1E1D  # any number, the same in every process
# where an address has a password: user:password@host (it may hold an @ by mistake), or ?password=...
_IN_FRONT = re.compile(r"(//[^:/?]*:).*@")
_IN_QUERY = re.compile(r"([?&]password=)[^&]*")


def open_database(url: str) -> Engine:
    """Open the catalogue at a SQLAlchemy address, creating or migrating it where needed.

    SQLite runs in WAL mode with full synchronisation, so that a committed row survives a crash of the machine. A
    database that fails later (its server goes away, its disk is full) raises `DeepfieldError` as well.

    Raises:
        UsageError: the address cannot be understood, or its driver is not installed.
        DeepfieldError: the database cannot be opened or migrated.
    """
    name = _without_password(url)
    try:
        address = make_url(url)
        if "@" in (address.host or ""):
            raise ArgumentError("the password holds an @")
        if address.get_backend_name() == "sqlite" and address.database and "uri" not in address.query:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(address, pool_pre_ping=True)
    except (ArgumentError, ValueError) as error:
        # what SQLAlchemy says of an address that it takes apart wrongly may hold a piece of the password
        raise UsageError(
            f"DEEPFIELD_DATABASE_URL={name!r} is not usable as a database address: write it like "
            "postgresql+psycopg://user:password@host:5432/name or sqlite:////folder/catalog.db, special characters of "
            "a password as %40 for @ or %2F for /."
        ) from error
    except ImportError as error:
        raise UsageError(
            f"DEEPFIELD_DATABASE_URL={name!r} needs a driver that is not here ({error}): for PostgreSQL write "
            "postgresql+psycopg://... and install it with: pip install 'deepfield[postgres]'."
        ) from error
    except OSError as error:
        raise DeepfieldError(f"The folder of the catalogue {name} cannot be made: {error.strerror}.") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)

    def explain(failure: ExceptionContext) -> None:
        dbapi = engine.dialect.loaded_dbapi
        if isinstance(failure.original_exception, dbapi.OperationalError):
            raise _unusable(name, failure.original_exception) from failure.original_exception

    event.listen(engine, "handle_error", explain)
    try:
        _migrate(engine)
    except DBAPIError as error:
        raise _unusable(name, error.orig) from error
    return engine


def check_database(url: str) -> list[str]:
    """A sentence for each fault that SQLite finds in the catalogue's file: its pages, indices and references.

    Of a value that is in no index it can say nothing. A catalogue that is not there, or in another database, has none.
    """
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not Path(address.database or "").is_file():
        return []
    engine = create_engine(address)
    try:
        with engine.connect() as connection:
            said = list(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
            lost = {row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
    except DBAPIError as error:
        said, lost = [str(error.orig)], set()
    finally:
        engine.dispose()
    found = [line for line in said if line != "ok"]
    found += [f"the table {table} names rows of another that are not there" for table in sorted(lost)]
    return [f"The catalogue {address.database} is damaged ({line}): restore it from a copy." for line in found]


@contextmanager
def lightly(engine: Engine) -> Iterator[Connection]:
    """A transaction for what is no loss if the machine stops, such as a claim: it does not wait for the disk.

    On SQLite nobody else writes from its beginning on; what it changes is there for all processes when it ends.
    """
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            connection.exec_driver_sql("PRAGMA synchronous = FULL")


@contextmanager
def alone(engine: Engine, lock: int) -> Iterator[Connection]:
    """A transaction beside which none of the same lock runs: what it has read stays true until it ends.

    On SQLite nobody else writes at all meanwhile. When it has ended well, it survives a crash of the machine.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(lock)))
        yield connection


def _unusable(name: str, error: BaseException | None) -> CatalogueError:
    """The first line of what the driver says; the rest asks whether the server is running."""
    why = next(iter(str(error).strip().splitlines()), "no reason given").strip().rstrip(".")
    return CatalogueError(f"The catalogue at {name} cannot be used: {why}.")


def _without_password(url: str) -> str:
    """An address that may be shown, also where it is not well-formed."""
    return _IN_QUERY.sub(r"\1***", _IN_FRONT.sub(r"\1***@", url))


def _configure_sqlite(connection, _record) -> None:  # type: ignore[no-untyped-def]
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 60000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    newest = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == newest:
            return
    # two processes may start at once: the second waits here and then finds nothing to do
    with alone(engine, _MIGRATION_LOCK) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
