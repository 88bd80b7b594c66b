import csv
import json
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import drawn, info, tiny_pack

from manifests.errors import DeepfieldError, UsageError
from training.budget import Budget, with_evaluations, with_steps
from training.config import TrainConfig
from training.distribution import jackknife_error
from training.folds import dealt
from training.loop import TrainingInterrupted, train
from training.pack import SPLITS, Pack, PackedFrame, open_pack
from training.pack_resize import resized_pack, shrunk
from training.pack_travel import unpack, write_travelling
from training.recipes import RECIPES
from training.study import run_study
from training.study_page import write_study
from training.study_recipes import PAPER, config_named, recipe_names, recipes_at_hand

COMMON = ["data.crop_px=32", "data.batch=2", "discriminator.width=4", "device=cpu"]
COLOUR = ["generator.width=4", "generator.depth=2", "generator.max_width=8", "generator.reduce=1"]
SUPERRES = ["generator.scale=2", "generator.width=4", "generator.blocks=1"]
SETTINGS = [
    *COMMON,
    *(f"{recipe}:{text}" for recipe in ("demo_colorizer", "pix2pix_lab") for text in COLOUR),
    *(f"demo_superres:{text}" for text in SUPERRES),
    "pix2pix_lab:data.frame_px=40",
]
NAMES = ("demo_colorizer", "pix2pix_lab", "demo_superres")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    torch.set_num_threads(1)
    pack = tiny_pack(folder / "pack", {"train": 3, "val": 1, "test": 4})
    results = run_study(folder / "s", pack, NAMES, SETTINGS, Budget(steps=4), device=torch.device("cpu"))
    return folder / "s", pack, results


def test_a_study_trains_scores_and_compares(studied):
    folder, _, results = studied
    assert [result.recipe for result in results] == list(NAMES)
    assert {result.steps for result in results} == {4}
    text = write_study(folder, "A study", results)
    for words in (
        "Colouring: 4 frames of the test split, 4 field groups",
        "| all gray |",
        "| bicubic |",
        "paired differences of neighbours, mae_ab_faithful",
        "published: the same, fine-tuned on Hubble frames | 0.00257 | 0.00727 | 0.01721 | 0.03316 | 42.2",
        "WD-SRGAN | 79.73 | 3.63",
        "left out: no weights of Inception",
    ):
        assert words in text
    with (folder / "study.csv").open() as handle:
        rows = {(row["recipe"], row["name"]): row for row in csv.DictReader(handle)}
    ours = {metric.name: metric.value for metric in results[1].metrics}
    assert float(rows["pix2pix_lab", "mae_ab"]["value"]) == pytest.approx(ours["mae_ab"], rel=1e-4)
    page = (folder / "index.html").read_text()
    for name in NAMES:
        assert f"{name}/evaluation/samples.png" in page
        assert f'href="{name}/evaluation/index.html"' in page
        assert {"samples.png", "index.html"} <= {path.name for path in (folder / name / "evaluation").iterdir()}
    # made for smaller frames, it learnt from a shrunk pack and was scored on the same frames as the other
    assert json.loads((folder / "pix2pix_lab" / "run" / "config.json").read_text())["pack"]["max_side_px"] == 40
    assert results[0].groups == results[1].groups
    assert [row["mae_ab_all_gray"] for row in results[0].rows] == [row["mae_ab_all_gray"] for row in results[1].rows]


def test_the_paired_difference_is_that_of_the_frames(studied):
    folder, _, results = studied
    first, second = sorted(
        results[:2], key=lambda one: next(m.value for m in one.metrics if m.name == "mae_ab_faithful")
    )
    difference = np.mean(
        [a["mae_ab_faithful"] - b["mae_ab_faithful"] for a, b in zip(first.rows, second.rows, strict=True)]
    )
    line = next(
        line for line in write_study(folder, "s", results).splitlines() if f"{first.recipe} − {second.recipe}" in line
    )
    assert float(line.split("|")[2].split()[0]) == pytest.approx(difference, rel=1e-2)


