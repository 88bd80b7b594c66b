"""What each task asks of its two players. No optimiser, device or logging in here.

An objective holds generator and discriminator and has one method per player, each returning that player's loss
terms, already weighted, to be summed. Pretraining is the generator's step without the adversarial terms.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.color import lab_to_rgb, rgb_to_lab
from models.colouriser import AB_LIMIT, Output
from models.predict import blank
from training.adversarial import GANConfig, discriminator_losses, generator_loss, shown, slope_penalty
from training.config import PretrainLoss
from training.content import ContentLoss
from training.data import Batch
from training.degradation import DegradationConfig, degrade, of_data_alone
from training.losses import colour_gap, logit_weights, masked_l1, psnr_loss
from training.palettes import Guide
from training.spurious import spurious_share

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Example:
    """What the generator is given and should give: `given` (N, C, H, W), `truth` and its mask `valid`, bool.

    `guidance` is what a guided generator is given besides: palettes, and which of them count, each (N, ...).
    """

    given: Tensor
    truth: Tensor
    valid: Tensor
    guidance: tuple[Tensor, ...] = ()

    def parts(self, count: int) -> "list[Example]":
        """The example in `count` parts, fewer where it has fewer pictures."""
        columns = (self.given, self.truth, self.valid, *self.guidance)
        rows = zip(*(column.chunk(count) for column in columns), strict=True)
        return [Example(given, truth, valid, tuple(guidance)) for given, truth, valid, *guidance in rows]


@dataclass(frozen=True)
class Losses:
    """Which terms there are, and their weights."""

    l1_weight: float
    adversarial_weight: float
    gan: GANConfig
    content_weight: float = 0.0
    content: ContentLoss | None = None
    colour_weight: float = 0.0
    pretrain_loss: PretrainLoss = "l1"
    spurious_weight: float = 0.0


class Objective(ABC):
    """Generator, discriminator and their terms; a task says what pictures are, and how far apart."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, losses: Losses) -> None:
        self.generator, self.discriminator, self.losses = generator, discriminator, losses

    @abstractmethod
    def prepare(self, batch: Batch) -> Example:
        """Input and truth from crops."""

    @abstractmethod
    def l1(self, example: Example, made: Tensor) -> Tensor:
        """The distance from the truth, on the network's own scale."""

    @abstractmethod
    def seen(self, example: Example, picture: Tensor) -> Tensor:
        """A made or true picture as the discriminator sees it: about [-1, 1], 0 where there is no data."""

    @abstractmethod
    def rgb(self, example: Example, picture: Tensor) -> Tensor:
        """A made or true picture as sRGB."""

    def generator_terms(self, example: Example, made: Tensor, *, adversarial: bool) -> Terms:
        """`g_l1` and, if `adversarial`, `g_adversarial` and `g_content` where there is such a loss."""
        losses = self.losses
        terms = {"g_l1": losses.l1_weight * self.l1(example, made)}
        if not adversarial:
            return terms
        if losses.gan.loss == "relativistic":
            real, judged, _, weight = self._judge(example, made)
        else:
            picture, valid = shown(losses.gan, self.seen(example, made), example.valid)
            judged = real = self.discriminator(picture).float()
            weight = logit_weights(valid, judged)
        terms["g_adversarial"] = losses.adversarial_weight * generator_loss(losses.gan, judged, real, weight)
        if losses.content is not None:
            apart = losses.content(self.rgb(example, made), self.rgb(example, example.truth), example.valid)
            terms["g_content"] = losses.content_weight * apart
        return terms

    def discriminator_terms(self, example: Example, made: Tensor) -> Terms:
        """`d_real`, `d_made` and, where the game has one, `d_penalty`; gradients do not reach the generator."""
        made, gan = made.detach(), self.losses.gan
        d_real, d_made = discriminator_losses(gan, *self._judge(example, made))
        terms = {"d_real": d_real, "d_made": d_made}
        if gan.penalty:
            with torch.autocast(made.device.type, enabled=False):
                real_seen, made_seen = (self.seen(example, picture.float()) for picture in (example.truth, made))
                terms["d_penalty"] = slope_penalty(self.discriminator, gan, real_seen, made_seen, example.valid)
        return terms

    def _judge(self, example: Example, made: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of the true and of the made pictures, and the shares of data behind the ones and the others.

        One call of the discriminator for both: two break distributed training with some normalisations.
        """
        both = torch.cat((self.seen(example, example.truth), self.seen(example, made)))
        pictures, valid = shown(self.losses.gan, both, example.valid.repeat(2, 1, 1, 1))
        logits = self.discriminator(pictures).float()
        real, judged = logits.chunk(2)
        real_weight, made_weight = logit_weights(valid, logits).chunk(2)
        if self.losses.gan.loss == "relativistic":
            # a pair counts as far as both of it hold data
            real_weight = made_weight = torch.minimum(real_weight, made_weight)
        return real, judged, real_weight, made_weight


class ColorizerObjective(Objective):
    """Conditional GAN (Isola et al. 2017): lightness to a*b*, or to RGB.

    The discriminator sees lightness and colour together, so it judges whether a colour suits what is there.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        losses: Losses,
        output: Output = "ab",
        guide: Guide | None = None,
    ) -> None:
        super().__init__(generator, discriminator, losses)
        self.output, self.guide = output, guide

    def prepare(self, batch: Batch) -> Example:
        """L*, black where there is no data, and the true colours; with a guide, the palettes of the frames."""
        lab = rgb_to_lab(batch.rgb)
        truth = lab[:, 1:] if self.output == "ab" else batch.rgb
        guidance = self.guide.of(batch) if self.guide else ()
        return Example(blank(lab[:, :1], batch.valid), truth, batch.valid, guidance)

    def generator_terms(self, example: Example, made: Tensor, *, adversarial: bool) -> Terms:
        """Besides, if `adversarial`, `g_colour` where its weight is above 0: how far from as colourful as the truth.

        The least error is that of dull colours, and a judge alone pulls a generator from them slowly.
        """
        terms = super().generator_terms(example, made, adversarial=adversarial)
        if adversarial and self.losses.colour_weight:
            # bfloat16 has too few digits for the sums over a picture
            painted, truth = self.rgb(example, made.float()), self.rgb(example, example.truth)
            terms["g_colour"] = self.losses.colour_weight * colour_gap(painted, truth, example.valid)
        return terms

    def l1(self, example: Example, made: Tensor) -> Tensor:
        """On a*b*/110, or on RGB as -1 to 1."""
        return masked_l1(made, example.truth, example.valid) * (1.0 / AB_LIMIT if self.output == "ab" else 2.0)

    def seen(self, example: Example, picture: Tensor) -> Tensor:
        """Lightness and colour."""
        colour = picture / AB_LIMIT if self.output == "ab" else picture * 2.0 - 1.0
        return blank(torch.cat((example.given / 50.0 - 1.0, colour), dim=1), example.valid)

    def rgb(self, example: Example, picture: Tensor) -> Tensor:
        """The colour on its lightness."""
        return lab_to_rgb(torch.cat((example.given, picture), dim=1)) if self.output == "ab" else picture


