"""Prefect for real: `deepfield up`, deployments run by its worker, one of them by an event, `deepfield down`."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from flows.local import ROOT, api_url, start
from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError
from manifests.settings import Settings
from manifests.snapshots import read_snapshot
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


def run_deployment(name, *parameters, environment):
    given = [word for one in parameters for word in ("--param", one)]
    call(
        "prefect", "deployment", "run", f"{name}/{name}", "--watch", "--watch-interval", "1", *given,
        environment=environment,
    )  # fmt: skip


def begun_by_an_event(flow, url):
    """Runs of a flow that no calendar and no person asked for, once there are any; the test's limit ends the wait."""
    while True:
        runs = requests.post(f"{url}/flow_runs/filter", json={"flows": {"name": {"any_": [flow]}}}, timeout=60).json()
        found = [run for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"]
        if found:
            return found
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes that import Prefect, which takes a busy machine its time
def test_up_runs_deployments_and_down_leaves_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    # a server and a database of its own: one that has been used has runs that are late, and all of them begin at once
    environment = {
        **os.environ,
        "DEEPFIELD_HOME": str(tmp_path),
        "DEEPFIELD_REQUESTS_PER_SECOND": "200",
        "PREFECT_HOME": str(tmp_path / "server"),
        "PREFECT_API_URL": url,
    }
    settings = Settings(home=tmp_path)
    with serve(synthetic_sky(1, visits=8, sides_px=(260, 300))) as archive:
        try:
            call("deepfield", "up", environment=environment)
            status = json.loads(call("deepfield", "status", "--json", environment=environment))
            assert status["healthy"] and status["api_url"] == url
            names = (
                "scrape-hla scrape-heritage scrape-hubblesite scrape-esahubble curate train-colorizer train-superres"
            )
            assert set(status["deployments"]) == {*names.split(), "decisions", "retrain"}
            where = "target=M101", "radius=1", f"archive_url={archive.url}"
            run_deployment("scrape-hla", *where, environment=environment)
            assert len(list(BlobStore(settings.blobs_dir))) >= 5
            run_deployment("curate", environment=environment)
            before = read_snapshot(settings.manifest_dir)
            ids = before["image_id"].tolist()
            call("deepfield", "review", "accept", "--override", *ids, environment=environment)
            run_deployment("decisions", f"min_new_decisions={len(ids)}", environment=environment)
            assert before["decision"].isna().all()
            assert (read_snapshot(settings.manifest_dir)["decision"] == "accept").all()
            assert len(begun_by_an_event("retrain", url)) == 1
        finally:
            call("deepfield", "down", environment=environment)
    after = json.loads(call("deepfield", "status", "--json", environment=environment))
    assert not after["healthy"]
    assert [process["pid"] for process in after["processes"]] == [None, None]


def test_the_address_is_the_one_that_prefect_obeys(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert api_url() == "http://127.0.0.1:4277/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:5001/api/")
    assert api_url() == "http://127.0.0.1:5001/api"


def test_no_server_is_started_for_an_address_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.invalid/api")
    monkeypatch.setattr("flows.local._answers", lambda address: False)
    with pytest.raises(DeepfieldError, match="No Prefect server answers at https://prefect"):
        list(start(Settings(home=tmp_path)))
    assert not list(tmp_path.iterdir())
