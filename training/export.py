"""A model as one file for others: its weights as safetensors, or the whole network as ONNX."""

import json
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from manifests.errors import DeepfieldError
from models import catalogue
from models.colouriser import AB_LIMIT
from training.files import write_atomic
from training.palettes import palettes_text
from training.registry import LoadedModel

_TOLERANCE = 1e-4
_RANGE = {"ab": AB_LIMIT, "rgb": 1.0, "enlarged": 1.0}
_MEANING = {
    "lightness": "float32 (N, 1, H, W): CIE L* under D65, 0 to 100, 0 where there is no data",
    "ab": "float32 (N, 2, H, W): CIE a* and b* under D65, to be joined with the L* that was given",
    "rgb": "float32 (N, 3, H, W): sRGB, 0 to 1",
    "enlarged": "float32 (N, 3, n*H, n*W): sRGB, to be clipped to 0 to 1",
}
# a size that is a multiple of most strides and one that is of none; the graph is traced at another
_CHECKED_PX = ((64, 128), (75, 101))
_TRACED_PX = (96, 112)


def write_safetensors(model: LoadedModel, path: Path, strength: float = 1.0) -> None:
    """Write the weights at a strength, with config, palettes and origin in the file's metadata."""
    weights = {key: value.contiguous() for key, value in model.network(strength).state_dict().items()}
    write_atomic(path, lambda partial: save_file(weights, str(partial), metadata=_described(model, strength)))


def write_onnx(model: LoadedModel, path: Path, strength: float = 1.0) -> None:
    """Write the network at a strength as ONNX, for pictures of any size and number, and check it against PyTorch.

    `_MEANING` says what goes in and comes out, and stands in the file's metadata; `names` says which it is. A
    colouriser that can be guided by a palette colours by itself there.

    Raises:
        DeepfieldError: ONNX is not installed, or what was written differs from PyTorch by more than 1e-4 of the range.
    """
    # torch.onnx.export needs the first two
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise DeepfieldError(f"{package} is not installed: pip install 'deepfield[onnx]'.")
    network = model.network(strength)
    given, made = names(network)
    free = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        # of torch's own parts, about which nobody can do anything
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (_example(network, 2, *_TRACED_PX),),
            dynamo=True,
            verbose=False,
            input_names=[given],
            output_names=[made],
            dynamic_shapes=({0: free, 2: free, 3: free},),
        )
    assert program is not None, "with dynamo=True there is one"
    program.model.metadata_props.update(
        _described(model, strength) | {"input": _MEANING[given], "output": _MEANING[made]}
    )

    def write(partial: Path) -> None:
        program.save(str(partial), external_data=False)
        check_onnx(partial, network, path)

    write_atomic(path, write)


def names(network: nn.Module) -> tuple[str, str]:
    """What the input and the output of an exported network are called."""
    if hasattr(network, "scale"):
        return "rgb", "enlarged"
    return "lightness", str(network.output)


def check_onnx(written: Path, network: nn.Module, path: Path) -> None:
    """Compare the file, which is to be named `path`, with PyTorch on pictures of two sizes.

    Raises:
        DeepfieldError: they differ by more than 1e-4 of the range.
    """
    import onnxruntime  # noqa: PLC0415 - an extra

    session = onnxruntime.InferenceSession(str(written), providers=["CPUExecutionProvider"])
    given, made = names(network)
    for height, width in _CHECKED_PX:
        values = _example(network, 1, height, width)
        theirs = session.run(None, {given: values.numpy()})[0]
        ours = network(values).numpy()
        most = np.abs(theirs - ours).max() / _RANGE[made] if theirs.shape == ours.shape else np.inf
        if not most <= _TOLERANCE:
            raise DeepfieldError(
                f"{path} was not written: ONNX Runtime gives another result than PyTorch at {width}x{height} pixels "
                f"(by {most:.1e} of the range, more than {_TOLERANCE:.0e})."
            )


def _example(network: nn.Module, number: int, height: int, width: int) -> Tensor:
    seeded = torch.Generator().manual_seed(0)
    if hasattr(network, "scale"):
        return torch.rand(number, 3, height, width, generator=seeded)
    return 100.0 * torch.rand(number, 1, height, width, generator=seeded)


def _described(model: LoadedModel, strength: float) -> dict[str, str]:
    return {
        "task": model.task,
        "network": json.dumps(catalogue.to_dict(model.config)),
        "model": model.reference,
        "strength": str(strength),
        "meta": json.dumps(model.meta),
        "palettes": palettes_text(model.palettes),
    }
