"""Pieces that several networks share: starting weights, and a normalisation that no tile border can disturb."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# of the leaky ReLU that follows
_SLOPE = 0.2


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel of (N, C, H, W); no pixel sees another."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        centred = features - features.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        return centred * torch.rsqrt(variance + 1e-6) * self.weight + self.bias


def norm_of(channels: int, norm: str) -> nn.Module:
    """The normalisation that a config names: "channel", or anything else for none."""
    return ChannelNorm(channels) if norm == "channel" else nn.Identity()


class Up(nn.Module):
    """Twice the size: 3x3 convolution and pixel shuffle."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        super().__init__()
        self.conv = icnr_(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), 2)
        self.norm = norm_of(outputs, norm)

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, 2H, 2W)."""
        return F.leaky_relu(self.norm(F.pixel_shuffle(self.conv(features), 2)), _SLOPE)


def kaiming_(conv: nn.Conv2d) -> nn.Conv2d:
    """Weights that keep the variance through a leaky ReLU (He et al. 2015, arXiv 1502.01852); no bias at first."""
    nn.init.kaiming_normal_(conv.weight, a=_SLOPE, nonlinearity="leaky_relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def icnr_(conv: nn.Conv2d, factor: int) -> nn.Conv2d:
    """Start a convolution before a pixel shuffle by `factor` so that it enlarges like nearest neighbour.

    Aitken et al. 2017, arXiv 1707.02937: the factor**2 channels of one output begin equal.
    """
    kaiming_(conv)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[:: factor * factor].repeat_interleave(factor * factor, dim=0))
    return conv


def near_zero_(conv: nn.Conv2d) -> nn.Conv2d:
    """Start a last layer so that its output is close to nothing: a network then begins at its plain baseline."""
    nn.init.normal_(conv.weight, std=1e-3)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
