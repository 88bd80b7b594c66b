"""The plain loss terms: small pure functions of predictions, truth and the no-data mask."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Y of BT.601 from levels in 0 to 255, as MATLAB has it, less its offset of 16
LUMA = tuple(weight / 255.0 for weight in (65.481, 128.553, 24.966))
# about what a picture of the sky has, so that the gap is of the order of 1
_MODERATE = 30.0
# mean squared levels: below, a crop counts as perfect, or black ones would be all that matters
_PERFECT = 0.05


def masked_l1(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of (N, C, H, W) tensors over the pixels where `valid`, bool (N, 1, H, W), is True."""
    difference = (prediction.float() - truth.float()).abs() * valid
    return difference.sum() / (valid.sum() * prediction.shape[1]).clamp(min=1)


def psnr_loss(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Minus the mean PSNR in dB of sRGB crops (N, 3, H, W), that of RGB and that of the luma in equal parts.

    The loss of Chen et al. 2022, arXiv 2204.04676. Each crop counts alike, and so what improves a dark or smooth one
    weighs as much as in a score of mean PSNR; an L1 loss asks mostly for the crops that are hard. `valid`, bool
    (N, 1, H, W), says where there is data; a crop counts as perfect at 61 dB.
    """
    levels = 255.0 * (prediction.float() - truth.float()) * valid
    luma = (levels * levels.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    count = valid.flatten(1).sum(dim=1).clamp(min=1)
    both = [plane.square().flatten(1).sum(dim=1) / (count * plane.shape[1]) for plane in (levels, luma)]
    return 10.0 * (torch.stack(both) + _PERFECT).log10().mean() - 20.0 * math.log10(255.0)


def colourfulness(rgb: Tensor, valid: Tensor) -> Tensor:
    """Colourfulness of Hasler and Suesstrunk 2003 (M3) of each of (N, 3, H, W) pictures, on the 0 to 255 scale, (N,).

    sRGB in [0, 1]; what is not `valid`, bool (N, 1, H, W), does not count. 0 is gray, 33 "moderately colourful".
    """
    red, green, blue = (255.0 * rgb).unbind(dim=1)
    inside = valid[:, 0]
    count = inside.flatten(1).sum(dim=1).clamp(min=1)

    def mean(plane: Tensor) -> Tensor:
        return (plane * inside).flatten(1).sum(dim=1) / count

    variance, centre = torch.zeros_like(count, dtype=rgb.dtype), torch.zeros_like(count, dtype=rgb.dtype)
    for opponent in (red - green, 0.5 * (red + green) - blue):
        middle = mean(opponent)
        variance = variance + mean((opponent - middle.reshape(-1, 1, 1)).square())
        centre = centre + middle.square()
    # without the small number the roots have no gradient at gray
    return (variance + 1e-12).sqrt() + 0.3 * (centre + 1e-12).sqrt()


def colour_gap(made: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean squared difference of the colourfulness of (N, 3, H, W) pictures from the truth's, in units of 30."""
    gap = (colourfulness(made, valid) - colourfulness(truth, valid)) / _MODERATE
    return gap.square().mean()


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
