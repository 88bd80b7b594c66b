"""How long each recipe of a study trains, and how often it is scored meanwhile."""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from manifests.errors import UsageError
from training.config import TrainConfig
from training.files import write_text
from training.loop import train
from training.pack import Pack, hold_out

_TIMED_STEPS = 12
_EVALUATIONS = 10
# pixels scored between the steps for one that is learnt from; to score one takes about half as long as to learn from it
_SCORED_SHARE = 0.1


@dataclass(frozen=True)
class Budget:
    """How long each recipe trains: `steps` in all, or `minutes` of steps, or as the recipe says."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.minutes is not None:
            raise UsageError("Give each recipe --steps or --minutes, not both.")
        if (self.steps is not None and self.steps < 2) or (self.minutes is not None and self.minutes <= 0):
            raise UsageError("--steps must be 2 or more, --minutes above 0.")

    @property
    def full(self) -> bool:
        """Whether each recipe trains for as long as it says itself."""
        return self.steps is None and self.minutes is None


def planned(path: Path, config: TrainConfig, budget: Budget, pack: Pack) -> TrainConfig:
    """The config with as many steps as the budget allows, which an earlier attempt may have settled in `path`."""
    if budget.full:
        return config
    if path.exists():
        steps = int(json.loads(path.read_text(encoding="utf-8"))["steps"])
    else:
        seconds = 60.0 * float(budget.minutes or 0)
        steps = budget.steps or max(2, int(seconds / seconds_a_step(config, pack, _TIMED_STEPS)))
        write_text(path, json.dumps({"steps": steps}) + "\n")
    _, held_out, _ = hold_out(pack, color_only=config.task == "colorizer")
    return with_evaluations(with_steps(config, steps), [frame.height * frame.width for frame in held_out])


def with_steps(config: TrainConfig, steps: int) -> TrainConfig:
    """The config with `steps` in all, shared between the phases as before.

    Early stopping is off: every recipe is to use what it is given.
    """
    total = config.pretrain.steps + config.adversarial.steps
    first = round(steps * config.pretrain.steps / total)
    if config.pretrain.steps and config.adversarial.steps:
        first = min(max(first, 1), steps - 1)
    second = steps - first
    return replace(
        config,
        pretrain=replace(config.pretrain, steps=first, patience=0),
        adversarial=replace(config.adversarial, steps=second, patience=0),
        discriminator_first=min(config.discriminator_first, second // 5),
        log_every=max(1, steps // 50),
    )


def with_evaluations(config: TrainConfig, held_out_px: Sequence[int]) -> TrainConfig:
    """The config with ten evaluations, or as many as look at a tenth of the pixels that the steps learn from.

    At the least it is scored before the first step and at the end of each phase, where nothing is chosen yet: then
    of fewer frames than `held_out_frames`, if need be of one. `held_out_px` are the sizes of the frames held out.
    """
    phases = [phase.steps for phase in (config.pretrain, config.adversarial) if phase.steps]
    least = 1 + len(phases)
    learnt_px = sum(phases) * config.data.batch * config.data.crop_px**2
    affordable = int(_SCORED_SHARE * learnt_px / statistics.fmean(held_out_px))
    frames = max(1, min(config.held_out_frames, len(held_out_px), affordable // least))
    between = min(max(affordable // frames - least, 1), _EVALUATIONS)
    return replace(config, held_out_frames=frames, eval_every=-(-sum(phases) // between))


def seconds_a_step(config: TrainConfig, pack: Pack, timed_steps: int) -> float:
    """Seconds a step of the config takes here, by timing so many of each phase; evaluations are not counted."""
    phases = [phase for phase in ("pretrain", "adversarial") if getattr(config, phase).steps]
    timed = replace(
        with_steps(config, timed_steps * 2),
        discriminator_first=0,
        held_out_frames=1,
        log_every=10**6,
        eval_every=10**6,
        pretrain=replace(config.pretrain, steps=timed_steps if "pretrain" in phases else 0),
        adversarial=replace(config.adversarial, steps=timed_steps if "adversarial" in phases else 0),
    )
    marks: dict[str, list[float]] = {phase: [] for phase in phases}
    with tempfile.TemporaryDirectory() as folder:
        train(
            timed, pack, Path(folder) / "run", on_progress=lambda _, __, phase: marks[phase].append(time.perf_counter())
        )
    total = sum(getattr(config, phase).steps for phase in phases)
    a_step = 0.0
    for phase, times in marks.items():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        a_step += statistics.median(gaps) * getattr(config, phase).steps / total
    return a_step
