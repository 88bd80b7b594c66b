"""Discriminators: PatchGAN and the ResNet-50 form judge patches, the SRGAN and VGG forms a picture as a whole.

Inputs are scaled to about [-1, 1] by the caller. None uses BatchNorm: its two forward passes per step break
distributed training, and gradient statistics leak between real and generated pictures. `spectral` adds spectral
normalisation (Miyato et al. 2018, arXiv 1802.05957), with so many `power_iterations` in each training step.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True)
class PatchGANConfig:
    """PatchGAN of Isola et al. 2017 (arXiv 1611.07004): three `layers` of stride 2 see 70x70 pixels.

    `norm` "instance" or "none".
    """

    channels: int = 3
    width: int = 64
    layers: int = 3
    norm: Literal["none", "instance"] = "instance"
    spectral: bool = False
    power_iterations: int = 1

    def __post_init__(self) -> None:
        if self.channels < 1 or self.width < 1 or self.power_iterations < 1:
            raise ValueError(f"PatchGAN channels {self.channels}, width and power_iterations must be 1 or more")
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
        arriving, iterations = config.channels, _iterations(config)
        for level in range(config.layers + 1):
            leaving = config.width * min(2**level, 8)
            stride = 2 if level < config.layers else 1
            layers.append(_maybe_spectral(nn.Conv2d(arriving, leaving, 4, stride, 1), iterations))
            if config.norm == "instance" and level > 0:
                layers.append(nn.InstanceNorm2d(leaving, affine=True))
            layers.append(nn.LeakyReLU(0.2))
            arriving = leaving
        layers.append(_maybe_spectral(nn.Conv2d(arriving, 1, 4, 1, 1), iterations))
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
    power_iterations: int = 1

    def __post_init__(self) -> None:
        if self.width < 1 or self.power_iterations < 1 or not 1 <= self.levels <= 6:
            raise ValueError("SRGAN discriminator width and power_iterations must be 1 or more, levels 1 to 6")


class SRGANDiscriminator(nn.Module):
    """Pictures (N, 3, H, W) of any size to one logit each (N, 1, 1, 1): global mean before the last layers."""

    def __init__(self, config: SRGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        arriving, iterations = 3, _iterations(config)
        for level in range(config.levels):
            leaving = config.width * min(2**level, 8)
            for stride in (1, 2):
                layers.append(_maybe_spectral(nn.Conv2d(arriving, leaving, 3, stride, 1), iterations))
                layers.append(nn.LeakyReLU(0.2))
                arriving = leaving
        layers += [
            nn.AdaptiveAvgPool2d(1),
            _maybe_spectral(nn.Conv2d(arriving, 2 * arriving, 1), iterations),
            nn.LeakyReLU(0.2),
            _maybe_spectral(nn.Conv2d(2 * arriving, 1, 1), iterations),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits, high for real."""
        return self.layers(pictures)


@dataclass(frozen=True)
class ResNetPatchConfig:
    """ResNet-50 of He et al. 2015 (arXiv 1512.03385) without its head: one logit for each 32x32 pixels.

    `width` is 64 there, `blocks` are the bottlenecks of its four groups; of fewer groups each halves the cell.
    """

    channels: int = 3
    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    norm: Literal["none", "instance"] = "instance"
    spectral: bool = False
    power_iterations: int = 1

    def __post_init__(self) -> None:
        if min(self.channels, self.width, self.power_iterations) < 1:
            raise ValueError("ResNet discriminator channels, width and power_iterations must be 1 or more")
        if not 1 <= len(self.blocks) <= 4 or min(self.blocks) < 1:
            raise ValueError(f"ResNet discriminator blocks {self.blocks} must be 1 to 4 counts of 1 and more")
        if self.norm not in ("none", "instance"):
            raise ValueError(f"ResNet discriminator norm {self.norm!r} is neither none nor instance")


