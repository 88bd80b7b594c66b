"""SRResNet: enlarges an RGB picture by a whole number from 2 to 12.

Ledig et al. 2017 (arXiv 1609.04802) without BatchNorm, which leaves artefacts (Wang et al. 2018, arXiv 1809.00219),
and with the bicubic enlargement added at the end, so that the network learns only what interpolation misses.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.enlarger import Enlarger, check_scale, prime_factors, radius_before_steps
from models.layers import icnr_, kaiming_, near_zero_


@dataclass(frozen=True)
class SRResNetConfig:
    """Size of an SRResNet: `blocks` residual blocks of `width` channels; `end_kernel` of first and last layer."""

    scale: int = 4
    width: int = 64
    blocks: int = 16
    end_kernel: int = 9

    def __post_init__(self) -> None:
        check_scale("SRResNet", self.scale)
        if self.width < 1 or self.blocks < 1:
            raise ValueError(f"SRResNet width {self.width} and blocks {self.blocks} must be 1 or more")
        if self.end_kernel < 1 or self.end_kernel % 2 == 0:
            raise ValueError(f"SRResNet end_kernel {self.end_kernel} must be odd")


class SRResNet(Enlarger):
    """The network of an `SRResNetConfig`."""

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__(config.scale)
        self.config = config
        width, around = config.width, config.end_kernel // 2
        self.head = nn.Sequential(kaiming_(nn.Conv2d(3, width, config.end_kernel, padding=around)), nn.PReLU())
        self.body = nn.Sequential(
            *(_Residual(width) for _ in range(config.blocks)), kaiming_(nn.Conv2d(width, width, 3, padding=1))
        )
        self.tail = nn.Sequential(*(_Enlarge(width, prime) for prime in prime_factors(config.scale)))
        self.out = near_zero_(nn.Conv2d(width, 3, config.end_kernel, padding=around))

    @property
    def inner_radius(self) -> int:
        """How far, in pixels of the input, `missed` sees."""
        around = self.config.end_kernel // 2
        return radius_before_steps(around, self.scale) + 1 + 2 * self.config.blocks + around

    def missed(self, rgb: Tensor) -> Tensor:
        """What the bicubic enlargement lacks."""
        shallow = self.head(rgb)
        return self.out(self.tail(shallow + self.body(shallow)))


class _Residual(nn.Module):
    """Two 3x3 convolutions with a PReLU between, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = kaiming_(nn.Conv2d(width, width, 3, padding=1))
        self.act = nn.PReLU()
        self.second = kaiming_(nn.Conv2d(width, width, 3, padding=1))
        # without normalisation a stack of full-strength residuals explodes
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(self.act(self.first(features)))


class _Enlarge(nn.Module):
    """Pixel shuffle by a prime."""

    def __init__(self, width: int, prime: int) -> None:
        super().__init__()
        self.conv = icnr_(nn.Conv2d(width, width * prime * prime, 3, padding=1), prime)
        self.shuffle = nn.PixelShuffle(prime)
        self.act = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        return self.act(self.shuffle(self.conv(features)))
