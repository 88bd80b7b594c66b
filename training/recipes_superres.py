"""Recipes of enlarging networks at the sizes of their papers, faithful and adversarial; each names its source."""

from dataclasses import replace

from models.discriminators import SRGANDiscriminatorConfig
from models.edsr import EDSRConfig
from models.span import SPANConfig
from models.srresnet import SRResNetConfig
from models.wdsr import WDSRConfig
from training.config import DataConfig, EngineConfig, PhaseConfig, TrainConfig


def srgan_ledig() -> TrainConfig:
    """SRGAN 4x at the paper's size: 16 blocks of 64 channels, 96 px crops, batch 16, L1 as content loss.

    With VGG-19 weights: `content.weights=FILE content.weight=1 l1_weight=0.01 adversarial_weight=0.005`.
    """
    return TrainConfig(
        task="superres",
        recipe="srgan_ledig",
        source="Ledig et al. 2017, arXiv 1609.04802; L1 where no VGG weights are given, no BatchNorm",
        generator=SRResNetConfig(scale=4, width=64, blocks=16, end_kernel=9),
        discriminator=SRGANDiscriminatorConfig(width=64, levels=4, spectral=True),
        data=DataConfig(frame_px=1024, crop_px=96, batch=16),
        pretrain=PhaseConfig(steps=300_000, lr_generator=1e-4),
        adversarial=PhaseConfig(steps=100_000, lr_generator=1e-4, lr_discriminator=1e-4),
        l1_weight=1.0,
        adversarial_weight=1e-3,
        discriminator_first=500,
        betas=(0.9, 0.999),
        engine=EngineConfig(channels_last=True),
    )


def edsr_gan() -> TrainConfig:
    """`srgan_ledig` with the baseline EDSR for its generator."""
    return replace(
        srgan_ledig(),
        recipe="edsr_gan",
        source="Lim et al. 2017, arXiv 1707.02921; adversarial as Ledig et al. 2017, arXiv 1609.04802",
        generator=EDSRConfig(scale=4, width=64, blocks=16),
        data=DataConfig(frame_px=1024, crop_px=192, batch=16),
    )


def wdsr_gan() -> TrainConfig:
    """`srgan_ledig` with WDSR-B for its generator."""
    return replace(
        edsr_gan(),
        recipe="wdsr_gan",
        source="Yu et al. 2018, arXiv 1808.08718; adversarial as Ledig et al. 2017, arXiv 1609.04802",
        generator=WDSRConfig(scale=4, width=32, blocks=16),
        pretrain=PhaseConfig(steps=300_000, lr_generator=1e-3, decay="cosine"),
    )


def span_gan() -> TrainConfig:
    """`srgan_ledig` with SPAN for its generator."""
    return replace(
        edsr_gan(),
        recipe="span_gan",
        source="Wan et al. 2023, arXiv 2311.12770; adversarial as Ledig et al. 2017, arXiv 1609.04802",
        generator=SPANConfig(scale=4),
        pretrain=PhaseConfig(steps=300_000, lr_generator=5e-4, decay="cosine"),
    )


def srresnet() -> TrainConfig:
    """The faithful end of `srgan_ledig` alone."""
    return _plain(srgan_ledig(), "srresnet")


def edsr() -> TrainConfig:
    """The faithful end of `edsr_gan` alone."""
    return _plain(edsr_gan(), "edsr")


def wdsr() -> TrainConfig:
    """The faithful end of `wdsr_gan` alone."""
    return _plain(wdsr_gan(), "wdsr")


def span() -> TrainConfig:
    """The faithful end of `span_gan` alone."""
    return _plain(span_gan(), "span")


def _plain(config: TrainConfig, name: str) -> TrainConfig:
    """A recipe without its adversarial phase."""
    source = config.source.partition(";")[0]
    return replace(config, recipe=name, source=source, adversarial=replace(config.adversarial, steps=0))
