"""What all networks that colour have in common: lightness of any size in, a*b* or RGB of that size out."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# a*b* of all sRGB colours lies within -107.9 .. 98.3
AB_LIMIT = 110.0

Output = Literal["ab", "rgb"]
CHANNELS: dict[Output, int] = {"ab": 2, "rgb": 3}


def check_common(network: str, output: str, reduce: int) -> None:
    """Refuse settings that no colouriser can have.

    Raises:
        ValueError: `output` is neither ab nor rgb, or `reduce` outside 1 to 8.
    """
    if output not in CHANNELS:
        raise ValueError(f"{network} output {output!r} is neither ab nor rgb")
    if not 1 <= reduce <= 8:
        raise ValueError(f"{network} reduce {reduce} is outside 1 to 8")


class Colouriser(nn.Module, ABC):
    """L* (N, 1, H, W) in [0, 100] to a*b* (N, 2, H, W) within +-110, or to sRGB (N, 3, H, W) in [0, 1].

    A subclass is the network between. With `reduce` above 1 it works on means over squares of so many pixels, and
    what it says is enlarged linearly.
    """

    def __init__(self, output: Output, reduce: int) -> None:
        super().__init__()
        self.output, self.reduce = output, reduce

    @property
    def stride(self) -> int:
        """Pixels of the input to one at the bottom: tile origins must be multiples of it."""
        return self.reduce * self.inner_stride

    @property
    def receptive_radius(self) -> int:
        """No input pixel farther than this, by row or by column, has any effect on an output pixel."""
        # the linear enlargement looks one coarse pixel further, and a coarse pixel is `reduce` fine ones wide
        return self.inner_radius if self.reduce == 1 else (self.inner_radius + 2) * self.reduce - 1

    @property
    @abstractmethod
    def inner_stride(self) -> int:
        """What the sides given to `raw` must be multiples of."""

    @property
    @abstractmethod
    def inner_radius(self) -> int:
        """How far, in the pixels given to it, `raw` sees."""

    @abstractmethod
    def raw(self, scaled: Tensor) -> Tensor:
        """From scaled lightness (N, 1, h, w) in [-1, 1] to unbounded channels (N, 2 or 3, h, w)."""

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict; sides are padded inside to multiples of `stride` by repeating the last row and column."""
        height, width = lightness.shape[-2:]
        scaled = lightness / 50.0 - 1.0
        scaled = F.pad(scaled, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        if self.reduce > 1:
            scaled = F.avg_pool2d(scaled, self.reduce)
        # bfloat16 would round colours to steps that can be seen
        bounded = torch.tanh(self.raw(scaled).to(lightness.dtype))
        colour = AB_LIMIT * bounded if self.output == "ab" else 0.5 + 0.5 * bounded
        if self.reduce > 1:
            colour = F.interpolate(colour, scale_factor=float(self.reduce), mode="bilinear", align_corners=False)
        return colour[..., :height, :width]
