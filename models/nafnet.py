"""A modern colouriser: NAFNet's blocks without activations, on the U-shape of any size.

Chen et al. 2022 (arXiv 2204.04676): layer normalisation, a 1x1 convolution, a depthwise 3x3 one, and a product of two
halves of the channels for the activation; then the same without the depthwise one. What differs, and why: the channel
attention is left out, because it averages over the whole picture, and a picture in tiles would not equal the whole;
the blocks at the bottom may be dilated instead, which gives the wide view that colour needs.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.colouriser import CHANNELS, Colouriser, Output, check_common
from models.layers import ChannelNorm, icnr_, kaiming_, near_zero_


@dataclass(frozen=True)
class NAFNetConfig:
    """Size of a colouring NAFNet: blocks on the way down and up at each level, `width` channels at the first.

    The width doubles with each halving up to `max_width`. `context` lists the dilations of the blocks at the bottom.
    """

    width: int = 32
    down: tuple[int, ...] = (1, 1, 1, 2)
    up: tuple[int, ...] = (1, 1, 1, 1)
    context: tuple[int, ...] = (1, 2, 4, 8)
    max_width: int = 256
    reduce: int = 1
    output: Output = "ab"

    def __post_init__(self) -> None:
        if self.width < 2 or self.max_width < self.width:
            raise ValueError(f"NAFNet width {self.width} must be at least 2 and at most max_width {self.max_width}")
        if not 1 <= len(self.down) <= 8 or len(self.down) != len(self.up):
            raise ValueError("NAFNet down and up must be lists of equal length, 1 to 8 levels")
        if min(self.down + self.up) < 0 or any(dilation < 1 for dilation in self.context):
            raise ValueError("NAFNet down and up must hold counts from 0, context dilations from 1")
        check_common("NAFNet", self.output, self.reduce)


class NAFNet(Colouriser):
    """The NAFNet of a config."""

    def __init__(self, config: NAFNetConfig) -> None:
        super().__init__(config.output, config.reduce)
        self.config = config
        widths = [min(config.width * 2**level, config.max_width) for level in range(len(config.down) + 1)]
        self.head = kaiming_(nn.Conv2d(1, widths[0], 3, padding=1))
        self.encoders = nn.ModuleList(_blocks(widths[level], count) for level, count in enumerate(config.down))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.context = nn.Sequential(*(_Block(widths[-1], dilation) for dilation in config.context))
        self.grow = nn.ModuleList(icnr_(nn.Conv2d(b, 4 * a, 1, bias=False), 2) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_blocks(widths[level], count) for level, count in enumerate(config.up))
        self.out = near_zero_(nn.Conv2d(widths[0], CHANNELS[config.output], 3, padding=1))

    @property
    def inner_stride(self) -> int:
        """Pixels to one at the bottom."""
        return 2 ** len(self.config.down)

    @property
    def inner_radius(self) -> int:
        """How far `raw` sees."""
        radius = sum(self.config.context)
        for down, up in zip(reversed(self.config.down), reversed(self.config.up), strict=True):
            # a coarse pixel is two fine ones wide, seen from either of them
            radius = 2 * radius + 1 + down + up
        return radius + 2

    def raw(self, scaled: Tensor) -> Tensor:
        """From scaled lightness to unbounded channels."""
        features, skips = self.head(scaled), []
        for blocks, shrink in zip(self.encoders, self.shrink, strict=True):
            skips.append(blocks(features))
            features = shrink(skips[-1])
        features = self.context(features)
        for level in reversed(range(len(skips))):
            features = skips[level] + F.pixel_shuffle(self.grow[level](features), 2)
            features = self.decoders[level](features)
        return self.out(features)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width, 1) for _ in range(count)))


class _Block(nn.Module):
    """Look around, then mix channels; each added to its input with a weight that starts at 0."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm_look, self.norm_mix = ChannelNorm(width), ChannelNorm(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.look = nn.Conv2d(2 * width, 2 * width, 3, padding=dilation, dilation=dilation, groups=2 * width)
        self.narrow = nn.Conv2d(width, width, 1)
        self.mix_in = nn.Conv2d(width, 2 * width, 1)
        self.mix_out = nn.Conv2d(width, width, 1)
        self.weight_look = nn.Parameter(torch.zeros(width, 1, 1))
        self.weight_mix = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        looked = self.narrow(_gate(self.look(self.widen(self.norm_look(features)))))
        features = features + self.weight_look * looked
        return features + self.weight_mix * self.mix_out(_gate(self.mix_in(self.norm_mix(features))))


def _gate(features: Tensor) -> Tensor:
    """The product of the two halves of the channels."""
    first, second = features.chunk(2, dim=1)
    return first * second
