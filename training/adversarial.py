"""What the two players of a GAN ask of each other: the loss, its smoothing and penalty, and what is shown to the judge.

`real` and `made` are logits (N, 1, h, w) of one call of the discriminator; a weight, of the same shape and in [0, 1],
is the share of valid pixels behind each logit.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses import logit_weights

# losses that ask for a logit to say real or made: only there is a label to smooth
WITH_LABELS = ("bce", "lsgan")
# weights of the penalties without which the papers do not play these games
_OF_PAPER = {"wgan_gp": 5.0, "relativistic": 1.0}


@dataclass(frozen=True)
class GANConfig:
    """The game.

    `loss` "bce" (Goodfellow et al. 2014, arXiv 1406.2661), "lsgan" (Mao et al. 2016, arXiv 1611.04076), "hinge" (Lim
    and Ye 2017, arXiv 1705.02894), "wgan_gp" (Gulrajani et al. 2017, arXiv 1704.00028) or "relativistic"
    (Jolicoeur-Martineau 2018, arXiv 1807.00734). `label_smoothing` is what real falls short of 1, for bce and lsgan.
    `gradient_penalty` is the weight of the penalty on the discriminator's slope: for wgan_gp its distance from 1
    between real and made pictures, for the others R1 and R2, its square at both (Mescheder et al. 2018, arXiv
    1801.04406; with relativistic it is R3GAN, Huang et al. 2024, arXiv 2501.05441); 0 is none. "paper" is 5 for
    wgan_gp, lambda 10 of a loss that is halved here; 1 for relativistic, gamma with which R3GAN begins on ImageNet at
    64 px, larger pictures may want more; none for the other losses.
    `translation` and `cutout`: the judge sees pictures shifted by up to this share of a side, and with a square of
    this share of a side left out (Zhao et al. 2020, arXiv 2006.10738, without its colour changes); 0 is none.
    """

    loss: Literal["bce", "lsgan", "hinge", "wgan_gp", "relativistic"] = "bce"
    label_smoothing: float = 0.0
    gradient_penalty: float | Literal["paper"] = "paper"
    translation: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing < 0.5 or self.penalty < 0.0:
            raise ValueError("gan.label_smoothing must lie within 0 and 0.5, gan.gradient_penalty be 0 or more")
        if self.label_smoothing and self.loss not in WITH_LABELS:
            raise ValueError(f"gan.label_smoothing is for the losses {' and '.join(WITH_LABELS)}: set it to 0")
        if not 0.0 <= self.translation < 1.0 or not 0.0 <= self.cutout < 1.0:
            raise ValueError("gan.translation and gan.cutout must be at least 0 and below 1")

    @property
    def penalty(self) -> float:
        """The weight of the penalty as a number, 0 for none."""
        return _OF_PAPER.get(self.loss, 0.0) if self.gradient_penalty == "paper" else self.gradient_penalty


def generator_loss(how: GANConfig, made: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """What the generator lowers; `real` matters to the relativistic loss only."""
    match how.loss:
        case "bce":
            terms = F.softplus(-made)
        case "lsgan":
            terms = (made - 1.0).square()
        case "hinge" | "wgan_gp":
            terms = -made
        case "relativistic":
            terms = F.softplus(real - made)
    return _mean(terms, weight)


def discriminator_losses(
    how: GANConfig, real: Tensor, made: Tensor, real_weight: Tensor, made_weight: Tensor
) -> tuple[Tensor, Tensor]:
    """What the discriminator lowers, for real and for made pictures, each halved.

    The relativistic loss is of pairs: both halves are the same.
    """
    aim = 1.0 - how.label_smoothing
    match how.loss:
        case "bce":
            of_real, of_made = aim * F.softplus(-real) + (1.0 - aim) * F.softplus(real), F.softplus(made)
        case "lsgan":
            of_real, of_made = (real - aim).square(), made.square()
        case "hinge":
            of_real, of_made = F.relu(1.0 - real), F.relu(1.0 + made)
        case "wgan_gp":
            of_real, of_made = -real, made
        case "relativistic":
            of_real = of_made = F.softplus(made - real)
    return 0.5 * _mean(of_real, real_weight), 0.5 * _mean(of_made, made_weight)


def slope_penalty(discriminator: nn.Module, how: GANConfig, real: Tensor, made: Tensor, valid: Tensor) -> Tensor:
    """The weighted penalty on the slope of each picture's mean logit; pictures (N, C, H, W), `valid` (N, 1, H, W).

    Call it outside autocast: bfloat16 has too few digits for a gradient of a gradient.
    """
    if how.loss == "wgan_gp":
        share = torch.rand(real.shape[0], 1, 1, 1).to(real.device)
        norm = _slope(discriminator, torch.lerp(real, made, share), valid).sqrt()
        return how.penalty * (norm - 1.0).square().mean()
    # half of R1 plus half of R2: the mean over both halves
    return how.penalty * _slope(discriminator, torch.cat((real, made)), valid.repeat(2, 1, 1, 1)).mean()


def _slope(discriminator: nn.Module, pictures: Tensor, valid: Tensor) -> Tensor:
    """The squared norm of the gradient of each picture's mean logit, (N,)."""
    pictures = pictures.detach().requires_grad_()
    logits = discriminator(pictures)
    weight = logit_weights(valid, logits)
    means = (logits * weight).flatten(1).sum(dim=1) / weight.flatten(1).sum(dim=1).clamp(min=1e-6)
    (gradient,) = torch.autograd.grad(means.sum(), pictures, create_graph=True)
    # without the small number the root of WGAN-GP has no gradient at 0
    return gradient.square().flatten(1).sum(dim=1) + 1e-12


def shown(how: GANConfig, pictures: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W), 0 where not valid, as the judge sees them, and where they then hold data.

    Each is shifted and cut on its own; every channel alike, so that lightness and colour stay together.
    """
    if how.translation:
        pictures, valid = _shifted(pictures, valid, how.translation)
    if how.cutout:
        valid = valid & _cut(valid, how.cutout)
        pictures = pictures * valid
    return pictures, valid


def _shifted(pictures: Tensor, valid: Tensor, share: float) -> tuple[Tensor, Tensor]:
    count, _, height, width = pictures.shape
    rows, columns = round(height * share), round(width * share)
    around = (columns, columns, rows, rows)
    padded, mask = F.pad(pictures, around), F.pad(valid, around)
    # drawn on the CPU, whose random generator the checkpoint keeps
    tops = torch.randint(0, 2 * rows + 1, (count,)).tolist()
    lefts = torch.randint(0, 2 * columns + 1, (count,)).tolist()
    windows = [(..., slice(y, y + height), slice(x, x + width)) for y, x in zip(tops, lefts, strict=True)]
    return (
        torch.stack([picture[window] for picture, window in zip(padded, windows, strict=True)]),
        torch.stack([part[window] for part, window in zip(mask, windows, strict=True)]),
    )


def _cut(valid: Tensor, share: float) -> Tensor:
    """True outside a square whose centre may be anywhere, for each of (N, 1, H, W)."""
    count, _, height, width = valid.shape
    inside = []
    for side in (height, width):
        centre = (torch.rand(count, 1) * side).to(valid.device)
        inside.append((torch.arange(side, device=valid.device) - centre).abs() <= share * side / 2)
    return ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])


def _mean(terms: Tensor, weight: Tensor) -> Tensor:
    return (terms * weight).sum() / weight.sum().clamp(min=1e-6)
