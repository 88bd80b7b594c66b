"""A sheet of palettes: each painted onto the same small drawn galaxy, with its name below."""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from models.color import paint
from models.palette import look_up, surround

_WIDTH, _HEIGHT, _LABEL_PX, _GAP_PX = 200, 150, 22, 8
_STARS = 40


def swatch_sheet(palettes: Mapping[str, Tensor], columns: int = 4) -> Image.Image:
    """An RGB picture with one thumbnail for each palette, float (2, rows, columns), in their order."""
    lightness = _galaxy()
    around = surround(lightness, _WIDTH / 16.0)
    rows = -(-len(palettes) // columns)
    cell = (_WIDTH + _GAP_PX, _HEIGHT + _LABEL_PX + _GAP_PX)
    sheet = Image.new("RGB", (min(columns, len(palettes)) * cell[0] + _GAP_PX, rows * cell[1] + _GAP_PX), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, palette) in enumerate(palettes.items()):
        painted = paint(lightness[0], look_up(palette.unsqueeze(0), lightness, around)[0])
        levels = (painted * 255.0 + 0.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
        left, top = _GAP_PX + number % columns * cell[0], _GAP_PX + number // columns * cell[1]
        sheet.paste(Image.fromarray(levels), (left, top))
        pen.text((left + 2, top + _HEIGHT + 4), name, fill="black", font_size=14)
    return sheet


def _galaxy() -> Tensor:
    """L* (1, 1, H, W) of a drawn spiral with stars around it."""
    rows, columns = np.mgrid[:_HEIGHT, :_WIDTH]
    x, y = (columns - _WIDTH / 2) / 60.0, (rows - _HEIGHT / 2) / 38.0
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    arms = 0.5 + 0.5 * np.cos(2.0 * angle - 5.0 * np.log(radius + 0.3))
    light = 6.0 + 88.0 * np.exp(-3.0 * radius) + 55.0 * arms * np.exp(-((radius / 1.1) ** 2))
    random = np.random.default_rng(0)
    for _ in range(_STARS):
        distance = np.hypot(rows - random.uniform(0, _HEIGHT), columns - random.uniform(0, _WIDTH))
        light += random.uniform(20.0, 95.0) * np.exp(-((distance / random.uniform(0.8, 1.6)) ** 2))
    return torch.from_numpy(np.clip(light, 0.0, 100.0)).float()[None, None]
