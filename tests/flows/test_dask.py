"""Frames measured on a Dask cluster, under a real Prefect server: the same snapshot as on one machine."""

import shutil
import socket

import numpy as np
import pytest
from PIL import Image

from flows import curate as flow
from flows.cluster import dask_runner
from flows.work import workplace
from manifests.errors import DeepfieldError
from manifests.settings import load_settings
from scrapers.folder import scrape_folder

FRAMES = 7
SECRET = "a-word-that-nobody-may-read"


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as one:
        yield one


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_measures_what_one_machine_measures(tmp_path, monkeypatch, cluster, prefect_server):
    rng = np.random.default_rng(0)
    (tmp_path / "files").mkdir()
    for number in range(FRAMES):
        levels = rng.normal(30, 6, (120 + 8 * number, 160, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / "files" / f"{number}.png")
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_DASK_ADDRESS", cluster.scheduler_address)
    monkeypatch.setenv("DEEPFIELD_REVIEW_TOKEN", SECRET)
    monkeypatch.setenv("DEEPFIELD_DATABASE_URL", f"sqlite:///{tmp_path / SECRET}.db")
    monkeypatch.setattr(flow, "BATCH", 2)
    load_settings.cache_clear()
    try:
        settings = load_settings()
        with workplace() as here:
            scrape_folder(tmp_path / "files", engine=here.engine, blobs=here.blobs, settings=settings)
        there = flow.curate_flow()
        kept = b"".join(path.read_bytes() for path in prefect_server.rglob("*") if path.is_file())
        assert b"measure-on-cluster" in kept and SECRET.encode() not in kept
        parts = list(settings.measures_dir.rglob("frames-*/part-*.parquet"))
        assert there["images"] == FRAMES and len(parts) == (FRAMES + 1) // 2
        assert flow.curate_flow()["snapshot_id"] == there["snapshot_id"]
        assert list(settings.measures_dir.rglob("frames-*/part-*.parquet")) == parts
        shutil.rmtree(settings.measures_dir)
        monkeypatch.delenv("DEEPFIELD_DASK_ADDRESS")
        load_settings.cache_clear()
        # the id of a snapshot is that of its content: equal rows give no new one
        assert flow.curate_flow()["snapshot_id"] == there["snapshot_id"]
    finally:
        load_settings.cache_clear()


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("flows.cluster._PATIENCE_S", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DeepfieldError, match="No Dask scheduler answers"):
            dask_runner(address)
