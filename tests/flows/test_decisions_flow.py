"""The way back from the reviewers: enough new decisions make a snapshot, and the event that retraining waits for."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from prefect.events import DeploymentTriggerTypes
from pydantic import TypeAdapter

import flows.decisions
from curation.review.decisions import Statement, Subject, decide
from flows.curate import curate_flow
from flows.decisions import EVENT, RESOURCE, decisions_flow
from flows.work import workplace
from manifests.settings import load_settings
from manifests.snapshots import read_snapshot
from scrapers.folder import scrape_folder
from tests_support import jpeg


def test_retraining_listens_to_the_event():
    document = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
    (retrain,) = [one for one in document["deployments"] if one["name"] == "retrain"]
    (trigger,) = [TypeAdapter(DeploymentTriggerTypes).validate_python(one) for one in retrain["triggers"]]
    assert trigger.expect == {EVENT} and trigger.match.model_dump() == {"prefect.resource.id": RESOURCE}
    assert trigger.enabled and "decisions" in {one["name"] for one in document["deployments"]}


@pytest.mark.slow
def test_enough_new_decisions_make_a_snapshot_and_one_event(tmp_path, monkeypatch, prefect_server):
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    settings = load_settings()
    events = []
    monkeypatch.setattr(flows.decisions, "emit_event", lambda name, **more: events.append((name, more["payload"])))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (80, 90, 3), np.uint8)
        (folder / f"{number}.jpg").write_bytes(jpeg(noise))
    try:
        with workplace(settings) as here:
            assert decisions_flow() == {"new_decisions": 0, "snapshot_id": None}
            scrape_folder(folder, settings=settings, engine=here.engine, blobs=here.blobs)
            first = curate_flow()["snapshot_id"]
            ids = read_snapshot(settings.manifest_dir)["image_id"].tolist()
            decide(here.engine, [Subject(ids[0])], Statement("accept", "ann"))
            assert decisions_flow(min_new_decisions=2) == {"new_decisions": 1, "snapshot_id": None}
            decide(here.engine, [Subject(ids[1])], Statement("reject", "ann"))
            done = decisions_flow(min_new_decisions=2)
            assert done["new_decisions"] == 2 and done["snapshot_id"] != first
            assert events == [(EVENT, done)]
            assert read_snapshot(settings.manifest_dir)["decision"].tolist()[:2] == ["accept", "reject"]
            assert decisions_flow(min_new_decisions=1)["new_decisions"] == 0
    finally:
        load_settings.cache_clear()
