"""Weights that others trained, from files in torchvision's layout: ResNet-18 for an encoder, VGG-19 for a loss."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from manifests.errors import DeepfieldError, UsageError
from models.resnet_unet import ResNetUNet
from training.saved import read_saved

_TIMEOUT_S = 20.0


def start_encoder(generator: nn.Module, source: str) -> str:
    """Give a ResNet encoder its first weights and say which; `source` is a file, "imagenet" or "scratch".

    "imagenet" takes torchvision's weights from torch's hub cache or from the network; where neither has them the
    encoder starts from scratch. Other generators have nothing to load.

    Raises:
        DeepfieldError: the file cannot be read, or holds no ResNet-18.
    """
    if not isinstance(generator, ResNetUNet):
        return "none"
    if source == "scratch" or generator.config.norm != "folded" or generator.config.width != 64:
        return "from scratch"
    try:
        path = _imagenet() if source == "imagenet" else Path(source)
    except (OSError, RuntimeError, ImportError) as error:
        # offline, a download cut short, or no torchvision that fits
        return f"from scratch: the ImageNet weights cannot be had ({error})"
    try:
        generator.load_encoder(read_weights(path))
    except ValueError as error:
        raise DeepfieldError(f"{path} cannot start the encoder: {error}.") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{path.name}, SHA-256 {digest}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `torch.save` wrote.

    Raises:
        UsageError: there is no such file.
        DeepfieldError: it holds something else.
    """
    if not path.is_file():
        raise UsageError(f"There is no file of weights {path}.")
    weights = read_saved(path, "weights")
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise DeepfieldError(f"{path} does not hold the weights of a network.")
    return weights


def _imagenet() -> Path:
    """The file of torchvision's ResNet-18 weights in the hub cache, downloaded if need be."""
    from torchvision.models import ResNet18_Weights  # noqa: PLC0415  # needed here only, and often broken

    url = ResNet18_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _impatient():
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1], progress=False)
    return path


@contextmanager
def _impatient() -> Iterator[None]:
    """A network that swallows every packet must not hold up the run."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
