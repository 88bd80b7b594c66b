"""Everything that a bare machine is asked to do, with an import hook that forbids all but what is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import drawn, info

from training.bare import main
from training.pack import Pack, open_pack
from training.pack_travel import write_travelling
from training.pack_write import write_pack
from training.run_folder import read_run

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


def trained(pack: Pack, frame_px: int, out: Path) -> tuple[int, int]:
    """Train from a pack with frames of so many pixels: what the run says these were, and its pack."""
    line = f"train --pack {pack.folder} --recipe demo_colorizer {SMALL} --set data.frame_px={frame_px} --out {out}"
    for again in ("", " --resume"):
        assert main((line + again).split()) == 0
    described = read_run(out)
    return described["config"].data.frame_px, described["pack"]["max_side_px"]


def test_a_pack_of_larger_frames_is_shrunk_to_those_that_the_recipe_learns_from(pack, tmp_path):
    assert trained(pack, 40, tmp_path / "run") == (40, 40)
    small = open_pack(tmp_path / "pack-40px")
    assert {(frame.height, frame.width) for frame in small.frames} == {(40, 40)}


def test_a_pack_of_smaller_frames_is_refused_unless_none_of_them_was_shrunk(pack, tmp_path, capsys):
    line = (
        f"train --pack {pack.folder} --recipe demo_colorizer {SMALL} --set data.frame_px=160 --out {tmp_path / 'run'}"
    )
    assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert "made at 80 px" in said
    assert "`deepfield pack --size 160`" in said
    assert said.endswith("add --set data.frame_px=80.\n")
    assert not (tmp_path / "run").exists()
    frames = ((info(number, split), *drawn(number)) for number, split in enumerate(["train", "train", "val"]))
    whole = open_pack(write_pack(tmp_path / "whole", frames, snapshot_id="snap", max_side_px=120))
    for frame_px in (160, 100):
        assert trained(whole, frame_px, tmp_path / f"run-{frame_px}") == (frame_px, frame_px)
    assert sorted(path.name for path in tmp_path.glob("whole*")) == ["whole"]


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
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) in (1, 2)
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
