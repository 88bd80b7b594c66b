"""Settings for all tests."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

# Before anything imports PyTorch: OpenMP threads that spin while they wait slow each other down under xdist.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A server that the settings of this folder name must not get the tests' runs.
os.environ.setdefault("DO_NOT_TRACK", "1")

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

import manifests.database as database_module
from manifests.database import open_database

# A deadline measures the machine and what else it does, not the code.
settings.register_profile("deepfield", deadline=None)
settings.load_profile("deepfield")


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new SQLite catalogue as the migrations make it."""
    path = tmp_path_factory.mktemp("catalogue") / "catalog.db"
    open_database(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(autouse=True)
def migrated_already(request: pytest.FixtureRequest, catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begins new SQLite catalogues of this process as a copy, as migrating each takes longer than most tests.

    Tests marked `migrations` and all other processes begin with none.
    """
    if request.node.get_closest_marker("migrations"):
        return
    migrate = database_module._migrate

    def copy_first(engine: Engine) -> None:
        place = engine.url.database
        if engine.dialect.name == "sqlite" and place and "uri" not in engine.url.query and not Path(place).exists():
            shutil.copyfile(catalogue, place)
        migrate(engine)

    monkeypatch.setattr(database_module, "_migrate", copy_first)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """A PostgreSQL server on a socket of its own; each call gives the address of a new, empty database."""
    binaries = [Path(found).parent for found in [shutil.which("initdb")] if found]
    binaries += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not binaries:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    who: dict[str, str] = {}
    folder = Path(tempfile.mkdtemp(prefix="deepfield-pg-"))
    if os.getuid() == 0:  # PostgreSQL refuses root
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError:
            folder.rmdir()
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        who = {"user": "postgres", "group": "postgres"}
    data = folder / "data"
    subprocess.run(
        [binaries[0] / "initdb", "-D", data, "-U", "deepfield", "-A", "trust", "--no-sync", "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        **who,  # type: ignore[call-overload]
    )
    server = subprocess.Popen(
        [binaries[0] / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **who,  # type: ignore[call-overload]
    )
    admin = create_engine(f"postgresql+psycopg://deepfield@/postgres?host={folder}", isolation_level="AUTOCOMMIT")
    try:
        for _ in range(300):
            try:
                admin.connect().close()
                break
            except OperationalError:
                assert server.poll() is None
                time.sleep(0.1)

        def new() -> str:
            name = f"t{uuid4().hex}"
            with admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            return f"postgresql+psycopg://deepfield@/{name}?host={folder}"

        yield new
    finally:
        admin.dispose()
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new catalogue, on each of the databases that it may lie on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    return request.getfixturevalue("postgres")()