def test_the_default_recipe_stands_against_each_other_one(studied):
    folder, _, results = studied
    best, ours = results[:2]
    # the default recipe is the worst of three, and no neighbour of the best
    others = [
        replace(ours, recipe="default_colorizer"),
        *(
            replace(
                best,
                recipe=name,
                rows=tuple(row | {"mae_ab_faithful": row["mae_ab_faithful"] - less} for row in best.rows),
            )
            for name, less in (("near", 0.5), ("far", 2.0))
        ),
    ]
    text = write_study(folder, "s", others)
    assert "paired differences of default_colorizer from each other recipe" in text
    rows = {line.split("|")[1].strip(): line.split("|") for line in text.splitlines() if "− " in line}
    for name, less in (("near", 0.5), ("far", 2.0)):
        cells = rows[f"default_colorizer − {name}"]
        expected = np.mean(
            [a["mae_ab_faithful"] - b["mae_ab_faithful"] for a, b in zip(ours.rows, best.rows, strict=True)]
        )
        assert float(cells[2].split()[0]) == pytest.approx(expected + less, rel=1e-2)
        kids = [next(m.value for m in one.metrics if m.name == "kid_abhist") for one in (ours, best)]
        assert float(cells[4].split()[0]) == pytest.approx(kids[0] - kids[1], rel=1e-2)
        low, high = (float(text.strip("[], ")) for text in cells[4].split()[1:])
        error = jackknife_error(np.subtract(ours.without_blocks, best.without_blocks))
        assert high - low == pytest.approx(2 * 1.96 * error, rel=1e-2)
    # results of earlier versions lack what a difference of distances needs
    same = [ours, replace(ours, recipe="twin", without_blocks=()), best]
    assert "not measured" in write_study(folder, "s", same)


def test_what_is_finished_is_not_trained_again_and_the_rest_goes_on(studied, monkeypatch):
    folder, pack, results = studied
    trained = []
    monkeypatch.setattr("training.study.train", lambda config, *_, **__: trained.append(config.recipe))
    again = run_study(folder, pack, NAMES, SETTINGS, Budget(steps=4), device=torch.device("cpu"))
    assert again == results
    assert trained == []
    with pytest.raises(UsageError, match="another steps"):
        run_study(folder, pack, NAMES, SETTINGS, Budget(steps=8), device=torch.device("cpu"))


class FlatFeatures:
    """Stands in for Inception, whose weights are large: a picture's mean colours."""

    name = "inception_tv"

    def __call__(self, rgb: torch.Tensor, valid: torch.Tensor) -> np.ndarray:
        return rgb[:, valid[0]].mean(dim=1).double().numpy()


def test_results_without_fid_are_scored_anew_not_trained_when_inception_comes_along(studied, tmp_path, monkeypatch):
    folder, pack, before = studied
    copy = shutil.copytree(folder, tmp_path / "s")
    asked = (copy, pack, NAMES, SETTINGS, Budget(steps=4))
    with monkeypatch.context() as patched:
        patched.setattr("training.study.train", None)
        scored = run_study(*asked, inception=FlatFeatures(), device=torch.device("cpu"))
    named = [{metric.name: metric for metric in result.metrics} for result in scored]
    assert all({"fid_inception_tv", "kid_inception_tv_faithful"} <= names.keys() for names in named)
    assert [(one.steps, one.seconds, one.rows) for one in scored] == [
        (one.steps, one.seconds, one.rows) for one in before
    ]
    text = write_study(copy, "s", scored)
    assert "left out: no weights of Inception" not in text
    assert f"{named[0]['fid_inception_tv'].value:.4g}" in text
    # and not again, with them or without
    monkeypatch.setattr("training.study.assess", None)
    assert run_study(*asked, inception=FlatFeatures(), device=torch.device("cpu")) == scored
    assert run_study(*asked, device=torch.device("cpu")) == scored


def test_a_study_that_was_stopped_goes_on_by_the_same_command(studied, tmp_path):
    _, pack, results = studied

    def study(stop: int):
        def progress(done: int, total: int, what: str) -> None:
            if done == stop and "pretrain" in what:
                os.kill(os.getpid(), signal.SIGTERM)

        return run_study(
            tmp_path, pack, NAMES[:1], SETTINGS, Budget(steps=4), device=torch.device("cpu"), on_progress=progress
        )

    with pytest.raises(TrainingInterrupted, match="while it trained demo_colorizer and saved its state"):
        study(stop=2)
    assert study(stop=0)[0].metrics == results[0].metrics


