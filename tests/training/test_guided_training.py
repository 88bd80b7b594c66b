import pytest
import torch
from tiny import drawn, info

from manifests.errors import UsageError
from training.evaluate import evaluate
from training.loop import train
from training.pack import open_pack
from training.pack_write import write_pack
from training.palettes import FILE, load_palettes
from training.recipes import make_config
from training.registry import load_model, load_run, register
from training.settings import override

CHANGES = {
    "data": {"crop_px": 32, "batch": 4, "frame_px": 80},
    "generator": {"width": 4, "depth": 1, "context": "1", "reduce": 1, "surround_px": 4.0},
    "discriminator": {"width": 4},
    "pretrain": {"steps": 4},
    "adversarial": {"steps": 2},
    "discriminator_first": 1,
    "eval_every": 2,
    "guided": 0.5,
    "device": "cpu",
}


@pytest.fixture
def kin_pack(tmp_path):
    """Six frames to learn from, two to watch, three to score, two of which show the same object."""
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 3
    groups = {10: "group-009"}
    frames = (
        (info(number, split, **({"group_id": groups[number]} if number in groups else {})), *drawn(number))
        for number, split in enumerate(splits)
    )
    return open_pack(write_pack(tmp_path / "pack", frames, snapshot_id="snap", max_side_px=80))


def test_a_guided_run_keeps_presets_and_is_scored_by_its_own_palettes_and_its_kin(kin_pack, tmp_path):
    config = override(make_config("colorizer", "default_colorizer"), CHANGES)
    run_dir = tmp_path / "run"
    train(config, kin_pack, run_dir)
    assert load_palettes(run_dir / FILE)
    register(run_dir, tmp_path / "models", "colour")
    model = load_model(tmp_path / "models", "colour")
    assert model.palettes.keys() == load_palettes(run_dir / FILE).keys()
    scores = {metric.name: metric for metric in evaluate(model, kin_pack)}
    # the frames' colour follows from their lightness, so that their palettes say nearly all
    assert scores["mae_ab_own_palette"].value < 0.1 * scores["mae_ab_all_gray"].value
    assert scores["mae_ab_guided"].value < 0.5 * scores["mae_ab_all_gray"].value
    assert scores["mae_ab_guided_by_kin"].n == scores["kin_helps"].n == 2
    assert scores["kin_helps"].value == 1.0
    gain = scores["mae_ab_own_curve"].value - scores["mae_ab_guided"].value
    assert scores["mae_ab_guided_gain_over_own_curve"].value == pytest.approx(gain)


def test_a_guided_run_that_stopped_equals_one_that_did_not(kin_pack, tmp_path):
    config = override(make_config("colorizer", "default_colorizer"), CHANGES)
    train(config, kin_pack, tmp_path / "whole")

    def stop(done: int, _total: int, _phase: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, kin_pack, tmp_path / "parts", on_progress=stop)
    train(config, kin_pack, tmp_path / "parts", resume=True)
    whole, parts = load_run(tmp_path / "whole"), load_run(tmp_path / "parts")
    for name, weights in whole.vivid.items():
        assert torch.equal(weights, parts.vivid[name]), name


def test_only_a_generator_that_takes_palettes_is_guided():
    with pytest.raises(UsageError, match="guided_unet"):
        make_config("colorizer", "demo_colorizer", None, ["guided=0.5"])
