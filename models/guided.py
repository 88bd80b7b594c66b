"""A colouriser that can be told a palette: it paints by the palette first and then corrects what it knows better.

The network sees lightness, the lightness around, the a*b* that the palette gives each pixel, and whether there is a
palette at all; it says what to add. Trained with the pictures' own palettes, left out for a share of the crops, one
set of weights colours by itself and by example. The shape is a U-Net of residual blocks with layer normalisation over
channels; no statistic over space, so that a picture coloured in tiles equals the picture coloured whole.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.colouriser import AB_LIMIT, Colouriser
from models.layers import ChannelNorm, icnr_, kaiming_, near_zero_
from models.palette import look_up, surround, surround_radius

# lightness, lightness around, a* and b* of the palette, whether there is one
_INPUTS = 5


@dataclass(frozen=True)
class GuidedUNetConfig:
    """Size of a guided U-Net: `depth` halvings, `width` channels at first, then 2, 3, 4 ... times as many.

    `context` lists the dilations of the blocks at the bottom. With `reduce` above 1 the network works on means over
    squares of so many pixels; the palette is applied at full size. `surround_px` is the standard deviation of the
    Gaussian that weighs the lightness around a pixel.
    """

    width: int = 24
    depth: int = 3
    context: tuple[int, ...] = (1, 2, 4, 1)
    reduce: int = 2
    surround_px: float = 16.0

    def __post_init__(self) -> None:
        if self.width < 2 or not 1 <= self.depth <= 6:
            raise ValueError(f"guided U-Net width {self.width} must be 2 or more, depth {self.depth} 1 to 6")
        if any(dilation < 1 for dilation in self.context):
            raise ValueError(f"guided U-Net context {self.context} must hold dilations of 1 and more")
        if not 1 <= self.reduce <= 8:
            raise ValueError(f"guided U-Net reduce {self.reduce} is outside 1 to 8")
        if not 1.0 <= self.surround_px <= 64.0:
            raise ValueError(f"guided U-Net surround_px {self.surround_px} is outside 1 to 64")


class GuidedUNet(Colouriser):
    """L* (N, 1, H, W) and, if there are, palettes to a*b* (N, 2, H, W) within +-110."""

    def __init__(self, config: GuidedUNetConfig) -> None:
        super().__init__("ab", config.reduce)
        self.config = config
        widths = [config.width * (level + 1) for level in range(config.depth + 1)]
        self.head = kaiming_(nn.Conv2d(_INPUTS, widths[0], 3, padding=1))
        self.encoders = nn.ModuleList(_Residual(width, 1) for width in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.context = nn.Sequential(*(_Residual(widths[-1], dilation) for dilation in config.context))
        self.grow = nn.ModuleList(icnr_(nn.Conv2d(b, 4 * a, 1), 2) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_Residual(width, 1) for width in widths[:-1])
        self.out = near_zero_(nn.Conv2d(widths[0], 2, 1))

    @property
    def inner_stride(self) -> int:
        """Pixels to one at the bottom."""
        return 2**self.config.depth

    @property
    def inner_radius(self) -> int:
        """How far `raw` sees."""
        radius = sum(dilation + 1 for dilation in self.config.context)
        for _ in range(self.config.depth):
            # a coarse pixel is two fine ones wide, seen from either; a residual block on both sides
            radius = 2 * radius + 1 + 4
        return radius + 1

    @property
    def receptive_radius(self) -> int:
        """No input pixel farther than this, by row or by column, has any effect on an output pixel."""
        return super().receptive_radius + surround_radius(self.config.surround_px)

    def forward(self, lightness: Tensor, palette: Tensor | None = None, guided: Tensor | None = None) -> Tensor:
        """Predict.

        Args:
            lightness: L* (N, 1, H, W) in [0, 100], black where there is no data.
            palette: as `models.palette` has it, (N, 2, rows, columns) or one for all; None lets the network choose.
            guided: (N,), 1 where the palette counts and 0 where the network chooses; all count by default.
        """
        height, width = lightness.shape[-2:]
        around = surround(lightness, self.config.surround_px)
        flag = torch.zeros_like(lightness)
        base = torch.cat((flag, flag), dim=1)
        if palette is not None:
            flag = flag + (1.0 if guided is None else guided.reshape(-1, 1, 1, 1).to(lightness.dtype))
            base = look_up(palette.expand(len(lightness), -1, -1, -1), lightness, around) * flag
        seen = torch.cat((lightness / 50.0 - 1.0, around / 50.0 - 1.0, base / 50.0, flag), dim=1)
        seen = F.pad(seen, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        if self.reduce > 1:
            seen = F.avg_pool2d(seen, self.reduce)
        # bfloat16 would round colours to steps that can be seen
        change = AB_LIMIT * torch.tanh(self.raw(seen).to(lightness.dtype))
        if self.reduce > 1:
            change = F.interpolate(change, scale_factor=float(self.reduce), mode="bilinear", align_corners=False)
        return (base + change[..., :height, :width]).clamp(-AB_LIMIT, AB_LIMIT)

    def raw(self, scaled: Tensor) -> Tensor:
        """From the five scaled channels to unbounded a*b*."""
        features, skips = self.head(scaled), []
        for block, shrink in zip(self.encoders, self.shrink, strict=True):
            skips.append(block(features))
            features = shrink(skips[-1])
        features = self.context(features)
        for level in reversed(range(len(skips))):
            features = self.decoders[level](skips[level] + F.pixel_shuffle(self.grow[level](features), 2))
        return self.out(features)


class GuidedBy(nn.Module):
    """A guided colouriser bound to one palette, (2, rows, columns): a colouriser like any other."""

    def __init__(self, network: GuidedUNet, palette: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("palette", palette.unsqueeze(0))
        self.stride, self.receptive_radius = network.stride, network.receptive_radius

    def forward(self, lightness: Tensor) -> Tensor:
        """L* (N, 1, H, W) to a*b* (N, 2, H, W) by the palette."""
        return self.network(lightness, self.palette)


class _Residual(nn.Module):
    """Normalise, two 3x3 convolutions, the first dilated, with a GELU between; added to the input, at first nothing."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.first = kaiming_(nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation))
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(F.gelu(self.first(self.norm(features))))
