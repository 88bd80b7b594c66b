"""Which model does a task where none is named."""

from pathlib import Path

from manifests.errors import UsageError
from training.config import Task
from training.recipes import make_config
from training.registry import champion, list_models, list_shipped, read_meta
from training.shipped import VERSION, shipped


def in_use(models_dir: Path, task: Task, scale: int | None = None) -> str:
    """The model of a task, as `load_model` takes it, that enlarges by `scale` if that is given.

    The champion of the task's own name comes first, then that of `<task>_x<scale>`, then what the package brought.

    Raises:
        UsageError: there is none.
    """
    names = [task, f"{task}_x{scale}"] if scale else [task]
    registered = [f"{name}@{version}" for name in names if (version := champion(models_dir, name))]
    candidates = [*registered, *(f"{name}@{VERSION}" for name in names if name in shipped())]
    for reference in candidates:
        if scale is None or _scale(models_dir, reference) == scale:
            return reference
    if scale is None:
        raise UsageError(f"There is no {task} yet: `deepfield train {task}` makes one.")
    others = [model.reference for model in list_models(models_dir) + list_shipped(models_dir) if model.task == task]
    known = ", ".join(f"{reference} ({_scale(models_dir, reference)} times)" for reference in others)
    there = f"there are {known}" if known else "there is none for another scale either"
    # a crop is as many whole pixels of the small picture
    crop = make_config(task).data.crop_px
    cut = f" --set data.crop_px={crop - crop % scale}" if crop % scale else ""
    raise UsageError(
        f"No model in use enlarges {scale} times; {there}. Train one: deepfield train {task} "
        f"--set generator.scale={scale}{cut} --name {task}_x{scale}"
    )


def _scale(models_dir: Path, reference: str) -> int | None:
    return read_meta(models_dir, reference)["network"].get("scale")
