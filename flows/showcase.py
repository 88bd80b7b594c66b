"""Pictures and figures of trained models on held-out frames, for a report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from flows.report import Curve, MetricTable, Panel, Strip
from manifests.blobs import BlobStore
from manifests.frames import Frame, decode
from manifests.resize import shrink
from models.color import paint, rgb_to_lightness
from serving.bands import joined
from serving.enhance import Tool, result
from training.config import Task
from training.evaluate import Metric
from training.evaluation_folder import loss_curves
from training.outcome import headline
from training.pack_build import trainable

_SHOWN_PX = 448
_EXAMPLES = 4
_ENHANCED = 2
_FACTOR = 4


def held_out(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """The first accepted colour frames of the test split by image_id, of validation where there are too few."""
    usable = trainable(rows)
    good = usable[~usable["grayscale"].fillna(False).astype(bool)]
    ranked = pd.concat([good[good["split"] == split].sort_values("image_id") for split in ("test", "val")])
    return ranked.head(number)


def coloured(rows: pd.DataFrame, blobs: BlobStore, tool: Tool) -> tuple[Strip, ...]:
    """Input, output and truth of held-out frames."""
    strips = []
    for row in held_out(rows, _EXAMPLES).itertuples():
        frame = _frame(blobs, row.image_id)
        gray = _gray(frame)
        output = _made(gray, frame.valid, colorizer=tool)
        strips.append(
            Strip(
                row.source_name,
                (
                    Panel(f"{row.source_name}, lightness only", gray),
                    Panel(f"coloured by {tool.step.model}", output),
                    Panel("truth", frame.rgb),
                ),
            )
        )
    return tuple(strips)


def enhanced(rows: pd.DataFrame, blobs: BlobStore, colorizer: Tool, superres: Tool) -> tuple[Strip, ...]:
    """Held-out frames made gray and four times smaller, then enlarged and coloured, beside the truth."""
    strips = []
    for row in held_out(rows, _ENHANCED).itertuples():
        frame = _frame(blobs, row.image_id)
        small, small_valid = _smaller(_gray(frame), frame.valid)
        output = _made(small, small_valid, superres=superres, colorizer=colorizer)
        height, width = small.shape[:2]
        strips.append(
            Strip(
                f"{row.source_name}: {width}x{height} gray pixels to {output.shape[1]}x{output.shape[0]} in colour",
                (
                    Panel(f"input, {width}x{height}", small, pixelated=True),
                    Panel(f"{superres.step.model}, then {colorizer.step.model}", output),
                    Panel("truth", frame.rgb[: output.shape[0], : output.shape[1]]),
                ),
            )
        )
    return tuple(strips)


def _made(rgb: np.ndarray, valid: np.ndarray, *, colorizer: Tool, superres: Tool | None = None) -> np.ndarray:
    with result(rgb, valid, lambda what, done, total: None, superres=superres, colorizer=colorizer) as bands:
        return joined(bands)


def metric_table(task: Task, metrics: Sequence[Metric], model: str) -> MetricTable:
    """Figures of a model, with one sentence on the one that counts against its baseline."""
    decides = headline(task, metrics)
    ours, base = decides.ours, decides.baseline.value
    better = decides.beats(base)
    other = f"{'all gray' if task == 'colorizer' else 'bicubic'} has {base:.2f}"
    sentence = f"{decides.what}: {ours.value:.2f}, {other}: {'better' if better else 'not better'}, on {ours.n} frames."
    return MetricTable(f"{task}: {model}", metrics, sentence[0].upper() + sentence[1:], better)


def curves(run_dir: Path, task: Task) -> tuple[Curve, ...]:
    """Loss curves of a run, from its metrics.csv."""
    drawn = loss_curves(run_dir / "metrics.csv")
    return tuple(Curve(f"{task}: {title}", picture) for title, picture in drawn)


def _frame(blobs: BlobStore, image_id: str) -> Frame:
    frame = decode(blobs.path(image_id))
    rgb, valid = shrink(frame.rgb, frame.valid, _SHOWN_PX)
    return replace(frame, rgb=rgb, valid=valid)


def _gray(frame: Frame) -> np.ndarray:
    """The picture without its colours: a gray of the same L*, no-data as it was."""

    rgb = torch.from_numpy(frame.rgb.transpose(2, 0, 1).copy()).float() / 255.0
    lightness = rgb_to_lightness(rgb)
    gray = paint(lightness, torch.zeros(2, *lightness.shape[1:]))
    levels = (gray * 255.0 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return np.where(frame.valid[..., None], levels, frame.rgb)


def _smaller(rgb: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area mean over 4x4 pixels; sides are cut to whole fours."""
    height, width = rgb.shape[0] // _FACTOR, rgb.shape[1] // _FACTOR
    cells = rgb[: height * _FACTOR, : width * _FACTOR].reshape(height, _FACTOR, width, _FACTOR, 3)
    mask = valid[: height * _FACTOR, : width * _FACTOR].reshape(height, _FACTOR, width, _FACTOR)
    return (cells.mean(axis=(1, 3)) + 0.5).astype(np.uint8), np.asarray(mask.all(axis=(1, 3)))
