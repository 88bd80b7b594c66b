"""What a run leaves to look at: metrics.csv, TensorBoard events, sample pictures."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from models.color import rgb_to_lightness
from models.predict import colorize, scale_of, upscale
from training.config import Task
from training.data import whole
from training.degradation import DegradationConfig, degrade
from training.files import write_atomic, write_text
from training.pack import Pack, PackedFrame

_THUMB_PX = 256
_GAP_PX = 4


class RunLog:
    """Appends rows to `metrics.csv` and the same values to TensorBoard, where that is installed.

    Opened again at a step, it first drops what an interrupted run wrote after that step.
    """

    def __init__(self, folder: Path, columns: Sequence[str], *, step: int) -> None:
        self._columns = ("step", "phase", "seconds", *columns)
        path = folder / "metrics.csv"
        kept = [row for row in _read(path) if int(row["step"]) <= step]
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: row.get(key, "") for key in self._columns} for row in kept)
        write_text(path, text.getvalue())
        self._file = path.open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, self._columns, lineterminator="\n")
        self._board: Any = None
        # a bare machine may lack it; the CSV has everything
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

            self._board = SummaryWriter(str(folder / "events"), purge_step=step + 1)

    def write(self, step: int, phase: str, seconds: float, values: Mapping[str, float]) -> None:
        """Add one row; columns without a value stay empty."""
        row: dict[str, object] = {"step": step, "phase": phase, "seconds": f"{seconds:.2f}"}
        self._rows.writerow(row | {name: f"{value:.9g}" for name, value in values.items()})
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def picture(self, step: int, picture: np.ndarray) -> None:
        """Show a sample picture, uint8 (H, W, 3), in TensorBoard."""
        if self._board is not None:
            self._board.add_image("samples", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        # a row that a kill cut short has no readable step
        return [row for row in csv.DictReader(handle) if (row["step"] or "").isdigit() and None not in row.values()]


def sample_sheet(
    task: Task,
    network: nn.Module,
    pack: Pack,
    frames: Sequence[PackedFrame],
    degradation: DegradationConfig,
    device: torch.device,
) -> np.ndarray:
    """Input, output and truth side by side, a row per frame, as uint8 (H, W, 3); longer sides shrunk to 256 px."""
    rows = []
    for frame in frames:
        rgb, valid = whole(pack, frame, device)
        if task == "colorizer":
            gray = rgb_to_lightness(rgb) / 100.0
            panels = [gray.expand(3, -1, -1), colorize(network, rgb, valid), rgb]
        else:
            scale = scale_of(network)
            small = degrade(rgb, scale, degradation, seed=0)
            size = [small.shape[1] * scale, small.shape[2] * scale]
            enlarged = F.interpolate(small.unsqueeze(0), size=size, mode="nearest").squeeze(0)
            panels = [enlarged, upscale(network, small), rgb]
        rows.append(np.concatenate([_thumb(panel) for panel in panels], axis=1))
    return np.concatenate(rows, axis=0)


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write uint8 (H, W, 3) as PNG in one step."""
    write_atomic(path, lambda partial: Image.fromarray(picture).save(partial, format="PNG"))


def _thumb(rgb: Tensor) -> np.ndarray:
    """A picture fitted into a square of 256 px with a gap around, white outside."""
    height, width = rgb.shape[-2:]
    factor = min(1.0, _THUMB_PX / max(height, width))
    size = (max(1, math.floor(height * factor)), max(1, math.floor(width * factor)))
    shrunk = F.interpolate(rgb.unsqueeze(0), size=size, mode="bilinear", antialias=True).squeeze(0)
    square = np.full((_THUMB_PX + _GAP_PX, _THUMB_PX + _GAP_PX, 3), 255, np.uint8)
    pixels = (shrunk.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    square[: size[0], : size[1]] = pixels
    return square
