"""SPAN: enlarges an RGB picture by a whole number from 2 to 12 with little work, for use on a CPU.

Wan et al. 2023 (arXiv 2311.12770), winner of the NTIRE 2024 challenge on efficiency: a few blocks whose output is
multiplied by an attention without weights, a symmetric function of itself. The paper trains each 3x3 convolution as a
wider stack that is folded afterwards. Here the stack has no biases inside and is folded in every step, into the kernel
that is then used, so that training and inference run the same convolution. The bicubic enlargement is added at the
end, so that the network begins at its baseline.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.enlarger import Enlarger, check_scale
from models.layers import kaiming_, near_zero_


@dataclass(frozen=True)
class SPANConfig:
    """Size of a SPAN: `blocks` of `width` channels; `expansion` is the width of the stacks, 0 for none."""

    scale: int = 4
    width: int = 48
    blocks: int = 6
    expansion: int = 2

    def __post_init__(self) -> None:
        check_scale("SPAN", self.scale)
        if self.width < 1 or self.blocks < 2 or self.expansion < 0:
            raise ValueError("SPAN width must be 1 or more, blocks 2 or more, expansion 0 or more")


class SPAN(Enlarger):
    """The network of an `SPANConfig`."""

    def __init__(self, config: SPANConfig) -> None:
        super().__init__(config.scale)
        self.config = config
        width = config.width
        self.head = _conv3x3(3, width, config.expansion)
        self.body = nn.ModuleList(_Block(width, config.expansion) for _ in range(config.blocks))
        self.after = _conv3x3(width, width, config.expansion)
        self.join = kaiming_(nn.Conv2d(4 * width, width, 1))
        self.out = near_zero_(nn.Conv2d(width, 3 * config.scale**2, 3, padding=1))

    @property
    def inner_radius(self) -> int:
        """How far, in pixels of the input, `missed` sees."""
        return 3 * self.config.blocks + 3

    def missed(self, rgb: Tensor) -> Tensor:
        """What the bicubic enlargement lacks."""
        shallow = self.head(rgb - 0.5)
        features, first, inside = shallow, shallow, shallow
        for number, block in enumerate(self.body):
            features, inside = block(features)
            first = features if number == 0 else first
        joined = self.join(torch.cat((shallow, self.after(features), first, inside), dim=1))
        return F.pixel_shuffle(self.out(joined), self.scale)


class _Block(nn.Module):
    """Three 3x3 convolutions; returns their attended output, and the features after the first."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.first, self.second, self.third = (_conv3x3(width, width, expansion) for _ in range(3))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        inside = F.silu(self.first(features))
        out = self.third(F.silu(self.second(inside)))
        return (out + features) * (torch.sigmoid(out) - 0.5), inside


def _conv3x3(inputs: int, outputs: int, expansion: int) -> nn.Module:
    if expansion:
        return _Folded(inputs, outputs, expansion)
    return kaiming_(nn.Conv2d(inputs, outputs, 3, padding=1))


class _Folded(nn.Module):
    """A 3x3 convolution whose kernel is the product of a 1x1, a 3x3 and a 1x1 one, plus a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int, expansion: int) -> None:
        super().__init__()
        self.widen = nn.Parameter(torch.randn(expansion * inputs, inputs) * inputs**-0.5)
        self.look = nn.Parameter(kaiming_(nn.Conv2d(expansion * inputs, expansion * outputs, 3)).weight.detach())
        self.narrow = nn.Parameter(torch.randn(outputs, expansion * outputs) * (expansion * outputs) ** -0.5)
        self.shortcut = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def kernel(self) -> Tensor:
        """The weights (outputs, inputs, 3, 3)."""
        folded = torch.einsum("om,mnyx,ni->oiyx", self.narrow, self.look, self.widen)
        return folded + F.pad(self.shortcut[..., None, None], (1, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.kernel(), self.bias, padding=1)
