"""Palettes: the chroma of a picture as a function of lightness and of the lightness around.

Lightness alone tells much of a picture's colour: its makers gave each filter a hue, and dust, gas and stars differ in
brightness. The mean lightness of the neighbourhood tells a star from the nebula it lies in. A palette is a table of
a*b*, float (2, SURROUND_STEPS, LIGHTNESS_STEPS), read with linear interpolation; it can be taken from any picture and
painted onto any other. The idea is that of colour transfer (Reinhard et al. 2001), with a table for the two moments.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

LIGHTNESS_STEPS, SURROUND_STEPS = 12, 8

# enough pixels to settle 96 cells, few enough for some milliseconds
_SAMPLE_PX = 4096
_ROUNDS = 4
# below this difference, in a*b* units, the fit counts squares: absolute differences have no slope at 0
_ROUND_OFF = 1.0
# how much neighbouring cells pull at each other, against a pixel's share of 1 / number of pixels
_SMOOTHNESS = 3e-4
_TO_MEDIAN = 1e-5


def surround(lightness: Tensor, sigma_px: float) -> Tensor:
    """The Gaussian mean of L* (N, 1, H, W) around each pixel; beyond the border the last row and column repeat."""
    radius = surround_radius(sigma_px)
    axis = torch.arange(-radius, radius + 1, dtype=lightness.dtype, device=lightness.device)
    kernel = torch.exp(-axis.square() / (2.0 * sigma_px**2))
    kernel = kernel / kernel.sum()
    wide = F.pad(lightness, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(wide, kernel.reshape(1, 1, 1, -1)), kernel.reshape(1, 1, -1, 1))


def surround_radius(sigma_px: float) -> int:
    """How far `surround` looks, in pixels."""
    return int(3.0 * sigma_px + 0.5)


def look_up(palette: Tensor, lightness: Tensor, around: Tensor) -> Tensor:
    """a*b* (N, 2, H, W) that palettes (N, 2, SURROUND_STEPS, LIGHTNESS_STEPS) give to L* and `around` (N, 1, H, W)."""
    grid = torch.cat((lightness, around), dim=1).movedim(1, -1) / 50.0 - 1.0
    return F.grid_sample(palette.to(lightness.dtype), grid, mode="bilinear", padding_mode="border", align_corners=True)


def take_palette(lab: Tensor, valid: Tensor, sigma_px: float) -> Tensor:
    """The palette of a picture L*a*b* (3, H, W) over its pixels with data, bool (1, H, W).

    The table with the least absolute error, by iteratively reweighted least squares (Holland and Welsch 1977), smooth
    across cells that the picture says little of. A picture without data gives gray.
    """
    if not bool(valid.any()):
        return torch.zeros(2, SURROUND_STEPS, LIGHTNESS_STEPS)
    lightness = lab[:1].masked_fill(~valid, 0.0)
    around = surround(lightness.unsqueeze(0), sigma_px)[0]
    inside = valid[0]
    step = max(1, int(inside.sum()) // _SAMPLE_PX)
    cells = _weights(lightness[0][inside][::step].double(), around[0][inside][::step].double())
    planes = [_fit(cells, plane[inside][::step].double()) for plane in lab[1:]]
    return torch.stack(planes).float().reshape(2, SURROUND_STEPS, LIGHTNESS_STEPS)


def _weights(lightness: Tensor, around: Tensor) -> Tensor:
    """What each cell has in each pixel (n,): the bilinear weights that `look_up` uses, as (n, cells)."""
    x = (lightness / 100.0).clamp(0.0, 1.0) * (LIGHTNESS_STEPS - 1)
    y = (around / 100.0).clamp(0.0, 1.0) * (SURROUND_STEPS - 1)
    left, top = x.floor().clamp(max=LIGHTNESS_STEPS - 2), y.floor().clamp(max=SURROUND_STEPS - 2)
    right_share, lower_share = x - left, y - top
    weights = torch.zeros(len(x), SURROUND_STEPS * LIGHTNESS_STEPS, dtype=x.dtype, device=x.device)
    for down, row_share in ((0, 1.0 - lower_share), (1, lower_share)):
        for right, column_share in ((0, 1.0 - right_share), (1, right_share)):
            cell = ((top + down) * LIGHTNESS_STEPS + left + right).long()
            weights.scatter_(1, cell.unsqueeze(1), (row_share * column_share).unsqueeze(1))
    return weights


def _fit(cells: Tensor, values: Tensor) -> Tensor:
    """The cells' values with the least mean absolute difference from `values` (n,)."""
    middle, number = values.median(), len(values)
    pull = (_SMOOTHNESS * _roughness() + _TO_MEDIAN * torch.eye(cells.shape[1], dtype=cells.dtype)).to(cells.device)
    weight = torch.ones_like(values)
    for _ in range(_ROUNDS):
        weighted = cells * weight.unsqueeze(1) / number
        solved = torch.linalg.solve(weighted.T @ cells + pull, weighted.T @ values + _TO_MEDIAN * middle)
        weight = 1.0 / (values - cells @ solved).abs().clamp(min=_ROUND_OFF)
    return solved


def _roughness() -> Tensor:
    """The matrix whose quadratic form is the sum of squared differences of neighbouring cells."""
    number = torch.arange(SURROUND_STEPS * LIGHTNESS_STEPS).reshape(SURROUND_STEPS, LIGHTNESS_STEPS)
    pairs = torch.cat(
        (
            torch.stack((number[:, 1:].flatten(), number[:, :-1].flatten())),
            torch.stack((number[1:].flatten(), number[:-1].flatten())),
        ),
        dim=1,
    )
    rows = torch.arange(pairs.shape[1])
    differences = torch.zeros(pairs.shape[1], number.numel(), dtype=torch.float64)
    differences[rows, pairs[0]], differences[rows, pairs[1]] = 1.0, -1.0
    return differences.T @ differences


def hubble_palette() -> Tensor:
    """The look of narrow-band pictures whose red, green and blue are [S II], H alpha and [O III].

    What is faint is teal, what is of middle brightness gold, what is bright pale cyan; a star, far lighter than what is
    around it, stays nearly white. Drawn after the published look of such pictures, not measured.
    """
    lightness = torch.linspace(0.0, 1.0, LIGHTNESS_STEPS)
    around = torch.linspace(0.0, 1.0, SURROUND_STEPS).unsqueeze(1)
    anchors = torch.tensor([0.0, 0.2, 0.5, 0.75, 1.0])
    colours = torch.tensor([[0.0, 0.0], [-9.0, -14.0], [9.0, 38.0], [-6.0, 14.0], [-6.0, -4.0]])
    upper = torch.bucketize(lightness, anchors).clamp(1, len(anchors) - 1)
    share = (lightness - anchors[upper - 1]) / (anchors[upper] - anchors[upper - 1])
    curve = torch.lerp(colours[upper - 1], colours[upper], share.unsqueeze(1)).T
    contrast = (lightness - around).clamp(min=0.0)
    return curve.unsqueeze(1) * (1.0 - 1.2 * contrast).clamp(min=0.0)
