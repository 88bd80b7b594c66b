import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from tiny import drawn, tiny_config, tiny_pack
from torch import nn

from manifests.errors import DeepfieldError
from models.color import rgb_to_lab
from training.evaluate import evaluate
from training.loop import train
from training.metrics import bootstrap, colourfulness, detail, luma, psnr, ssim, to_8bit
from training.registry import load_run
from training.scores import (
    colour_baselines,
    colour_scores,
    faithful_score,
    mean_colour,
    measurable,
    superres_baselines,
    superres_scores,
    vivid_score,
)


def frame(number: int = 0, side: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    rgb, valid = drawn(number, side)
    return torch.from_numpy(rgb).permute(2, 0, 1) / 255.0, torch.from_numpy(valid).unsqueeze(0)


class Painter(nn.Module):
    """Paints one colour, whatever it is shown."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.colour = torch.tensor([a, b]).reshape(1, 2, 1, 1)

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        return self.colour.expand(lightness.shape[0], 2, *lightness.shape[-2:])


class Nearest(nn.Module):
    """Enlarges by repeating pixels."""

    scale = 2

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return rgb.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


def test_psnr_by_hand_and_under_a_mask():
    truth = torch.full((1, 4, 4), 100.0)
    other = truth + 5
    everything = torch.ones(1, 4, 4, dtype=torch.bool)
    assert psnr(other, truth, everything) == pytest.approx(10 * math.log10(255**2 / 25))
    assert psnr(truth, truth, everything) == 100.0
    other[0, 0, 0], hidden = 0.0, everything.clone()
    hidden[0, 0, 0] = False
    assert psnr(other, truth, hidden) == pytest.approx(10 * math.log10(255**2 / 25))


def test_luma_runs_from_16_to_235():
    assert luma(torch.zeros(3, 1, 1)).item() == pytest.approx(16)
    assert luma(torch.full((3, 1, 1), 255.0)).item() == pytest.approx(235, abs=1e-3)


def test_ssim_equals_scikit_images():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 255, (40, 50))
    other = truth + rng.normal(0, 20, truth.shape)
    theirs = structural_similarity(
        truth, other, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1][5:-5, 5:-5].mean()
    everything = torch.ones(1, 40, 50, dtype=torch.bool)
    pictures = [torch.from_numpy(values).unsqueeze(0) for values in (other, truth)]
    assert ssim(*pictures, everything) == pytest.approx(theirs, abs=1e-3)
    broken, mask = pictures[0].clone(), everything.clone()
    broken[:, :, 25:], mask[:, :, 25:] = 0, False
    assert ssim(broken, pictures[1], mask) == pytest.approx(
        ssim(*(p[..., :25] for p in pictures), everything[..., :25])
    )
    assert math.isnan(ssim(*(p[:, :8] for p in pictures), everything[:, :8]))


def test_colourfulness_of_gray_is_zero_and_no_data_does_not_count():
    rgb, valid = frame()
    assert colourfulness(rgb.mean(0, keepdim=True).expand(3, -1, -1), valid) == pytest.approx(0, abs=1e-4)
    assert colourfulness(rgb, valid) > 5
    changed = torch.where(valid, rgb, torch.rand(3, 80, 80))
    assert colourfulness(changed, valid) == pytest.approx(colourfulness(rgb, valid))


def test_detail_is_the_mean_step_between_neighbours():
    steps = torch.arange(5.0).reshape(1, 1, 5).expand(1, 4, 5) * 3
    # 16 steps of 3 along the rows, 15 of 0 down the columns
    assert detail(steps, torch.ones(1, 4, 5, dtype=torch.bool)) == pytest.approx(48 / 31)


def test_bootstrap_draws_groups_and_covers_the_mean():
    values, groups = [1.0] * 50 + [3.0] * 50, ["a"] * 50 + ["b"] * 50
    assert bootstrap(values, groups, seed=0) == (1.0, 3.0)
    low, high = bootstrap(values, [str(n) for n in range(100)], seed=0)
    assert 1.5 < low < 2.0 < high < 2.5
    assert bootstrap(values, groups, seed=1) == bootstrap(values, groups, seed=1)


def test_painting_nothing_scores_as_the_gray_baseline():
    rgb, valid = frame()
    scores, beside = colour_scores(Painter(0, 0), rgb, valid), colour_baselines(torch.zeros(2), rgb, valid)
    assert scores["mae_ab"] == pytest.approx(beside["mae_ab_all_gray"], abs=0.01)
    assert beside["mae_ab_mean_colour"] == beside["mae_ab_all_gray"]
    truth = rgb_to_lab(rgb)[1:, valid[0]]
    assert scores["bias_a"] == pytest.approx(-truth[0].mean().item(), abs=0.01)
    assert scores["mae_b"] == pytest.approx(truth[1].abs().mean().item(), abs=0.01)
    assert scores["mae_ab"] == pytest.approx((scores["mae_a"] + scores["mae_b"]) / 2)


def test_the_mean_colour_weighs_frames_alike(pack):
    frames = pack.select("train", color_only=True)
    by_hand = []
    for one in frames:
        rgb = torch.from_numpy(pack.rgb(one).copy()).permute(2, 0, 1) / 255.0
        by_hand.append(rgb_to_lab(rgb)[1:, torch.from_numpy(pack.valid(one).copy())].mean(dim=1))
    found = mean_colour(pack, frames, torch.device("cpu"))
    assert torch.allclose(found.float(), torch.stack(by_hand).mean(dim=0), atol=1e-3)


def test_repeating_pixels_scores_as_the_nearest_baseline():
    rgb, valid = frame(0, 61)
    scores, beside = superres_scores(Nearest(), rgb, valid), superres_baselines(2, rgb, valid)
    for name, value in scores.items():
        assert value == pytest.approx(beside[f"{name}_nearest"])
    assert beside["psnr_y_crop2_bicubic"] > beside["psnr_y_crop2_nearest"]
    assert to_8bit(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [0, 128, 255]


def test_what_phases_are_judged_by():
    dull = {"mae_ab": 6.0, "mae_ab_all_gray": 7.0, "colourfulness": 3.0, "colourfulness_truth": 30.0}
    lively = dull | {"mae_ab": 6.5, "colourfulness": 25.0}
    assert faithful_score("colorizer", dull) < faithful_score("colorizer", lively)
    assert vivid_score("colorizer", lively) < vivid_score("colorizer", dull)
    blurred = {"psnr_y_crop4": 31.0, "psnr_y_crop4_bicubic": 29.0, "detail": 1.0, "detail_truth": 3.0}
    sharp = blurred | {"psnr_y_crop4": 30.5, "detail": 2.8}
    assert faithful_score("superres", blurred) == -31.0
    assert vivid_score("superres", sharp) < vivid_score("superres", blurred)


def test_frames_with_hardly_any_data_are_not_scored(pack):
    assert measurable(pack, pack.frames) == pack.frames
    pack_mask = pack.mask.copy()
    pack_mask[: 80 * 80] = 0
    emptied = type(pack)(**{**vars(pack), "mask": pack_mask})
    assert measurable(emptied, pack.frames) == pack.frames[1:]


@pytest.mark.parametrize("task", ["colorizer", "superres"])
def test_evaluation_stands_beside_its_baselines(pack, tmp_path, task):
    model = load_run(train(tiny_config(task), pack, tmp_path / "run").run_dir)
    metrics = {metric.name: metric for metric in evaluate(model, pack, "test")}
    main, baseline = {
        "colorizer": ("mae_ab", "all_gray"),
        "superres": ("psnr_y_crop2", "bicubic"),
    }[task]
    for name in (main, f"{main}_faithful", f"{main}_{baseline}"):
        assert metrics[name].n == 3
        assert metrics[name].low <= metrics[name].value <= metrics[name].high
    sign = -1 if task == "colorizer" else 1
    gain = sign * (metrics[main].value - metrics[f"{main}_{baseline}"].value)
    assert metrics[f"{main}_gain_over_{baseline}"].value == pytest.approx(gain)
    assert evaluate(model, pack, "test") == list(metrics.values())


def test_evaluating_nothing_is_one_sentence(pack, tmp_path):
    model = load_run(train(tiny_config(), pack, tmp_path / "run").run_dir)
    with pytest.raises(DeepfieldError, match="no split 'dev'"):
        evaluate(model, pack, "dev")
    with pytest.raises(DeepfieldError, match="no colour frame large enough to be scored in its test split"):
        evaluate(model, tiny_pack(tmp_path / "small", {"train": 1}), "test")
