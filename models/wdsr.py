"""WDSR-B: enlarges an RGB picture by a whole number from 2 to 12 with few weights.

Yu et al. 2018 (arXiv 1808.08718): each residual block widens its features before the activation and narrows them
after it; weight normalisation instead of BatchNorm; one pixel shuffle at the end, and a shallow branch beside the
deep one. What differs, and why: the input is centred on mid-gray and not on a natural-image mean, which the sky does
not have, and the shallow branch starts at the bicubic enlargement, so that the network begins at its baseline.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from models.enlarger import Enlarger, check_scale
from models.layers import near_zero_

_SKIP_RADIUS = 2


@dataclass(frozen=True)
class WDSRConfig:
    """Size of a WDSR-B: `blocks` of `width` channels, widened `expansion` times and narrowed to `linear` of it."""

    scale: int = 4
    width: int = 32
    blocks: int = 16
    expansion: int = 6
    linear: float = 0.8

    def __post_init__(self) -> None:
        check_scale("WDSR", self.scale)
        if self.width < 2 or self.blocks < 1 or self.expansion < 1:
            raise ValueError("WDSR width must be 2 or more, blocks and expansion 1 or more")
        if not 0.0 < self.linear <= 1.0:
            raise ValueError(f"WDSR linear {self.linear} must be above 0 and at most 1")


class WDSR(Enlarger):
    """The network of a `WDSRConfig`."""

    def __init__(self, config: WDSRConfig) -> None:
        super().__init__(config.scale)
        self.config = config
        outputs = 3 * config.scale**2
        self.head = weight_norm(nn.Conv2d(3, config.width, 3, padding=1))
        self.body = nn.Sequential(*(_Block(config) for _ in range(config.blocks)))
        # without weight normalisation, whose scale would drown the tiny start
        self.out = near_zero_(nn.Conv2d(config.width, outputs, 3, padding=1))
        self.skip = near_zero_(nn.Conv2d(3, outputs, 5, padding=_SKIP_RADIUS))

    @property
    def inner_radius(self) -> int:
        """How far, in pixels of the input, `missed` sees."""
        return max(_SKIP_RADIUS, self.config.blocks + 2)

    def missed(self, rgb: Tensor) -> Tensor:
        """What the bicubic enlargement lacks."""
        centred = rgb - 0.5
        fine = self.out(self.body(self.head(centred))) + self.skip(centred)
        return F.pixel_shuffle(fine, self.scale)


class _Block(nn.Module):
    """Widen by a 1x1 convolution, activate, narrow, look around by a 3x3 convolution; added to its input."""

    def __init__(self, config: WDSRConfig) -> None:
        super().__init__()
        wide, narrow = config.width * config.expansion, max(1, round(config.width * config.linear))
        self.widen = weight_norm(nn.Conv2d(config.width, wide, 1))
        self.narrow = weight_norm(nn.Conv2d(wide, narrow, 1))
        self.look = weight_norm(nn.Conv2d(narrow, config.width, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.look(self.narrow(torch.relu(self.widen(features))))
