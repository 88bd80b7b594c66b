from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine

from curation.policies import keep_policy
from manifests.database import open_database
from manifests.schema import conform
from manifests.settings import Settings, load_settings
from manifests.snapshots import write_snapshot

POLICY = """
name = "test"
doubts_to_reject = 3
audit_rate = {audit}
second_opinion_rate = {second}
[[rules]]
reason = "noisy"
measure = "noise_sigma_dn"
side = "above"
review = 10
reject = 20
"""


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
def snapshot(home: Settings, tmp_path: Path) -> Callable[..., str]:
    """Writes rows as the newest snapshot, judged by a policy with these shares to check."""

    def write(rows: pd.DataFrame, audit: float = 0.0, second: float = 0.0) -> str:
        path = tmp_path / "policy.toml"
        path.write_text(POLICY.format(audit=audit, second=second))
        policy = keep_policy(path, home.home)
        return write_snapshot(conform(rows), manifest_dir=home.manifest_dir, policy_digest=policy.digest).snapshot_id

    return write
