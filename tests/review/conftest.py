from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from served import write_home
from sqlalchemy import Engine

from manifests.database import open_database
from manifests.settings import Settings, load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def engine(home: Settings) -> Iterator[Engine]:
    one = open_database(home.database)
    yield one
    one.dispose()


@pytest.fixture
def snapshot(home: Settings) -> Callable[..., str]:
    """Writes rows as the newest snapshot, judged by a policy with these shares to check."""

    def write(rows: pd.DataFrame, audit: float = 0.0, second: float = 0.0) -> str:
        return write_home(home.home, rows, audit, second)

    return write
