"""Curation as a Prefect flow: measure what is new in batches, then build one snapshot of everything."""

import os
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.logging import get_run_logger

from curation.curate import CurateSummary, build_snapshot, pending_images
from curation.measuring import BatchResult, measure_all, measure_batch
from curation.policies import keep_policy
from curation.policy import DEFAULT_POLICY, Policy, load_policy
from flows.cluster import dask_runner
from flows.work import BATCH, batches, workplace


@flow(name="curate")
def curate_flow(policy: str | None = None) -> dict[str, Any]:
    """Measure new frames, find duplicates, apply the policy and write a snapshot.

    Args:
        policy: Path of a policy file; the one that comes with Deepfield by default.

    Returns:
        The snapshot's id, the number of images, and counts per verdict and split.
    """
    rules = load_policy(Path(policy) if policy else DEFAULT_POLICY)
    with workplace() as here:
        waiting = pending_images(settings=here.settings, engine=here.engine)
    measured = BatchResult(0, 0, 0)
    if here.settings.dask_address and waiting:
        runner = dask_runner(here.settings.dask_address)
        measured = measure_on_cluster.with_options(task_runner=runner)(
            # a worker of a cluster is in a folder of its own
            waiting,
            here.settings.blobs_dir.absolute(),
            here.settings.measures_dir.absolute(),
            here.settings.max_pixels,
        )
    else:
        # every core gets a batch of its own within a task
        for batch in batches(waiting, BATCH * (os.cpu_count() or 1)):
            measured += measure_frames(batch)
    summary = write(rules, measured)
    keep_policy(rules, here.settings.home)
    logger = get_run_logger()
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    logger.info("Snapshot %s: %d images, %s", summary.snapshot_id, summary.images, verdicts)
    create_table_artifact(
        [{"reason": r, "verdict": v, "frames": n} for v, counts in summary.reasons.items() for r, n in counts.items()],
        key="curate-reasons",
        description=f"Why frames were doubted or rejected in snapshot {summary.snapshot_id}",
    )
    if summary.new:
        # a signal for automations; the record is the snapshot
        emit_event(
            "deepfield.snapshot.written",
            resource={"prefect.resource.id": "deepfield.manifest"},
            payload={"snapshot_id": summary.snapshot_id},
        )
    return {
        "snapshot_id": summary.snapshot_id,
        "images": summary.images,
        "verdicts": summary.verdicts,
        "splits": summary.splits,
    }


@task(cache_policy=NO_CACHE, retries=1)
def measure_frames(image_ids: list[str]) -> BatchResult:
    """Measure a batch of images, each once; what is measured is on disk when a part of the batch is done."""
    with workplace() as here:
        return measure_all(
            image_ids,
            blobs_dir=here.settings.blobs_dir,
            measures_dir=here.settings.measures_dir,
            max_pixels=here.settings.max_pixels,
        )


# Prefect keeps the parameters of a flow as they are: what is secret in the settings must not be among them.
@flow(name="measure-on-cluster")
def measure_on_cluster(image_ids: list[str], blobs_dir: Path, measures_dir: Path, max_pixels: int) -> BatchResult:
    """Measure images on whatever the flow's task runner has, a batch in a task; its parts come in any order."""
    parts = [measure_part.submit(batch, blobs_dir, measures_dir, max_pixels) for batch in batches(image_ids, BATCH)]
    return sum((part.result() for part in parts), BatchResult(0, 0, 0))


@task(cache_policy=NO_CACHE, retries=1)
def measure_part(image_ids: list[str], blobs_dir: Path, measures_dir: Path, max_pixels: int) -> BatchResult:
    """Measure a batch of images in this process, by the flow's settings; a worker's own may be others."""
    return measure_batch(image_ids, blobs_dir=blobs_dir, measures_dir=measures_dir, max_pixels=max_pixels)


@task(cache_policy=NO_CACHE)
def write(policy: Policy, measured: BatchResult) -> CurateSummary:
    """Compare, judge and write the snapshot."""
    with workplace() as here:
        return build_snapshot(
            settings=here.settings, engine=here.engine, blobs=here.blobs, policy=policy, measured=measured
        )
