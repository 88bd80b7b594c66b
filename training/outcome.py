"""What a finished run comes to: its figures on frames it never saw, and its place in the registry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from manifests.errors import DeepfieldError
from training import checkpoints
from training.config import Task, TrainConfig, degradation_of
from training.degradation import DegradationConfig
from training.evaluate import Metric, left_out, main_score, measure, summary
from training.pack import Pack
from training.processes import best_device
from training.registry import load_run, register
from training.run_folder import last_checkpoint, read_run
from training.scores import measurable, scale_in

NOT_SCORED = "none"
# the baseline that the main score stands beside, and what that is in words
_DECIDES: dict[Task, tuple[str, str]] = {
    "colorizer": ("all_gray", "mean absolute a*b* error at strength 0"),
    "superres": ("bicubic", "PSNR-Y in dB at strength 0"),
}


@dataclass(frozen=True)
class Outcome:
    """A registered version with its figures; `split` is `none`, and there are no figures, where no frame was left."""

    name: str
    version: str
    split: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Headline:
    """The figure that decides between two models of a task, the baseline beside it, and what it is in words."""

    what: str
    ours: Metric
    baseline: Metric
    higher_is_better: bool

    def beats(self, other: float) -> bool:
        """Whether our figure is better than another."""
        return self.ours.value > other if self.higher_is_better else self.ours.value < other


def headline(task: Task, metrics: Sequence[Metric]) -> Headline:
    """What decides: a*b* error or PSNR-Y, at strength 0. At strength 1 the error is the price of liveliness.

    Raises:
        DeepfieldError: the model was never scored.
    """
    by_name = {metric.name: metric for metric in metrics}
    if not by_name:
        raise DeepfieldError(f"This {task} was never scored: `deepfield evaluate` does it where frames are held out.")
    name, _, higher_is_better = main_score(list(by_name))
    baseline, what = _DECIDES[task]
    return Headline(what, by_name[f"{name}_faithful"], by_name[f"{name}_{baseline}"], higher_is_better)


def check_finished(run_dir: Path) -> None:
    """Say so where a run has not come to its end.

    Raises:
        DeepfieldError: it has not, has no checkpoint, or is no run.
    """
    config: TrainConfig = read_run(run_dir)["config"]
    last = last_checkpoint(run_dir)
    if not last.exists():
        raise DeepfieldError(
            f"The run {run_dir} has no checkpoint to tell whether it is finished: copy its checkpoints too."
        )
    progress = checkpoints.read(last, torch.device("cpu"))["progress"]
    if progress["phase"] != "done":
        total = config.pretrain.steps + config.adversarial.steps
        raise DeepfieldError(
            f"The run {run_dir} is not finished, it is at step {progress['step']} of {total}: resume it first."
        )


def enter(
    run_dir: Path, pack: Pack, models_dir: Path, name: str, on_progress: Callable[[int, int], None] | None = None
) -> Outcome:
    """Score a finished run on the test split, on validation where that has no frame to score, and register it.

    Raises:
        UsageError: the name cannot be one, or belongs to models of another task.
        DeepfieldError: the run has no weights yet.
    """
    model = load_run(run_dir)
    split = held_out_split(pack, model.task, scale_in(model.config), degradation_of(model.meta))
    metrics: tuple[Metric, ...] = ()
    notes: list[str] = []
    if split != NOT_SCORED:
        measured = measure(model, pack, split, device=best_device(), on_progress=on_progress)
        metrics, notes = tuple(summary(measured)), left_out(measured)
    return Outcome(name, register(run_dir, models_dir, name, metrics, split, notes), split, metrics)


def held_out_split(pack: Pack, task: Task, scale: int, degradation: DegradationConfig) -> str:
    """The split to score on: test, validation where that has no frame to score, or none.

    `scale` is 1 of a colouriser; its frames are not degraded.
    """
    for split in ("test", "val"):
        if measurable(pack, pack.select(split, color_only=task == "colorizer"), scale, degradation):
            return split
    return NOT_SCORED
