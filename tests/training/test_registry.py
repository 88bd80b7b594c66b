import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import tiny_config, tiny_pack

from manifests.errors import DeepfieldError, UsageError
from models.enlarger import SCALES
from training import shipped
from training.evaluate import Metric
from training.export import write_safetensors
from training.in_use import in_use
from training.loop import train
from training.recipes import make_config
from training.registry import (
    champion,
    folder_of,
    list_models,
    list_shipped,
    load_model,
    locate,
    promote,
    register,
    start_from,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    pack = tiny_pack(folder / "pack", {"train": 4, "val": 2})
    return {task: train(tiny_config(task), pack, folder / task).run_dir for task in ("colorizer", "superres")}


def test_the_first_version_is_champion_and_later_ones_only_by_promotion(runs, tmp_path):
    assert register(runs["colorizer"], tmp_path, "mine", [Metric("mae_ab", 5.0, 4.0, 6.0, 9)]) == "v1"
    assert register(runs["colorizer"], tmp_path, "mine") == "v2"
    assert champion(tmp_path, "mine") == "v1"
    promote(tmp_path, "mine", "v2")
    assert champion(tmp_path, "mine") == "v2"
    assert [(m.name, m.version, m.champion) for m in list_models(tmp_path)] == [
        ("mine", "v1", False),
        ("mine", "v2", True),
    ]
    assert load_model(tmp_path, "mine").version == "v2"
    assert load_model(tmp_path, "mine@v1").version == "v1"
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["champion", "v1", "v2"]


def test_the_card_says_what_it_must(runs, tmp_path):
    register(runs["colorizer"], tmp_path, "mine", [Metric("mae_ab", 5.0, 4.0, 6.0, 9)], "test", ["FID is left out."])
    text = (tmp_path / "mine" / "v1" / "card.md").read_text()
    for words in (
        "plausible guess, not photometry",
        "snap",
        "demo_colorizer",
        "CC BY 4.0",
        "a pack of 6 frames",
        "at most 6 steps of L1, 6 adversarial",
        "seed 0",
        "| mae_ab | 5 | 4 .. 6 | 9 |\n\nFID is left out.\n\n## Licence",
    ):
        assert words in text
    scores = json.loads((tmp_path / "mine" / "v1" / "metrics.json").read_text())
    assert scores == {"split": "test", "metrics": [{"name": "mae_ab", "value": 5.0, "low": 4.0, "high": 6.0, "n": 9}]}


def test_the_card_says_what_an_enlarger_answers_for(pack, tmp_path):
    config = tiny_config("superres", pretrain_loss="psnr", spurious_weight=30.0)
    register(train(config, pack, tmp_path / "run").run_dir, tmp_path, "mine")
    text = (tmp_path / "mine" / "v1" / "card.md").read_text()
    assert "at most 6 steps of PSNR (and 30 dB for sources that the truth does not show), 6 adversarial" in text


@pytest.mark.parametrize(("snapshot", "warns"), [("snap", False), ("other", True)])
def test_the_card_warns_where_the_first_weights_learnt_from_other_splits(pack, tmp_path, snapshot, warns):
    first = train(tiny_config(), pack, tmp_path / "first")
    start = replace(start_from(tmp_path, first.run_dir, "colorizer"), snapshot_id=snapshot)
    register(train(tiny_config(), pack, tmp_path / "second", start=start).run_dir, tmp_path, "mine")
    text = (tmp_path / "mine" / "v1" / "card.md").read_text()
    assert f"start first@run of snapshot {snapshot}" in text
    assert ("scores flatter it" in text) == warns


def test_strength_goes_from_the_faithful_weights_to_the_vivid(runs, tmp_path):
    register(runs["colorizer"], tmp_path, "mine")
    model = load_model(tmp_path, "mine", task="colorizer")
    given = torch.rand(1, 1, 64, 64) * 100
    ends = [model.network(strength)(given) for strength in (0.0, 0.5, 1.0)]
    for state, strength in ((model.faithful, 0.0), (model.vivid, 1.0)):
        network = model.network(0.5)
        network.load_state_dict(state)
        assert torch.equal(network(given), ends[int(2 * strength)])
    assert not torch.equal(ends[0], ends[2])
    halves = model.network(0.5).state_dict()
    assert all(torch.allclose(halves[k], (model.faithful[k] + model.vivid[k]) / 2) for k in halves)
    with pytest.raises(UsageError, match="outside 0"):
        model.network(1.5)


def test_a_model_is_found_by_run_folder_and_checkpoint_too(runs, tmp_path):
    register(runs["superres"], tmp_path, "up")
    registered = load_model(tmp_path, "up")
    by_run = load_model(tmp_path, runs["superres"])
    by_folder = load_model(tmp_path, tmp_path / "up" / "v1")
    by_checkpoint = load_model(tmp_path, runs["superres"] / "checkpoints" / "last.pt")
    for other in (by_run, by_folder):
        assert all(torch.equal(other.vivid[key], registered.vivid[key]) for key in registered.vivid)
    assert by_checkpoint.config == registered.config
    assert by_checkpoint.network().scale == 2


def test_a_plain_name_is_the_models_whatever_lies_in_the_working_directory(runs, tmp_path, monkeypatch):
    home = tmp_path / "models"
    register(runs["superres"], home, "up")
    version = home / "up" / "v1"
    monkeypatch.chdir(home)
    assert (load_model(home, "up").reference, folder_of(home, "up")) == ("up@v1", version)
    shutil.copytree(runs["superres"], tmp_path / "up")
    monkeypatch.chdir(tmp_path)
    for ref in ("up", "up@v1"):
        assert (load_model(home, ref).reference, folder_of(home, ref)) == ("up@v1", version)
    # a separator makes it a folder, as a path is one that was read as such
    for folder in ("./up", "up/", Path("up")):
        assert (load_model(home, folder).reference, folder_of(home, folder)) == ("up@run", Path("up"))
    shutil.copytree(runs["superres"], tmp_path / "superres_x9")
    assert load_model(home, "superres_x9").reference == "superres_x9@run"


@pytest.mark.parametrize("ref", ["none", "mine@v9", "../mine", "mine@../v1", "", "MINE"])
def test_a_model_that_is_not_there_is_one_sentence(runs, tmp_path, ref, monkeypatch):
    monkeypatch.chdir(tmp_path)
    register(runs["colorizer"], tmp_path / "models", "mine")
    with pytest.raises(DeepfieldError):
        load_model(tmp_path / "models", ref)


def test_a_model_of_another_task_is_refused(runs, tmp_path):
    register(runs["superres"], tmp_path, "up")
    with pytest.raises(UsageError, match="up is a superres model, and a colorizer is needed"):
        load_model(tmp_path, "up", task="colorizer")
    with pytest.raises(UsageError, match="up is the name of a superres model"):
        register(runs["colorizer"], tmp_path, "up")
    with pytest.raises(UsageError, match="cannot name a model"):
        register(runs["colorizer"], tmp_path, "../up")


def test_foreign_and_damaged_files_are_one_sentence(runs, tmp_path):
    register(runs["colorizer"], tmp_path, "mine")
    register(runs["superres"], tmp_path, "up")
    folder = tmp_path / "mine" / "v1"
    shutil.copy(tmp_path / "up" / "v1" / "weights.safetensors", folder / "weights.safetensors")
    with pytest.raises(DeepfieldError, match="weights of another network than the unet"):
        load_model(tmp_path, "mine")
    (folder / "weights.safetensors").write_bytes(b"not weights")
    with pytest.raises(DeepfieldError, match="cannot be read"):
        load_model(tmp_path, "mine")
    (folder / "config.json").write_text("{}")
    with pytest.raises(DeepfieldError, match="does not describe a model"):
        load_model(tmp_path, "mine")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(DeepfieldError, match="not a checkpoint that this version"):
        load_model(tmp_path, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(DeepfieldError, match=r"text\.pt cannot be read: it is damaged"):
        load_model(tmp_path, tmp_path / "text.pt")


def test_promoting_what_is_not_there_changes_nothing(runs, tmp_path):
    register(runs["colorizer"], tmp_path, "mine")
    with pytest.raises(UsageError, match="no model mine@v7"):
        promote(tmp_path, "mine", "v7")
    assert champion(tmp_path, "mine") == "v1"


def test_an_exported_file_carries_its_config_and_is_a_model(runs, tmp_path):
    register(runs["colorizer"], tmp_path, "mine")
    model = load_model(tmp_path, "mine")
    write_safetensors(model, tmp_path / "out.safetensors", 0.0)
    with safe_open(tmp_path / "out.safetensors", "pt") as handle:
        assert json.loads(handle.metadata()["network"])["network"] == "unet"
    back = load_model(tmp_path, tmp_path / "out.safetensors", task="colorizer")
    assert (back.name, back.version, back.strength, back.meta["snapshot_id"]) == ("mine", "v1", 0.0, "snap")
    assert back.vivid.keys() == model.faithful.keys()
    assert all(torch.equal(back.vivid[key], model.faithful[key]) for key in back.vivid)
    save_file(back.vivid, str(tmp_path / "bare.safetensors"))
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "out.safetensors").read_bytes()[:2000])
    with pytest.raises(DeepfieldError, match="was not written by `deepfield models export`"):
        load_model(tmp_path, tmp_path / "bare.safetensors")
    with pytest.raises(DeepfieldError, match=r"cut\.safetensors cannot be read"):
        load_model(tmp_path, tmp_path / "cut.safetensors")


