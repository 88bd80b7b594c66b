"""The loss terms: small pure functions of predictions, truth and the no-data mask."""

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_l1(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of (N, C, H, W) tensors over the pixels where `valid`, bool (N, 1, H, W), is True."""
    difference = (prediction.float() - truth.float()).abs() * valid
    return difference.sum() / (valid.sum() * prediction.shape[1]).clamp(min=1)


def bce(logits: Tensor, real: bool, weight: Tensor) -> Tensor:
    """Binary cross-entropy of logits that should all say real, or all generated (Goodfellow et al. 2014).

    `weight`, in [0, 1] and of the logits' shape, is the share of valid pixels behind each logit.
    """
    target = torch.full_like(logits, float(real))
    terms = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (terms * weight).sum() / weight.sum().clamp(min=1e-6)


def logit_weights(valid: Tensor, logits: Tensor) -> Tensor:
    """Share of valid pixels in the cell of each logit: (N, 1, H, W) pooled to the size of (N, 1, h, w)."""
    return F.adaptive_avg_pool2d(valid.float(), (logits.shape[-2], logits.shape[-1]))
