"""EDSR: enlarges an RGB picture by a whole number from 2 to 12 with plain 3x3 convolutions.

Lim et al. 2017 (arXiv 1707.02921): residual blocks without BatchNorm and without an activation after the sum, scaled
down where they are wide. What differs, and why: the bicubic enlargement is added at the end, so that the network
begins at its baseline, and `tail` may be one pixel shuffle straight from the input's resolution, where a step of
training then spends its time on the body instead of on convolutions over the enlarged picture.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.enlarger import Enlarger, check_scale, prime_factors, radius_before_steps
from models.layers import icnr_, kaiming_, near_zero_


@dataclass(frozen=True)
class EDSRConfig:
    """Size of an EDSR: `blocks` of `width` channels, each weighted by `residual_scale` (0.1 at width 256).

    `tail` "stepwise" shuffles by one prime factor of the scale after another, as published; "direct" by the whole
    scale at once. With `keeps_light` the mean of the result over each pixel of the input is that pixel.
    """

    scale: int = 4
    width: int = 64
    blocks: int = 16
    residual_scale: float = 1.0
    tail: Literal["stepwise", "direct"] = "stepwise"
    keeps_light: bool = False

    def __post_init__(self) -> None:
        check_scale("EDSR", self.scale)
        if self.width < 1 or self.blocks < 1:
            raise ValueError(f"EDSR width {self.width} and blocks {self.blocks} must be 1 or more")
        if not 0.0 < self.residual_scale <= 1.0:
            raise ValueError(f"EDSR residual_scale {self.residual_scale} must be above 0 and at most 1")
        if self.tail not in ("stepwise", "direct"):
            raise ValueError(f"EDSR tail {self.tail!r} is neither stepwise nor direct")


class EDSR(Enlarger):
    """The network of an `EDSRConfig`."""

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__(config.scale, keeps_light=config.keeps_light)
        self.config = config
        width = config.width
        self.head = kaiming_(nn.Conv2d(3, width, 3, padding=1))
        self.body = nn.Sequential(
            *(_Residual(width, config.residual_scale) for _ in range(config.blocks)),
            kaiming_(nn.Conv2d(width, width, 3, padding=1)),
        )
        if config.tail == "direct":
            self.tail: nn.Module = nn.Identity()
            self.out = near_zero_(nn.Conv2d(width, 3 * config.scale**2, 3, padding=1))
        else:
            steps: list[nn.Module] = []
            for prime in prime_factors(config.scale):
                conv = icnr_(nn.Conv2d(width, width * prime**2, 3, padding=1), prime)
                # no activation follows, which the start would make up for
                with torch.no_grad():
                    conv.weight.mul_(0.5**0.5)
                steps += [conv, nn.PixelShuffle(prime)]
            self.tail = nn.Sequential(*steps)
            self.out = near_zero_(nn.Conv2d(width, 3, 3, padding=1))

    @property
    def inner_radius(self) -> int:
        """How far, in pixels of the input, `missed` sees."""
        last = radius_before_steps(1, self.scale) if self.config.tail == "stepwise" else 1
        return last + 2 * self.config.blocks + 2

    def missed(self, rgb: Tensor) -> Tensor:
        """What the bicubic enlargement lacks."""
        shallow = self.head(rgb - 0.5)
        fine = self.out(self.tail(shallow + self.body(shallow)))
        return F.pixel_shuffle(fine, self.scale) if self.config.tail == "direct" else fine


class _Residual(nn.Module):
    """Two 3x3 convolutions with a ReLU between, weighted and added to their input."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.first = kaiming_(nn.Conv2d(width, width, 3, padding=1))
        self.second = kaiming_(nn.Conv2d(width, width, 3, padding=1))
        # without normalisation a stack of full-strength residuals explodes
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.scale * self.second(torch.relu(self.first(features)))