class SuperresObjective(Objective):
    """SRGAN (Ledig et al. 2017) with L1 on RGB, or pretraining for PSNR; the input is the degraded picture."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        losses: Losses,
        *,
        scale: int,
        degradation: DegradationConfig,
    ) -> None:
        super().__init__(generator, discriminator, losses)
        self.scale, self.degradation = scale, degradation

    def prepare(self, batch: Batch) -> Example:
        """The small picture and the large one, whose mask leaves out what was mixed with the colour of no-data."""
        mask = of_data_alone(batch.valid, self.scale, self.degradation)
        mask = mask.repeat_interleave(self.scale, dim=-2).repeat_interleave(self.scale, dim=-1)
        return Example(degrade(batch.rgb, self.scale, self.degradation), batch.rgb, mask)

    def generator_terms(self, example: Example, made: Tensor, *, adversarial: bool) -> Terms:
        """Before the adversarial phase `g_psnr` where that is the loss, and `g_spurious` where it has a weight."""
        if adversarial or self.losses.pretrain_loss != "psnr":
            return super().generator_terms(example, made, adversarial=adversarial)
        terms = {"g_psnr": psnr_loss(made, example.truth, example.valid)}
        if self.losses.spurious_weight:
            share = spurious_share(made, example.truth, example.valid)
            terms["g_spurious"] = self.losses.spurious_weight * share
        return terms

    def l1(self, example: Example, made: Tensor) -> Tensor:
        """On RGB."""
        return masked_l1(made, example.truth, example.valid)

    def seen(self, example: Example, picture: Tensor) -> Tensor:
        """The picture."""
        return blank(picture * 2.0 - 1.0, example.valid)

    def rgb(self, example: Example, picture: Tensor) -> Tensor:
        """The picture."""
        return picture
