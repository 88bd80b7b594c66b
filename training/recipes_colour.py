"""Recipes of colourisers at the sizes of their papers; each names its source."""

from dataclasses import replace

from models.discriminators import PatchGANConfig, ResidualVGGConfig, ResNetPatchConfig
from models.nafnet import NAFNetConfig
from models.resnet_unet import ResNetUNetConfig
from models.unet import UNetConfig
from training.adversarial import GANConfig
from training.config import DataConfig, PhaseConfig, TrainConfig
from training.content import ContentConfig


def pix2pix_lab() -> TrainConfig:
    """The conditional GAN at the paper's size, in L*a*b*: eight levels, 64 to 512 channels, 70x70 patches."""
    return TrainConfig(
        task="colorizer",
        recipe="pix2pix_lab",
        source="Isola et al. 2017, arXiv 1611.07004; L1 pretraining as in Kalvankar et al. 2021, arXiv 2112.13865",
        generator=UNetConfig(width=64, depth=8, max_width=512, norm="channel"),
        discriminator=PatchGANConfig(channels=3, width=64, layers=3, norm="instance"),
        data=DataConfig(frame_px=512, crop_px=256, batch=4),
        pretrain=PhaseConfig(steps=25_000, lr_generator=2e-4),
        adversarial=PhaseConfig(steps=100_000, lr_generator=2e-4, lr_discriminator=2e-4),
        l1_weight=100.0,
        adversarial_weight=1.0,
        discriminator_first=500,
    )


def paper_unet_rgb() -> TrainConfig:
    """The study's first network: a U-Net to RGB, judged as a whole, adversarial from the start.

    It learns from 64x64 px crops of frames whose longer side is shrunk to 256 px, not from whole frames at 64 px.
    """
    return replace(
        pix2pix_lab(),
        recipe="paper_unet_rgb",
        source="Kalvankar et al. 2021, arXiv 2112.13865, basic U-Net in RGB; no BatchNorm, no Dropout",
        generator=UNetConfig(width=64, depth=6, max_width=512, norm="channel", output="rgb"),
        discriminator=ResidualVGGConfig(channels=4),
        data=DataConfig(frame_px=256, crop_px=64, batch=16),
        pretrain=PhaseConfig(steps=0, lr_generator=2e-4),
        adversarial=PhaseConfig(steps=30_000, lr_generator=2e-4, lr_discriminator=2e-4),
        discriminator_first=0,
    )


def paper_resnet18_lab() -> TrainConfig:
    """The study's best network: 256x256 pixels to a*b*, ResNet-18 encoder, L1 pretraining, then adversarial."""
    return replace(
        pix2pix_lab(),
        recipe="paper_resnet18_lab",
        source="Kalvankar et al. 2021, arXiv 2112.13865, ResNet-18 U-Net in L*a*b*; pretrained on frames, not on COCO",
        generator=ResNetUNetConfig(),
        data=DataConfig(frame_px=512, crop_px=256, batch=16),
        pretrain=PhaseConfig(steps=6_000, lr_generator=1e-4),
        adversarial=PhaseConfig(steps=6_000, lr_generator=2e-4, lr_discriminator=2e-4),
        discriminator_first=0,
        encoder="imagenet",
    )


def paper_resnet18_rgb() -> TrainConfig:
    """`paper_resnet18_lab` with RGB for a*b*."""
    return replace(
        paper_resnet18_lab(),
        recipe="paper_resnet18_rgb",
        source="Kalvankar et al. 2021, arXiv 2112.13865, ResNet-18 U-Net in RGB; pretrained on frames, not on COCO",
        generator=ResNetUNetConfig(output="rgb"),
        discriminator=PatchGANConfig(channels=4),
    )


def resnet50_patch() -> TrainConfig:
    """`paper_resnet18_lab` judged by a ResNet-50 in cells of 32 pixels."""
    return replace(
        paper_resnet18_lab(),
        recipe="resnet50_patch",
        source="Kalvankar et al. 2021, arXiv 2112.13865; He et al. 2015, arXiv 1512.03385, for the discriminator",
        discriminator=ResNetPatchConfig(),
    )


def unet256_patchgan() -> TrainConfig:
    """U-Net and 70x70 patches at 256 px in batches of 16, adversarial from the start."""
    return replace(
        pix2pix_lab(),
        recipe="unet256_patchgan",
        source="Isola et al. 2017, arXiv 1611.07004, as commonly trained on 10,000 pictures for 20 epochs",
        data=DataConfig(frame_px=512, crop_px=256, batch=16),
        pretrain=PhaseConfig(steps=0, lr_generator=2e-4),
        adversarial=PhaseConfig(steps=10_000, lr_generator=2e-4, lr_discriminator=2e-4),
        discriminator_first=0,
    )


def spectral_128() -> TrainConfig:
    """128x128 pixels, large batches, a spectrally normalised discriminator with smoothed labels and a lower rate."""
    return replace(
        pix2pix_lab(),
        recipe="spectral_128",
        source="Isola et al. 2017, arXiv 1611.07004; Miyato et al. 2018, arXiv 1802.05957, ten power iterations; "
        "Heusel et al. 2017, arXiv 1706.08500, two rates",
        generator=UNetConfig(width=64, depth=7, max_width=512, norm="channel"),
        discriminator=PatchGANConfig(norm="none", spectral=True, power_iterations=10),
        data=DataConfig(frame_px=256, crop_px=128, batch=128),
        pretrain=PhaseConfig(steps=0, lr_generator=4e-4),
        adversarial=PhaseConfig(steps=10_000, lr_generator=4e-4, lr_discriminator=1e-4),
        discriminator_first=0,
        gan=GANConfig(label_smoothing=0.1),
    )


def content_mix() -> TrainConfig:
    """`unet256_patchgan` mixed with a content loss; give its weights by `content.weights`."""
    return replace(
        unet256_patchgan(),
        recipe="content_mix",
        source="Isola et al. 2017, arXiv 1611.07004; Johnson et al. 2016, arXiv 1603.08155, for the content loss",
        content=ContentConfig(weight=1.0, mix=0.5),
    )


def nafnet_r3gan() -> TrainConfig:
    """A NAFNet on means over 2x2 pixels, in a relativistic game with R1 and R2, its judge shown shifted pictures."""
    return replace(
        pix2pix_lab(),
        recipe="nafnet_r3gan",
        source="Chen et al. 2022, arXiv 2204.04676; Huang et al. 2024, arXiv 2501.05441",
        generator=NAFNetConfig(reduce=2),
        discriminator=PatchGANConfig(norm="none"),
        data=DataConfig(frame_px=512, crop_px=256, batch=8),
        pretrain=PhaseConfig(steps=20_000, lr_generator=1e-3, decay="cosine"),
        adversarial=PhaseConfig(steps=10_000, lr_generator=2e-4, lr_discriminator=2e-4, decay="cosine"),
        betas=(0.0, 0.99),
        gan=GANConfig("relativistic", gradient_penalty=1.0, translation=0.125, cutout=0.5),
    )
