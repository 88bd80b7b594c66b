"""Prefect for real: `deepfield up`, deployments run by its worker, one of them by an event, `deepfield down`."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from curation.review.decisions import Statement, Subject, decide
from flows.local import ROOT, api_url
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.schema import conform
from manifests.settings import Settings
from manifests.snapshots import read_snapshot, write_snapshot
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


def people_decide(settings: Settings, ids: list[str]) -> None:
    """Accept frames of a snapshot that does not know it yet."""
    rows = conform(pd.DataFrame({"image_id": ids, "group_id": ids, "split": "train"}))
    write_snapshot(rows, manifest_dir=settings.manifest_dir, policy_digest="0" * 64)
    engine = open_database(settings.database)
    decide(engine, [Subject(one) for one in ids], Statement("accept", "ann"))
    engine.dispose()


def begun_by_an_event(flow: str, since: datetime) -> list[dict[str, Any]]:
    """Runs of a flow that no calendar and no person asked for, waiting a minute for the first."""
    wanted = {"flows": {"name": {"any_": [flow]}}}  # the server remembers those of earlier days as well
    for _ in range(120):
        runs = requests.post(f"{api_url()}/flow_runs/filter", json=wanted, timeout=30).json()
        found = [
            run
            for run in runs
            if (run["created_by"] or {}).get("type") == "AUTOMATION" and datetime.fromisoformat(run["created"]) > since
        ]
        if found:
            return found
        time.sleep(0.5)
    return []


@pytest.mark.slow
@pytest.mark.timeout(600)  # ten processes that import Prefect, which takes a busy machine its time
def test_up_runs_deployments_and_down_leaves_nothing(tmp_path):
    port = int(api_url().split(":")[2].split("/")[0])
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip(f"something listens on port {port} already, likely `deepfield up`")
    begun = datetime.now(UTC)
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
            settings = Settings(home=tmp_path)
            ids = list(BlobStore(settings.blobs_dir))
            assert len(ids) >= 5
            people_decide(settings, ids)
            call(
                "prefect", "deployment", "run", "decisions/decisions", "--watch",
                "--param", f"min_new_decisions={len(ids)}", environment=environment,
            )  # fmt: skip
            assert (read_snapshot(settings.manifest_dir)["decision"] == "accept").all()
            assert len(begun_by_an_event("retrain", begun)) == 1
        finally:
            call("deepfield", "down", environment=environment)
    after = json.loads(call("deepfield", "status", "--json", environment=environment))
    assert not after["healthy"]
    assert [process["pid"] for process in after["processes"]] == [None, None]
