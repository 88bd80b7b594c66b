"""Everything that a bare machine is asked to do, with an import hook that forbids all but what is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.pack_travel import write_travelling

# stops at the first import of anything installed that a bare machine need not have
HOOK = """
import importlib.abc, runpy, sys, sysconfig
ALLOWED = {"torch", "torchvision", "numpy", "PIL", "safetensors", "manifests", "models", "training"}
# what PyTorch itself brings
ALLOWED |= {"torchgen", "functorch", "sympy", "mpmath", "networkx", "jinja2", "filelock", "typing_extensions", "fsspec"}
class Gate(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ALLOWED or top in sys.stdlib_module_names or top.startswith("_"):
            if name.startswith("manifests.") and name != "manifests.errors":
                raise ModuleNotFoundError(f"gate: {name}", name=name)
            return None
        raise ModuleNotFoundError(f"gate: {name}", name=name)
sys.meta_path.insert(0, Gate())
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    try:
        return found(name, package)
    except ModuleNotFoundError:
        return None
importlib.util.find_spec = find_spec
import torch
torch.set_num_threads(1)
sys.argv = ["training.bare", *sys.argv[1:]]
from training.bare import main
for line in sys.stdin.read().splitlines():
    code = main(line.split())
    print("exit", code)
    if code:
        sys.exit(code)
"""

SMALL = " ".join(
    f"--set {text}"
    for text in (
        "generator.width=4", "generator.depth=2", "generator.max_width=8", "generator.reduce=1",
        "discriminator.width=4", "data.crop_px=32", "data.batch=2", "data.frame_px=80", "pretrain.steps=3",
        "adversarial.steps=2", "discriminator_first=1", "eval_every=3", "log_every=1", "device=cpu",
    )
)  # fmt: skip


def bare(tmp_path: Path, lines: list[str]) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "hook.py"
    script.write_text(HOOK)
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, str(script)],
        input="\n".join(lines),
        env=os.environ | {"PYTHONPATH": root},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )


def test_a_bare_machine_unpacks_trains_and_scores(pack, tmp_path):
    write_travelling(pack, tmp_path / "frames.tar")
    done = bare(
        tmp_path,
        [
            "pack frames.tar --out there",
            f"train --pack there --recipe demo_colorizer {SMALL} --out run",
            f"train --pack there --recipe demo_colorizer {SMALL} --from run --out further",
            "evaluate run --pack there",
        ],
    )
    assert done.returncode == 0, done.stderr
    metrics = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {"mae_ab", "mae_ab_all_gray", "ciede2000_faithful"} <= {metric["name"] for metric in metrics}
    assert "left out: no weights of it were given" in done.stderr
    folder = tmp_path / "run" / "evaluation" / "snap-test"
    assert {
        "index.html",
        "metrics.csv",
        "metrics.json",
        "frames.csv",
        "samples.png",
        "worst.png",
        "losses_by_step.svg",
    } <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("train --pack nowhere --recipe demo_colorizer --out run", "holds no pack"),
        ("train --pack nowhere --recipe none --out run", "no recipe 'none'"),
        ("train --pack nowhere --recipe demo_colorizer --from nothing --out run", "no model"),
        ("evaluate nowhere --pack nowhere", "no model"),
        ("evaluate nowhere --pack nowhere --inception none.pth", "no weights file"),
        ("study --pack nowhere --out s --inception none.pth", "no weights file"),
        ("pack nowhere --out there", "no travelling pack"),
    ],
)
def test_a_mistake_there_is_one_sentence(tmp_path, capsys, line, sentence, monkeypatch):
    from training.bare import main

    monkeypatch.chdir(tmp_path)
    assert main(line.split()) in (1, 2)
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
