import math

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity
from tiny import drawn, tiny_config, tiny_pack
from torch import nn

from manifests.errors import DeepfieldError
from models.color import rgb_to_lab
from models.predict import upscale
from training.degradation import DegradationConfig
from training.evaluate import evaluate, left_out, measure
from training.loop import train
from training.makers import RESAMPLING, colourer, one_colour, resampler, typical_colours
from training.metrics import bootstrap, colourfulness, detail, luma, psnr, ssim, to_8bit
from training.registry import load_run
from training.reports import colour_report, superres_report
from training.scores import colour_scores, degraded, faithful_score, measurable, superres_scores, vivid_score


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
    halves = [2 * value for value in values]
    assert bootstrap(values, groups, over=halves, seed=0) == (0.5, 0.5)


def test_painting_nothing_scores_as_the_gray_baseline():
    rgb, valid = frame()
    scores = colour_scores(Painter(0, 0), rgb, valid)
    assert scores == colour_scores(one_colour(torch.zeros(2)), rgb, valid)
    truth = rgb_to_lab(rgb)[1:, valid[0]]
    assert scores["bias_a"] == pytest.approx(-truth[0].mean().item(), abs=0.01)
    assert scores["mae_b"] == pytest.approx(truth[1].abs().mean().item(), abs=0.01)
    assert scores["mae_ab"] == pytest.approx((scores["mae_a"] + scores["mae_b"]) / 2)


def test_the_report_of_a_coloured_frame_agrees_with_scikit_image():
    rgb, valid = frame()
    painted = colourer(Painter(5, 8), 80)(rgb, valid)
    report = colour_report(painted, rgb, valid)
    kept = valid[0].numpy()
    lab, aim = (rgb2lab(picture.permute(1, 2, 0).double().numpy())[kept] for picture in (painted, rgb))
    assert report["ciede2000"] == pytest.approx(deltaE_ciede2000(aim, lab).mean(), abs=1e-3)
    for place, channel in enumerate("lab"):
        assert report[f"bias_{channel}"] == pytest.approx((lab - aim)[:, place].mean(), abs=1e-3)
        assert report[f"rmse_{channel}"] == pytest.approx(np.sqrt(((lab - aim)[:, place] ** 2).mean()), abs=1e-3)
    assert report["within_5_ab"] == pytest.approx((np.hypot(*(lab - aim)[:, 1:].T) <= 5).mean(), abs=1e-3)
    assert report["lightness_change"] < 0.01
    assert report["mae_ab"] == pytest.approx(colour_scores(Painter(5, 8), rgb, valid)["mae_ab"])
    perfect = colour_report(rgb, rgb, valid)
    assert (perfect["within_5_ab"], perfect["psnr_rgb_crop0"], perfect["ciede2000"]) == (1.0, 100.0, 0.0)


def test_larger_frames_are_painted_at_the_size_the_network_knows():
    rgb, valid = frame(0, 81)
    for work_px in (81, 40):
        painted = colourer(Painter(6, -4), work_px)(rgb, valid)
        assert torch.equal(painted[:, ~valid[0]], rgb[:, ~valid[0]])
        ab = rgb_to_lab(painted)[1:, valid[0]]
        assert ab.mean(dim=1).tolist() == pytest.approx([6, -4], abs=0.3)
        assert (rgb_to_lab(painted) - rgb_to_lab(rgb))[0, valid[0]].abs().max() < 0.1


def test_the_typical_colours_weigh_frames_alike(pack):
    frames = pack.select("train", color_only=True)
    by_hand = []
    for one in frames:
        rgb = torch.from_numpy(pack.rgb(one).copy()).permute(2, 0, 1) / 255.0
        by_hand.append(rgb_to_lab(rgb)[1:, torch.from_numpy(pack.valid(one).copy())])
    mean, median = typical_colours(pack, frames, torch.device("cpu"))
    assert torch.allclose(mean, torch.stack([one.mean(dim=1) for one in by_hand]).mean(dim=0), atol=0.1)
    assert torch.allclose(median, torch.cat(by_hand, dim=1).median(dim=1).values, atol=0.1)


