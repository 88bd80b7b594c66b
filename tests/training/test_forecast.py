"""A study at full length says beforehand how long it takes."""

import re

import pytest
from tiny import tiny_pack

from training import budget
from training.bare import main
from training.budget import seconds_a_step
from training.forecast import tell_full_length
from training.study_recipes import config_named

SMALL = [
    *("data.crop_px=32", "data.batch=2", "discriminator.width=4", "device=cpu", "pretrain.steps=4"),
    *("adversarial.steps=2", "discriminator_first=0", "eval_every=9", "demo_superres:generator.scale=2"),
    *("demo_superres:generator.width=4", "demo_superres:generator.blocks=1"),
    *("demo_colorizer:generator.width=4", "demo_colorizer:generator.depth=2", "demo_colorizer:generator.max_width=8"),
    "demo_colorizer:generator.reduce=1",
]


@pytest.fixture
def small_pack(tmp_path):
    return tiny_pack(tmp_path / "pack", {"train": 3, "val": 1, "test": 1})


def test_the_steps_and_the_time_of_what_is_not_begun_are_told(small_pack, tmp_path, monkeypatch):
    monkeypatch.setattr("training.forecast.seconds_a_step", lambda config, pack, steps: 100_000.0)
    said: list[str] = []
    (tmp_path / "s" / "demo_superres" / "run").mkdir(parents=True)
    names = ("demo_colorizer", "demo_superres")
    tell_full_length(tmp_path / "s", small_pack, names, SMALL, said.append, lambda *_: None)
    assert "full schedule, 6 steps in all; --minutes 10 gives each ten minutes instead" in said[0]
    assert said[1:] == [
        "demo_colorizer: 6 steps, about 7 days",
        "Together about 7 days, the scoring not counted; a recipe may stop early by itself.",
    ]
    said.clear()
    tell_full_length(tmp_path / "t", small_pack, names[:1], SMALL, said.append, lambda *_: None, folds=5)
    assert "full schedule, 30 steps in all" in said[0]
    assert said[1] == "demo_colorizer: 5 times 6 steps, about 35 days"
    said.clear()
    (tmp_path / "t" / "demo_colorizer" / "fold-1" / "run").mkdir(parents=True)
    tell_full_length(tmp_path / "t", small_pack, names[:1], SMALL, said.append, lambda *_: None, folds=5)
    assert said == []
    tell_full_length(tmp_path / "s", small_pack, names[1:], SMALL, said.append, lambda *_: None)
    assert said == []


def test_a_step_is_that_of_both_phases_by_their_shares(small_pack, monkeypatch):
    clock = iter(range(100))

    def trained(config, pack, folder, *, on_progress):
        for _ in range(config.pretrain.steps):
            on_progress(0, 0, "pretrain")
        for _ in range(config.adversarial.steps):
            next(clock)
            on_progress(0, 0, "adversarial")

    monkeypatch.setattr(budget, "train", trained)
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(clock))
    # two thirds of the steps take a second, one third two
    assert seconds_a_step(config_named("demo_colorizer", SMALL), small_pack, 3) == pytest.approx(4 / 3)


@pytest.mark.parametrize("limit", ["", "--steps 4", "--steps 4 --folds 2"])
def test_a_study_without_a_limit_begins_with_it(small_pack, tmp_path, capsys, monkeypatch, limit):
    monkeypatch.chdir(tmp_path)
    settings = " ".join(f"--set {text}" for text in SMALL)
    assert main(f"study --pack pack --out s --recipes demo_superres {settings} {limit}".split()) == 0
    table, said = capsys.readouterr()
    assert ("5 frames each held out once, in 2 folds" if "folds" in limit else "1 frames of the test split") in table
    assert bool(re.search(r"demo_superres: 6 steps, about \d+ seconds\nTogether about", said)) == (not limit)
