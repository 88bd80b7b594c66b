"""Scores of one picture against its truth, over the pixels that hold data, and how sure their mean is.

Pictures are float tensors (3, H, W), sRGB in [0, 1]; masks are bool (1, H, W).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training import losses

_PSNR_CEILING_DB = 100.0


def to_8bit(rgb: Tensor) -> Tensor:
    """Clip and round to the 256 levels of a stored picture, on the scale 0 to 255."""
    return (rgb.clamp(0.0, 1.0) * 255.0).round()


def luma(levels: Tensor) -> Tensor:
    """Y of BT.601 as MATLAB has it, (..., 1, H, W) in 16 to 235, from (..., 3, H, W) levels in 0 to 255."""
    return 16.0 + (levels * levels.new_tensor(losses.LUMA).reshape(3, 1, 1)).sum(dim=-3, keepdim=True)


def psnr(levels: Tensor, truth: Tensor, valid: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of (C, H, W) levels in 0 to 255; equal pictures give 100."""
    squared = (levels - truth).double().square() * valid
    error = float(squared.sum() / (valid.sum() * levels.shape[0]))
    return min(10.0 * float(np.log10(255.0**2 / error)), _PSNR_CEILING_DB) if error > 0 else _PSNR_CEILING_DB


def ssim(levels: Tensor, truth: Tensor, valid: Tensor) -> float:
    """Structural similarity of (1, H, W) levels in 0 to 255 (Wang et al. 2004): 11x11 Gaussian, sigma 1.5, float64.

    The mean is over windows that lie within the picture and hold valid pixels only; NaN where there is none.
    """
    axis = torch.arange(-5, 6, dtype=torch.float64, device=levels.device)
    line = torch.exp(-axis.square() / (2 * 1.5**2))
    line = line / line.sum()

    def blur(values: Tensor) -> Tensor:
        rows = F.conv2d(values.unsqueeze(0), line.reshape(1, 1, 11, 1))
        return F.conv2d(rows, line.reshape(1, 1, 1, 11)).squeeze(0)

    x, y = levels.double(), truth.double()
    if min(x.shape[-2:]) < 11:
        return float("nan")
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    score = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    score = score / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return float(score[F.max_pool2d((~valid).float(), 11, stride=1) == 0].mean())


def colourfulness(rgb: Tensor, valid: Tensor) -> float:
    """Colourfulness of Hasler and Suesstrunk 2003 (M3), on the 0 to 255 scale; 0 is gray."""
    return float(losses.colourfulness(rgb.double().unsqueeze(0), valid.unsqueeze(0)))


def detail(levels: Tensor, valid: Tensor) -> float:
    """Mean absolute difference of neighbouring pixels of (1, H, W), along rows and columns: how sharp it is."""
    across = (levels[..., :, 1:] - levels[..., :, :-1]).abs()[valid[..., :, 1:] & valid[..., :, :-1]]
    down = (levels[..., 1:, :] - levels[..., :-1, :]).abs()[valid[..., 1:, :] & valid[..., :-1, :]]
    return float(torch.cat((across, down)).mean())


def bootstrap(
    values: Sequence[float],
    groups: Sequence[str],
    *,
    over: Sequence[float] | None = None,
    seed: int,
    resamples: int = 1000,
) -> tuple[float, float]:
    """95 % interval of the mean of frame scores: percentiles over resampled groups (Efron and Tibshirani 1993).

    Whole groups are drawn, because frames of one group show the same sky and are not independent. With `over` it is
    the interval of the mean of `values` divided by that of `over`.
    """
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    member = np.array([place[group] for group in groups])
    sums = np.bincount(member, weights=np.asarray(values, float), minlength=len(names))
    weights = np.ones(len(member)) if over is None else np.asarray(over, float)
    counts = np.bincount(member, weights=weights, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
