"""The content loss: how far apart two pictures are in the features of VGG-19.

Johnson et al. 2016 (arXiv 1603.08155); Ledig et al. 2017 (arXiv 1609.04802) for the deep layer, before its activation
as in Wang et al. 2018 (arXiv 1809.00219). The weights are a file in torchvision's layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manifests.errors import DeepfieldError, UsageError
from models.predict import blank
from training.pretrained import read_weights

# where torchvision's list of layers has the convolutions of each block; a pooling stands between blocks
_BLOCKS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34))
_LAST = {"conv2_2": 7, "conv5_4": 34}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ContentConfig:
    """`weight` of the loss in the adversarial phase, 0 for none; `weights`: file of torchvision's VGG-19.

    `mix` above 0 is gamma in `gamma * (L1 + adversarial) + (1 - gamma) * content`.
    """

    weight: float = 0.0
    weights: str = ""
    layer: Literal["conv2_2", "conv5_4"] = "conv5_4"
    mix: float = 0.0

    def __post_init__(self) -> None:
        if self.weight < 0.0 or not 0.0 <= self.mix < 1.0:
            raise ValueError("content.weight must be 0 or more, content.mix at least 0 and below 1")
        if self.mix and not self.weight:
            raise ValueError("there is no content loss to mix in: set content.weight above 0, or content.mix to 0")

    @property
    def lacks_weights(self) -> bool:
        """Whether there is such a loss, and no file for it."""
        return self.weight > 0 and not self.weights


class ContentLoss(nn.Module):
    """Mean absolute difference of VGG-19's features of two pictures."""

    def __init__(self, weights: Mapping[str, Tensor], layer: str) -> None:
        super().__init__()
        self.last = _LAST[layer]
        self.convs = nn.ModuleDict()
        for index in (index for block in _BLOCKS for index in block if index <= self.last):
            kernel, bias = weights[f"features.{index}.weight"], weights[f"features.{index}.bias"]
            conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            conv.load_state_dict({"weight": kernel, "bias": bias})
            self.convs[str(index)] = conv
        self.mean = nn.Buffer(torch.tensor(_MEAN).reshape(3, 1, 1))
        self.std = nn.Buffer(torch.tensor(_STD).reshape(3, 1, 1))
        self.requires_grad_(False)

    def forward(self, made: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        """sRGB (N, 3, H, W) twice, and where it counts; gradients flow to `made`."""
        with torch.no_grad():
            aim = self._features(blank(truth, valid))
        return F.l1_loss(self._features(blank(made, valid)), aim)

    def _features(self, rgb: Tensor) -> Tensor:
        features = (rgb - self.mean) / self.std
        for number, block in enumerate(_BLOCKS):
            inside = [index for index in block if index <= self.last]
            features = F.max_pool2d(features, 2) if number and inside else features
            for index in inside:
                features = self.convs[str(index)](features)
                features = features if index == self.last else torch.relu(features)
        return features


def load_content(config: ContentConfig) -> ContentLoss | None:
    """The loss of a config, None where it has no weight.

    Raises:
        UsageError: it has weight, but no file is named, or it is not there.
        DeepfieldError: the file holds no VGG-19.
    """
    if not config.weight:
        return None
    if config.lacks_weights:
        raise UsageError(
            "The content loss needs torchvision's VGG-19 weights: name their file by --set content.weights=FILE, or "
            "leave the loss out by --set content.weight=0 --set content.mix=0."
        )
    try:
        return ContentLoss(read_weights(Path(config.weights)), config.layer)
    except (KeyError, RuntimeError) as error:
        raise DeepfieldError(f"{config.weights} does not hold VGG-19 in torchvision's layout: {error}.") from None
