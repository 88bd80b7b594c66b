"""Taking a picture through one or two networks: colour, enlarge, or both in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from manifests.errors import DeepfieldError, UsageError
from models.predict import scale_of
from serving import infer
from serving.bands import Band, Bands, Shrinking, in_memory, spooled
from serving.pictures import Step, check_size, check_target, read_picture, write_picture
from training.config import Task
from training.in_use import in_use
from training.registry import LoadedModel, load_model

_STRENGTH: dict[Task, float] = {"colorizer": 1.0, "superres": 0.0}

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many tiles are done and how many there are."""


@dataclass(frozen=True)
class Tool:
    """A network ready for pictures, the step it writes into them, and its palettes by name, where it can be guided."""

    task: Task
    network: nn.Module
    work_px: int
    step: Step
    palettes: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def scale(self) -> int:
        """How many times larger its results are."""
        return scale_of(self.network) if self.task == "superres" else 1


def open_tool(
    models_dir: Path, reference: str | None, task: Task, strength: float | None = None, *, scale: int | None = None
) -> Tool:
    """Load a model for a task; by default the one in use, which may be the one that came with the package.

    `strength` None is the vivid end of a colouriser and the faithful end of a network that enlarges, or that at which
    an exported model was fixed.

    Raises:
        UsageError: there is no such model, it is for another task, enlarges by another factor than `scale` or was
            exported at another strength.
    """
    model = load_model(models_dir, reference or in_use(models_dir, task, scale), task=task)
    if strength is None:
        strength = _STRENGTH[task] if model.strength is None else model.strength
    if model.strength not in (None, strength):
        raise UsageError(f"{reference} was exported at strength {model.strength:g}: leave the strength out.")
    network = model.network(strength, "cuda" if torch.cuda.is_available() else "cpu")
    own_scale = getattr(network, "scale", None)
    if scale is not None and own_scale != scale:
        raise UsageError(
            f"{_name(model)} enlarges {own_scale} times, not {scale}: choose --scale {own_scale} or another model."
        )
    step = Step(task, _name(model), str(model.meta.get("snapshot_id")), strength)
    return Tool(task, network, int(model.meta["frame_px"]), step, model.palettes)


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


def process(
    source: Path,
    target: Path,
    max_pixels: int,
    on_progress: OnProgress,
    *,
    superres: Tool | None = None,
    colorizer: Tool | None = None,
    consistent: bool = False,
) -> None:
    """Read a picture, enlarge it, colour it, or both in this order, and write the result band by band.

    With `consistent` the mean of the enlarged picture over each pixel of the input is that pixel again.

    Raises:
        DeepfieldError: the picture cannot be used, or the result not written.
    """
    picture = read_picture(source, max_pixels)
    scale = superres.scale if superres else 1
    check_size(target, picture.rgb.shape[0] * scale, picture.rgb.shape[1] * scale)
    made = result(
        picture.rgb,
        picture.valid,
        on_progress,
        superres=superres,
        colorizer=colorizer,
        consistent=consistent,
        spool_dir=target.parent,
    )
    with made as bands:
        write_picture(bands, target, picture, tuple(tool.step for tool in (superres, colorizer) if tool))


@contextmanager
def result(
    rgb: np.ndarray,
    valid: np.ndarray,
    on_progress: OnProgress,
    *,
    superres: Tool | None = None,
    colorizer: Tool | None = None,
    consistent: bool = False,
    spool_dir: Path | None = None,
) -> Iterator[Bands]:
    """A picture, uint8 (H, W, 3) with its mask (H, W), enlarged, coloured, or both, to be read within the block.

    A picture that is enlarged and coloured goes through a file in `spool_dir`, as it is read twice.
    """
    bands = in_memory(rgb, valid)
    with ExitStack() as stack:
        if superres:
            tile_px = infer.tile_px_for(superres.network, rgb.shape[1])
            on_tile = _counting(superres, infer.tile_count(superres.network, valid.shape, tile_px), on_progress)
            bands = infer.enlarged(
                superres.network, rgb, valid, tile_px=tile_px, consistent=consistent, on_tile=on_tile
            )
        if colorizer:
            shrinking = Shrinking(bands.height, bands.width, colorizer.work_px)
            if superres:
                bands = stack.enter_context(spooled(bands, spool_dir, shrinking.add))
            else:
                shrinking.add((rgb, valid))
            bands = _coloured(colorizer, bands, shrinking.result(), on_progress)
        yield bands


def _coloured(tool: Tool, bands: Bands, small: Band, on_progress: OnProgress) -> Bands:
    """The bands in the colours that the network gives to the same picture at its working size.

    A picture whose longer side exceeds `work_px` is shown to the network at that size, the one it was trained at, and
    the a*b* are enlarged: objects then have the size in pixels that the network knows. Lightness is the input's.
    """
    rgb, valid = small
    tile_px = infer.tile_px_for(tool.network, rgb.shape[1])
    on_tile = _counting(tool, infer.tile_count(tool.network, valid.shape, tile_px), on_progress)
    return infer.painted(bands, infer.colours(tool.network, rgb, valid, tile_px=tile_px, on_tile=on_tile), valid)


def _counting(tool: Tool, total: int, on_progress: OnProgress) -> Callable[[], None]:
    done = 0

    def on_tile() -> None:
        nonlocal done
        done += 1
        on_progress(tool.task, done, total)

    return on_tile


def _result_name(path: Path) -> str:
    stem = path.name.removesuffix(".gz")
    return Path(stem).with_suffix(".png").name if stem.lower().endswith((".fits", ".fit", ".fts")) else path.name


def _name(model: LoadedModel) -> str:
    return f"{model.name}@{model.version}"
