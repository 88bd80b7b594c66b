"""The catalogue: migrated on opening, by several processes at once, with plain errors."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from manifests.database import open_database
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import Settings
from manifests.tables import METADATA

pytestmark = pytest.mark.migrations


def test_the_migrations_make_the_tables_of_the_code(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_several_processes_may_open_a_new_catalogue_at_once(tmp_path):
    script = f"from manifests.database import open_database; open_database('sqlite:///{tmp_path / 'catalog.db'}')"
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(4)]
    outcomes = [(process.communicate()[1].decode(), process.returncode) for process in processes]
    assert [code for _, code in outcomes] == [0] * 4, outcomes


def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "catalog.db").write_bytes(b"this is not a database, it is a text file " * 100)
    with pytest.raises(DeepfieldError, match="cannot be used: file is not a database"):
        open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with pytest.raises(UsageError, match="not usable as a database address"):
        open_database("nonsense")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql+psycopg://user:tunafish@127.0.0.1:1/deepfield", "cannot be used: .*Connection refused"),
        ("postgresql+psycopg://127.0.0.1:1/deepfield?user=me&password=tunafish", "cannot be used"),
        ("postgresql+psycopg://user:tuna@fish@127.0.0.1:1/deepfield", "not usable as a database address"),
        ("postgresql+psycopg://user:tuna/fish@127.0.0.1/deepfield", "cannot be used|not usable"),
        ("postgresql+psycopg://user:tuna&fish@host:port/deepfield", "not usable as a database address"),
        ("postgresql+pg8000://user:tunafish@127.0.0.1/deepfield", "postgresql.psycopg.*pip install"),
        ("mongodb://user:tunafish@127.0.0.1/deepfield", "not usable as a database address"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_without_the_password(address, says):
    with pytest.raises(DeepfieldError, match=says) as found:
        open_database(address)
    message = str(found.value)
    assert "tuna" not in message and "fish" not in message and "\n" not in message


def test_a_database_that_goes_away_is_one_sentence(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # as a full disk
        with pytest.raises(
            DeepfieldError, match=r"^The catalogue at sqlite.* cannot be used: database or disk is full"
        ):
            for number in range(200):
                connection.exec_driver_sql(f"CREATE TABLE t{number} (x TEXT)")


def test_the_catalogue_lies_in_the_data_folder(tmp_path):
    assert Settings(home=tmp_path).database == f"sqlite:///{tmp_path / 'catalog.db'}"
    assert Settings(home=tmp_path, database_url="postgresql://x").database == "postgresql://x"
