"""Everything that is measured of one finished picture against its truth, whoever made it: a network or a baseline.

The name of a score carries its protocol. `bias_`, `mae_` and `rmse_` are the mean signed (output minus truth), mean
absolute and root mean square difference of a channel: `l`, `a`, `b` in L*a*b* units, `red`, `green`, `blue` in steps of
255. `ciede2000` is the mean colour difference, `within_5_ab` the share of pixels whose chroma is at most 5 units off,
`within_5_dn` that of pixels whose red, green and blue are all at most 5 steps of 255 off. `colourfulness` is M3 of
Hasler and Suesstrunk 2003, `colourfulness_difference` output minus truth. `psnr_y_crop4` is PSNR of the BT.601 luma
after 8-bit rounding, four pixels cut off at each side; `rgb` takes the three channels together. All over pixels that
hold data.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from models.color import rgb_to_lab
from training import sources
from training.ciede2000 import ciede2000
from training.degradation import degrade
from training.metrics import colourfulness, detail, luma, psnr, ssim, to_8bit
from training.scores import Scores, cut

# in L*a*b* units for colours, in steps of 255 for enlargements
_THRESHOLDS = (5, 10)


def colour_report(painted: Tensor, rgb: Tensor, valid: Tensor) -> Scores:
    """Scores of a coloured picture; all tensors as in `training.metrics`.

    `mae_ab` is the mean over a* and b*, `lightness_change` the mean absolute change of L*, which colouring should
    leave alone.
    """
    out, truth = to_8bit(painted), to_8bit(rgb)
    lab, aim = rgb_to_lab(painted)[:, valid[0]].double(), rgb_to_lab(rgb)[:, valid[0]].double()
    scores = _errors(lab, aim, ("l", "a", "b")) | _errors(out[:, valid[0]], truth[:, valid[0]], _RGB)
    chroma = (lab - aim)[1:].norm(dim=0)
    return {
        "mae_ab": (scores["mae_a"] + scores["mae_b"]) / 2,
        **scores,
        "ciede2000": float(ciede2000(lab, aim).mean()),
        **_within(chroma, "ab"),
        "psnr_rgb_crop0": psnr(out, truth, valid),
        "ssim_rgb_crop0": _ssim_rgb(out, truth, valid),
        "lightness_change": scores["mae_l"],
        **_liveliness(painted, rgb, valid),
    }


def superres_report(enlarged: Tensor, truth: Tensor, valid: Tensor, small: Tensor, *, flux_kept: bool) -> Scores:
    """Scores of an enlarged picture (3, H, W), made of `small` (3, H / n, W / n); sources too, where sep is there.

    `lr_consistency`, in steps of 255, is how far the area means of the output are from the input that it was made of;
    it is left out where the input was not made by area means (`flux_kept` False).
    """
    scale = truth.shape[-1] // small.shape[-1]
    out, aim, mask = cut(to_8bit(enlarged), scale), cut(to_8bit(truth), scale), cut(valid, scale)
    y_out, y_aim = luma(out), luma(aim)
    lab, lab_aim = (rgb_to_lab(levels / 255.0)[:, mask[0]].double() for levels in (out, aim))
    crop = f"crop{scale}"
    scores = {
        f"psnr_y_{crop}": psnr(y_out, y_aim, mask),
        f"psnr_rgb_{crop}": psnr(out, aim, mask),
        f"ssim_y_{crop}": ssim(y_out, y_aim, mask),
        f"ssim_rgb_{crop}": _ssim_rgb(out, aim, mask),
        "detail": detail(y_out, mask),
        **_errors(lab, lab_aim, ("l", "a", "b")),
        **_errors(out[:, mask[0]], aim[:, mask[0]], _RGB),
        "ciede2000": float(ciede2000(lab, lab_aim).mean()),
        **_within((out - aim)[:, mask[0]].abs().amax(dim=0), "dn"),
        **_liveliness(out / 255.0, aim / 255.0, mask),
    }
    if flux_kept:
        cells = (F.avg_pool2d(valid.float(), scale) == 1)[0]
        scores["lr_consistency"] = float((degrade(enlarged, scale) - small)[:, cells].abs().mean()) * 255.0
    if sources.available():
        scores |= sources.source_scores(out, aim, mask)
    return scores


_RGB = ("red", "green", "blue")


def _errors(out: Tensor, truth: Tensor, channels: tuple[str, ...]) -> Scores:
    """Bias, mean absolute and root mean square error of values (C, N), by channel."""
    difference = (out - truth).double()
    parts = {
        "bias": difference.mean(dim=1),
        "mae": difference.abs().mean(dim=1),
        "rmse": difference.square().mean(dim=1).sqrt(),
    }
    return {
        f"{kind}_{channel}": value
        for kind, values in parts.items()
        for channel, value in zip(channels, values.tolist(), strict=True)
    }


def _within(apart: Tensor, unit: str) -> Scores:
    """Shares of pixels whose distances (N,) from the truth are at most so many units."""
    return {f"within_{limit}_{unit}": float((apart <= limit).double().mean()) for limit in _THRESHOLDS}


def _liveliness(rgb: Tensor, truth: Tensor, valid: Tensor) -> Scores:
    """Colourfulness, and by how much it exceeds the truth's."""
    own = colourfulness(rgb, valid)
    return {"colourfulness": own, "colourfulness_difference": own - colourfulness(truth, valid)}


def _ssim_rgb(levels: Tensor, truth: Tensor, valid: Tensor) -> float:
    pairs = zip(levels.split(1), truth.split(1), strict=True)
    return float(torch.tensor([ssim(one, other, valid) for one, other in pairs]).mean())
