"""A colouriser on ResNet-18: the encoder of He et al. 2015 (arXiv 1512.03385), a pixel-shuffle decoder, skips between.

The encoder has the layout of torchvision's resnet18, for one channel, and can start from its ImageNet weights. Its
BatchNorm is not kept, because what it does in training differs from what it does afterwards and, with small batches,
from one batch to the next. With `norm` "folded" the statistics of the loaded weights become part of the convolutions'
weights and biases, which is BatchNorm frozen and its scale and shift learnt on; "channel" replaces it by a
normalisation over the channels of each pixel, for training from scratch. Both leave a picture in tiles equal to the
whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.colouriser import CHANNELS, Colouriser, Output, check_common
from models.layers import Up, kaiming_, near_zero_, norm_of

# of the four groups of two blocks, and of the stem before them
_GROWTH = (1, 2, 4, 8)
_EPSILON = 1e-5
# mean and spread of ImageNet's gray values, on which the published weights were trained
_GRAY_MEAN, _GRAY_STD = 0.449, 0.226


@dataclass(frozen=True)
class ResNetUNetConfig:
    """`width` channels in the stem and the first of four groups, 64 in ResNet-18; each group doubles them."""

    width: int = 64
    norm: Literal["folded", "channel"] = "folded"
    reduce: int = 1
    output: Output = "ab"

    def __post_init__(self) -> None:
        if self.width < 4:
            raise ValueError(f"ResNet U-Net width {self.width} must be at least 4")
        if self.norm not in ("folded", "channel"):
            raise ValueError(f"ResNet U-Net norm {self.norm!r} is neither folded nor channel")
        check_common("ResNet U-Net", self.output, self.reduce)


class ResNetUNet(Colouriser):
    """The ResNet-18 U-Net of a config."""

    def __init__(self, config: ResNetUNetConfig) -> None:
        super().__init__(config.output, config.reduce)
        self.config = config
        self.encoder = _Encoder(config.width, config.norm)
        # from the bottom upwards: what the decoder gets, and its skip
        skips = [config.width * growth for growth in (4, 2, 1, 1)]
        arriving, ups = config.width * 8, []
        for skip in skips:
            ups.append(Up(arriving, skip, config.norm))
            arriving = 2 * skip
        last = config.width // 2
        self.ups = nn.ModuleList([*ups, Up(arriving, last, config.norm)])
        self.mix = kaiming_(nn.Conv2d(last + 1, last, 3, padding=1))
        self.out = near_zero_(nn.Conv2d(last, CHANNELS[config.output], 1))

    @property
    def inner_stride(self) -> int:
        """Pixels to one at the bottom."""
        return 32

    @property
    def inner_radius(self) -> int:
        """How far `raw` sees."""
        radius = 1 + 3
        for inside in (3, 3, 4, 0):
            # the up convolution, a kernel of 3 and stride 2 seen from either pixel that a coarse one spans, and the
            # convolutions of the group at this size
            radius = 1 + (2 * radius + 2) + inside
        return 1 + 2 * radius + 4

    def raw(self, scaled: Tensor) -> Tensor:
        """From scaled lightness to unbounded channels."""
        *skips, features = self.encoder(scaled)
        for up, skip in zip(self.ups, [*reversed(skips), scaled], strict=True):
            features = torch.cat((up(features), skip), dim=1)
        return self.out(F.leaky_relu(self.mix(features), 0.2))

    @torch.no_grad()
    def load_encoder(self, weights: Mapping[str, Tensor]) -> None:
        """Start the encoder from weights in torchvision's layout, their BatchNorm folded into the convolutions.

        Raises:
            ValueError: the weights are not of a ResNet-18 of this width, or `norm` is not "folded".
        """
        if self.config.norm != "folded":
            raise ValueError("ResNet-18 weights come with BatchNorm, which only norm 'folded' can take over")
        for name, module in self.encoder.named_modules():
            if not isinstance(module, nn.Conv2d) or module.bias is None:
                continue
            weight, bias = _folded(weights, name)
            if name == "conv1":
                # one channel for three equal ones, in [-1, 1] instead of around ImageNet's mean
                bias = bias + weight.sum(dim=(1, 2, 3)) * (0.5 - _GRAY_MEAN) / _GRAY_STD
                weight = weight.sum(dim=1, keepdim=True) * 0.5 / _GRAY_STD
            if weight.shape != module.weight.shape:
                raise ValueError(f"the weights {name} are of shape {tuple(weight.shape)}, not of a ResNet-18's")
            module.weight.copy_(weight)
            module.bias.copy_(bias)


def _folded(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A convolution and the BatchNorm after it, as one weight and bias."""
    norm = name[: -len("0")] + "1" if name.endswith("downsample.0") else name.replace("conv", "bn")
    keys = [f"{name}.weight", *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))]
    missing = [key for key in keys if key not in weights]
    if missing:
        raise ValueError(f"the weights lack {missing[0]}, which a ResNet-18 in torchvision's layout has")
    conv, scale, shift, mean, variance = (weights[key].float() for key in keys)
    factor = scale / torch.sqrt(variance + _EPSILON)
    return conv * factor.reshape(-1, 1, 1, 1), shift - mean * factor


class _Encoder(nn.Module):
    """ResNet-18 without its head; modules carry torchvision's names. Returns features at 1/2, 1/4, 1/8, 1/16, 1/32."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.conv1 = kaiming_(nn.Conv2d(1, width, 7, stride=2, padding=3))
        self.norm1 = norm_of(width, norm)
        widths = [width, *(width * growth for growth in _GROWTH)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                _Block(widths[group], widths[group + 1], 1 if group == 0 else 2, norm),
                _Block(widths[group + 1], widths[group + 1], 1, norm),
            )
            for group in range(4)
        )

    def forward(self, scaled: Tensor) -> list[Tensor]:
        levels = [torch.relu(self.norm1(self.conv1(scaled)))]
        levels.append(self.layer1(F.max_pool2d(levels[-1], 3, stride=2, padding=1)))
        for group in (self.layer2, self.layer3, self.layer4):
            levels.append(group(levels[-1]))
        return levels


class _Block(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = kaiming_(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1))
        self.norm1 = norm_of(outputs, norm)
        self.conv2 = kaiming_(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.norm2 = norm_of(outputs, norm)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(kaiming_(nn.Conv2d(inputs, outputs, 1, stride=stride)))
        # without normalisation a stack of full-strength residuals explodes
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(features)))))
        return torch.relu(inner + self.downsample(features))
