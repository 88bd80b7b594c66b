"""Colour science on tensors: sRGB to CIE L*a*b* and back, and painting chroma onto a given lightness.

Pictures are float tensors (..., 3, H, W). sRGB is in [0, 1] with the transfer curve of IEC 61966-2-1; L*a*b* is
CIE 1976 under D65 for the 2 degree observer, L* in [0, 100]. The matrix and white point have the digits that
scikit-image uses, so that results agree with it within 1e-4. Everything is differentiable.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_XYZ_FROM_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_RGB_FROM_XYZ = torch.linalg.inv(torch.tensor(_XYZ_FROM_RGB, dtype=torch.float64)).tolist()
_WHITE = (0.95047, 1.0, 1.08883)

_EPSILON = 0.008856
_KAPPA = 7.787
_OFFSET = 16.0 / 116.0

# The matrix digits put grays up to 4e-5 outside the cube, and they must count as inside
_GAMUT_SLACK = 1e-4
_GAMUT_STEPS = 10


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB (..., 3, H, W) in [0, 1] to L*a*b* of the same shape."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(linear, _XYZ_FROM_RGB) / _white(rgb)
    f = torch.where(xyz > _EPSILON, xyz.clamp(min=_EPSILON) ** (1.0 / 3.0), _KAPPA * xyz + _OFFSET)
    fx, fy, fz = f.unbind(-3)
    return torch.stack((116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)), dim=-3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """L*a*b* (..., 3, H, W) to sRGB, clipped to [0, 1]. Clipping shifts lightness; see `fit_to_gamut`."""
    return _lab_to_rgb_unclipped(lab).clamp(0.0, 1.0)


def rgb_to_lightness(rgb: Tensor) -> Tensor:
    """L* (..., 1, H, W) of sRGB (..., 3, H, W) in [0, 1]."""
    return rgb_to_lab(rgb)[..., :1, :, :]


def paint(lightness: Tensor, ab: Tensor) -> Tensor:
    """Put a*b* (..., 2, H, W) on a given L* (..., 1, H, W) and return sRGB (..., 3, H, W) in [0, 1].

    Where the colour asked for does not exist at that lightness, chroma gives way and lightness stays.
    """
    return lab_to_rgb(fit_to_gamut(torch.cat((lightness, ab), dim=-3)))


def fit_to_gamut(lab: Tensor) -> Tensor:
    """Shrink a*b* towards gray, at constant L* and hue, until the colour is inside the sRGB gamut.

    Gradients flow through the colours that fit; the shrinking factor of the others is taken as constant.
    """
    with torch.no_grad():
        pixels = lab.detach().movedim(-3, -1).reshape(-1, 3)
        outside = (~_in_gamut(pixels)).nonzero().squeeze(1)
        factor = torch.ones(pixels.shape[0], 1, dtype=lab.dtype, device=lab.device)
        if outside.numel():
            factor[outside] = _largest_factor(pixels[outside])
        factor = factor.reshape(lab.movedim(-3, -1).shape[:-1]).unsqueeze(-3)
    return torch.cat((lab[..., :1, :, :], lab[..., 1:, :, :] * factor), dim=-3)


def _largest_factor(pixels: Tensor) -> Tensor:
    """By bisection, the share of the chroma of L*a*b* pixels (N, 3) that stays in the gamut, as (N, 1)."""
    low = torch.zeros(pixels.shape[0], 1, dtype=pixels.dtype, device=pixels.device)
    high = torch.ones_like(low)
    for _ in range(_GAMUT_STEPS):
        middle = (low + high) / 2
        fits = _in_gamut(torch.cat((pixels[:, :1], pixels[:, 1:] * middle), dim=1)).unsqueeze(1)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return low


def _in_gamut(pixels: Tensor) -> Tensor:
    """Whether L*a*b* pixels (N, 3) are sRGB colours, as bool (N,)."""
    rgb = _lab_to_rgb_unclipped(pixels.T.reshape(3, -1, 1))
    return ((rgb >= -_GAMUT_SLACK) & (rgb <= 1.0 + _GAMUT_SLACK)).all(dim=0).squeeze(1)


def _lab_to_rgb_unclipped(lab: Tensor) -> Tensor:
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16.0) / 116.0
    # as scikit-image does for colours that no light can have
    f = torch.stack((a / 500.0 + fy, fy, (fy - b / 200.0).clamp(min=0.0)), dim=-3)
    xyz = torch.where(f > 0.2068966, f**3, (f - _OFFSET) / _KAPPA) * _white(lab)
    linear = _mix(xyz, _RGB_FROM_XYZ)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp(min=0.0031308) ** (1.0 / 2.4) - 0.055, 12.92 * linear)


def _mix(planes: Tensor, matrix: Sequence[Sequence[float]]) -> Tensor:
    # plane by plane rather than a matrix product, which autocast would round to bfloat16
    first, second, third = planes.unbind(-3)
    return torch.stack([row[0] * first + row[1] * second + row[2] * third for row in matrix], dim=-3)


def _white(like: Tensor) -> Tensor:
    return torch.tensor(_WHITE, dtype=like.dtype, device=like.device).reshape(3, 1, 1)
