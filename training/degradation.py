"""How a large picture becomes the small one that a network enlarges: in training and in scores alike."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class DegradationConfig:
    """What a detector with larger pixels shows.

    `kind` "area" takes the mean over each large pixel, which keeps the flux; "bicubic" is antialiased bicubic
    interpolation, the benchmark of the field. Before that the picture is blurred by a Gaussian point-spread function
    of `psf_sigma_px` pixels of the large picture, after it Gaussian noise of `noise_dn` steps of 255 is added; 0
    leaves either out.
    """

    kind: Literal["area", "bicubic"] = "area"
    psf_sigma_px: float = 0.0
    noise_dn: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("area", "bicubic"):
            raise ValueError(f"degradation kind {self.kind!r} is neither area nor bicubic")
        if not 0.0 <= self.psf_sigma_px <= 16.0 or not 0.0 <= self.noise_dn <= 255.0:
            raise ValueError("degradation psf_sigma_px must lie within 0 and 16, noise_dn within 0 and 255")


AREA = DegradationConfig()


def degrade(rgb: Tensor, scale: int, how: DegradationConfig = AREA, *, seed: int | None = None) -> Tensor:
    """The picture (..., 3, H, W) in [0, 1], `scale` times smaller, in 8-bit steps.

    Rows and columns beyond a multiple of `scale` are left out. The noise comes from torch's random generator or, if
    a `seed` is given, from that: a score then sees the same noise each time.
    """
    height, width = (side - side % scale for side in rgb.shape[-2:])
    pictures = rgb.reshape(-1, *rgb.shape[-3:])[..., :height, :width]
    if how.psf_sigma_px:
        pictures = _blur(pictures, how.psf_sigma_px)
    if how.kind == "area":
        small = F.avg_pool2d(pictures, scale)
    else:
        small = F.interpolate(pictures, size=(height // scale, width // scale), mode="bicubic", antialias=True)
    if how.noise_dn:
        # drawn on the CPU, so that every device sees the same
        generator = torch.Generator().manual_seed(seed) if seed is not None else None
        noise = torch.randn(small.shape, generator=generator).to(small.device)
        small = small + noise * (how.noise_dn / 255.0)
    return (small.clamp(0.0, 1.0) * 255.0).round().reshape(*rgb.shape[:-2], *small.shape[-2:]) / 255.0


def of_data_alone(valid: Tensor, scale: int, how: DegradationConfig) -> Tensor:
    """Which pixels of the small picture are made of data alone: bool (..., 1, H, W) to (..., 1, H / n, W / n)."""
    inside = far_from_no_data(valid, _reach_px(scale, how))
    return F.max_pool2d((~inside).float(), scale) == 0


def far_from_no_data(valid: Tensor, px: int) -> Tensor:
    """The pixels of masks (..., 1, H, W) that have no invalid one within so many rows and columns."""
    hidden = (~valid).float()
    for size, padding in (((2 * px + 1, 1), (px, 0)), ((1, 2 * px + 1), (0, px))):
        hidden = F.max_pool2d(hidden, size, stride=1, padding=padding)
    return hidden == 0


def _reach_px(scale: int, how: DegradationConfig) -> int:
    """How far beyond the square of pixels that it stands for a pixel of the small picture looks, in large pixels."""
    # the cubic kernel, as wide as the shrinking asks, ends two small pixels from the middle of its own
    kernel = math.ceil(1.5 * scale) if how.kind == "bicubic" else 0
    return kernel + (_radius(how.psf_sigma_px) if how.psf_sigma_px else 0)


def _radius(sigma: float) -> int:
    return max(1, math.ceil(3.0 * sigma))


def _blur(pictures: Tensor, sigma: float) -> Tensor:
    """Convolve (N, C, H, W) with a Gaussian whose weights sum to 1; the border is repeated outwards."""
    radius = _radius(sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=pictures.dtype, device=pictures.device)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).expand(pictures.shape[1], 1, -1)
    padded = F.pad(pictures, (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, weights.unsqueeze(-1), groups=pictures.shape[1])
    return F.conv2d(rows, weights.unsqueeze(-2), groups=pictures.shape[1])
