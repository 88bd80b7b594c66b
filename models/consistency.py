"""Making an enlarged picture agree with what it was made from: its area mean is the input again."""

import torch
from torch import Tensor
from torch.nn import functional as F

# each halves what is left of the shift's error: below a thousandth of an 8-bit level after 18
_HALVINGS = 18


@torch.no_grad()
def consistent_with(small: Tensor, large: Tensor) -> Tensor:
    """The picture in [0, 1] nearest to `large` (3, n*H, n*W), by squares, whose means over n x n pixels are `small`.

    `small` is (3, H, W) in [0, 1]. All pixels of a square are shifted by the same amount and clipped to [0, 1]; the
    shift is found by bisection. Without clipping it is one step of back-projection (Irani and Peleg 1991, CVGIP 53,
    231). As the truth lies in the convex set that is projected onto, no square comes farther from it, if the input
    is its area mean.
    """
    scale = large.shape[-1] // small.shape[-1]
    low, high = torch.full_like(small, -1.0), torch.ones_like(small)
    for _ in range(_HALVINGS):
        shift = (low + high) / 2
        dark = F.avg_pool2d(_shifted(large, shift, scale), scale) < small
        low, high = torch.where(dark, shift, low), torch.where(dark, high, shift)
    return _shifted(large, (low + high) / 2, scale)


def _shifted(large: Tensor, shift: Tensor, scale: int) -> Tensor:
    return (large + shift.repeat_interleave(scale, -2).repeat_interleave(scale, -1)).clamp(0.0, 1.0)
