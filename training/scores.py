"""What a network makes of one frame, in numbers, beside what a network-free baseline makes of it.

The name of a score carries its protocol: `psnr_y_crop4` is PSNR of the BT.601 luma after 8-bit rounding, four
pixels cut off at each side. Scores of the colouriser are in L*a*b* units unless their name says otherwise.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.catalogue import NetworkConfig
from models.color import rgb_to_lab
from models.predict import colorize, scale_of, upscale
from training.config import Task
from training.data import whole
from training.degradation import AREA, DegradationConfig, degrade, far_from_no_data, of_data_alone
from training.makers import RESAMPLING, Maker, resampler
from training.metrics import colourfulness, detail, luma, psnr, ssim, to_8bit
from training.pack import Pack, PackedFrame
from training.spurious import spurious_share

Scores = dict[str, float]
Grid = TypeVar("Grid", Tensor, np.ndarray)

# with less than this there is nothing to measure
_MIN_VALID_PX = 256
_BORDER_PX = 24
# Lanczos, the widest of the baselines, makes a pixel of those at most three to either side
_BASELINES_REACH_PX = 3


def colour_scores(network: nn.Module | Maker, rgb: Tensor, valid: Tensor) -> Scores:
    """Errors of a frame that was coloured by a network, or by any function of picture and mask.

    Its colour is measured on the painted picture, after the gamut had its say. `mae_ab` is the mean absolute error
    over a* and b*, `bias_*` the mean signed error, output minus truth.
    """
    painted = colorize(network, rgb, valid) if isinstance(network, nn.Module) else network(rgb, valid)
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


def superres_scores(
    network: nn.Module | Maker, rgb: Tensor, valid: Tensor, scale: int, degradation: DegradationConfig = AREA
) -> Scores:
    """PSNR in dB, SSIM and detail of a frame that was degraded, and enlarged by a network or any such function.

    `spurious` is the share of `training.spurious`.
    """
    small, small_valid, truth, mask = degraded(rgb, valid, scale, degradation)
    large = upscale(network, small) if isinstance(network, nn.Module) else network(small, small_valid)
    out, aim, inside = cut(to_8bit(large), scale), cut(to_8bit(truth), scale), cut(mask, scale)
    y_out, y_aim = luma(out), luma(aim)
    return {
        f"psnr_y_crop{scale}": psnr(y_out, y_aim, inside),
        f"psnr_rgb_crop{scale}": psnr(out, aim, inside),
        f"ssim_y_crop{scale}": ssim(y_out, y_aim, inside),
        "detail": detail(y_out, inside),
        "detail_truth": detail(y_aim, inside),
        "spurious": float(spurious_share(out.unsqueeze(0) / 255.0, aim.unsqueeze(0) / 255.0, inside.unsqueeze(0))),
    }


def degraded(
    rgb: Tensor, valid: Tensor, scale: int, degradation: DegradationConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The small picture and its mask, and the truth with its, cut to a multiple of the scale; same noise each time.

    The masks are those of `from_data`.
    """
    truth = _whole_cells(rgb, scale)
    small_valid, mask = from_data(valid, scale, degradation)
    return degrade(truth, scale, degradation, seed=0), small_valid, truth, mask


def from_data(valid: Tensor, scale: int, degradation: DegradationConfig) -> tuple[Tensor, Tensor]:
    """Which pixels of the small picture, bool (1, H / n, W / n), and which of the large one are made of data alone.

    Of the large one those that the baselines enlarge from such small ones alone: beside them the colour of no-data, of
    which the small picture was made too, would be scored. A network may look farther; what comes of that is its own.
    """
    small = of_data_alone(valid, scale, degradation)
    far = far_from_no_data(small, _BASELINES_REACH_PX)
    return small, far.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)


def _whole_cells(values: Tensor, scale: int) -> Tensor:
    """Cut rows and columns beyond a multiple of the scale."""
    height, width = values.shape[-2:]
    return values[..., : height - height % scale, : width - width % scale]


def cut(values: Grid, border: int) -> Grid:
    """Without so many pixels at each side."""
    return values[..., border:-border, border:-border]


def scale_in(network: NetworkConfig) -> int:
    """How many times larger a network of this config makes pictures; 1 where it colours them."""
    return getattr(network, "scale", 1)


def measurable(
    pack: Pack, frames: Sequence[PackedFrame], scale: int, degradation: DegradationConfig
) -> tuple[PackedFrame, ...]:
    """The frames that hold enough data, away from their border, to be scored; `scale` is that of `scale_in`."""
    enough = []
    for frame in frames:
        # of frames as small as the first papers' little but a border would be left otherwise
        border = max(scale, min(_BORDER_PX, min(frame.height, frame.width) // 8))
        valid = torch.from_numpy(pack.valid(frame).copy()).unsqueeze(0)
        counted = valid if scale == 1 else from_data(valid, scale, degradation)[1]
        if int(cut(counted, border).sum()) >= _MIN_VALID_PX:
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
            truth = rgb_to_lab(rgb)[1:, valid[0]].double()
            beside = {"mae_ab_all_gray": float(truth.abs().mean()), "colourfulness_truth": colourfulness(rgb, valid)}
            rows.append(colour_scores(network, rgb, valid) | beside)
        else:
            scale = scale_of(network)
            bicubic = superres_scores(resampler(RESAMPLING["bicubic"], scale), rgb, valid, scale, degradation)
            beside = {f"psnr_y_crop{scale}_bicubic": bicubic[f"psnr_y_crop{scale}"]}
            rows.append(superres_scores(network, rgb, valid, scale, degradation) | beside)
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}


def faithful_score(task: Task, scores: Scores, spurious_weight: float = 0.0) -> float:
    """What pretraining is judged by, lower is better: `mae_ab`, or the negative PSNR of the luma.

    The share of sources that the truth does not show is added to the latter, as it is in the loss.
    """
    if task == "colorizer":
        return scores["mae_ab"]
    psnr_y = next(value for name, value in scores.items() if name.startswith("psnr_y_") and name[-1].isdigit())
    return spurious_weight * scores["spurious"] - psnr_y


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
