"""Scores of a model over a split: the mean over frames with a bootstrap interval, always beside baselines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from manifests.errors import DeepfieldError
from models.predict import scale_of
from training.config import degradation_of
from training.data import whole
from training.metrics import bootstrap
from training.pack import SPLITS, Pack
from training.scores import (
    Scores,
    colour_baselines,
    colour_scores,
    mean_colour,
    measurable,
    superres_baselines,
    superres_scores,
)

if TYPE_CHECKING:
    from training.registry import LoadedModel

_DEVICE = torch.device("cpu")


@dataclass(frozen=True)
class Metric:
    """A mean over `n` frames, with its 95 % interval from `low` to `high`."""

    name: str
    value: float
    low: float
    high: float
    n: int


def evaluate(
    model: "LoadedModel",
    pack: Pack,
    split: str = "test",
    *,
    device: torch.device = _DEVICE,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Metric]:
    """Score a model on the frames of a split, at both ends of its strength.

    Plain names are the vivid end (strength 1), `_faithful` the other; other suffixes are baselines on the same
    frames. `<name>_gain_over_<baseline>` is the paired difference per frame, positive where the network is better.
    The colouriser is not scored on grayscale frames. See `training.scores` for what each name means.

    Raises:
        DeepfieldError: the split is unknown or holds no frame that can be scored.
    """
    if split not in SPLITS:
        raise DeepfieldError(f"There is no split {split!r}: choose {', '.join(SPLITS)}.")
    colour = model.task == "colorizer"
    frames = measurable(pack, pack.select(split, color_only=colour))
    if not frames:
        raise DeepfieldError(
            f"Snapshot {pack.snapshot_id} has no {'colour ' if colour else ''}frame large enough to be scored in its "
            f"{split} split: choose another --split, or scrape more."
        )
    vivid, faithful = model.network(1.0, device), model.network(0.0, device)
    constant = mean_colour(pack, pack.select("train", color_only=True), device) if colour else torch.zeros(2)
    degradation = degradation_of(model.meta)
    rows: list[Scores] = []
    for done, frame in enumerate(frames, start=1):
        rgb, valid = whole(pack, frame, device)
        if colour:
            plain, other = colour_scores(vivid, rgb, valid), colour_scores(faithful, rgb, valid)
            beside = colour_baselines(constant, rgb, valid)
            gains = _gains(plain, other, beside, "mae_ab", "all_gray", sign=-1.0)
        else:
            scale = scale_of(vivid)
            plain, other = (superres_scores(network, rgb, valid, degradation) for network in (vivid, faithful))
            beside = superres_baselines(scale, rgb, valid, degradation)
            gains = _gains(plain, other, beside, f"psnr_y_crop{scale}", "bicubic", sign=1.0)
        rows.append(plain | {f"{name}_faithful": value for name, value in other.items()} | beside | gains)
        if on_progress:
            on_progress(done, len(frames))
    groups = [frame.group_id for frame in frames]
    return [metric for name in rows[0] if (metric := _metric(name, rows, groups, seed)) is not None]


def _gains(plain: Scores, other: Scores, beside: Scores, name: str, baseline: str, *, sign: float) -> Scores:
    against = beside[f"{name}_{baseline}"]
    return {
        f"{name}_gain_over_{baseline}": sign * (plain[name] - against),
        f"{name}_faithful_gain_over_{baseline}": sign * (other[name] - against),
    }


def _metric(name: str, rows: list[Scores], groups: list[str], seed: int) -> Metric | None:
    """The mean over the frames where the score exists (SSIM needs a full window); None if on no frame."""
    found = [(row[name], group) for row, group in zip(rows, groups, strict=True) if np.isfinite(row[name])]
    if not found:
        return None
    values, of_groups = [value for value, _ in found], [group for _, group in found]
    low, high = bootstrap(values, of_groups, seed=seed)
    return Metric(name, float(np.mean(values)), low, high, len(values))