def test_in_folds_each_frame_is_scored_by_the_network_that_did_not_see_its_group(pack, tmp_path, monkeypatch):
    learnt = {}

    def spied(config, given, run_dir, **options):
        learnt[run_dir] = {frame.group_id for frame in given.frames if frame.split in ("train", "val")}
        return train(config, given, run_dir, **options)

    asked = (pack, NAMES[:2], SETTINGS, Budget(steps=4))
    with monkeypatch.context() as patched:
        patched.setattr("training.study.train", spied)
        results = run_study(tmp_path / "s", *asked, folds=3, device=torch.device("cpu"))
    assert [(one.steps, one.split, one.folds, len(one.rows)) for one in results] == [(4, "test", 3, 11)] * 2
    for one in results:
        rows = []
        for fold in range(3):
            place = tmp_path / "s" / one.recipe / f"fold-{fold + 1}"
            with (place / "evaluation" / "frames.csv").open() as handle:
                scored = list(csv.DictReader(handle))
            assert not learnt[place / "run"] & {row["group_id"] for row in scored}
            assert f"<h1>{one.recipe}@fold-{fold + 1} on the test" in (place / "evaluation" / "index.html").read_text()
            rows += scored
        assert sorted(row["image_id"] for row in rows) == sorted(frame.image_id for frame in pack.frames)
        assert [row["mae_ab"] for row in one.rows] == pytest.approx([float(row["mae_ab"]) for row in rows], rel=1e-4)
        mean = next(metric for metric in one.metrics if metric.name == "mae_ab")
        assert (mean.value, mean.n) == (pytest.approx(np.mean([row["mae_ab"] for row in one.rows])), 11)
    text = write_study(tmp_path / "s", "A study", results)
    assert "Colouring: 11 frames each held out once, in 3 folds, 11 field groups" in text
    page = (tmp_path / "s" / "index.html").read_text()
    linked = re.findall(r'(?:href|src)="([^"]*evaluation/[^"]*)"', page)
    assert len(linked) == 12
    assert all((tmp_path / "s" / path).exists() for path in linked)
    monkeypatch.setattr("training.study.train", None)
    assert run_study(tmp_path / "s", *asked, folds=3, device=torch.device("cpu")) == results
    with pytest.raises(UsageError, match="another folds"):
        run_study(tmp_path / "s", *asked, folds=2, device=torch.device("cpu"))
    with pytest.raises(UsageError, match="--folds must be 2 or more, not 1"):
        run_study(tmp_path / "t", *asked, folds=1, device=torch.device("cpu"))
    with pytest.raises(UsageError, match="11 groups of frames in its pack, too few for 12 folds: choose fewer"):
        run_study(tmp_path / "t", *asked, folds=12, device=torch.device("cpu"))
    assert not (tmp_path / "t").exists()


