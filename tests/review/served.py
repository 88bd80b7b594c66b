"""The review page in a process of its own, over a home with small pictures, for tests and benchmarks."""

import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from forked import Forked
from manifest_rows import frames

from curation.policies import keep_policy
from curation.policy import load_policy
from manifests.blobs import BlobStore
from manifests.schema import conform
from manifests.settings import Settings
from manifests.snapshots import write_snapshot
from tests_support import jpeg

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


def write_home(home: Path, rows: pd.DataFrame, audit: float = 0.0, second: float = 0.0) -> str:
    """Write rows as the newest snapshot, judged by a policy with these shares to check; returns its id."""
    settings = Settings(home=home)
    home.mkdir(parents=True, exist_ok=True)
    path = home / "policy.toml"
    path.write_text(POLICY.format(audit=audit, second=second))
    policy = load_policy(path)
    keep_policy(policy, home)
    return write_snapshot(conform(rows), manifest_dir=settings.manifest_dir, policy_digest=policy.digest).snapshot_id


def pictures(home: Path, count: int, height: int = 150, width: int = 200) -> list[str]:
    """Draw and store skies of that size, each with its own tint and a black corner without data; returns their ids."""
    blobs, ids = BlobStore(Settings(home=home).blobs_dir), []
    for number in range(count):
        rng = np.random.default_rng(number)
        sky = rng.normal(30 + number % 50, 8, (height, width, 3))
        for y, x in rng.integers(10, height - 10, (40, 2)):
            sky[y - 1 : y + 2, x - 1 : x + 2] = rng.integers(120, 250, 3)
        sky[: height // 3, : width // 3] = 0
        ids.append(blobs.put(jpeg(np.clip(sky, 0, 255).astype(np.uint8))).sha256)
    return ids


def reviewable(home: Path, count: int, **columns: object) -> pd.DataFrame:
    """Doubtful frames with pictures; every second one looks like the one before it."""
    ids = pictures(home, count)
    hashes = [f"{number // 2:064x}" for number in range(count)]
    return frames(count, image_id=ids, phash256=hashes, access_url="https://example.org/frame", **columns)


class Served:
    """A server process that can be killed and started again at the same port."""

    def __init__(self, home: Path, port: int = 0, **environment: str) -> None:
        self.home, self.port = home, port
        self._environment = os.environ | {"DEEPFIELD_HOME": str(home)} | environment
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **environment: str) -> None:
        arguments = ["review", "serve", "--port", self.port]
        self._process = Forked(arguments, self._environment | environment)
        said = self._process.wait_for("(Ctrl-C stops)", 120)
        found = re.search(r":(\d+)/ ", said)
        assert found, said
        self.port = int(found[1])

    def limit_files(self, size: int) -> None:
        """Let it write to no file beyond that many bytes: with 0, as on a full disk."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        """As a power cut would, without a word."""
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        os.kill(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
