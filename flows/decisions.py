"""The way back from the reviewers: when enough was decided, a new snapshot, and the event that starts retraining."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from prefect import flow
from prefect.events import emit_event
from prefect.logging import get_run_logger

from curation.review.decisions import Decision, effective, history
from flows.curate import curate_flow
from flows.work import workplace
from manifests.snapshots import head, read_snapshot

# what the trigger of the deployment `retrain` in prefect.yaml waits for
EVENT, RESOURCE = "deepfield.decisions.enough", "deepfield.decisions"


@flow(name="decisions")
def decisions_flow(min_new_decisions: int = 100, policy: str | None = None) -> dict[str, Any]:
    """Write a snapshot and call for retraining when people have decided enough that the newest snapshot has not.

    Args:
        min_new_decisions: So many frames decided otherwise than in the newest snapshot are enough.
        policy: Path of a policy file; the one that comes with Deepfield by default.

    Returns:
        How many are new, and the id of the snapshot that was written, if they were enough.
    """
    with workplace() as here:
        if head(here.settings.manifest_dir) is None:
            get_run_logger().info("There is no snapshot yet that people could decide on: nothing done")
            return {"new_decisions": 0, "snapshot_id": None}
        rows = read_snapshot(here.settings.manifest_dir, None, ["image_id", "decision"])
        new = unknown_decisions(rows, effective(history(here.engine)))
    if new < min_new_decisions:
        get_run_logger().info("%d new decisions, fewer than %d: nothing done", new, min_new_decisions)
        return {"new_decisions": new, "snapshot_id": None}
    snapshot_id = curate_flow(policy)["snapshot_id"]
    emit_event(
        EVENT,
        resource={"prefect.resource.id": RESOURCE},
        payload={"new_decisions": new, "snapshot_id": snapshot_id},
    )
    return {"new_decisions": new, "snapshot_id": snapshot_id}


def unknown_decisions(rows: pd.DataFrame, held: Mapping[str, Decision]) -> int:
    """How many frames of a snapshot are decided otherwise now, or no more."""
    known = dict(zip(rows["image_id"], rows["decision"], strict=True))
    now = {image_id: held[image_id].action if image_id in held else None for image_id in known}
    return sum(now[image_id] != action for image_id, action in known.items())
