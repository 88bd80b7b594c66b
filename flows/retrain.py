"""Retraining, by the week or when people decided enough: train challengers and let the better one be champion."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger

from flows.train import train_and_register
from manifests.errors import UsageError
from manifests.settings import Settings, load_settings
from manifests.snapshots import read_snapshot, resolve
from models.catalogue import EnlargerConfig
from training.config import TASKS, Task, TrainConfig
from training.evaluate import evaluate
from training.in_use import in_use
from training.outcome import NOT_SCORED, Outcome, headline
from training.pack import Pack, open_pack
from training.pack_build import pack_for_snapshot, trainable
from training.processes import best_device
from training.recipes import make_config
from training.registry import list_models, load_model, promote


@flow(name="retrain")
def retrain(
    min_new_images: int = 50, colorizer_recipe: str | None = None, superres_recipe: str | None = None
) -> dict[str, Any]:
    """Train on the newest snapshot if enough of its frames differ from the champions', and promote what is better.

    Args:
        min_new_images: So many frames that came to those of the champion's snapshot, or went because they were
            rejected since, make a training worth while.
        colorizer_recipe: Recipe of the colouriser; the small one by default.
        superres_recipe: Recipe of the super-resolution network; the small one by default.

    Returns:
        What was done per task: nothing, or the challenger's version and whether it was promoted.
    """
    settings = load_settings()
    recipes: dict[Task, str | None] = {"colorizer": colorizer_recipe, "superres": superres_recipe}
    return {task: _challenge(task, recipes[task], min_new_images, settings) for task in TASKS}


def _challenge(task: Task, recipe: str | None, min_new_images: int, settings: Settings) -> str:
    logger = get_run_logger()
    snapshot_id = resolve(settings.manifest_dir, None)
    config = make_config(task, recipe)
    before = _reigning(settings.models_dir, config)
    if (known := _last_learnt(settings.models_dir, task, before)) is not None:
        changed = _accepted(settings, snapshot_id) ^ _accepted(settings, known)
        if len(changed) < min_new_images:
            return f"{len(changed)} frames came or went, fewer than {min_new_images}: nothing done"
    challenger = train_and_register(config, snapshot_id, task).outcome
    if before in (None, f"{task}@{challenger.version}"):
        return f"{task}@{challenger.version} is the champion"
    pack = open_pack(pack_for_snapshot(settings, snapshot_id, config.data.frame_px))
    verdict = settle(task, before, challenger, pack, settings.models_dir)
    logger.info(verdict)
    return verdict


def settle(task: Task, reigning: str, challenger: Outcome, pack: Pack, models_dir: Path) -> str:
    """Make the challenger champion if it is better than the one in use on the same frames; what came of it, in words.

    The one in use, `name@version`, is scored anew, on the challenger's pack: figures on two sets of frames cannot be
    compared.
    """
    name = f"{task}@{challenger.version}"
    if challenger.split == NOT_SCORED:
        return f"{name} not promoted: no frame is held out to score it on"
    ours = headline(task, challenger.metrics)
    model = load_model(models_dir, reigning)
    theirs = headline(task, evaluate(model, pack, challenger.split, device=best_device())).ours.value
    figures = f"{ours.ours.value:.3f} against {theirs:.3f} of {reigning}, {ours.what}"
    if not ours.beats(theirs):
        return f"{name} not promoted: {figures}"
    promote(models_dir, task, challenger.version)
    return f"{name} promoted: {figures}"


def _reigning(models_dir: Path, config: TrainConfig) -> str | None:
    """What is used for the config's task, and its scale if it enlarges; it may have come with the package."""
    scale = config.generator.scale if isinstance(config.generator, EnlargerConfig) else None
    try:
        return in_use(models_dir, config.task, scale)
    except UsageError:
        return None


def _last_learnt(models_dir: Path, task: Task, reigning: str | None) -> str | None:
    """The snapshot of the one in use or, where that came with the package, of the last that did not beat it."""
    models = list_models(models_dir)
    known = [model for model in models if model.reference == reigning] or [m for m in models if m.name == task]
    return known[-1].snapshot_id if known else None


def _accepted(settings: Settings, snapshot_id: str) -> set[str]:
    rows = read_snapshot(settings.manifest_dir, snapshot_id)
    return set(trainable(rows)["image_id"])
