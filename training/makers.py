"""Who makes pictures for an evaluation: a model at both ends of its strength, and what needs no network.

A maker takes a picture (3, H, W), sRGB in [0, 1], with its mask, bool (1, H, W), and returns the coloured picture, or
the enlarged one. The colours of what a colouring maker is given are not looked at.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from models.color import paint, rgb_to_lab, rgb_to_lightness
from models.consistency import consistent_with
from models.predict import colorize, predict_ab, upscale
from training.data import whole
from training.metrics import to_8bit
from training.pack import Pack, PackedFrame

if TYPE_CHECKING:
    from training.registry import LoadedModel

Maker = Callable[[Tensor, Tensor], Tensor]

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FAITHFUL = "_faithful"
CONSTANTS = ("all_gray", "mean_colour", "median_colour")


def model_makers(model: "LoadedModel", device: torch.device) -> dict[str, Maker]:
    """The model's two ends: vivid (strength 1) under no suffix, `_faithful` (strength 0).

    A colouriser is shown larger pictures at the size it was trained at.
    """
    ends = {"": model.network(1.0, device), FAITHFUL: model.network(0.0, device)}
    if model.task == "superres":
        return {suffix: enlarger(network) for suffix, network in ends.items()}
    return {suffix: colourer(network, int(model.meta["frame_px"])) for suffix, network in ends.items()}


def colourer(network: nn.Module, work_px: int) -> Maker:
    """Colour by a network; where the longer side exceeds `work_px` it paints a smaller one, and a*b* are enlarged."""

    @torch.no_grad()
    def make(rgb: Tensor, valid: Tensor) -> Tensor:
        height, width = rgb.shape[-2:]
        factor = work_px / max(height, width)
        if factor >= 1:
            return colorize(network, rgb, valid)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        lightness = rgb_to_lightness(rgb)
        # means over data only: what fills the rest must not bleed in
        share = _resized(valid.float(), size)
        small = _resized(lightness.masked_fill(~valid, 0.0), size) / share.clamp(min=1e-3)
        inside = share > 0.5
        ab = predict_ab(network, small, inside)
        weight = _resized(inside.float(), (height, width))
        ab = _resized(ab, (height, width)) / weight.clamp(min=1e-3)
        return torch.where(valid, paint(lightness, ab), rgb)

    return make


def enlarger(network: nn.Module) -> Maker:
    """Enlarge by a network."""
    return lambda rgb, _: upscale(network, rgb)


def consistent(enlarge: Maker) -> Maker:
    """Enlarge, then make the mean over each pixel of the input that pixel (`models.consistency`)."""
    return lambda rgb, valid: consistent_with(rgb, enlarge(rgb, valid))


def remembering(maker: Maker) -> Maker:
    """The maker, which does no work when it is asked for the very picture that it made last."""
    given: Tensor | None = None
    made: Tensor | None = None

    def make(rgb: Tensor, valid: Tensor) -> Tensor:
        nonlocal given, made
        if made is None or given is not rgb:
            given, made = rgb, maker(rgb, valid)
        return made

    return make


def resampler(filter_: Image.Resampling, scale: int) -> Maker:
    """Enlarge by one of Pillow's filters."""

    def make(rgb: Tensor, _: Tensor) -> Tensor:
        levels = to_8bit(rgb).byte().permute(1, 2, 0).cpu().numpy()
        size = (levels.shape[1] * scale, levels.shape[0] * scale)
        enlarged = np.asarray(Image.fromarray(levels).resize(size, filter_))
        return torch.from_numpy(enlarged.copy()).to(rgb.device).permute(2, 0, 1).float() / 255.0

    return make


def one_colour(ab: Tensor) -> Maker:
    """Paint everything in one colour, a*b* (2,), as far as the lightness allows it."""

    def make(rgb: Tensor, valid: Tensor) -> Tensor:
        lightness = rgb_to_lightness(rgb)
        painted = paint(lightness, ab.to(rgb).reshape(2, 1, 1).expand(2, *rgb.shape[-2:]))
        return torch.where(valid, painted, rgb)

    return make


def superres_baselines(scale: int) -> dict[str, Maker]:
    """Nearest, bicubic and Lanczos enlargement."""
    return {f"_{name}": resampler(filter_, scale) for name, filter_ in RESAMPLING.items()}


def colour_baselines(pack: Pack, device: torch.device) -> dict[str, Maker]:
    """Nothing but gray, and the mean and the median colour of the training frames.

    The median is the constant with the least mean absolute error.
    """
    mean, median = typical_colours(pack, pack.select("train", color_only=True), device)
    colours = (torch.zeros(2), mean, median)
    return {f"_{name}": one_colour(ab) for name, ab in zip(CONSTANTS, colours, strict=True)}


def typical_colours(
    pack: Pack, frames: Sequence[PackedFrame], device: torch.device, limit: int = 200
) -> tuple[Tensor, Tensor]:
    """Mean and median a*b*, each (2,), of at most `limit` frames, evenly chosen, each weighing the same."""
    samples = []
    for frame in frames[:: max(1, -(-len(frames) // limit))]:
        rgb, valid = whole(pack, frame, device)
        ab = rgb_to_lab(rgb)[1:, valid[0]]
        if ab.shape[1]:
            evenly = torch.linspace(0, ab.shape[1] - 1, _SAMPLED, device=device).long()
            samples.append(ab[:, evenly])
    if not samples:
        return torch.zeros(2, device=device), torch.zeros(2, device=device)
    together = torch.cat(samples, dim=1)
    return together.double().mean(dim=1).float(), together.median(dim=1).values


# pixels of a frame that stand for it
_SAMPLED = 4096


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values.unsqueeze(0), size=size, mode="bilinear", antialias=True).squeeze(0)
