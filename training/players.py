"""The objective that a config asks for, on the networks of a run."""

import torch
from torch.nn.parallel import DistributedDataParallel

from models.catalogue import EnlargerConfig, output_of
from models.guided import GuidedUNetConfig
from training.checkpoints import State
from training.config import TrainConfig
from training.content import ContentLoss, load_content
from training.objectives import ColorizerObjective, Losses, Objective, SuperresObjective
from training.pack import Pack, PackedFrame
from training.palettes import Guide, frame_palettes
from training.processes import Place


def make_objective(config: TrainConfig, state: State, place: Place, guide: Guide | None) -> Objective:
    """The task's objective on the state's networks, which are synchronised where there are several processes.

    Raises:
        DeepfieldError: the weights of the content loss are not named, not there, or of another network.
    """
    generator, discriminator = state.generator, state.discriminator
    if place.world > 1:
        generator, discriminator = DistributedDataParallel(generator), DistributedDataParallel(discriminator)
    if config.engine.compile and place.device.type == "cuda":
        generator = torch.compile(generator)  # type: ignore[assignment]
    content = load_content(config.content)
    losses = _losses(config, content.to(place.device) if content is not None else None)
    if isinstance(config.generator, EnlargerConfig):
        scale, degradation = config.generator.scale, config.data.degradation
        return SuperresObjective(generator, discriminator, losses, scale=scale, degradation=degradation)
    return ColorizerObjective(generator, discriminator, losses, output_of(config.generator), guide)


def make_guide(config: TrainConfig, pack: Pack, frames: tuple[PackedFrame, ...]) -> Guide | None:
    """The palettes of the frames to train by, where the generator takes some."""
    if not isinstance(config.generator, GuidedUNetConfig):
        return None
    return Guide(frame_palettes(pack, frames, config.generator.surround_px), config.guided)


def _losses(config: TrainConfig, content: ContentLoss | None) -> Losses:
    # gamma of the mix, where there is one
    share, content_weight = 1.0, config.content.weight
    if config.content.mix:
        share, content_weight = config.content.mix, (1.0 - config.content.mix) * content_weight
    return Losses(
        share * config.l1_weight,
        share * config.adversarial_weight,
        config.gan,
        content_weight,
        content,
        config.colour_weight,
        config.pretrain_loss,
        config.spurious_weight,
    )