@pytest.fixture
def package(runs, tmp_path, monkeypatch):
    """A 2x network as if it had come with the package, its weights in half precision."""
    register(runs["superres"], tmp_path / "made", "up")
    folder = tmp_path / "weights" / "superres_x2"
    shutil.copytree(tmp_path / "made" / "up" / "v1", folder)
    for name in ("weights", "weights_faithful"):
        path = folder / f"{name}.safetensors"
        save_file({key: value.half() for key, value in load_file(path).items()}, str(path))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")


def test_what_came_with_the_package_is_found_where_nothing_is_registered(package, runs, tmp_path):
    home = tmp_path / "models"
    model = load_model(home, in_use(home, "superres", 2), task="superres")
    assert (model.name, model.version) == ("superres_x2", "built-in")
    assert {value.dtype for value in model.vivid.values()} == {torch.float32}
    assert [(m.name, m.version, m.champion) for m in list_shipped(home)] == [("superres_x2", "built-in", True)]
    assert list_models(home) == []
    assert "plausible guess" in (locate(home, "superres_x2") / "card.md").read_text()
    for name in ("superres_x2", "superres"):
        before = in_use(home, "superres", 2)
        # it came with the package and was trained for longer than most: a first version does not push it out
        register(runs["superres"], home, name)
        assert in_use(home, "superres", 2) == before
        promote(home, name, "v1")
        assert in_use(home, "superres", 2) == f"{name}@v1"
    assert load_model(home, "superres_x2").version == "v1"
    assert load_model(home, "superres_x2@built-in").version == "built-in"
    for name in ("superres", "superres_x2"):
        promote(home, name, "built-in")
    assert in_use(home, "superres", 2) == "superres_x2@built-in"
    assert load_model(home, "superres").reference == "superres@v1"  # no champion, but nothing else of that name
    with pytest.raises(UsageError, match="no model mine@built-in"):
        promote(home, "mine", "built-in")


def test_a_scale_that_no_model_has_is_one_sentence(package, tmp_path):
    with pytest.raises(UsageError, match=r"enlarges 3 times; there are superres_x2@built-in \(2 times\)\. Train one"):
        in_use(tmp_path / "models", "superres", 3)
    with pytest.raises(UsageError, match="There is no colorizer yet: `deepfield train colorizer` makes one"):
        in_use(tmp_path / "models", "colorizer")


@pytest.mark.parametrize("scale", SCALES)
def test_the_command_for_another_scale_is_one_that_trains_it(tmp_path, monkeypatch, scale):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    with pytest.raises(UsageError) as raised:
        in_use(tmp_path / "models", "superres", scale)
    _, _, command = str(raised.value).partition("deepfield train superres ")
    assert command.endswith(f" --name superres_x{scale}")
    config = make_config("superres", None, None, re.findall(r"--set (\S+)", command))
    assert config.generator.scale == scale
    assert config.data.crop_px > 80
