"""The colouriser's U-Net: lightness in, a*b* or RGB out, on pictures of any size from 64x64 up.

The shape is pix2pix's (Isola et al. 2017, arXiv 1611.07004): stride-2 4x4 convolutions down, skips across. What
differs, and why: pixel-shuffle ups with ICNR start (Aitken et al. 2017, arXiv 1707.02937) against checkerboards; no
BatchNorm and no Dropout, whose behaviour at inference differs from training; no statistic over space, so that a
picture coloured in tiles equals the picture coloured whole.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.colouriser import CHANNELS, Colouriser, Output, check_common
from models.layers import Up, kaiming_, near_zero_, norm_of


@dataclass(frozen=True)
class UNetConfig:
    """Size of a colourising U-Net: `depth` halvings, `width` channels after the first, doubling up to `max_width`.

    `context` lists dilations of 3x3 residual convolutions at the bottom, each widening the view by its dilation
    times 2**depth pixels. `norm` "channel" normalises over the channels of each pixel. With `reduce` above 1 the
    network works on means over squares of so many pixels, and its a*b* is enlarged linearly: chroma is the coarser
    part of a picture, and the same work then overlooks more of it. `output` "rgb" predicts whole colours, of which
    only the chroma is used.
    """

    width: int = 64
    depth: int = 4
    max_width: int = 512
    context: tuple[int, ...] = ()
    norm: Literal["none", "channel"] = "none"
    reduce: int = 1
    output: Output = "ab"

    def __post_init__(self) -> None:
        if self.width < 2 or self.max_width < self.width:
            raise ValueError(f"U-Net width {self.width} must be at least 2 and at most max_width {self.max_width}")
        if not 1 <= self.depth <= 8:
            raise ValueError(f"U-Net depth {self.depth} is outside 1 to 8")
        if any(dilation < 1 for dilation in self.context):
            raise ValueError(f"U-Net context {self.context} must hold dilations of 1 and more")
        if self.norm not in ("none", "channel"):
            raise ValueError(f"U-Net norm {self.norm!r} is neither none nor channel")
        check_common("U-Net", self.output, self.reduce)


class UNet(Colouriser):
    """The U-Net of a config."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config.output, config.reduce)
        self.config = config
        widths = [1] + [min(config.width * 2**level, config.max_width) for level in range(config.depth)]
        self.downs = nn.ModuleList(
            _Down(widths[level], widths[level + 1], config.norm) for level in range(config.depth)
        )
        self.context = nn.ModuleList(_Context(widths[-1], dilation, config.norm) for dilation in config.context)
        # level by level upwards; what arrives is the level below and its skip together, but for the bottom
        ups = []
        for level in reversed(range(config.depth)):
            arriving = widths[level + 1] * (1 if level == config.depth - 1 else 2)
            ups.append(Up(arriving, widths[max(level, 1)], config.norm))
        self.ups = nn.ModuleList(ups)
        self.mix = kaiming_(nn.Conv2d(widths[1] + 1, widths[1], 3, padding=1))
        self.out = near_zero_(nn.Conv2d(widths[1], CHANNELS[config.output], 1))

    @property
    def inner_stride(self) -> int:
        """Pixels to one at the bottom."""
        return 2**self.config.depth

    @property
    def inner_radius(self) -> int:
        """How far `raw` sees."""
        radius = sum(self.config.context)
        for _ in range(self.config.depth):
            # at the lower level the up convolution sees 1 more; then a 4x4 kernel of stride 2, seen from either of
            # the two pixels that a lower one spans, reaches 2
            radius = 2 * (radius + 1) + 2
        return radius + 1

    def raw(self, scaled: Tensor) -> Tensor:
        """From scaled lightness to unbounded channels."""
        features, skips = scaled, []
        for down in self.downs:
            skips.append(features)
            features = down(features)
        for block in self.context:
            features = block(features)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            features = torch.cat((up(features), skip), dim=1)
        return self.out(F.leaky_relu(self.mix(features), 0.2))


class _Down(nn.Module):
    """Half the size: 4x4 convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        super().__init__()
        self.conv = kaiming_(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))
        self.norm = norm_of(outputs, norm)

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(features)), 0.2)


class _Context(nn.Module):
    """A residual look around: dilated 3x3 convolution."""

    def __init__(self, width: int, dilation: int, norm: str) -> None:
        super().__init__()
        self.conv = kaiming_(nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation))
        self.norm = norm_of(width, norm)

    def forward(self, features: Tensor) -> Tensor:
        return features + F.leaky_relu(self.norm(self.conv(features)), 0.2)
