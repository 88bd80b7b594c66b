"""Scheduled retraining: when enough new frames are in, train challengers and let the better one be champion."""

from typing import Any

from prefect import flow
from prefect.logging import get_run_logger

from flows.train import Trained, train_and_register
from manifests.settings import Settings, load_settings
from manifests.snapshots import read_snapshot, resolve
from training.config import TASKS, Task
from training.evaluate import Metric, evaluate
from training.pack import open_pack
from training.pack_build import pack_for_snapshot, trainable
from training.recipes import make_config
from training.registry import champion, list_models, load_model, promote


@flow(name="retrain")
def retrain(
    min_new_images: int = 50, colorizer_recipe: str | None = None, superres_recipe: str | None = None
) -> dict[str, Any]:
    """Train on the newest snapshot if it has enough frames new to the champions, and promote what is better.

    Args:
        min_new_images: So many accepted frames more than the champion's snapshot make a training worth while.
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
        known = next(m for m in list_models(settings.models_dir) if (m.name, m.version) == (task, in_use))
        new = _accepted(settings, snapshot_id) - _accepted(settings, known.snapshot_id)
        if len(new) < min_new_images:
            return f"{len(new)} new frames, fewer than {min_new_images}: nothing done"
    trained = train_and_register(make_config(task, recipe), snapshot_id, task)
    if in_use is None or trained.version == in_use:
        return f"{task}@{trained.version} is the champion"
    reference = _champion_figure(task, in_use, trained, settings)
    ours = _figure(task, trained.metrics)
    if _better(task, ours, reference):
        promote(settings.models_dir, task, trained.version)
        logger.info("Promoted %s@%s: %.3f against %.3f", task, trained.version, ours, reference)
        return f"{task}@{trained.version} promoted: {ours:.3f} against {reference:.3f} of {in_use}"
    return f"{task}@{trained.version} not promoted: {ours:.3f} against {reference:.3f} of {in_use}"


def _accepted(settings: Settings, snapshot_id: str) -> set[str]:
    rows = read_snapshot(settings.manifest_dir, snapshot_id)
    return set(trainable(rows)["image_id"])


def _champion_figure(task: Task, version: str, trained: Trained, settings: Settings) -> float:
    """The champion's figure on the frames that the challenger was scored on."""
    model = load_model(settings.models_dir, f"{task}@{version}")
    challenger = load_model(settings.models_dir, f"{task}@{trained.version}")
    pack = open_pack(pack_for_snapshot(settings, None, int(challenger.meta["frame_px"])))
    return _figure(task, evaluate(model, pack, trained.split))


def _figure(task: Task, metrics: list[Metric] | tuple[Metric, ...]) -> float:
    """What decides: a*b* error at strength 1 for colour, PSNR-Y at strength 0 for enlargement."""
    if task == "colorizer":
        return next(metric.value for metric in metrics if metric.name == "mae_ab")
    return next(m.value for m in metrics if m.name.startswith("psnr_y_crop") and m.name.endswith("_faithful"))


def _better(task: Task, ours: float, theirs: float) -> bool:
    return ours < theirs if task == "colorizer" else ours > theirs
