"""Reading what `torch.save` wrote, or what somebody says it did."""

import pickle
from pathlib import Path
from typing import Any

import torch

from manifests.errors import DeepfieldError


def read_saved(path: Path, what: str, device: torch.device | str = "cpu") -> Any:
    """The content of a file of PyTorch's: tensors and plain values only; `what` it is to be goes into the sentence.

    Raises:
        DeepfieldError: the file is missing, damaged, or holds anything else.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError):
        # torch reports damage by any of these, in words that help nobody here
        raise DeepfieldError(f"The {what} {path} cannot be read: it is damaged, or no file of PyTorch's.") from None
