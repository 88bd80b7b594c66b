"""Colouring by example, as makers for an evaluation: by a picture's own palette, and by that of its kin.

A picture's own palette holds its true colours, in few numbers: what these makers reach says how far guidance leads,
not how well anything guesses.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.color import paint, rgb_to_lab
from models.guided import GuidedBy, GuidedUNet
from models.palette import look_up, surround, take_palette
from models.predict import blank
from training.data import whole
from training.makers import Maker, colourer
from training.pack import Pack, PackedFrame
from training.scores import Scores

_CURVE_BINS = 16


def guided_by_own(network: GuidedUNet, work_px: int) -> Maker:
    """Colour by a network that is shown the picture's own palette; pictures are at most `work_px` large."""

    def make(rgb: Tensor, valid: Tensor) -> Tensor:
        palette = take_palette(rgb_to_lab(rgb), valid, network.config.surround_px)
        return colourer(GuidedBy(network, palette), work_px)(rgb, valid)

    return make


def own_palette(sigma_px: float) -> Maker:
    """Paint by the picture's own palette alone."""

    def make(rgb: Tensor, valid: Tensor) -> Tensor:
        lab = rgb_to_lab(rgb)
        lightness = blank(lab[:1], valid).unsqueeze(0)
        ab = look_up(take_palette(lab, valid, sigma_px).unsqueeze(0), lightness, surround(lightness, sigma_px))[0]
        return torch.where(valid, paint(lab[:1], ab), rgb)

    return make


def own_curve(rgb: Tensor, valid: Tensor) -> Tensor:
    """Paint by the picture's own chroma as a function of lightness: the median a*b* of each of 16 bins."""
    lab = rgb_to_lab(rgb)
    bins = (lab[0] * (_CURVE_BINS / 100.0)).long().clamp(0, _CURVE_BINS - 1)
    ab = torch.zeros_like(lab[1:])
    for number in range(_CURVE_BINS):
        inside = (bins == number) & valid[0]
        if bool(inside.any()):
            ab[:, inside] = lab[1:, inside].median(dim=1).values.unsqueeze(1)
    return torch.where(valid, paint(lab[:1], ab), rgb)


def kin_palettes(pack: Pack, frames: Sequence[PackedFrame], sigma_px: float) -> Mapping[str, Tensor]:
    """For each frame, by image_id, the palette of the next frame of its group; nothing for one that is alone."""
    groups: dict[str, list[PackedFrame]] = {}
    for frame in frames:
        groups.setdefault(frame.group_id, []).append(frame)
    found = {}
    for group in groups.values():
        for place, frame in enumerate(group if len(group) > 1 else ()):
            rgb, valid = whole(pack, group[(place + 1) % len(group)], torch.device("cpu"))
            found[frame.image_id] = take_palette(rgb_to_lab(rgb), valid, sigma_px)
    return found


def kin_scores(
    network: GuidedUNet, work_px: int, palette: Tensor | None, rgb: Tensor, valid: Tensor, unguided: float
) -> Scores:
    """`mae_ab_guided_by_kin`, and 1 or 0 for whether that is better than the error `unguided`; NaN without kin."""
    if palette is None:
        return dict.fromkeys(("mae_ab_guided_by_kin", "mae_ab_with_kin_unguided", "kin_helps"), float("nan"))
    made = colourer(GuidedBy(network, palette.to(rgb.device)), work_px)(rgb, valid)
    error = float((rgb_to_lab(made) - rgb_to_lab(rgb))[1:, valid[0]].double().abs().mean())
    return {
        "mae_ab_guided_by_kin": error,
        "mae_ab_with_kin_unguided": unguided,
        "kin_helps": float(error < unguided),
    }
