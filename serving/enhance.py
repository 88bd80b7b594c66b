"""Taking a picture through one or two networks: colour, enlarge, or both in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from manifests.errors import DeepfieldError, UsageError
from models.predict import scale_of
from serving import infer
from serving.pictures import Step, check_target, read_picture, write_picture
from training.config import Task
from training.registry import LoadedModel, load_model

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many tiles are done and how many there are."""


@dataclass(frozen=True)
class Tool:
    """A network ready for pictures, and the step it writes into them."""

    task: Task
    network: nn.Module
    work_px: int
    step: Step


def open_tool(
    models_dir: Path, reference: str | None, task: Task, strength: float, *, scale: int | None = None
) -> Tool:
    """Load a model for a task; by default the champion of the task's own name.

    Raises:
        UsageError: there is no such model, it is for another task or enlarges by another factor than `scale`.
    """
    model = load_model(models_dir, reference or task, task=task)
    network = model.network(strength, "cuda" if torch.cuda.is_available() else "cpu")
    own_scale = getattr(network, "scale", None)
    if scale is not None and own_scale != scale:
        raise UsageError(f"{_name(model)} enlarges {own_scale} times, not {scale}: train one for --scale {scale}.")
    step = Step(task, _name(model), str(model.meta.get("snapshot_id")), strength)
    return Tool(task, network, int(model.meta["frame_px"]), step)


def targets(inputs: Sequence[Path], out: Path) -> list[Path]:
    """Where each result goes: `out` itself for one input, `out/<name>` for several or where `out` is a folder.

    Names of FITS files end in .png there.

    Raises:
        UsageError: two inputs would be written to one name, or a result onto an input.
        DeepfieldError: an input is not there, or a result cannot have the name it should.
    """
    for source in inputs:
        if not source.is_file():
            raise DeepfieldError(f"{source} is not a file: name a JPEG, PNG, TIFF or FITS picture.")
    if len(inputs) == 1 and not out.is_dir():
        chosen = [out]
    else:
        if out.exists() and not out.is_dir():
            raise DeepfieldError(f"{out} is a file: for several pictures give a folder.")
        chosen = [out / _result_name(path) for path in inputs]
    for source, target in zip(inputs, chosen, strict=True):
        check_target(target)
        if target.exists() and target.samefile(source):
            raise UsageError(f"{target} is the input itself: choose another name, so that the original stays.")
    if len(set(chosen)) < len(chosen):
        raise UsageError("Two of the inputs have the same name, and one would overwrite the other: run them apart.")
    return chosen


def process(source: Path, target: Path, tools: Sequence[Tool], max_pixels: int, on_progress: OnProgress) -> None:
    """Read a picture, take it through the tools in turn, write the result.

    Raises:
        DeepfieldError: the picture cannot be used, or the result not written.
    """
    picture = read_picture(source, max_pixels)
    rgb, valid = picture.frame.rgb, picture.frame.valid
    for tool in tools:
        rgb, valid = _apply(tool, rgb, valid, on_progress)
    write_picture(rgb, target, picture, tuple(tool.step for tool in tools))


def _apply(tool: Tool, rgb: np.ndarray, valid: np.ndarray, on_progress: OnProgress) -> tuple[np.ndarray, np.ndarray]:
    done = 0

    def on_tile() -> None:
        nonlocal done
        done += 1
        on_progress(tool.task, done, total)

    if tool.task == "colorizer":
        total = infer.colour_tiles(tool.network, rgb.shape, tool.work_px)
        return infer.colorize(tool.network, rgb, valid, work_px=tool.work_px, on_tile=on_tile), valid
    total = infer.upscale_tiles(tool.network, rgb.shape)
    scale = scale_of(tool.network)
    enlarged = infer.upscale(tool.network, rgb, valid, on_tile=on_tile)
    return enlarged, valid.repeat(scale, axis=0).repeat(scale, axis=1)


def _result_name(path: Path) -> str:
    stem = path.name.removesuffix(".gz")
    return Path(stem).with_suffix(".png").name if stem.lower().endswith((".fits", ".fit", ".fts")) else path.name


def _name(model: LoadedModel) -> str:
    return f"{model.name}@{model.version}"
