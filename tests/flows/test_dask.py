"""Frames measured on a Dask cluster, by the flow and by the command: the same manifest as on one machine."""

import json
import random
import shutil
import socket

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from curation.cli import curate_app
from flows import curate as flow
from flows.cluster import dask_runner
from flows.work import batches, workplace
from manifests.errors import DeepfieldError
from manifests.settings import load_settings
from manifests.snapshots import read_snapshot
from scrapers.folder import scrape_folder
from tests_support import jpeg

SECRET = "a-word-that-nobody-may-read"


def stars(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rgb = np.full((300, 360, 3), 14.0)
    for _ in range(150):
        at = int(rng.integers(0, 360)), int(rng.integers(0, 300))
        cv2.circle(rgb, at, int(rng.integers(1, 5)), rng.uniform(60, 250, 3).tolist(), -1)
    return (cv2.GaussianBlur(rgb, (0, 0), 1.2) + rng.normal(0, 2, rgb.shape)).clip(0, 255).astype(np.uint8)


def write_frames(folder) -> int:
    """Skies with twins of each kind, noise and a grey frame; how many come in."""
    folder.mkdir()
    rgb = stars(1)
    grey = stars(4)[..., :1].repeat(3, 2)
    for name, picture in {"sky": rgb, "other": stars(2), "third": stars(3), "grey": grey}.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    Image.fromarray(rgb).save(folder / "sky-again.png", compress_level=1)
    small = cv2.resize(rgb, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    (folder / "sky-small.jpg").write_bytes(jpeg(small, 85))
    (folder / "sky-mirrored.jpg").write_bytes(jpeg(np.ascontiguousarray(rgb[:, ::-1]), 92))
    (folder / "other-again.jpg").write_bytes(jpeg(stars(2), 92))
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(30, 6, (120 + 8 * seed, 160, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"noise-{seed}.png")
    return len(list(folder.iterdir()))


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as one:
        yield one


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_gives_the_manifest_of_one_machine_in_any_order(tmp_path, monkeypatch, cluster, prefect_server):
    frames = write_frames(tmp_path / "files")
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_REVIEW_TOKEN", SECRET)
    monkeypatch.setenv("DEEPFIELD_DATABASE_URL", f"sqlite:///{tmp_path / SECRET}.db")
    load_settings.cache_clear()
    shuffle = random.Random(0)

    def shuffled(ids, size):
        found = batches(shuffle.sample(ids, len(ids)), size)
        return shuffle.sample(found, len(found))

    def anew():
        """Forget what was measured and written, return the manifest."""
        rows = read_snapshot(settings.manifest_dir)
        shutil.rmtree(settings.measures_dir)
        shutil.rmtree(settings.manifest_dir)
        return rows

    try:
        settings = load_settings()
        with workplace() as here:
            scrape_folder(tmp_path / "files", engine=here.engine, blobs=here.blobs, settings=settings)
        result = CliRunner().invoke(curate_app, ["--json"], catch_exceptions=False)
        assert json.loads(result.stdout)["measured"] == frames
        alone = anew()
        assert alone["verdict"].nunique() > 1
        assert alone["duplicate_kind"].value_counts().to_dict() == {"exact": 1, "same_rendering": 3}

        monkeypatch.setenv("DEEPFIELD_DASK_ADDRESS", cluster.scheduler_address)
        monkeypatch.setattr(flow, "BATCH", 2)
        monkeypatch.setattr(flow, "batches", shuffled)
        load_settings.cache_clear()
        there = flow.curate_flow()
        parts = list(settings.measures_dir.rglob("frames-*/part-*.parquet"))
        assert there["images"] == frames and len(parts) == (frames + 1) // 2
        assert flow.curate_flow()["snapshot_id"] == there["snapshot_id"]
        assert list(settings.measures_dir.rglob("frames-*/part-*.parquet")) == parts
        kept = b"".join(path.read_bytes() for path in prefect_server.rglob("*") if path.is_file())
        assert b"measure-on-cluster" in kept and SECRET.encode() not in kept
        pd.testing.assert_frame_equal(anew(), alone)

        monkeypatch.setattr("curation.measuring._run", lambda *_: pytest.fail("measured on this machine"))
        result = CliRunner().invoke(curate_app, ["--json"], catch_exceptions=False)
        assert json.loads(result.stdout)["measured"] == frames
        pd.testing.assert_frame_equal(anew(), alone)
    finally:
        load_settings.cache_clear()


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("curation.cluster._PATIENCE_S", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DeepfieldError, match="No Dask scheduler answers"):
            dask_runner(address)
