from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def engine(home: Settings) -> Iterator[Engine]:
    one = open_database(home.database)
    yield one
    one.dispose()


@pytest.fixture
def blobs(home: Settings) -> BlobStore:
    return BlobStore(home.blobs_dir)
