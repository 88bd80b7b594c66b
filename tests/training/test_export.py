"""Networks as ONNX files give what PyTorch gives, at sizes that are no multiple of anything."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from flows.cli import app
from manifests.errors import DeepfieldError
from models.catalogue import build, to_dict
from models.guided import GuidedUNetConfig
from models.wdsr import WDSRConfig
from training import export
from training.registry import LoadedModel


def model_of(config, task, seed=0):
    """A model with weights that have seen no training."""
    torch.manual_seed(seed)
    network = build(config)
    torch.nn.init.normal_(network.out.weight, std=0.2)
    weights = network.state_dict()
    return LoadedModel("mine", "v1", task, config, weights, weights, {"snapshot_id": "snap"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "task", "shape"),
    [
        (GuidedUNetConfig(4, 1, (1,), reduce=2, surround_px=1.5), "colorizer", (1, 1, 67, 90)),
        (WDSRConfig(3, 4, 1), "superres", (2, 3, 20, 33)),
    ],
)
def test_an_onnx_file_takes_any_size_and_says_what_it_is(config, task, shape, tmp_path):
    model = model_of(config, task)
    export.write_onnx(model, tmp_path / "net.onnx", 0.5)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    given, made = export.names(model.network())
    values = torch.rand(shape) * (100.0 if task == "colorizer" else 1.0)
    (theirs,) = session.run([made], {given: values.numpy()})
    ours = model.network(0.5)(values).numpy()
    assert ours.std() > 0.01
    assert np.abs(theirs - ours).max() < 1e-4 * (110.0 if task == "colorizer" else 1.0)
    noted = {entry.key: entry.value for entry in onnx.load(str(tmp_path / "net.onnx")).metadata_props}
    assert noted["model"] == "mine@v1"
    assert "(N, 1, H, W): CIE L*" in noted["input"] if task == "colorizer" else "sRGB, 0 to 1" in noted["input"]
    assert to_dict(config)["network"] in noted["network"]
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    with pytest.raises(DeepfieldError, match="x was not written: ONNX Runtime gives another result"):
        export.check_onnx(tmp_path / "net.onnx", model_of(config, task, seed=1).network(), Path("x"))


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [("colorizer", "c.onnx", True), ("colorizer", "c.safetensors", False), ("superres_x4", "s.onnx", False)],
)
def test_that_nothing_guides_an_onnx_file_is_said_when_it_is_written(model, name, said, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "write_onnx", lambda *_: None)
    done = CliRunner().invoke(app, ["models", "export", model, str(tmp_path / name)])
    assert done.stdout == f"{tmp_path / name}\n"
    assert ("No palette guides c.onnx" in done.stderr) == said


def test_without_onnx_it_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(DeepfieldError, match=r"onnxscript is not installed: pip install 'deepfield\[onnx\]'"):
        export.write_onnx(model_of(WDSRConfig(2, 2, 1), "superres"), tmp_path / "net.onnx")
