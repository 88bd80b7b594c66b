"""A study: a list of recipes, each trained on one pack and scored on the same frames; what is finished is kept.

The folder holds `study.json` (what was asked), and for each recipe its run, its evaluation and `result.json`. A
cross-validated study has a run and an evaluation a fold, and one result of all frames.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from manifests.errors import DeepfieldError, UsageError
from training.budget import Budget, planned
from training.config import Task, TrainConfig
from training.evaluate import Measured, Metric, joined, summary, vivid_without_blocks
from training.evaluation_folder import assess
from training.files import write_text
from training.folds import check_folds, dealt
from training.inception import InceptionFeatures
from training.loop import RunResult, TrainingInterrupted, train
from training.outcome import NOT_SCORED, held_out_split
from training.pack import Pack
from training.pack_resize import at_size
from training.registry import load_run
from training.run_folder import last_checkpoint
from training.scores import Scores, scale_in
from training.settings import override
from training.study_recipes import config_named

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Result:
    """What came of a recipe: its steps, the seconds they took, its figures, and the scores of every frame.

    `inception` names the network whose features gave it FID and KID; None where it has none of them. `without_blocks`
    are of `training.evaluate.vivid_without_blocks`; results of earlier versions have none. `folds` is None where
    the snapshot's own splits were used; else each fold had the steps, and `seconds` are those of a fold, in the mean.
    """

    recipe: str
    task: Task
    source: str
    steps: int
    seconds: float
    parameters: int
    split: str
    metrics: tuple[Metric, ...]
    groups: tuple[str, ...]
    rows: tuple[Scores, ...]
    inception: str | None = None
    without_blocks: tuple[float, ...] = ()
    folds: int | None = None


@dataclass(frozen=True)
class Part:
    """One training and scoring of a recipe, in its folder `place`: one of `folds`, or where that is None all of it."""

    place: Path
    recipe: str
    fold: int = 0
    folds: int | None = None

    @property
    def run_dir(self) -> Path:
        """The folder of its training run."""
        return self.place / "run"

    @property
    def what(self) -> str:
        """The recipe, and which fold of it."""
        return f"{self.recipe}, fold {self.fold + 1} of {self.folds}" if self.folds else self.recipe

    def of(self, pack: Pack) -> Pack:
        """The pack with the splits of this part."""
        return dealt(pack, self.fold, self.folds) if self.folds else pack


def run_study(
    folder: Path,
    pack: Pack,
    names: Sequence[str],
    settings: Sequence[str],
    budget: Budget,
    *,
    folds: int | None = None,
    inception: InceptionFeatures | None = None,
    device: torch.device,
    on_progress: OnProgress | None = None,
) -> list[Result]:
    """Train and score recipes on a pack, each in its folder below `folder`, and return the results in order.

    With `folds` each recipe is trained so many times, on other groups of frames each time (`training.folds`), and every
    frame is scored by the network that did not see its group; the budget is that of one training.

    A recipe whose result is there is not trained again, and one that was cut off goes on. A result without the FID
    and KID that `inception` gives is scored anew. Recipes made for smaller frames than the pack's train on a shrunk
    copy; all are scored on the pack itself.

    Raises:
        UsageError: the folder holds a study of something else, a setting cannot be used, or there are too many folds.
        DeepfieldError: training failed, or no frame is held out to score on.
        TrainingInterrupted: SIGTERM or Ctrl-C; what was done is kept.
    """
    configs = [config_named(name, settings) for name in names]
    check_folds(pack, folds)
    asked = {
        "snapshot_id": pack.snapshot_id,
        "max_side_px": pack.max_side_px,
        "settings": list(settings),
        **asdict(budget),
        **({"folds": folds} if folds else {}),
    }
    _check_same(folder, asked)
    results = []
    for config in configs:
        place = folder / config.recipe
        path = place / "result.json"
        known = _read_result(path) if path.exists() else None
        if known is None or (inception is not None and known.inception != inception.name):
            parts = parts_of(place, config.recipe, folds)
            split = _split_to_score(parts, pack, config)
            trained = [known or _trained(part, folder, pack, config, budget, on_progress) for part in parts]
            result = _scored(parts, pack, split, config, trained, inception, device, on_progress)
            write_text(path, json.dumps(asdict(result)) + "\n")
        results.append(_read_result(path))
    return results


def parts_of(place: Path, recipe: str, folds: int | None) -> tuple[Part, ...]:
    """What a recipe is trained and scored in: its folder itself, or that of each fold."""
    if not folds:
        return (Part(place, recipe),)
    return tuple(Part(place / f"fold-{fold + 1}", recipe, fold, folds) for fold in range(folds))


def learnt_from(folder: Path, pack: Pack, config: TrainConfig) -> tuple[TrainConfig, Pack]:
    """The config and the pack that a recipe trains on: made for smaller frames it gets a shrunk copy, in `folder`."""
    config = override(config, {"data": {"frame_px": min(config.data.frame_px, pack.max_side_px)}})
    return config, at_size(pack, config.data.frame_px, folder / f"pack-{config.data.frame_px}px")


def _split_to_score(parts: Sequence[Part], pack: Pack, config: TrainConfig) -> str:
    """The split that all parts are scored on, known before any is trained."""
    scale, degradation = scale_in(config.generator), config.data.degradation
    splits = {held_out_split(part.of(pack), config.task, scale, degradation) for part in parts}
    if parts[0].folds and splits != {"test"}:
        raise DeepfieldError(
            f"Snapshot {pack.snapshot_id} has no frame to score a {config.task} on in one of {parts[0].folds} folds: "
            "choose fewer, or scrape more."
        )
    if splits == {NOT_SCORED}:
        raise DeepfieldError(f"Snapshot {pack.snapshot_id} has no frame held out to score a {config.task} on.")
    return splits.pop()


def _trained(
    part: Part,
    folder: Path,
    pack: Pack,
    config: TrainConfig,
    budget: Budget,
    on_progress: OnProgress | None,
) -> RunResult:
    config, learnt = learnt_from(folder, pack, config)
    learnt = part.of(learnt)
    # all folds have the steps that the first was given
    config = planned(folder / config.recipe / "plan.json", config, budget, learnt)
    resume = last_checkpoint(part.run_dir).exists()
    try:
        return train(config, learnt, part.run_dir, resume=resume, on_progress=_naming(part.what, on_progress))
    except TrainingInterrupted:
        raise TrainingInterrupted(
            f"The study stopped while it trained {part.what} and saved its state: the same command goes on."
        ) from None


def _scored(
    parts: Sequence[Part],
    pack: Pack,
    split: str,
    config: TrainConfig,
    trained: Sequence[RunResult | Result],
    inception: InceptionFeatures | None,
    device: torch.device,
    on_progress: OnProgress | None,
) -> Result:
    scored = [_assessed(part, pack, split, inception, device, on_progress) for part in parts]
    measured, metrics, parameters = scored[0]
    if len(scored) > 1:
        measured = joined([one for one, _, _ in scored])
        metrics = summary(measured)
    return Result(
        config.recipe,
        config.task,
        config.source,
        trained[0].steps,
        round(statistics.fmean(one.seconds for one in trained), 1),
        parameters,
        split,
        tuple(metrics),
        tuple(measured.groups),
        measured.rows,
        inception.name if inception else None,
        vivid_without_blocks(measured),
        parts[0].folds,
    )


def _assessed(
    part: Part,
    pack: Pack,
    split: str,
    inception: InceptionFeatures | None,
    device: torch.device,
    on_progress: OnProgress | None,
) -> tuple[Measured, list[Metric], int]:
    """What a trained network does on the frames of its part, its figures there, and how many weights it has."""
    model, advance = load_run(part.run_dir), _naming(part.what, on_progress)
    measured, metrics = assess(
        replace(model, name=part.recipe, version=part.place.name if part.folds else model.version),
        part.of(pack),
        split,
        part.place / "evaluation",
        log=part.run_dir / "metrics.csv",
        inception=inception,
        device=device,
        on_progress=lambda done, total: advance(done, total, "scoring"),
    )
    return measured, metrics, sum(value.numel() for value in model.vivid.values())


def _naming(recipe: str, on_progress: OnProgress | None) -> OnProgress:
    """What is told of progress, with the recipe's name before it."""

    def advance(done: int, total: int, what: str) -> None:
        if on_progress:
            on_progress(done, total, f"{recipe}, {what}")

    return advance


def _check_same(folder: Path, asked: dict[str, Any]) -> None:
    """Results under other conditions would stand in one table with these."""
    path = folder / "study.json"
    if not path.exists():
        write_text(path, json.dumps(asked, indent=1) + "\n")
    elif (known := json.loads(path.read_text(encoding="utf-8"))) != asked:
        differs = ", ".join(key for key in asked if known.get(key) != asked[key])
        raise UsageError(f"{folder} holds a study with another {differs}: choose another --out, or delete it.")


def _read_result(path: Path) -> Result:
    values = json.loads(path.read_text(encoding="utf-8"))
    return Result(
        **values
        | {
            "metrics": tuple(Metric(**metric) for metric in values["metrics"]),
            "groups": tuple(values["groups"]),
            "rows": tuple(values["rows"]),
            "without_blocks": tuple(values.get("without_blocks", ())),
        }
    )
