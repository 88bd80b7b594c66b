"""The colour difference CIEDE2000, as Sharma, Wu and Dalal (2005) write its formulas down."""

import math

import torch
from torch import Tensor

_TWENTY_FIVE_7 = 25.0**7


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """Difference of L*a*b* pictures (3, ...) and (3, ...), as (...): about 1 is just seen, with kL = kC = kH = 1."""
    (l1, a1, b1), (l2, a2, b2) = first.unbind(0), second.unbind(0)
    c_mean = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    g = 0.5 * (1 - _share(c_mean))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = _degrees(b1, a1), _degrees(b2, a2)

    gray = c1 * c2 == 0
    turn = h2 - h1
    turn = torch.where(turn > 180, turn - 360, torch.where(turn < -180, turn + 360, turn))
    turn = turn.masked_fill(gray, 0.0)
    d_l, d_c = l2 - l1, c2 - c1
    d_h = 2 * (c1 * c2).sqrt() * torch.sin(torch.deg2rad(turn / 2))

    l_bar, c_bar = (l1 + l2) / 2, (c1 + c2) / 2
    total = h1 + h2
    apart = (h1 - h2).abs() > 180
    h_bar = torch.where(apart, torch.where(total < 360, total + 360, total - 360), total) / 2
    h_bar = torch.where(gray, total, h_bar)

    t = 1 - 0.17 * _cos(h_bar - 30) + 0.24 * _cos(2 * h_bar) + 0.32 * _cos(3 * h_bar + 6) - 0.20 * _cos(4 * h_bar - 63)
    s_l = 1 + 0.015 * (l_bar - 50) ** 2 / torch.sqrt(20 + (l_bar - 50) ** 2)
    s_c = 1 + 0.045 * c_bar
    s_h = 1 + 0.015 * c_bar * t
    rotation = 30 * torch.exp(-(((h_bar - 275) / 25) ** 2))
    r_t = -torch.sin(torch.deg2rad(2 * rotation)) * 2 * _share(c_bar)
    x, y, z = d_l / s_l, d_c / s_c, d_h / s_h
    return torch.sqrt((x**2 + y**2 + z**2 + r_t * y * z).clamp(min=0.0))


def _share(chroma: Tensor) -> Tensor:
    """How far chroma is beyond 25, where blue needs its own rule: 0 for gray, towards 1."""
    power = chroma**7
    return torch.sqrt(power / (power + _TWENTY_FIVE_7))


def _degrees(b: Tensor, a: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan2(b, a)) % 360


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(degrees * (math.pi / 180))
