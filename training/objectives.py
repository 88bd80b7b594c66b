"""What each task asks of its two players. No optimiser, device or logging in here.

An objective holds generator and discriminator and has one method per player, each returning that player's loss
terms, already weighted, to be summed. L1 pretraining is the generator's step without the adversarial term.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from models.color import rgb_to_lab
from models.colouriser import AB_LIMIT
from models.predict import blank
from training.data import Batch
from training.degradation import DegradationConfig, degrade
from training.losses import bce, logit_weights, masked_l1
from training.palettes import Guide

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Example:
    """What the generator is given and should give: `given` (N, C, H, W), `truth` and its mask `valid`, bool.

    `guidance` is what a guided generator is given besides: palettes, and which of them count.
    """

    given: Tensor
    truth: Tensor
    valid: Tensor
    guidance: tuple[Tensor, ...] = ()


class Objective(Protocol):
    """What the training loop needs of a task."""

    generator: nn.Module
    discriminator: nn.Module

    def prepare(self, batch: Batch) -> Example:
        """Input and truth from crops."""

    def generator_terms(self, example: Example, made: Tensor, *, adversarial: bool) -> Terms:
        """Loss terms of the generator for what it made of `example.given`."""

    def discriminator_terms(self, example: Example, made: Tensor) -> Terms:
        """Loss terms of the discriminator; gradients do not reach the generator."""


class ColorizerObjective:
    """Conditional GAN in L*a*b* (Isola et al. 2017): binary cross-entropy plus L1 on a*b*/110.

    The discriminator sees lightness and colour together, so it judges whether a colour suits what is there.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        l1_weight: float,
        adversarial_weight: float,
        guide: Guide | None = None,
    ) -> None:
        self.generator, self.discriminator, self.guide = generator, discriminator, guide
        self.l1_weight, self.adversarial_weight = l1_weight, adversarial_weight

    def prepare(self, batch: Batch) -> Example:
        """L*, black where there is no data, and the true a*b*; with a guide, the palettes of the frames."""
        lab = rgb_to_lab(batch.rgb)
        guidance = self.guide.of(batch) if self.guide else ()
        return Example(blank(lab[:, :1], batch.valid), lab[:, 1:], batch.valid, guidance)

    def generator_terms(self, example: Example, made: Tensor, *, adversarial: bool) -> Terms:
        """`g_l1` and, if `adversarial`, `g_adversarial`."""
        l1 = masked_l1(made, example.truth, example.valid) / AB_LIMIT
        terms = {"g_l1": self.l1_weight * l1}
        if adversarial:
            logits = self.discriminator(_seen_colours(example, made))
            weight = logit_weights(example.valid, logits)
            terms["g_adversarial"] = self.adversarial_weight * bce(logits, True, weight)
        return terms

    def discriminator_terms(self, example: Example, made: Tensor) -> Terms:
        """`d_real` and `d_made`, each halved as in the paper."""
        both = torch.cat((_seen_colours(example, example.truth), _seen_colours(example, made.detach())))
        return _discriminator_bce(self.discriminator(both), example.valid)


class SuperresObjective:
    """SRGAN (Ledig et al. 2017) with L1 on RGB as content loss; the input is the degraded picture."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        scale: int,
        degradation: DegradationConfig,
        l1_weight: float,
        adversarial_weight: float,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.scale, self.degradation = scale, degradation
        self.l1_weight, self.adversarial_weight = l1_weight, adversarial_weight

    def prepare(self, batch: Batch) -> Example:
        """The small picture and the large one."""
        return Example(degrade(batch.rgb, self.scale, self.degradation), batch.rgb, batch.valid)

    def generator_terms(self, example: Example, made: Tensor, *, adversarial: bool) -> Terms:
        """`g_l1` and, if `adversarial`, `g_adversarial`."""
        terms = {"g_l1": self.l1_weight * masked_l1(made, example.truth, example.valid)}
        if adversarial:
            logits = self.discriminator(_seen_picture(made, example.valid))
            weight = logit_weights(example.valid, logits)
            terms["g_adversarial"] = self.adversarial_weight * bce(logits, True, weight)
        return terms

    def discriminator_terms(self, example: Example, made: Tensor) -> Terms:
        """`d_real` and `d_made`, each halved."""
        pictures = torch.cat((example.truth, made.detach()))
        logits = self.discriminator(_seen_picture(pictures, example.valid.repeat(2, 1, 1, 1)))
        return _discriminator_bce(logits, example.valid)


def _seen_colours(example: Example, ab: Tensor) -> Tensor:
    scaled = torch.cat((example.given / 50.0 - 1.0, ab / AB_LIMIT), dim=1)
    return blank(scaled, example.valid)


def _seen_picture(rgb: Tensor, valid: Tensor) -> Tensor:
    return blank(rgb * 2.0 - 1.0, valid)


def _discriminator_bce(logits: Tensor, valid: Tensor) -> Terms:
    real, made = logits.chunk(2)
    weight = logit_weights(valid, real)
    return {"d_real": 0.5 * bce(real, True, weight), "d_made": 0.5 * bce(made, False, weight)}
