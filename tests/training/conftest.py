"""A small pack of drawn frames whose colour follows from lightness, and tiny runs on it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_pack
from torch import nn

from training.pack import Pack


@pytest.fixture(autouse=True)
def one_thread():
    """More would not be faster on networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return tiny_pack(tmp_path / "pack", {"train": 6, "val": 2, "test": 3})


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG-19 in torchvision's layout with a few channels."""
    torch.manual_seed(0)
    weights, arriving = {}, 3
    for index in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34):
        conv = nn.Conv2d(arriving, 4, 3)
        weights |= {f"features.{index}.weight": conv.weight.detach(), f"features.{index}.bias": conv.bias.detach()}
        arriving = 4
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(weights, path)
    return path
