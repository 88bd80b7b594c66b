import io
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny import drawn, tiny_config, tiny_pack
from typer.testing import CliRunner

from flows.cli import app
from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings
from manifests.snapshots import write_snapshot
from models.edsr import EDSRConfig
from training.bare import main as bare
from training.loop import train
from training.pack import open_pack
from training.recipes import make_config
from training.shipped import FOLDER

SMALL = [
    "generator.width=4", "generator.depth=2", "generator.max_width=8", "generator.reduce=1", "discriminator.width=4",
    "data.crop_px=32", "data.batch=2", "pretrain.steps=3", "adversarial.steps=3", "discriminator_first=1",
    "eval_every=3", "log_every=1",
]  # fmt: skip


def png(rgb: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home with a snapshot of nine accepted frames."""
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path))
    load_settings.cache_clear()
    blobs = BlobStore(tmp_path / "blobs")
    splits = ["train"] * 5 + ["val"] * 2 + ["test"] * 2
    names = [blobs.put(png(drawn(number)[0])).sha256 for number in range(len(splits))]
    rows = pd.DataFrame({"image_id": names, "split": splits, "group_id": names, "verdict": "accept"})
    write_snapshot(rows, manifest_dir=tmp_path / "manifest", policy_digest="p")
    yield tmp_path
    load_settings.cache_clear()


def deepfield(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def settings() -> list[str]:
    return [part for text in SMALL for part in ("--set", text)]


def test_a_run_that_is_stopped_says_how_it_goes_on_under_its_name(home):
    def stop() -> None:
        # a run listens for signals before it writes its config
        while not (home / "runs" / "long" / "config.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    watch = threading.Thread(target=stop, daemon=True)
    watch.start()
    long = [*settings(), "--set", "pretrain.steps=100000", "--device", "cpu"]
    done = deepfield("train", "colorizer", *long, "--run", "long", "--name", "mine")
    assert isinstance(done.exception, DeepfieldError)
    assert "saved. Go on with: deepfield train colorizer --resume long --name mine" in str(done.exception)


def test_train_registers_a_model_that_can_be_listed_shown_scored_and_exported(home):
    done = deepfield("train", "colorizer", *settings(), "--run", "first", "--seed", "3", "--device", "cpu")
    assert done.exit_code == 0, done.output
    described = json.loads((home / "runs" / "first" / "config.json").read_text())["config"]
    assert (described["seed"], described["device"]) == (3, "cpu")
    assert "in use   what came with the package, until you run: deepfield models promote colorizer@v1" in done.output

    def in_use() -> list[tuple[str, str]]:
        listed = [json.loads(line) for line in deepfield("models", "list", "--json").stdout.splitlines()]
        return [(m["name"], m["version"]) for m in listed if m["champion"]]

    assert in_use() == [("colorizer", "built-in"), ("superres_x4", "built-in")]
    for version in ("v1", "built-in", "v1"):
        assert deepfield("models", "promote", f"colorizer@{version}").exit_code == 0
        assert sorted(in_use()) == [("colorizer", version), ("superres_x4", "built-in")]
    assert "colorizer@v1" in deepfield("models", "show", "colorizer").stdout

    scored = deepfield("evaluate", "colorizer", "--json")
    metrics = [json.loads(line) for line in scored.stdout.splitlines()]
    assert all(set(metric) == {"name", "value", "low", "high", "n"} for metric in metrics)
    assert {"mae_ab", "mae_ab_all_gray", "mae_ab_mean_colour"} <= {metric["name"] for metric in metrics}
    assert scored.stderr.splitlines() == [
        "FID and KID on Inception's features are left out: no weights of it were given (evaluate --inception FILE).",
        "Distances between sets of pictures (KID, FID) are left out: they need 4 field groups.",
    ]

    exported = deepfield("models", "export", "colorizer", str(home / "out.safetensors"))
    assert exported.exit_code == 0
    assert (home / "out.safetensors").stat().st_size > 0


def test_a_run_that_was_trained_on_a_bare_machine_is_scored_and_registered(home, tmp_path):
    assert deepfield("pack", "--jpeg", "--out", str(tmp_path / "frames.tar")).exit_code == 0
    frames, run = str(tmp_path / "there"), tmp_path / "elsewhere" / "run"
    assert bare(["pack", str(tmp_path / "frames.tar"), "--out", frames]) == 0
    assert bare(["train", "--pack", frames, "--recipe", "demo_colorizer", *settings(), "--out", str(run)]) == 0
    done = deepfield("models", "register", str(run), "--name", "mine")
    assert done.exit_code == 0, done.output
    assert "model    mine@v1, scored on the test split of" in done.output
    assert "mae_ab_all_gray" in done.output
    assert "| mae_ab |" in deepfield("models", "show", "mine").stdout


def test_a_run_is_not_registered_before_its_end_nor_where_its_snapshot_is_not_known(home, tmp_path):
    (tmp_path / "away").mkdir()
    pack, config = tiny_pack(tmp_path / "away" / "pack", {"train": 3, "val": 1}), tiny_config()

    def kill(done: int, total: int, phase: str) -> None:
        if done == 4:
            raise RuntimeError

    run = tmp_path / "away" / "run"
    with pytest.raises(RuntimeError):
        train(config, pack, run, on_progress=kill)
    unfinished = deepfield("models", "register", str(run))
    assert str(unfinished.exception) == f"The run {run} is not finished, it is at step 3 of 12: resume it first."
    train(config, pack, run, resume=True)
    unknown = deepfield("models", "register", str(run))
    assert isinstance(unknown.exception, DeepfieldError)
    assert "learnt from snapshot snap, which is not in" in str(unknown.exception)
    shutil.rmtree(run / "checkpoints")
    lacking = deepfield("models", "register", str(run))
    assert isinstance(lacking.exception, DeepfieldError)
    assert "has no checkpoint to tell whether it is finished" in str(lacking.exception)
    assert not (home / "models").exists()


def test_a_model_is_trained_further_from_its_own_weights(home):
    assert deepfield("train", "colorizer", *settings(), "--run", "first").exit_code == 0
    done = deepfield("train", "colorizer", *settings(), "--run", "second", "--from", "colorizer@v1")
    assert done.exit_code == 0, done.output
    card = deepfield("models", "show", "colorizer@v2").stdout
    assert "start colorizer@v1 of snapshot" in card
    assert "scores flatter it" not in card
    wrong = deepfield("train", "superres", "--recipe", "srresnet", "--run", "third", "--from", "superres_x4")
    assert isinstance(wrong.exception, UsageError)
    assert "superres_x4@built-in is of the network edsr" in str(wrong.exception)
    assert not (home / "runs" / "third" / "config.json").exists()


def test_evaluations_lie_with_the_model_but_never_in_the_package(home, tmp_path):
    assert deepfield("train", "colorizer", *settings(), "--name", "mine").exit_code == 0
    exported = tmp_path / "given" / "mine.safetensors"
    exported.parent.mkdir()
    assert deepfield("models", "export", "mine", str(exported)).exit_code == 0
    places = {
        "mine": home / "models" / "mine" / "v1" / "evaluation",
        str(exported): exported.parent / "mine.evaluation",
        "colorizer": home / "models" / "colorizer" / "built-in" / "evaluation",
    }
    for model, folder in places.items():
        done = deepfield("evaluate", model)
        assert done.exit_code == 0, done.output
        assert [path.name for path in folder.glob("*-test/index.html")] == ["index.html"]
    assert not (FOLDER / "colorizer" / "evaluation").exists()
    assert deepfield("models", "show", "colorizer").exit_code == 0


def test_a_snapshot_is_packed_carried_away_and_unpacked(home):
    there = str(home / "there")
    for arguments in (
        ["--size", "64", "--out", there],
        ["--size", "64", "--jpeg", "--out", f"{there}.tar"],
        ["--from", f"{there}.tar", "--out", f"{there}2"],
    ):
        done = deepfield("pack", *arguments)
        assert done.exit_code == 0, done.output
    first, second = (open_pack(Path(f"{there}{n}")) for n in ("", "2"))
    assert first.frames == second.frames
    assert {max(frame.height, frame.width) for frame in first.frames} == {64}


def test_every_setting_is_printed_as_a_file_for_config(home):
    done = deepfield("train", "settings", "--recipe", "wdsr_gan", "--set", "generator.network=edsr")
    assert done.exit_code == 0, done.output
    assert "generator.residual_scale = 1.0" in done.stdout
    (home / "mine.toml").write_text(done.stdout)
    mine = make_config("superres", None, home / "mine.toml", [])
    assert (mine.recipe, mine.generator) == ("wdsr_gan", EDSRConfig())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "settings", "--recipe", "none"], "no recipe 'none'"),
        (["train", "colorizer", "--recipe", "none"], "no colorizer recipe"),
        (["train", "superres", "--recipe", "demo_colorizer"], "no superres recipe"),
        (["train", "colorizer", "--set", "data.batch=x"], "whole number"),
        (["train", "colorizer", "--device", "tpu"], "device must be one of"),
        (["train", "colorizer", "--snapshot", "zzz"], "no snapshot"),
        (["train", "colorizer", "--resume", "nowhere"], "holds no training run"),
        (["train", "colorizer", "--resume", "nowhere", "--seed", "1"], "goes on with a run as it was"),
        (["train", "colorizer", "--resume", "nowhere", "--from", "colorizer"], "goes on with a run as it was"),
        (["train", "colorizer", "--from", "nothing"], "no model"),
        (["train", "colorizer", "--from", "superres_x4"], "is a superres model"),
        (["train", "colorizer", "--run", "../out"], "use a plain name"),
        (["train", "colorizer", "--run", ".."], "no name for a folder"),
        (["train", "colorizer", "--name", "Bad Name"], "cannot name a model"),
        (["evaluate", "nothing"], "no model"),
        (["evaluate", "colorizer", "--split", "dev"], "no split 'dev'"),
        (["evaluate", "colorizer", "--inception", "none.pth"], "name one of Inception v3, or leave --inception out"),
        (["pack", "--jpeg"], "--out where to write"),
        (["pack", "--from", "x.tar", "--jpeg", "--out", "y"], "leave out --jpeg"),
        (["study", "--recipes", "none"], "no recipe 'none'"),
        (["study", "--steps", "4", "--minutes", "1"], "not both"),
        (["study", "--inception", "none.pth"], "name one of Inception v3, or leave --inception out"),
        (["models", "promote", "colorizer"], "names no version"),
        (["models", "promote", "colorizer@v3"], "no model"),
        (["models", "export", "x", "out.bin"], "should end in"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_run(home, arguments, sentence):
    done = deepfield(*arguments)
    assert isinstance(done.exception, DeepfieldError), done.output
    assert sentence in str(done.exception)
    assert not (home / "runs").exists()
