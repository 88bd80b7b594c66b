"""Prefect for real: `deepfield up`, a deployment run by its worker, `deepfield down`."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows.local import ROOT, api_url
from manifests.blobs import BlobStore
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky

BIN = Path(sys.executable).parent


def call(*arguments, environment):
    done = subprocess.run(
        [BIN / arguments[0], *arguments[1:]],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_up_runs_deployments_and_down_leaves_nothing(tmp_path):
    port = int(api_url().split(":")[2].split("/")[0])
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip(f"something listens on port {port} already, likely `deepfield up`")
    environment = {**os.environ, "DEEPFIELD_HOME": str(tmp_path), "DEEPFIELD_REQUESTS_PER_SECOND": "200"}
    environment.pop("PREFECT_API_URL", None)
    with serve(synthetic_sky(1, visits=8, sides_px=(260, 300))) as archive:
        try:
            call("deepfield", "up", environment=environment)
            status = json.loads(call("deepfield", "status", "--json", environment=environment))
            assert status["healthy"]
            names = (
                "scrape-hla scrape-heritage scrape-hubblesite scrape-esahubble curate train-colorizer train-superres"
            )
            assert set(status["deployments"]) == {*names.split(), "decisions", "retrain"}
            call(
                "prefect", "deployment", "run", "scrape-hla/scrape-hla", "--watch",
                "--param", "target=M101", "--param", "radius=1", "--param", f"archive_url={archive.url}",
                environment=environment,
            )  # fmt: skip
            call("prefect", "deployment", "run", "curate/curate", "--watch", environment=environment)
        finally:
            call("deepfield", "down", environment=environment)
    assert len(list(BlobStore(tmp_path / "blobs"))) >= 5
    assert (tmp_path / "manifest" / "HEAD").exists()
    after = json.loads(call("deepfield", "status", "--json", environment=environment))
    assert not after["healthy"]
    assert [process["pid"] for process in after["processes"]] == [None, None]
