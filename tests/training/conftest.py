"""A small pack of drawn frames whose colour follows from lightness, and tiny runs on it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_pack

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
