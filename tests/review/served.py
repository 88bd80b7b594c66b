"""The review page in a process of its own, over a home with small pictures, for tests and benchmarks."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
from manifest_rows import frames

from curation.policies import keep_policy
from curation.policy import load_policy
from manifests.blobs import BlobStore
from manifests.schema import conform
from manifests.settings import Settings
from manifests.snapshots import write_snapshot
from tests_support import jpeg

ROOT = Path(__file__).parents[2]
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

    def start(self) -> None:
        command = [sys.executable, "-m", "flows.cli", "review", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        # it must not write into nothing; the first line says the port
        line = self._process.stdout.readline()
        found = re.search(r":(\d+)/ ", line)
        assert found, line + (self._process.stdout.read() if self._process.poll() is not None else "")
        self.port = int(found[1])
        self.output: list[str] = []
        threading.Thread(target=lambda out=self._process.stdout: self.output.extend(out), daemon=True).start()

    def kill(self) -> None:
        """As a power cut would, without a word."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
