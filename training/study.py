"""A study: a list of recipes, each trained on one pack and scored on the same frames; what is finished is kept.

The folder holds `study.json` (what was asked), and for each recipe its run, its evaluation and `result.json`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from manifests.errors import DeepfieldError, UsageError
from training.budget import Budget, planned
from training.config import Task, TrainConfig
from training.evaluate import Metric, vivid_without_blocks
from training.evaluation_folder import assess
from training.files import write_text
from training.inception import InceptionFeatures
from training.loop import RunResult, TrainingInterrupted, train
from training.outcome import NOT_SCORED, held_out_split
from training.pack import Pack
from training.pack_resize import at_size
from training.recipes import RECIPES, make_config
from training.registry import load_run
from training.run_folder import last_checkpoint
from training.scores import Scores, scale_in
from training.settings import override

PAPER = (
    "paper_unet_rgb",
    "paper_resnet18_rgb",
    "paper_resnet18_lab",
    "unet256_patchgan",
    "spectral_128",
    "content_mix",
    "default_colorizer",
    "srgan_ledig",
    "edsr_gan",
    "wdsr_gan",
    "default_superres",
)

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Result:
    """What came of a recipe: its steps, the seconds they took, its figures, and the scores of every frame.

    `inception` names the network whose features gave it FID and KID; None where it has none of them. `without_blocks`
    are of `training.evaluate.vivid_without_blocks`; results of earlier versions have none.
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


def recipe_names(text: str) -> tuple[str, ...]:
    """The recipes of `paper`, or of a list with commas.

    Raises:
        UsageError: one is unknown.
    """
    names = PAPER if text == "paper" else tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in RECIPES]
    if unknown or not names:
        raise UsageError(f"There is no recipe {unknown[0] if unknown else text!r}; there are {', '.join(RECIPES)}.")
    return names


def recipes_at_hand(text: str, settings: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The recipes of `recipe_names`, and a sentence on each of `paper` that is left out for want of VGG-19's weights.

    Raises:
        UsageError: a recipe is unknown or, asked for by its name, lacks those weights.
    """
    names = recipe_names(text)
    lacking = [name for name in names if config_named(name, settings).content.lacks_weights]
    sentences = tuple(
        f"{name} is left out: it needs torchvision's VGG-19 weights, by --set {name}:content.weights=FILE."
        for name in lacking
    )
    if sentences and text != "paper":
        raise UsageError(sentences[0])
    return tuple(name for name in names if name not in lacking), sentences


def config_named(name: str, settings: Sequence[str]) -> TrainConfig:
    """The config of a recipe, changed by `key=value` settings; `recipe:key=value` is for that recipe only.

    Raises:
        UsageError: the recipe is unknown, or a setting cannot be used.
    """
    recipe_names(name)
    fitting = []
    for setting in settings:
        key, _, _ = setting.partition("=")
        owner, sign, _ = key.rpartition(":")
        if not sign:
            fitting.append(setting)
        elif owner == name:
            fitting.append(setting.removeprefix(f"{owner}:"))
        else:
            recipe_names(owner)
    return make_config(RECIPES[name]().task, name, None, fitting)


def run_study(
    folder: Path,
    pack: Pack,
    names: Sequence[str],
    settings: Sequence[str],
    budget: Budget,
    *,
    inception: InceptionFeatures | None = None,
    device: torch.device,
    on_progress: OnProgress | None = None,
) -> list[Result]:
    """Train and score recipes on a pack, each in its folder below `folder`, and return the results in order.

    A recipe whose result is there is not trained again, and one that was cut off goes on. A result without the FID
    and KID that `inception` gives is scored anew. Recipes made for smaller frames than the pack's train on a shrunk
    copy; all are scored on the pack itself.

    Raises:
        UsageError: the folder holds a study of something else, or a setting cannot be used.
        DeepfieldError: training failed, or no frame is held out to score on.
        TrainingInterrupted: SIGTERM or Ctrl-C; what was done is kept.
    """
    configs = [config_named(name, settings) for name in names]
    asked = {
        "snapshot_id": pack.snapshot_id,
        "max_side_px": pack.max_side_px,
        "settings": list(settings),
        **asdict(budget),
    }
    _check_same(folder, asked)
    results = []
    for config in configs:
        place = folder / config.recipe
        path = place / "result.json"
        known = _read_result(path) if path.exists() else None
        if known is None or (inception is not None and known.inception != inception.name):
            split = held_out_split(pack, config.task, scale_in(config.generator), config.data.degradation)
            if split == NOT_SCORED:
                raise DeepfieldError(f"Snapshot {pack.snapshot_id} has no frame held out to score a {config.task} on.")
            trained = known or _trained(place, folder, pack, config, budget, on_progress)
            result = _scored(place, pack, split, config, trained, inception, device, on_progress)
            write_text(path, json.dumps(asdict(result)) + "\n")
        results.append(_read_result(path))
    return results


def learnt_from(folder: Path, pack: Pack, config: TrainConfig) -> tuple[TrainConfig, Pack]:
    """The config and the pack that a recipe trains on: made for smaller frames it gets a shrunk copy, in `folder`."""
    config = override(config, {"data": {"frame_px": min(config.data.frame_px, pack.max_side_px)}})
    return config, at_size(pack, config.data.frame_px, folder / f"pack-{config.data.frame_px}px")


def _trained(
    place: Path,
    folder: Path,
    pack: Pack,
    config: TrainConfig,
    budget: Budget,
    on_progress: OnProgress | None,
) -> RunResult:
    config, learnt = learnt_from(folder, pack, config)
    run_dir = place / "run"
    config = planned(place / "plan.json", config, budget, learnt)
    resume = last_checkpoint(run_dir).exists()
    try:
        return train(config, learnt, run_dir, resume=resume, on_progress=_naming(config.recipe, on_progress))
    except TrainingInterrupted:
        raise TrainingInterrupted(
            f"The study stopped while it trained {config.recipe} and saved its state: the same command goes on."
        ) from None


def _scored(
    place: Path,
    pack: Pack,
    split: str,
    config: TrainConfig,
    trained: RunResult | Result,
    inception: InceptionFeatures | None,
    device: torch.device,
    on_progress: OnProgress | None,
) -> Result:
    run_dir = place / "run"
    model, advance = load_run(run_dir), _naming(config.recipe, on_progress)
    measured, metrics = assess(
        replace(model, name=config.recipe),
        pack,
        split,
        place / "evaluation",
        log=run_dir / "metrics.csv",
        inception=inception,
        device=device,
        on_progress=lambda done, total: advance(done, total, "scoring"),
    )
    parameters = sum(value.numel() for value in model.vivid.values())
    return Result(
        config.recipe,
        config.task,
        config.source,
        trained.steps,
        round(trained.seconds, 1),
        parameters,
        split,
        tuple(metrics),
        tuple(measured.groups),
        measured.rows,
        inception.name if inception else None,
        vivid_without_blocks(measured),
    )


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