@given(sizes=st.lists(st.integers(1, 4), min_size=8, max_size=40), folds=st.integers(2, 8))
def test_folds_test_every_group_once_and_share_none(sizes, folds):
    names = [f"{number * 7919 % 1000:03d}" for number, size in enumerate(sizes) for _ in range(size)]
    frames = tuple(
        PackedFrame(**vars(info(number, "train", group_id=name)), offset=0, height=8, width=8, valid_px=64)
        for number, name in enumerate(names)
    )
    pack = Pack(Path(), "snap", 80, frames, np.empty(0), np.empty(0))
    tested: list[str] = []
    for fold in range(folds):
        found = [(frame.group_id, frame.split) for frame in dealt(pack, fold, folds).frames]
        assert [name for name, _ in found] == names
        # a group has one split
        assert len(dict.fromkeys(found)) == len(sizes)
        shares = [len({name for name, split in found if split == which}) for which in SPLITS]
        assert abs(shares[2] - len(sizes) / folds) < 1
        assert shares[1] == -(-(len(sizes) - shares[2]) // 8)
        tested += {name for name, split in found if split == "test"}
    assert sorted(tested) == sorted(set(names))


def test_each_recipe_may_have_the_same_minutes(tmp_path):
    pack = tiny_pack(tmp_path / "pack", {"train": 3, "val": 1, "test": 4})
    settings = [*COMMON, *COLOUR]
    found = run_study(
        tmp_path / "s", pack, ["demo_colorizer"], settings, Budget(minutes=0.002), device=torch.device("cpu")
    )
    assert found[0].steps == json.loads((tmp_path / "s" / "demo_colorizer" / "plan.json").read_text())["steps"]
    assert found[0].steps >= 2


def test_steps_are_shared_between_the_phases_as_before():
    config = with_steps(config_named("demo_colorizer", []), 92)
    assert (config.pretrain.steps, config.adversarial.steps) == (80, 12)
    assert config.discriminator_first == 2
    assert with_steps(config_named("pix2pix_lab", []), 2).pretrain.steps == 1


def scored_px(config: TrainConfig, frame_px: int) -> int:
    """Pixels that all evaluations of a training look at, as the loop counts them."""
    phases = [phase.steps for phase in (config.pretrain, config.adversarial) if phase.steps]
    between = sum(-(-steps // config.eval_every) for steps in phases)
    return (1 + between) * config.held_out_frames * frame_px


@pytest.mark.parametrize("recipe", ["srgan_ledig", "paper_unet_rgb", "default_colorizer", "wdsr_gan"])
@pytest.mark.parametrize("steps", [50, 200, 1_000, 5_000, 50_000])
def test_evaluations_look_at_a_tenth_of_what_is_learnt_from(recipe, steps):
    config = with_evaluations(with_steps(config_named(recipe, []), steps), [768 * 1024] * 40)
    learnt_px = steps * config.data.batch * config.data.crop_px**2
    assert scored_px(config, 768 * 1024) <= 0.1 * learnt_px or config.held_out_frames == 1
    assert config.eval_every <= steps


def test_many_steps_are_scored_ten_times_and_few_at_the_ends_of_the_phases():
    config = config_named("srgan_ledig", [])
    many = with_evaluations(with_steps(config, 100_000), [768 * 1024] * 80)
    assert (many.eval_every, many.held_out_frames) == (10_000, 50)
    fewer = with_evaluations(with_steps(config, 16_000), [768 * 1024] * 80)
    assert (fewer.eval_every, fewer.held_out_frames) == (5_334, 50)
    few = with_evaluations(with_steps(config, 400), [768 * 1024] * 80)
    assert (few.eval_every, few.held_out_frames) == (400, 2)
    assert with_evaluations(with_steps(config, 2), [768 * 1024] * 80).held_out_frames == 1


def test_the_evaluations_of_a_short_study_are_those_of_its_plan(studied):
    folder, _, _ = studied
    with (folder / "demo_colorizer" / "run" / "metrics.csv").open() as handle:
        scored = [row["step"] for row in csv.DictReader(handle) if row["mae_ab"]]
    # before the first step and at the end of either phase
    assert scored == ["0", "3", "4"]


def test_settings_can_be_of_one_recipe_only():
    config = config_named("demo_colorizer", ["data.batch=3", "demo_superres:data.batch=5", "demo_colorizer:seed=4"])
    assert (config.data.batch, config.seed) == (3, 4)
    with pytest.raises(UsageError, match="no recipe 'none'"):
        config_named("demo_colorizer", ["none:data.batch=3"])
    with pytest.raises(UsageError, match="not both"):
        Budget(steps=3, minutes=3)
    with pytest.raises(UsageError, match="no recipe"):
        recipe_names(" , ")
    assert recipe_names("demo_superres, pix2pix_lab") == ("demo_superres", "pix2pix_lab")


def test_recipes_without_the_weights_they_need_are_left_out_of_the_papers_and_refused_by_name():
    assert set(PAPER) <= set(RECIPES)
    names, sentences = recipes_at_hand("paper", [])
    assert names == tuple(name for name in PAPER if name != "content_mix")
    assert [sentence.partition(" is left out")[0] for sentence in sentences] == ["content_mix"]
    assert recipes_at_hand("paper", ["content_mix:content.weights=vgg19.pth"]) == (PAPER, ())
    with pytest.raises(UsageError, match="content_mix is left out: it needs torchvision's VGG-19 weights"):
        recipes_at_hand("demo_superres,content_mix", [])


@pytest.mark.parametrize("name", ["frames.tar", "folder"])
def test_a_pack_travels_as_jpegs(pack, tmp_path, name):
    out = write_travelling(pack, tmp_path / name)
    back = open_pack(unpack(out, tmp_path / "there"))
    for frame, other in zip(pack.frames, back.frames, strict=True):
        assert frame == other
        assert np.array_equal(pack.valid(frame), back.valid(other))
        off = np.abs(pack.rgb(frame).astype(int) - back.rgb(other))[pack.valid(frame)]
        assert off.mean() < 2
    (tmp_path / "notes.txt").write_text("hello")
    for wrong in (tmp_path / "notes.txt", tmp_path / "there"):
        with pytest.raises(DeepfieldError, match=r"cannot be unpacked[^\n]*carry it again\.$"):
            unpack(wrong, tmp_path / "x")
    with pytest.raises(DeepfieldError, match="no travelling pack"):
        unpack(tmp_path / "none", tmp_path / "x")
    if name == "folder":
        with pytest.raises(DeepfieldError, match="exists already"):
            write_travelling(pack, out)
    else:
        out.write_bytes(out.read_bytes()[:3000])
        with pytest.raises(DeepfieldError, match="carry it again"):
            unpack(out, tmp_path / "x")


def test_a_shrunk_pack_counts_pixels_with_data_only(pack, tmp_path):
    small = open_pack(resized_pack(pack, 40, tmp_path / "small"))
    assert {(frame.height, frame.width) for frame in small.frames} == {(40, 40)}
    assert small.max_side_px == 40
    rgb, valid = np.full((40, 60, 3), 100, np.uint8), np.ones((40, 60), bool)
    rgb[:, 41:], valid[:, 41:] = 255, False
    values, inside = shrunk(rgb, valid, 30)
    assert values.shape == (20, 30, 3)
    assert (values[inside] == 100).all()
    assert inside[:, :20].all()
    assert not inside[:, 21:].any()
    assert shrunk(*drawn(0), 80)[0].shape == (80, 80, 3)
