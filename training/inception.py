"""Inception v3's features, on which FID and KID are defined, from a file of its weights."""

from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from manifests.errors import DeepfieldError
from training.saved import read_saved

# the network of 2015 that FID was defined on has one class for each of these many words
_CLASSES_2015 = 1008
_SIDE_PX = 299


def features_by(path: Path | None, device: torch.device) -> "InceptionFeatures | None":
    """Inception with the weights in a file, ready to look at pictures; None where no file was named.

    Raises:
        DeepfieldError: the file is not there, or holds no weights of Inception v3.
    """
    return InceptionFeatures(path, device) if path else None


class InceptionFeatures:
    """Maps a picture to 2048 numbers. `name` says which network: only equal names can be compared.

    `inception2015` is the one that published FIDs use, in its PyTorch port with 1,008 classes (pytorch-fid);
    `inception_tv` is torchvision's own, which gives other figures.

    Raises:
        DeepfieldError: the file is no weights of Inception v3.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        from torchvision.models import inception_v3  # noqa: PLC0415  slow to import, and seldom needed

        weights = _read(path)
        if "fc.weight" not in weights:
            raise DeepfieldError(f"{path} holds no weights of Inception v3: fc.weight is not in it.")
        classes = weights["fc.weight"].shape[0]
        self.name = "inception2015" if classes == _CLASSES_2015 else "inception_tv"
        network = inception_v3(
            weights=None, num_classes=classes, aux_logits=False, init_weights=False, transform_input=False
        )
        if classes == _CLASSES_2015:
            _as_of_2015(network)
        kept = {key: value for key, value in weights.items() if not key.startswith("AuxLogits.")}
        try:
            network.load_state_dict(kept)
        except RuntimeError as error:
            raise DeepfieldError(
                f"{path} holds no weights of Inception v3: {str(error).splitlines()[1].strip()}"
            ) from None
        network.fc = nn.Identity()
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device

    @torch.no_grad()
    def __call__(self, rgb: Tensor, valid: Tensor) -> np.ndarray:
        """Features of a picture (3, H, W) in [0, 1], (2048,) float64; no-data is shown black."""
        shown = rgb.masked_fill(~valid, 0.0).unsqueeze(0).to(self._device)
        sized = F.interpolate(shown, size=(_SIDE_PX, _SIDE_PX), mode="bilinear", antialias=True)
        return self._network(sized * 2.0 - 1.0)[0].double().cpu().numpy()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise DeepfieldError(f"There is no weights file {path}: name one of Inception v3, or leave --inception out.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise DeepfieldError(f"The weights {path} cannot be read: {error}.") from None
    found = read_saved(path, "weights")
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise DeepfieldError(f"{path} holds no dictionary of weights.")
    return found


def _as_of_2015(network: nn.Module) -> None:
    """Let the blocks pool as they did then: means over real pixels only, and a maximum in the last block."""
    pools: dict[str, Callable[[Tensor], Tensor]] = dict.fromkeys(
        ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7b"), _mean_pool
    )
    pools["Mixed_7c"] = _max_pool
    for name, pool in pools.items():
        block = getattr(network, name)
        forward = _five if name.startswith("Mixed_5") else _six if name.startswith("Mixed_6") else _seven
        block.forward = MethodType(forward, block)
        block.pool = pool


def _mean_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


def _max_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)


def _five(self: Any, x: Tensor) -> Tensor:
    double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
    branches = (self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.branch_pool(self.pool(x)))
    return torch.cat(branches, dim=1)


def _six(self: Any, x: Tensor) -> Tensor:
    single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
    double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
    double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
    return torch.cat((self.branch1x1(x), single, double, self.branch_pool(self.pool(x))), dim=1)


def _seven(self: Any, x: Tensor) -> Tensor:
    single = self.branch3x3_1(x)
    double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
    branches = (
        self.branch1x1(x),
        self.branch3x3_2a(single),
        self.branch3x3_2b(single),
        self.branch3x3dbl_3a(double),
        self.branch3x3dbl_3b(double),
        self.branch_pool(self.pool(x)),
    )
    return torch.cat(branches, dim=1)
