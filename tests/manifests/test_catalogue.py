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
    with pytest.raises(DeepfieldError, match="cannot be opened"):
        open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with pytest.raises(UsageError, match="not usable as a database address"):
        open_database("nonsense")


def test_the_catalogue_lies_in_the_data_folder(tmp_path):
    assert Settings(home=tmp_path).database == f"sqlite:///{tmp_path / 'catalog.db'}"
    assert Settings(home=tmp_path, database_url="postgresql://x").database == "postgresql://x"
