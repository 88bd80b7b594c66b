"""From a picture to a picture with a trained network: the same few steps in training samples, scores and serving.

All functions take and return float tensors of one picture without a batch axis, sRGB in [0, 1], and run the network
on the whole of it. For pictures too large for that, cut tiles (`models.tiling`) and call these on each.
"""

import torch
from torch import Tensor, nn

from models.color import paint, rgb_to_lab, rgb_to_lightness


@torch.no_grad()
def predict_ab(network: nn.Module, lightness: Tensor, valid: Tensor) -> Tensor:
    """a*b* (2, H, W) for L* (1, H, W) in [0, 100]; 0 where `valid`, bool (1, H, W), is False.

    The network sees black where there is no data, whatever fill the archive uses. Of one that predicts RGB the chroma
    is taken.
    """
    colour = network(blank(lightness, valid).unsqueeze(0)).squeeze(0).float()
    ab = rgb_to_lab(colour)[1:] if colour.shape[0] == 3 else colour
    return ab.masked_fill(~valid, 0.0)


@torch.no_grad()
def colorize(network: nn.Module, rgb: Tensor, valid: Tensor) -> Tensor:
    """Colour the lightness of a picture (3, H, W); its own colours are not looked at, no-data pixels stay."""
    lightness = rgb_to_lightness(rgb)
    coloured = paint(lightness, predict_ab(network, lightness, valid))
    return torch.where(valid, coloured, rgb)


@torch.no_grad()
def upscale(network: nn.Module, rgb: Tensor) -> Tensor:
    """Enlarge a picture (3, H, W) by the network's scale, clipped to [0, 1]."""
    return network(rgb.unsqueeze(0)).squeeze(0).float().clamp(0.0, 1.0)


def scale_of(network: nn.Module) -> int:
    """Output pixels to one of the input.

    Raises:
        ValueError: the network does not enlarge.
    """
    scale = getattr(network, "scale", None)
    if not isinstance(scale, int):
        raise ValueError(f"{type(network).__name__} does not enlarge pictures")
    return scale


def blank(values: Tensor, valid: Tensor) -> Tensor:
    """The values, 0 where `valid` (same size, one channel) is False."""
    return values.masked_fill(~valid, 0.0)
