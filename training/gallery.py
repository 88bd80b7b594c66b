"""Pictures to look at: what makers made of frames, beside input, truth and the difference between the two."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from models.color import paint, rgb_to_lab, rgb_to_lightness
from training.ciede2000 import ciede2000
from training.config import Task
from training.data import whole
from training.degradation import DegradationConfig
from training.files import write_atomic
from training.makers import Maker
from training.metrics import to_8bit
from training.pack import Pack, PackedFrame
from training.scores import degraded

_PANEL_PX, _GAP_PX, _TEXT_PX = 256, 6, 16
_GROUND, _INK = (14, 17, 24), (232, 235, 241)
# differences that are shown as the palest: in CIEDE2000 units, and in steps of 255
_FULL_DE, _FULL_DN = 30.0, 64.0
# what differences are shown in, from none to the largest: black, violet, red, orange, pale yellow
_HEAT = ((0.0, 0.0, 0.02), (0.32, 0.07, 0.48), (0.73, 0.21, 0.33), (0.98, 0.55, 0.05), (0.99, 1.0, 0.75))


def contact_sheet(
    path: Path,
    task: Task,
    pack: Pack,
    frames: Sequence[PackedFrame],
    makers: Mapping[str, Maker],
    captions: Sequence[str],
    *,
    error_of: str,
    scale: int,
    degradation: DegradationConfig,
    device: torch.device,
) -> None:
    """Write a PNG with a row a frame: input, what each maker (by title) made of it, truth, difference of `error_of`.

    The difference is CIEDE2000 of a colouring, up to 30, and the mean absolute difference over the channels of an
    enlargement, up to 64 of 255. Of large frames an enlargement shows the busiest square of 256 px, pixel by pixel.
    """
    most = f"{_FULL_DE:.0f} CIEDE2000" if task == "colorizer" else f"{_FULL_DN:.0f} of 255"
    titles = ["input", *makers, "truth", f"error of {error_of}, palest is {most}"]
    rows = []
    for frame in frames:
        rgb, valid = whole(pack, frame, device)
        if task == "colorizer":
            rows.append(_coloured(rgb, valid, makers, error_of))
        else:
            rows.append(_enlarged(rgb, valid, makers, error_of, scale, degradation))
    write_atomic(path, lambda partial: _drawn(titles, rows, captions).save(partial, format="PNG"))


def _coloured(rgb: Tensor, valid: Tensor, makers: Mapping[str, Maker], error_of: str) -> list[np.ndarray]:
    lightness = rgb_to_lightness(rgb)
    gray = torch.where(valid, paint(lightness, torch.zeros_like(rgb[:2])), rgb)
    made = {title: maker(rgb, valid) for title, maker in makers.items()}
    off = ciede2000(rgb_to_lab(made[error_of]), rgb_to_lab(rgb)).masked_fill(~valid[0], 0.0) / _FULL_DE
    return [_fitted(picture) for picture in (gray, *made.values(), rgb, _heat(off))]


def _enlarged(
    rgb: Tensor,
    valid: Tensor,
    makers: Mapping[str, Maker],
    error_of: str,
    scale: int,
    degradation: DegradationConfig,
) -> list[np.ndarray]:
    small, small_valid, truth, mask = degraded(rgb, valid, scale, degradation)
    repeated = small.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)
    made = {title: maker(small, small_valid) for title, maker in makers.items()}
    off = (made[error_of] - truth).abs().mean(dim=0).masked_fill(~mask[0], 0.0) * 255.0 / _FULL_DN
    top, left = _busiest(truth, mask)
    window = np.s_[:, top : top + _PANEL_PX, left : left + _PANEL_PX]
    return [_fitted(picture[window]) for picture in (repeated, *made.values(), truth, _heat(off))]


def _heat(shares: Tensor) -> Tensor:
    """Colours (3, H, W) for shares (H, W) of the largest difference shown; what exceeds 1 is as pale as 1."""
    stops = torch.tensor(_HEAT, device=shares.device)
    at = shares.clamp(0, 1) * (len(_HEAT) - 1)
    below = at.long().clamp(max=len(_HEAT) - 2)
    return torch.lerp(stops[below], stops[below + 1], (at - below).unsqueeze(-1).float()).permute(2, 0, 1)


def _busiest(truth: Tensor, mask: Tensor) -> tuple[int, int]:
    """Where the square with the most detail starts, on a coarse grid."""
    step = _PANEL_PX // 4
    height, width = truth.shape[-2:]
    slope = (truth[:, 1:, 1:] - truth[:, :-1, :-1]).abs().mean(dim=0, keepdim=True) * mask[:, 1:, 1:]
    best, place = -1.0, (0, 0)
    for top in range(0, max(1, height - _PANEL_PX + 1), step):
        for left in range(0, max(1, width - _PANEL_PX + 1), step):
            busy = float(slope[:, top : top + _PANEL_PX, left : left + _PANEL_PX].sum())
            if busy > best:
                best, place = busy, (top, left)
    return place


def _fitted(rgb: Tensor) -> np.ndarray:
    """A picture shrunk to fit a panel, uint8 (H, W, 3)."""
    height, width = rgb.shape[-2:]
    factor = _PANEL_PX / max(height, width)
    if factor < 1:
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        rgb = F.interpolate(rgb.unsqueeze(0), size=size, mode="bilinear", antialias=True)[0]
    return to_8bit(rgb).byte().permute(1, 2, 0).cpu().numpy()


def _drawn(titles: Sequence[str], rows: Sequence[Sequence[np.ndarray]], captions: Sequence[str]) -> Image.Image:
    """Panels in rows under their titles, each row above its caption."""
    heights = [max(panel.shape[0] for panel in row) for row in rows]
    column, line = _PANEL_PX + _GAP_PX, _TEXT_PX + 2 * _GAP_PX
    size = (column * len(titles) + _GAP_PX, line + sum(height + line for height in heights))
    sheet = Image.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(sheet)
    for place, title in enumerate(titles):
        pen.text((_GAP_PX + place * column, _GAP_PX), title, fill=_INK, font_size=_TEXT_PX - 4)
    y = line
    for row, height, caption in zip(rows, heights, captions, strict=True):
        for place, panel in enumerate(row):
            sheet.paste(Image.fromarray(panel), (_GAP_PX + place * column, y))
        pen.text((_GAP_PX, y + height + 2), caption, fill=_INK, font_size=_TEXT_PX - 4)
        y += height + line
    return sheet
