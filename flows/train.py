"""Training as Prefect flows: pack the snapshot, train, score on the held-out split, register."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from manifests.settings import Settings, load_settings
from manifests.snapshots import resolve
from training.config import Task, TrainConfig, to_dict
from training.loop import train
from training.outcome import Outcome, enter
from training.pack import open_pack
from training.pack_build import pack_for_snapshot
from training.recipes import make_config
from training.registry import list_models, read_meta, read_metrics
from training.run_folder import last_checkpoint

_PROGRESS_EVERY = 100


@dataclass(frozen=True)
class Trained:
    """A registered version, its figures, and the run it came from."""

    run_dir: Path
    outcome: Outcome


@flow(name="train-colorizer")
def train_colorizer(
    recipe: str | None = None,
    snapshot: str | None = None,
    settings: list[str] | None = None,
    name: str = "colorizer",
) -> dict[str, Any]:
    """Train a colouriser on a snapshot and register it under the next version of its name.

    Args:
        recipe: Name of a recipe; the small one for two CPU cores by default.
        snapshot: Id of a snapshot; the newest by default.
        settings: Changes to the recipe, each as key=value.
        name: Name in the registry; its champion is what `deepfield colorize` uses.

    Returns:
        Name and version of the model, and its figures by name.
    """
    return _train("colorizer", recipe, snapshot, settings, name)


@flow(name="train-superres")
def train_superres(
    recipe: str | None = None,
    snapshot: str | None = None,
    settings: list[str] | None = None,
    name: str = "superres",
) -> dict[str, Any]:
    """Train a super-resolution network on a snapshot and register it under the next version of its name.

    Args:
        recipe: Name of a recipe; the small one for two CPU cores by default.
        snapshot: Id of a snapshot; the newest by default.
        settings: Changes to the recipe, each as key=value.
        name: Name in the registry; its champion is what `deepfield upscale` uses.

    Returns:
        Name and version of the model, and its figures by name.
    """
    return _train("superres", recipe, snapshot, settings, name)


def _train(
    kind: Task, recipe: str | None, snapshot: str | None, settings: Sequence[str] | None, name: str
) -> dict[str, Any]:
    config = make_config(kind, recipe, None, settings or ())
    trained = train_and_register(config, snapshot, name)
    came = trained.outcome
    create_table_artifact(
        [{"metric": m.name, "value": m.value, "low": m.low, "high": m.high, "frames": m.n} for m in came.metrics],
        key=f"train-{kind}",
        description=f"{came.name}@{came.version} on the {came.split} split",
    )
    return {
        "name": came.name,
        "version": came.version,
        "run": trained.run_dir.name,
        "metrics": {metric.name: metric.value for metric in came.metrics},
    }


@task(cache_policy=NO_CACHE)
def train_and_register(config: TrainConfig, snapshot: str | None, name: str) -> Trained:
    """Train in a run folder named by task, snapshot and recipe, going on where an earlier attempt stopped."""
    logger = get_run_logger()
    return train_snapshot(load_settings(), config, snapshot, name, logger.info)


def train_snapshot(
    settings: Settings, config: TrainConfig, snapshot: str | None, name: str, say: Callable[[str], None]
) -> Trained:
    """Pack, train, score and register. A run that was killed is gone on with; a finished one is not trained again.

    Raises:
        DeepfieldError: there is no snapshot, nothing to train on, or training failed.
    """
    snapshot_id = resolve(settings.manifest_dir, snapshot)
    pack = open_pack(pack_for_snapshot(settings, snapshot_id, config.data.frame_px))
    digest = hashlib.sha256(json.dumps(to_dict(config), sort_keys=True).encode()).hexdigest()[:8]
    run_dir = settings.runs_dir / f"{config.task}-{snapshot_id}-{digest}"

    def report(done: int, total: int, phase: str) -> None:
        if done % _PROGRESS_EVERY == 0 or done == total:
            say(f"{config.task}: step {done} of {total}, {phase}")

    train(config, pack, run_dir, resume=last_checkpoint(run_dir).exists(), on_progress=report)
    known = _registered(settings, name, config, snapshot_id)
    return Trained(run_dir, known or enter(run_dir, pack, settings.models_dir, name))


def _registered(settings: Settings, name: str, config: TrainConfig, snapshot_id: str) -> Outcome | None:
    """The version that came from this very config and snapshot, if there is one."""
    for found in list_models(settings.models_dir):
        if found.name == name and found.snapshot_id == snapshot_id:
            reference = f"{name}@{found.version}"
            if read_meta(settings.models_dir, reference)["training"] == json.loads(json.dumps(to_dict(config))):
                return Outcome(name, found.version, *read_metrics(settings.models_dir, reference))
    return None