class ResNetPatch(nn.Module):
    """Pictures (N, channels, H, W) to one logit per cell (N, 1, h, w); 256x256 gives 8x8 with four groups."""

    def __init__(self, config: ResNetPatchConfig) -> None:
        super().__init__()
        self.config = config
        iterations = _iterations(config)
        layers: list[nn.Module] = [
            _maybe_spectral(nn.Conv2d(config.channels, config.width, 7, 2, 3), iterations),
            nn.LeakyReLU(0.2),
            nn.AvgPool2d(2),
        ]
        arriving = config.width
        for group, count in enumerate(config.blocks):
            inner = config.width * 2**group
            for number in range(count):
                stride = 2 if group and number == 0 else 1
                layers.append(_Bottleneck(arriving, inner, stride, config.norm, iterations))
                arriving = 4 * inner
        layers.append(_maybe_spectral(nn.Conv2d(arriving, 1, 1), iterations))
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits, high for real."""
        return self.layers(pictures)


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, added to their input."""

    def __init__(self, inputs: int, inner: int, stride: int, norm: str, iterations: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.reduce = _maybe_spectral(nn.Conv2d(inputs, inner, 1), iterations)
        self.look = _maybe_spectral(nn.Conv2d(inner, inner, 3, stride, 1), iterations)
        self.expand = _maybe_spectral(nn.Conv2d(inner, outputs, 1), iterations)
        norms = norm == "instance"
        self.norm_reduce, self.norm_look, self.norm_expand = (
            nn.InstanceNorm2d(width, affine=True) if norms else nn.Identity() for width in (inner, inner, outputs)
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _maybe_spectral(nn.Conv2d(inputs, outputs, 1, stride), iterations)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.leaky_relu(self.norm_reduce(self.reduce(features)), 0.2)
        inner = F.leaky_relu(self.norm_look(self.look(inner)), 0.2)
        return F.leaky_relu(self.norm_expand(self.expand(inner)) + self.shortcut(features), 0.2)


@dataclass(frozen=True)
class ResidualVGGConfig:
    """The 13 convolutions of VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556) with a shortcut at each level.

    `levels` gives how many convolutions stand before each of the halvings; `width` is 64 there, doubling up to 8-fold.
    """

    channels: int = 3
    width: int = 64
    levels: tuple[int, ...] = (2, 2, 3, 3, 3)
    spectral: bool = False
    power_iterations: int = 1

    def __post_init__(self) -> None:
        if min(self.channels, self.width, self.power_iterations) < 1:
            raise ValueError("VGG discriminator channels, width and power_iterations must be 1 or more")
        if not 1 <= len(self.levels) <= 6 or min(self.levels) < 1:
            raise ValueError(f"VGG discriminator levels {self.levels} must be 1 to 6 counts of 1 and more")


class ResidualVGG(nn.Module):
    """Pictures (N, channels, H, W) of any size to one logit each (N, 1, 1, 1): global mean before the last layers."""

    def __init__(self, config: ResidualVGGConfig) -> None:
        super().__init__()
        self.config = config
        iterations = _iterations(config)
        layers: list[nn.Module] = []
        arriving = config.channels
        for level, count in enumerate(config.levels):
            leaving = config.width * min(2**level, 8)
            layers += [_ResidualLevel(arriving, leaving, count, iterations), nn.AvgPool2d(2)]
            arriving = leaving
        layers += [nn.AdaptiveAvgPool2d(1), _maybe_spectral(nn.Conv2d(arriving, 1, 1), iterations)]
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits, high for real."""
        return self.layers(pictures)


class _ResidualLevel(nn.Module):
    """Some 3x3 convolutions, and a 1x1 one beside them."""

    def __init__(self, inputs: int, outputs: int, count: int, iterations: int) -> None:
        super().__init__()
        widths = [inputs, *[outputs] * count]
        self.convs = nn.ModuleList(_maybe_spectral(nn.Conv2d(a, b, 3, 1, 1), iterations) for a, b in pairwise(widths))
        self.shortcut = _maybe_spectral(nn.Conv2d(inputs, outputs, 1), iterations)

    def forward(self, features: Tensor) -> Tensor:
        inner = features
        for conv in self.convs:
            inner = F.leaky_relu(conv(inner), 0.2)
        return inner + self.shortcut(features)


DiscriminatorConfig = PatchGANConfig | SRGANDiscriminatorConfig | ResNetPatchConfig | ResidualVGGConfig


def _iterations(config: DiscriminatorConfig) -> int:
    return config.power_iterations if config.spectral else 0


def _maybe_spectral(conv: nn.Conv2d, power_iterations: int) -> nn.Module:
    """The convolution, spectrally normalised by so many power iterations, or as it is for 0."""
    return spectral_norm(conv, n_power_iterations=power_iterations) if power_iterations else conv
