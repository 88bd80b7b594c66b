"""Retraining, by the week or when people decided enough: train challengers and let the better one be champion."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger

from flows.train import train_and_register
from manifests.settings import Settings, load_settings
from manifests.snapshots import read_snapshot, resolve
from training.config import TASKS, Task
from training.evaluate import evaluate
from training.outcome import NOT_SCORED, Outcome, headline
from training.pack import Pack, open_pack
from training.pack_build import pack_for_snapshot, trainable
from training.recipes import make_config
from training.registry import champion, load_model, promote, read_meta


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
    in_use = champion(settings.models_dir, task)
    if in_use is not None:
        known = read_meta(settings.models_dir, f"{task}@{in_use}")["snapshot_id"]
        changed = _accepted(settings, snapshot_id) ^ _accepted(settings, known)
        if len(changed) < min_new_images:
            return f"{len(changed)} frames came or went, fewer than {min_new_images}: nothing done"
    config = make_config(task, recipe)
    challenger = train_and_register(config, snapshot_id, task).outcome
    if in_use is None or challenger.version == in_use:
        return f"{task}@{challenger.version} is the champion"
    pack = open_pack(pack_for_snapshot(settings, snapshot_id, config.data.frame_px))
    verdict = settle(task, in_use, challenger, pack, settings.models_dir)
    logger.info(verdict)
    return verdict


def settle(task: Task, in_use: str, challenger: Outcome, pack: Pack, models_dir: Path) -> str:
    """Make the challenger champion if it is better than the one in use on the same frames; what came of it, in words.

    The champion is scored anew, on the challenger's pack: figures on two sets of frames cannot be compared.
    """
    name = f"{task}@{challenger.version}"
    if challenger.split == NOT_SCORED:
        return f"{name} not promoted: no frame is held out to score it on"
    ours = headline(task, challenger.metrics)
    model = load_model(models_dir, f"{task}@{in_use}")
    theirs = headline(task, evaluate(model, pack, challenger.split)).ours.value
    figures = f"{ours.ours.value:.3f} against {theirs:.3f} of {in_use}, {ours.what}"
    if not ours.beats(theirs):
        return f"{name} not promoted: {figures}"
    promote(models_dir, task, challenger.version)
    return f"{name} promoted: {figures}"


def _accepted(settings: Settings, snapshot_id: str) -> set[str]:
    rows = read_snapshot(settings.manifest_dir, snapshot_id)
    return set(trainable(rows)["image_id"])
