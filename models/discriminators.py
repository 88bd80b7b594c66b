"""Discriminators: PatchGAN judges patches of a coloured picture, the SRGAN form judges an enlarged one as a whole.

Inputs are scaled to about [-1, 1] by the caller. Neither uses BatchNorm: its two forward passes per step break
distributed training, and gradient statistics leak between real and generated pictures.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True)
class PatchGANConfig:
    """PatchGAN of Isola et al. 2017 (arXiv 1611.07004): three `layers` of stride 2 see 70x70 pixels.

    `norm` "instance" or "none"; `spectral` adds spectral normalisation (Miyato et al. 2018, arXiv 1802.05957).
    """

    channels: int = 3
    width: int = 64
    layers: int = 3
    norm: Literal["none", "instance"] = "instance"
    spectral: bool = False

    def __post_init__(self) -> None:
        if self.channels < 1 or self.width < 1:
            raise ValueError(f"PatchGAN channels {self.channels} and width {self.width} must be 1 or more")
        if not 1 <= self.layers <= 6:
            raise ValueError(f"PatchGAN layers {self.layers} is outside 1 to 6")
        if self.norm not in ("none", "instance"):
            raise ValueError(f"PatchGAN norm {self.norm!r} is neither none nor instance")


class PatchGAN(nn.Module):
    """Pictures (N, channels, H, W) to one logit per patch (N, 1, h, w); 256x256 gives 30x30 with three layers."""

    def __init__(self, config: PatchGANConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        arriving = config.channels
        for level in range(config.layers + 1):
            leaving = config.width * min(2**level, 8)
            stride = 2 if level < config.layers else 1
            layers.append(_maybe_spectral(nn.Conv2d(arriving, leaving, 4, stride, 1), config.spectral))
            if config.norm == "instance" and level > 0:
                layers.append(nn.InstanceNorm2d(leaving, affine=True))
            layers.append(nn.LeakyReLU(0.2))
            arriving = leaving
        layers.append(_maybe_spectral(nn.Conv2d(arriving, 1, 4, 1, 1), config.spectral))
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits, high for real."""
        return self.layers(pictures)


@dataclass(frozen=True)
class SRGANDiscriminatorConfig:
    """The VGG-like discriminator of Ledig et al. 2017 (arXiv 1609.04802), `levels` halvings, no BatchNorm."""

    width: int = 64
    levels: int = 4
    spectral: bool = True

    def __post_init__(self) -> None:
        if self.width < 1 or not 1 <= self.levels <= 6:
            raise ValueError(f"SRGAN discriminator width {self.width} must be 1 or more, levels {self.levels} 1 to 6")


class SRGANDiscriminator(nn.Module):
    """Pictures (N, 3, H, W) of any size to one logit each (N, 1, 1, 1): global mean before the last layers."""

    def __init__(self, config: SRGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        arriving = 3
        for level in range(config.levels):
            leaving = config.width * min(2**level, 8)
            for stride in (1, 2):
                layers.append(_maybe_spectral(nn.Conv2d(arriving, leaving, 3, stride, 1), config.spectral))
                layers.append(nn.LeakyReLU(0.2))
                arriving = leaving
        layers += [
            nn.AdaptiveAvgPool2d(1),
            _maybe_spectral(nn.Conv2d(arriving, 2 * arriving, 1), config.spectral),
            nn.LeakyReLU(0.2),
            _maybe_spectral(nn.Conv2d(2 * arriving, 1, 1), config.spectral),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits, high for real."""
        return self.layers(pictures)


def _maybe_spectral(conv: nn.Conv2d, spectral: bool) -> nn.Module:
    return spectral_norm(conv) if spectral else conv
