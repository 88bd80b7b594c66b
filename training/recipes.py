"""The recipes: each a function that returns a whole training config and names its source.

A variant takes one and changes some fields. Here are those that the program chooses by itself: `demo_*` is what two
CPU cores finish in about a minute, `default_*` what an hour or a GPU does. Those of the papers stand beside this file.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from manifests.errors import UsageError
from models.discriminators import PatchGANConfig, SRGANDiscriminatorConfig
from models.edsr import EDSRConfig
from models.guided import GuidedUNetConfig
from models.srresnet import SRResNetConfig
from models.unet import UNetConfig
from training.config import DataConfig, EngineConfig, PhaseConfig, Task, TrainConfig
from training.recipes_colour import (
    content_mix,
    nafnet_r3gan,
    paper_resnet18_lab,
    paper_resnet18_rgb,
    paper_unet_rgb,
    pix2pix_lab,
    resnet50_patch,
    spectral_128,
    unet256_patchgan,
)
from training.recipes_superres import edsr, edsr_gan, span, span_gan, srgan_ledig, srresnet, wdsr, wdsr_gan
from training.settings import override, parse_assignments, read_toml


def demo_colorizer() -> TrainConfig:
    """A narrow `pix2pix_lab` for two CPU cores and about a minute."""
    return replace(
        pix2pix_lab(),
        recipe="demo_colorizer",
        source="pix2pix_lab at a fraction of its width and depth",
        generator=UNetConfig(width=16, depth=4, max_width=64, norm="channel", reduce=4),
        discriminator=PatchGANConfig(channels=3, width=12, layers=3, norm="none", spectral=True),
        data=DataConfig(frame_px=448, crop_px=256, batch=8, min_valid=0.3),
        pretrain=PhaseConfig(steps=800, lr_generator=3e-3, decay="cosine", patience=0),
        adversarial=PhaseConfig(steps=120, lr_generator=1e-3, lr_discriminator=1e-3, decay="cosine", patience=0),
        discriminator_first=20,
        ema_decay=0.98,
        log_every=10,
        eval_every=100,
        held_out_frames=8,
    )


def demo_superres() -> TrainConfig:
    """A narrow `srgan_ledig` for two CPU cores and about a minute."""
    return replace(
        srgan_ledig(),
        recipe="demo_superres",
        source="srgan_ledig at a fraction of its width and depth",
        generator=SRResNetConfig(scale=4, width=24, blocks=4, end_kernel=3),
        discriminator=SRGANDiscriminatorConfig(width=12, levels=4, spectral=True),
        data=DataConfig(frame_px=512, crop_px=96, batch=8),
        pretrain=PhaseConfig(steps=450, lr_generator=2e-3, decay="cosine", patience=0),
        adversarial=PhaseConfig(steps=100, lr_generator=5e-4, lr_discriminator=5e-4, decay="cosine", patience=0),
        discriminator_first=20,
        ema_decay=0.98,
        log_every=10,
        eval_every=100,
        held_out_frames=8,
    )


def default_colorizer() -> TrainConfig:
    """A guided U-Net that sees frames at 256 px and a third of the crops with their own palette: `models.guided`."""
    return TrainConfig(
        task="colorizer",
        recipe="default_colorizer",
        source="palettes after Reinhard et al. 2001; conditional GAN of Isola et al. 2017, arXiv 1611.07004",
        generator=GuidedUNetConfig(width=20, depth=3, reduce=2, surround_px=16.0),
        discriminator=PatchGANConfig(channels=3, width=24, layers=3, norm="none", spectral=True),
        data=DataConfig(frame_px=256, crop_px=192, batch=8, min_valid=0.3),
        pretrain=PhaseConfig(steps=1_800, lr_generator=1.5e-3, decay="cosine", patience=0),
        adversarial=PhaseConfig(steps=300, lr_generator=3e-4, lr_discriminator=5e-4, decay="cosine", patience=0),
        l1_weight=100.0,
        adversarial_weight=1.0,
        colour_weight=16.0,
        discriminator_first=50,
        betas=(0.9, 0.99),
        ema_decay=0.995,
        guided=0.35,
        log_every=50,
        eval_every=100,
        engine=EngineConfig(clip=1.0),
    )


def default_superres() -> TrainConfig:
    """EDSR 4x that keeps the light, with one shuffle at its end: most decibels of the families for an hour of a CPU."""
    return TrainConfig(
        task="superres",
        recipe="default_superres",
        source="Lim et al. 2017, arXiv 1707.02921 (EDSR); Sonderby et al. 2017, arXiv 1610.04490 (projection); "
        "Ledig et al. 2017, arXiv 1609.04802 (adversarial)",
        generator=EDSRConfig(scale=4, width=64, blocks=16, tail="direct", keeps_light=True),
        discriminator=SRGANDiscriminatorConfig(width=32, levels=4, spectral=True),
        data=DataConfig(frame_px=1024, crop_px=192, batch=8),
        pretrain=PhaseConfig(steps=7_000, lr_generator=7e-4, decay="cosine", patience=0),
        adversarial=PhaseConfig(steps=600, lr_generator=1e-4, lr_discriminator=2e-4, decay="cosine", patience=0),
        l1_weight=1.0,
        adversarial_weight=1e-2,
        discriminator_first=100,
        betas=(0.9, 0.99),
        eval_every=500,
        engine=EngineConfig(channels_last=True),
    )


def psnr_superres() -> TrainConfig:
    """`default_superres` by its decibels, crop by crop, in place of its absolute error; also to go on `--from` one."""
    return replace(
        default_superres(),
        recipe="psnr_superres",
        source="default_superres by the loss of Chen et al. 2022, arXiv 2204.04676 (PSNR)",
        pretrain=PhaseConfig(steps=6_000, lr_generator=3e-4, decay="cosine", patience=0),
        pretrain_loss="psnr",
        ema_decay=0.998,
        engine=EngineConfig(clip=2.0, channels_last=True),
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe
    for recipe in (
        demo_colorizer,
        default_colorizer,
        pix2pix_lab,
        paper_unet_rgb,
        paper_resnet18_rgb,
        paper_resnet18_lab,
        resnet50_patch,
        unet256_patchgan,
        spectral_128,
        content_mix,
        nafnet_r3gan,
        demo_superres,
        default_superres,
        psnr_superres,
        srresnet,
        srgan_ledig,
        edsr,
        edsr_gan,
        wdsr,
        wdsr_gan,
        span,
        span_gan,
    )
}
_DEFAULTS: dict[Task, str] = {"colorizer": "demo_colorizer", "superres": "demo_superres"}


def make_config(
    task: Task, recipe: str | None = None, file: Path | None = None, assignments: Iterable[str] = ()
) -> TrainConfig:
    """The config of a run: the recipe, then the TOML file's settings, then `key=value` assignments.

    The file may name its recipe under `recipe`; `recipe` given here wins; without either it is the task's demo.

    Raises:
        UsageError: the recipe is unknown or another task's, or a setting cannot be used.
    """
    changes = read_toml(file) if file else {}
    named = changes.pop("recipe", None)
    name = recipe or named or _DEFAULTS[task]
    fitting = [known for known, make in RECIPES.items() if make().task == task]
    if name not in fitting:
        raise UsageError(f"There is no {task} recipe {name!r}; there are {', '.join(fitting)}.")
    return override(override(RECIPES[name](), changes), parse_assignments(assignments))
