"""What all networks that enlarge have in common: RGB in, RGB of `scale` times its sides out, over a bicubic start."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

SCALES = range(2, 13)
_BICUBIC_RADIUS = 2


def check_scale(network: str, scale: int) -> None:
    """Refuse scales that no enlarger has.

    Raises:
        ValueError: `scale` is not a whole number from 2 to 12.
    """
    if scale not in SCALES:
        raise ValueError(f"{network} scale {scale} is not a whole number from 2 to 12")


class Enlarger(nn.Module, ABC):
    """RGB (N, 3, H, W) in [0, 1] to RGB (N, 3, scale*H, scale*W), about [0, 1] and not clipped.

    A subclass is the network for what interpolation misses: the bicubic enlargement is added to it, so that a network
    whose last layer starts near zero begins at its baseline. With `keeps_light` the result is projected, in training
    too, onto the pictures whose mean over each pixel of the input is that pixel (Sonderby et al. 2017, arXiv
    1610.04490): the network then learns only what the input leaves open. Clipping to [0, 1] is all that is lost.
    """

    # tile origins may be anywhere
    stride = 1

    def __init__(self, scale: int, *, keeps_light: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.keeps_light = keeps_light

    @property
    def receptive_radius(self) -> int:
        """No input pixel farther than this, by row or by column, has any effect on an output pixel."""
        return max(self.inner_radius, _BICUBIC_RADIUS)

    @property
    @abstractmethod
    def inner_radius(self) -> int:
        """How far, in pixels of the input, `missed` sees."""

    @abstractmethod
    def missed(self, rgb: Tensor) -> Tensor:
        """What the bicubic enlargement of RGB (N, 3, H, W) lacks, (N, 3, scale*H, scale*W)."""

    def forward(self, rgb: Tensor) -> Tensor:
        """Enlarge."""
        base = F.interpolate(rgb, scale_factor=float(self.scale), mode="bicubic", align_corners=False)
        enlarged = base + self.missed(rgb)
        if not self.keeps_light:
            return enlarged
        short = rgb - F.avg_pool2d(enlarged, self.scale)
        return enlarged + F.interpolate(short, scale_factor=float(self.scale), mode="nearest")


def prime_factors(number: int) -> list[int]:
    """Prime factors in rising order: 12 gives [2, 2, 3]."""
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors


def radius_before_steps(radius: int, scale: int) -> int:
    """The radius seen in front of a step-by-step tail, in its pixels, when `radius` is seen behind it.

    The tail goes through one 3x3 convolution and one pixel shuffle for each prime factor of `scale`.
    """
    for prime in reversed(prime_factors(scale)):
        # through the shuffle to coarser pixels, then a 3x3 convolution
        radius = -(-radius // prime) + 1
    return radius
