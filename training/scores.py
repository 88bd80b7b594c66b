"""What a network makes of one frame, in numbers, beside what a network-free baseline makes of it.

The name of a score carries its protocol: `psnr_y_crop4` is PSNR of the BT.601 luma after 8-bit rounding, four
pixels cut off at each side. Scores of the colouriser are in L*a*b* units unless their name says otherwise.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from models.color import rgb_to_lab
from models.predict import colorize, scale_of, upscale
from training.config import Task
from training.data import whole
from training.degradation import AREA, DegradationConfig, degrade
from training.metrics import colourfulness, detail, luma, psnr, ssim, to_8bit
from training.pack import Pack, PackedFrame

Scores = dict[str, float]

# with less than this there is nothing to measure
_MIN_VALID_PX = 256
_BORDER_PX = 24

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def colour_scores(network: nn.Module, rgb: Tensor, valid: Tensor) -> Scores:
    """Errors of a coloured frame. Its colour is measured on the painted picture, after the gamut had its say.

    `mae_ab` is the mean absolute error over a* and b*, `bias_*` the mean signed error, output minus truth.
    """
    painted = colorize(network, rgb, valid)
    error = (rgb_to_lab(painted) - rgb_to_lab(rgb))[1:, valid[0]].double()
    mae_a, mae_b = error.abs().mean(dim=1).tolist()
    bias_a, bias_b = error.mean(dim=1).tolist()
    return {
        "mae_ab": (mae_a + mae_b) / 2,
        "mae_a": mae_a,
        "mae_b": mae_b,
        "bias_a": bias_a,
        "bias_b": bias_b,
        "colourfulness": colourfulness(painted, valid),
    }


def colour_baselines(mean_ab: Tensor, rgb: Tensor, valid: Tensor) -> Scores:
    """Errors of painting nothing, and of painting everything in one colour, a*b* (2,)."""
    ab = rgb_to_lab(rgb)[1:, valid[0]].double()
    return {
        "mae_ab_all_gray": float(ab.abs().mean()),
        "mae_ab_mean_colour": float((mean_ab.reshape(2, 1) - ab).abs().mean()),
        "colourfulness_truth": colourfulness(rgb, valid),
    }


def mean_colour(pack: Pack, frames: Sequence[PackedFrame], device: torch.device, limit: int = 200) -> Tensor:
    """The mean a*b* (2,) of at most `limit` frames, evenly chosen, each weighing the same."""
    chosen = frames[:: max(1, -(-len(frames) // limit))]
    total = torch.zeros(2, dtype=torch.float64, device=device)
    for frame in chosen:
        rgb, valid = whole(pack, frame, device)
        total += rgb_to_lab(rgb)[1:, valid[0]].double().sum(dim=1) / valid.sum().clamp(min=1)
    return total / max(len(chosen), 1)


def superres_scores(network: nn.Module, rgb: Tensor, valid: Tensor, degradation: DegradationConfig = AREA) -> Scores:
    """PSNR in dB, SSIM and detail of a frame that was degraded and enlarged by the network."""
    scale = scale_of(network)
    truth, mask = _whole_cells(rgb, scale), _whole_cells(valid, scale)
    return _superres_scores(
        to_8bit(upscale(network, degrade(truth, scale, degradation, seed=0))), truth, mask, scale, ""
    )


def superres_baselines(scale: int, rgb: Tensor, valid: Tensor, degradation: DegradationConfig = AREA) -> Scores:
    """The same scores for nearest, bicubic and Lanczos enlargement (Pillow's), and the detail of the truth."""
    truth, mask = _whole_cells(rgb, scale), _whole_cells(valid, scale)
    small = to_8bit(degrade(truth, scale, degradation, seed=0)).byte().permute(1, 2, 0).cpu().numpy()
    size = (truth.shape[2], truth.shape[1])
    scores: Scores = {"detail_truth": detail(luma(_cut(to_8bit(truth), scale)), _cut(mask, scale))}
    for name, filter_ in _RESAMPLING.items():
        enlarged = np.asarray(Image.fromarray(small).resize(size, filter_))
        levels = torch.from_numpy(enlarged.copy()).to(rgb.device).permute(2, 0, 1).float()
        scores |= _superres_scores(levels, truth, mask, scale, f"_{name}")
    return scores


def _superres_scores(levels: Tensor, truth: Tensor, mask: Tensor, scale: int, suffix: str) -> Scores:
    out, aim, valid = _cut(levels, scale), _cut(to_8bit(truth), scale), _cut(mask, scale)
    y_out, y_aim = luma(out), luma(aim)
    return {
        f"psnr_y_crop{scale}{suffix}": psnr(y_out, y_aim, valid),
        f"psnr_rgb_crop{scale}{suffix}": psnr(out, aim, valid),
        f"ssim_y_crop{scale}{suffix}": ssim(y_out, y_aim, valid),
        f"detail{suffix}": detail(y_out, valid),
    }


def _whole_cells(values: Tensor, scale: int) -> Tensor:
    """Cut rows and columns beyond a multiple of the scale."""
    height, width = values.shape[-2:]
    return values[..., : height - height % scale, : width - width % scale]


def _cut(values: Tensor, border: int) -> Tensor:
    return values[..., border:-border, border:-border]


def measurable(pack: Pack, frames: Sequence[PackedFrame]) -> tuple[PackedFrame, ...]:
    """The frames that hold enough data, away from their border, to be scored."""
    enough = []
    for frame in frames:
        inside = pack.valid(frame)[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX]
        if min(frame.height, frame.width) > 2 * _BORDER_PX and int(inside.sum()) >= _MIN_VALID_PX:
            enough.append(frame)
    return tuple(enough)


def held_out_scores(
    task: Task,
    network: nn.Module,
    pack: Pack,
    frames: Sequence[PackedFrame],
    degradation: DegradationConfig,
    device: torch.device,
) -> Scores:
    """Mean scores over held-out frames during training, with the one baseline that training is compared to."""
    rows = []
    for frame in frames:
        rgb, valid = whole(pack, frame, device)
        if task == "colorizer":
            baseline = colour_baselines(torch.zeros(2, device=device), rgb, valid)
            kept = ("mae_ab_all_gray", "colourfulness_truth")
            rows.append(colour_scores(network, rgb, valid) | {key: baseline[key] for key in kept})
        else:
            scale = scale_of(network)
            baseline = superres_baselines(scale, rgb, valid, degradation)
            kept = (f"psnr_y_crop{scale}_bicubic", "detail_truth")
            rows.append(superres_scores(network, rgb, valid, degradation) | {key: baseline[key] for key in kept})
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}


def faithful_score(task: Task, scores: Scores) -> float:
    """What pretraining is judged by, lower is better: `mae_ab`, or the negative PSNR of the luma."""
    if task == "colorizer":
        return scores["mae_ab"]
    return -next(value for name, value in scores.items() if name.startswith("psnr_y_") and name[-1].isdigit())


def vivid_score(task: Task, scores: Scores) -> float:
    """What the adversarial phase is judged by, lower is better: error, and distance from the truth's liveliness.

    Error alone would always choose the dullest network. To the error relative to the baseline's is added the
    absolute log ratio of colourfulness, or of detail, to the truth's; 1 dB of PSNR weighs like 10 % of detail.
    """
    if task == "colorizer":
        ratio = _log_ratio(scores["colourfulness"], scores["colourfulness_truth"])
        return scores["mae_ab"] / max(scores["mae_ab_all_gray"], 1e-6) + ratio
    return faithful_score(task, scores) / 10.0 + _log_ratio(scores["detail"], scores["detail_truth"])


def _log_ratio(value: float, truth: float) -> float:
    return abs(math.log(max(value, 1e-3) / max(truth, 1e-3)))
