"""The plain loss terms: small pure functions of predictions, truth and the no-data mask."""

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_l1(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of (N, C, H, W) tensors over the pixels where `valid`, bool (N, 1, H, W), is True."""
    difference = (prediction.float() - truth.float()).abs() * valid
    return difference.sum() / (valid.sum() * prediction.shape[1]).clamp(min=1)


def logit_weights(valid: Tensor, logits: Tensor) -> Tensor:
    """Share of valid pixels in the cell of each logit: (N, 1, H, W) pooled to the size of (N, 1, h, w)."""
    return F.adaptive_avg_pool2d(valid.float(), (logits.shape[-2], logits.shape[-1]))


@torch.no_grad()
def spread(made: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """How much what was made (N, C, H, W) varies over valid pixels, relative to the truth: 0 for a constant."""
    deviations = []
    for picture in (made.float(), truth.float()):
        count = valid.sum().clamp(min=1)
        mean = (picture * valid).sum(dim=(0, 2, 3), keepdim=True) / count
        deviations.append((((picture - mean) * valid).square().sum() / count).sqrt())
    return deviations[0] / deviations[1].clamp(min=1e-6)
