import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_config, tiny_pack

from flows.retrain import settle
from training.config import Task
from training.loop import train
from training.outcome import NOT_SCORED, Outcome, enter
from training.registry import champion, promote
from training.run_folder import WEIGHTS


def worse(run: Path, copy: Path) -> Path:
    """The run with noise in its weights."""
    shutil.copytree(run, copy)
    noise = torch.Generator().manual_seed(0)
    for file in WEIGHTS.values():
        weights = {
            key: value + 0.5 * torch.randn(value.shape, generator=noise) if value.is_floating_point() else value
            for key, value in load_file(copy / file).items()
        }
        save_file(weights, copy / file)
    return copy


@pytest.mark.parametrize("task", ["colorizer", "superres"])
def test_the_better_model_on_the_same_frames_is_champion_afterwards(task: Task, tmp_path):
    pack = tiny_pack(tmp_path / "pack", {"train": 4, "val": 2, "test": 3})
    good = train(tiny_config(task), pack, tmp_path / "good").run_dir
    bad = worse(good, tmp_path / "bad")
    for first, second, wins in ((bad, good, "v2"), (good, bad, "v1")):
        models = tmp_path / f"models-{first.name}"
        enter(first, pack, models, task)
        promote(models, task, "v1")
        challenger = enter(second, pack, models, task)
        said = settle(task, f"{task}@v1", challenger, pack, models)
        assert champion(models, task) == wins
        assert ("not promoted" in said) == (wins == "v1")
    assert "held out" in settle(task, f"{task}@v1", Outcome(task, "v2", NOT_SCORED, ()), pack, models)
    assert champion(models, task) == "v1"