def test_repeating_pixels_scores_as_the_nearest_baseline():
    rgb, valid = frame(0, 61)
    nearest = superres_scores(resampler(RESAMPLING["nearest"], 2), rgb, valid, 2)
    assert superres_scores(Nearest(), rgb, valid, 2) == pytest.approx(nearest)
    bicubic = superres_scores(resampler(RESAMPLING["bicubic"], 2), rgb, valid, 2)
    assert bicubic["psnr_y_crop2"] > nearest["psnr_y_crop2"]
    assert to_8bit(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [0, 128, 255]


def test_the_report_of_an_enlarged_frame_knows_where_it_came_from():
    small, _, truth, mask = degraded(*frame(0, 61), 2, DegradationConfig())
    enlarged = Nearest()(small.unsqueeze(0))[0]
    report = superres_report(enlarged, truth, mask, small, flux_kept=True)
    assert report["lr_consistency"] == 0.0
    assert superres_report((enlarged + 2 / 255).clamp(0, 1), truth, mask, small, flux_kept=True)[
        "lr_consistency"
    ] == pytest.approx(2.0, abs=0.1)
    assert "lr_consistency" not in superres_report(enlarged, truth, mask, small, flux_kept=False)
    assert report["psnr_y_crop2"] == pytest.approx(superres_scores(Nearest(), *frame(0, 61), 2)["psnr_y_crop2"])


def test_the_report_of_an_enlarged_frame_has_errors_of_channels_shares_and_liveliness():
    small, _, truth, mask = degraded(*frame(0, 60), 2, DegradationConfig())
    off = truth.clone()
    off[0] -= 4 / 255
    off[1, :, :30] += 8 / 255
    report = superres_report(off.clamp(0, 1), truth, mask, small, flux_kept=False)
    kept = np.s_[2:-2, 2:-2]
    out, aim = ((picture.clamp(0, 1) * 255).round().numpy()[:, kept[0], kept[1]] for picture in (off, truth))
    inside = mask.numpy()[0][kept]
    apart = (out - aim)[:, inside]
    for place, channel in enumerate(("red", "green", "blue")):
        assert report[f"bias_{channel}"] == pytest.approx(apart[place].mean())
        assert report[f"mae_{channel}"] == pytest.approx(np.abs(apart[place]).mean())
        assert report[f"rmse_{channel}"] == pytest.approx(np.sqrt((apart[place] ** 2).mean()))
    lab, lab_aim = (rgb2lab(np.moveaxis(levels / 255, 0, 2))[inside] for levels in (out, aim))
    for place, channel in enumerate("lab"):
        assert report[f"bias_{channel}"] == pytest.approx((lab - lab_aim)[:, place].mean(), abs=1e-3)
    assert report["bias_red"] == pytest.approx(-4, abs=0.1)
    # the left half is 8 off in green, the right half only 4 in red
    assert report["within_5_dn"] == pytest.approx((np.abs(apart).max(axis=0) <= 5).mean())
    assert 0.4 < report["within_5_dn"] < 0.6
    assert report["within_10_dn"] == 1
    cut_off = torch.from_numpy(inside).unsqueeze(0)
    lively = [colourfulness(torch.from_numpy(levels / 255), cut_off) for levels in (out, aim)]
    assert report["colourfulness"] == pytest.approx(lively[0])
    assert report["colourfulness_difference"] == pytest.approx(lively[0] - lively[1], abs=1e-5)
    assert abs(report["colourfulness_difference"]) > 0.1


@pytest.mark.parametrize(
    "how", [DegradationConfig(), DegradationConfig("bicubic"), DegradationConfig("bicubic", 1.5, 2.0)], ids=str
)
@pytest.mark.parametrize("scale", [2, 3])
def test_no_data_has_no_part_in_the_scores_of_an_enlargement(how, scale):
    rgb, valid = frame(0, 96)[0], torch.zeros(1, 96, 96, dtype=torch.bool)
    # half of the frame, its edge within a cell at either scale
    valid[:, :, :47] = True
    pictures = [torch.where(valid, rgb, torch.full_like(rgb, fill)) for fill in (0.0, 1.0)]
    made = [degraded(picture, valid, scale, how) for picture in pictures]
    (first, small_valid, _, mask), (second, _, truth, _) = made
    assert torch.equal(first[:, small_valid[0]], second[:, small_valid[0]])
    assert not torch.equal(first, second)
    assert valid[:, : mask.shape[1], : mask.shape[2]][mask].all()
    # no more than what the kernels reach is lost
    reach = 3 * scale + scale - 1 + (0 if how.kind == "area" else 2 * scale + 5)
    assert 47 - reach <= int(mask[0, 0].sum()) < 47
    for filter_ in RESAMPLING.values():
        enlarge = resampler(filter_, scale)
        results = [superres_scores(enlarge, picture, valid, scale, how) for picture in pictures]
        assert results[0] == results[1]
        reports = [
            superres_report(enlarge(small, None), truth, mask, small, flux_kept=how == DegradationConfig())
            for small, _, _, _ in made
        ]
        assert {name: reports[0][name] for name in reports[0]} == pytest.approx(reports[1], nan_ok=True)


def test_a_frame_full_of_data_is_scored_to_its_last_cell():
    rgb, _ = frame(0, 61)
    everything = torch.ones(1, 61, 61, dtype=torch.bool)
    for how in (DegradationConfig(), DegradationConfig("bicubic", 2.0)):
        _, small_valid, _, mask = degraded(rgb, everything, 4, how)
        assert (small_valid.shape, mask.shape) == ((1, 15, 15), (1, 60, 60))
        assert small_valid.all()
        assert mask.all()


def test_frames_of_which_little_is_left_beside_no_data_are_not_enlarged(tmp_path):
    narrow = tiny_pack(tmp_path / "pack", {"test": 1})
    mask = np.zeros((80, 80), bool)
    mask[:, 30:54] = True
    narrow = type(narrow)(**{**vars(narrow), "mask": mask.ravel()})
    assert measurable(narrow, narrow.frames, 1, DegradationConfig()) == narrow.frames
    assert measurable(narrow, narrow.frames, 2, DegradationConfig()) == narrow.frames
    assert measurable(narrow, narrow.frames, 4, DegradationConfig()) == ()


def test_what_phases_are_judged_by():
    dull = {"mae_ab": 6.0, "mae_ab_all_gray": 7.0, "colourfulness": 3.0, "colourfulness_truth": 30.0}
    lively = dull | {"mae_ab": 6.5, "colourfulness": 25.0}
    assert faithful_score("colorizer", dull) < faithful_score("colorizer", lively)
    assert vivid_score("colorizer", lively) < vivid_score("colorizer", dull)
    blurred = {"psnr_y_crop4": 31.0, "psnr_y_crop4_bicubic": 29.0, "detail": 1.0, "detail_truth": 3.0, "spurious": 0.1}
    sharp = blurred | {"psnr_y_crop4": 30.5, "detail": 2.8}
    assert faithful_score("superres", blurred) == -31.0
    # half a decibel against a tenth of the area of all sources
    pure, impure = sharp | {"spurious": 0.01}, blurred | {"spurious": 0.11}
    assert faithful_score("superres", pure, 4.0) > faithful_score("superres", impure, 4.0)
    assert faithful_score("superres", pure, 6.0) < faithful_score("superres", impure, 6.0)
    assert vivid_score("superres", sharp) < vivid_score("superres", blurred)


def test_frames_with_hardly_any_data_are_not_scored(pack):
    for scale in (1, 2):
        assert measurable(pack, pack.frames, scale, DegradationConfig()) == pack.frames
    pack_mask = pack.mask.copy()
    pack_mask[: 80 * 80] = 0
    emptied = type(pack)(**{**vars(pack), "mask": pack_mask})
    assert measurable(emptied, pack.frames, 1, DegradationConfig()) == pack.frames[1:]


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
    if task == "colorizer":
        ratio = metrics["mae_ab"].value / metrics["mae_ab_all_gray"].value
        assert metrics["mae_ab_ratio_to_all_gray"].value == pytest.approx(ratio)
    else:
        assert {"completeness", "purity_bicubic", "lr_consistency_faithful", "invented_per_mpx"} <= metrics.keys()
        apart = metrics["purity_uncleaned"].value - metrics["purity_uncleaned_bicubic"].value
        assert metrics["purity_uncleaned_gain_over_bicubic"].value == pytest.approx(apart)
        # it cannot come farther from the truth than what it was made of, but for the rounding to 8 bits
        assert metrics["lr_consistency_consistent"].value < 0.51
        assert metrics["psnr_y_crop2_consistent"].value > metrics["psnr_y_crop2_faithful"].value - 0.05


@pytest.mark.parametrize(("degradation", "named"), [({}, False), ({"psf_sigma_px": 1.0}, True)])
def test_what_is_not_measured_is_named_with_the_reason(pack, tmp_path, monkeypatch, degradation, named):
    config = tiny_config("superres", data={"degradation": degradation})
    measured = measure(load_run(train(config, pack, tmp_path / "run").run_dir), pack, "test")
    notes = " ".join(left_out(measured))
    assert ("lr_consistency, and a column of consistent results, are left out" in notes) == named
    assert ("lr_consistency_faithful" in measured.rows[0]) != named
    assert "Sources" not in notes
    monkeypatch.setattr("training.sources.available", lambda: False)
    bare = measure(load_run(tmp_path / "run"), pack, "test")
    assert "those invented in noise) are left out: sep or SciPy is not installed." in " ".join(left_out(bare))


def test_an_evaluation_enlarges_each_picture_once_at_either_end(pack, tmp_path, monkeypatch):
    model = load_run(train(tiny_config("superres"), pack, tmp_path / "run").run_dir)
    enlarged = []
    monkeypatch.setattr("training.makers.upscale", lambda network, rgb: enlarged.append(1) or upscale(network, rgb))
    measured = measure(model, pack, "test")
    assert {"", "_faithful", "_consistent"} == set(measured.makers)
    # the frames, and four pictures of blank noise
    assert len(enlarged) == 2 * (len(measured.frames) + 4)


def test_evaluating_nothing_is_one_sentence(pack, tmp_path):
    model = load_run(train(tiny_config(), pack, tmp_path / "run").run_dir)
    with pytest.raises(DeepfieldError, match="no split 'dev'"):
        evaluate(model, pack, "dev")
    with pytest.raises(DeepfieldError, match="no colour frame large enough to be scored in its test split"):
        evaluate(model, tiny_pack(tmp_path / "small", {"train": 1}), "test")
