from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_archive import FakeHost
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings


@pytest.fixture
def host() -> Iterator[FakeHost]:
    one = FakeHost()
    yield one
    one.close()


@pytest.fixture
def quick(tmp_path: Path) -> Settings:
    """Settings that do not wait, for a server on this machine."""
    return Settings(home=tmp_path, requests_per_second=5000, connections=4, timeout_s=20, attempts=3)


@pytest.fixture
def engine(quick: Settings) -> Iterator[Engine]:
    one = open_database(quick.database)
    yield one
    one.dispose()


@pytest.fixture
def blobs(quick: Settings) -> BlobStore:
    return BlobStore(quick.blobs_dir)
