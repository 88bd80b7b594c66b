"""Scores of a model over a split: the mean over frames with a bootstrap interval, always beside baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from manifests.errors import DeepfieldError
from models.guided import GuidedUNet
from training import sources
from training.config import degradation_of
from training.data import whole
from training.degradation import DegradationConfig
from training.distribution import band_features, chroma_features, frechet, kid, standard_error, without_blocks
from training.guided_makers import guided_by_own, kin_palettes, kin_scores, own_curve, own_palette
from training.inception import InceptionFeatures
from training.makers import (
    CONSTANTS,
    FAITHFUL,
    RESAMPLING,
    Maker,
    colour_baselines,
    consistent,
    model_makers,
    remembering,
    superres_baselines,
)
from training.metrics import bootstrap, colourfulness, detail, luma, to_8bit
from training.pack import Pack, PackedFrame, check_split
from training.reports import colour_report, superres_report
from training.scores import Scores, cut, degraded, measurable, scale_in

if TYPE_CHECKING:
    from training.registry import LoadedModel

_DEVICE = torch.device("cpu")
# with fewer groups a distance between sets, and its standard error, say nothing
_LEAST_GROUPS = 4
_TRUTH = "_truth"
GUIDED, OWN_CURVE = "_guided", "_own_curve"
CONSISTENT = "_consistent"
# the distances of sets of pictures that need no weights
COLOUR_KID, DETAIL_KID = "kid_abhist", "kid_bandhist"
# shares of what an enlarged picture shows that the truth shows too (`training.sources`)
_PURITIES = ("purity", "purity_uncleaned")


@dataclass(frozen=True)
class Metric:
    """A mean over `n` frames, with its 95 % interval from `low` to `high`."""

    name: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Measured:
    """What was measured of each frame, the rows in the order of the frames, and of all together.

    `makers` are the suffixes of the model's own scores. `features` are, by kind and then by suffix, arrays (N, D), the
    truth under `_truth`. `blank` are the sources invented in blank noise, by suffix.
    """

    frames: tuple[PackedFrame, ...]
    rows: tuple[Scores, ...]
    makers: tuple[str, ...]
    features: Mapping[str, Mapping[str, np.ndarray]]
    blank: Mapping[str, Sequence[float]]

    @property
    def groups(self) -> list[str]:
        """The field group of each frame."""
        return [frame.group_id for frame in self.frames]


def evaluate(
    model: "LoadedModel",
    pack: Pack,
    split: str = "test",
    *,
    device: torch.device = _DEVICE,
    seed: int = 0,
    inception: InceptionFeatures | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Metric]:
    """Score a model on the frames of a split, at both ends of its strength: `measure`, then `summary`.

    Raises:
        UsageError: the split is unknown.
        DeepfieldError: it holds no frame that can be scored.
    """
    measured = measure(model, pack, split, device=device, inception=inception, on_progress=on_progress)
    return summary(measured, seed=seed)


def measure(
    model: "LoadedModel",
    pack: Pack,
    split: str = "test",
    *,
    device: torch.device = _DEVICE,
    inception: InceptionFeatures | None = None,
    others: Mapping[str, Maker] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Let a model, at both ends of its strength, and the baselines make each frame of a split, and measure that.

    Plain names are the vivid end (strength 1), `_faithful` the other, and `others` under their suffixes; then come
    the baselines. `training.reports` says what each name means. The colouriser is not scored on grayscale frames.

    Raises:
        UsageError: the split is unknown.
        DeepfieldError: it holds no frame that can be scored.
    """
    scale = scale_in(model.config)
    frames = _scored_frames(pack, split, model.task, scale, degradation_of(model.meta))
    ours = model_makers(model, device) | dict(others or {})
    beside = colour_baselines(pack, device) if model.task == "colorizer" else superres_baselines(scale)
    network, work_px = model.network(0.0, device), int(model.meta["frame_px"])
    kin: Mapping[str, torch.Tensor] = {}
    if isinstance(network, GuidedUNet):
        ours[GUIDED] = guided_by_own(network, work_px)
        beside |= {"_own_palette": own_palette(network.config.surround_px), OWN_CURVE: own_curve}
        kin = kin_palettes(pack, frames, network.config.surround_px)
    if model.task == "superres" and degradation_of(model.meta) == DegradationConfig():
        ours[FAITHFUL] = remembering(ours[FAITHFUL])
        ours[CONSISTENT] = consistent(ours[FAITHFUL])
    kinds = [COLOUR_KID if model.task == "colorizer" else DETAIL_KID]
    kinds += [inception.name] if inception else []
    features: dict[str, dict[str, list[np.ndarray]]] = {kind: {} for kind in kinds}
    rows: list[Scores] = []
    for done, frame in enumerate(frames, start=1):
        rgb, valid = whole(pack, frame, device)
        made, truth, mask, row = _made(model.task, ours | beside, rgb, valid, scale, degradation_of(model.meta))
        if isinstance(network, GuidedUNet):
            row |= kin_scores(network, work_px, kin.get(frame.image_id), rgb, valid, row["mae_ab_faithful"])
        rows.append(row)
        for suffix, picture in (made | {_TRUTH: truth}).items():
            own = chroma_features(picture, mask) if scale == 1 else band_features(to_8bit(picture), mask)
            features[kinds[0]].setdefault(suffix, []).append(own)
            if inception:
                features[inception.name].setdefault(suffix, []).append(inception(picture, mask))
        if on_progress:
            on_progress(done, len(frames))
    blank: Mapping[str, Sequence[float]] = {}
    if model.task == "superres" and sources.available():
        blank = sources.invented_per_mpx(ours | beside, device)
    stacked = {kind: {suffix: np.stack(one) for suffix, one in by.items()} for kind, by in features.items()}
    return Measured(frames, tuple(rows), tuple(ours), stacked, blank)


def joined(parts: Sequence[Measured]) -> Measured:
    """What networks of one kind did on frames of their own each, as if one had done it all."""
    first = parts[0]
    features = {
        kind: {suffix: np.concatenate([part.features[kind][suffix] for part in parts]) for suffix in sets}
        for kind, sets in first.features.items()
    }
    return Measured(
        tuple(frame for part in parts for frame in part.frames),
        tuple(row for part in parts for row in part.rows),
        first.makers,
        features,
        {suffix: [count for part in parts for count in part.blank[suffix]] for suffix in first.blank},
    )


def _scored_frames(
    pack: Pack, split: str, task: str, scale: int, degradation: DegradationConfig
) -> tuple[PackedFrame, ...]:
    check_split(split)
    color_only = task == "colorizer"
    frames = measurable(pack, pack.select(split, color_only=color_only), scale, degradation)
    if not frames:
        raise DeepfieldError(
            f"Snapshot {pack.snapshot_id} has no {'colour ' if color_only else ''}frame large enough to be scored in "
            f"its {split} split: choose another --split, or scrape more."
        )
    return frames


def _made(
    task: str,
    makers: Mapping[str, Maker],
    rgb: torch.Tensor,
    valid: torch.Tensor,
    scale: int,
    degradation: DegradationConfig,
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, Scores]:
    """The pictures by suffix, the truth and mask beside them, and all scores."""
    row: Scores = {}
    made: dict[str, torch.Tensor] = {}
    if task == "colorizer":
        for suffix, maker in makers.items():
            made[suffix] = maker(rgb, valid)
            row |= _suffixed(colour_report(made[suffix], rgb, valid), suffix)
        return made, rgb, valid, row | {"colourfulness_truth": colourfulness(rgb, valid)}
    small, small_valid, truth, mask = degraded(rgb, valid, scale, degradation)
    for suffix, maker in makers.items():
        made[suffix] = maker(small, small_valid)
        flux_kept = degradation == DegradationConfig()
        row |= _suffixed(superres_report(made[suffix], truth, mask, small, flux_kept=flux_kept), suffix)
    sharp = detail(luma(cut(to_8bit(truth), scale)), cut(mask, scale))
    return made, truth, mask, row | {"detail_truth": sharp}


def _suffixed(scores: Scores, suffix: str) -> Scores:
    return {f"{name}{suffix}": value for name, value in scores.items()}


def main_score(names: Sequence[str]) -> tuple[str, tuple[str, ...], bool]:
    """The score that decides, the baselines it stands beside, and whether more of it is better."""
    if "mae_ab" in names:
        return "mae_ab", CONSTANTS, False
    return next(name for name in names if name.startswith("psnr_y_crop")), tuple(RESAMPLING), True


def summary(measured: Measured, *, seed: int = 0) -> list[Metric]:
    """The mean of every score with its interval, and what follows from several.

    `_guided` is the faithful end shown the picture's own palette, `_own_curve` and `_own_palette` use no network;
    `_consistent` is the faithful end of a network that enlarges, made to agree with its input;
    `kin_helps` is the share of frames that the palette of another frame of their group improves.
    `<name>_gain_over_<baseline>` is the paired difference per frame, positive where the network is better, of purity
    over bicubic alone; `mae_ab_ratio_to_all_gray` and `colourfulness_ratio` are ratios of means; `kid_...` and
    `fid_...` are distances of the set of outputs from that of truths, with 1.96 standard errors to both sides;
    `invented_per_mpx` counts sources in blank noise.
    """
    rows, groups = measured.rows, measured.groups
    name, baselines, higher = main_score(list(rows[0]))
    sign = 1.0 if higher else -1.0
    values = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    for suffix in measured.makers:
        for baseline in baselines:
            gain = sign * (values[f"{name}{suffix}"] - values[f"{name}_{baseline}"])
            values[f"{name}{suffix}_gain_over_{baseline}"] = gain
    for purity in [key for key in _PURITIES if key in values]:
        for suffix in measured.makers:
            values[f"{purity}{suffix}_gain_over_bicubic"] = values[purity + suffix] - values[f"{purity}_bicubic"]
    if f"{name}{GUIDED}" in values:
        values[f"{name}{GUIDED}_gain_over{OWN_CURVE}"] = values[f"{name}{OWN_CURVE}"] - values[f"{name}{GUIDED}"]
    found = [metric for key in values if (metric := mean_metric(key, values[key], groups, seed)) is not None]
    for suffix in measured.makers if name == "mae_ab" else ():
        for key, over in (("mae_ab", "mae_ab_all_gray"), ("colourfulness", "colourfulness_truth")):
            title = f"colourfulness{suffix}_ratio" if key == "colourfulness" else f"{key}{suffix}_ratio_to_all_gray"
            found.append(_ratio(title, values[f"{key}{suffix}"], values[over], groups, seed))
    if len(set(groups)) >= _LEAST_GROUPS:
        found += _distances(measured, groups, seed)
    for suffix, counts in measured.blank.items():
        pictures = [str(number) for number in range(len(counts))]
        low, high = bootstrap(counts, pictures, seed=seed)
        found.append(Metric(f"invented_per_mpx{suffix}", float(np.mean(counts)), low, high, len(counts)))
    return found


def mean_metric(name: str, values: np.ndarray, groups: Sequence[str], seed: int = 0) -> Metric | None:
    """The mean over the frames where the score exists (SSIM needs a full window); None if on no frame."""
    there = np.isfinite(values)
    if not there.any():
        return None
    kept = [group for group, use in zip(groups, there, strict=True) if use]
    low, high = bootstrap(list(values[there]), kept, seed=seed)
    return Metric(name, float(values[there].mean()), low, high, int(there.sum()))


def _ratio(name: str, values: np.ndarray, over: np.ndarray, groups: Sequence[str], seed: int) -> Metric:
    over = np.maximum(over, 1e-9)
    low, high = bootstrap(list(values), groups, over=list(over), seed=seed)
    return Metric(name, float(values.mean() / over.mean()), low, high, len(values))


def _distances(measured: Measured, groups: Sequence[str], seed: int) -> list[Metric]:
    found = []
    for kind, by_suffix in measured.features.items():
        truth = by_suffix[_TRUTH]
        statistics = {kind: kid} if kind.startswith("kid_") else {f"fid_{kind}": frechet, f"kid_{kind}": kid}
        for title, statistic in statistics.items():
            for suffix, made in by_suffix.items():
                if suffix != _TRUTH:
                    value = statistic(made, truth)
                    margin = 1.96 * standard_error(statistic, made, truth, groups, seed=seed)
                    found.append(Metric(title + suffix, value, value - margin, value + margin, len(made)))
    return found


def vivid_without_blocks(measured: Measured, *, seed: int = 0) -> tuple[float, ...]:
    """`kid_abhist` or `kid_bandhist` at strength 1 without one block of groups at a time; none of too few groups.

    Of two models on the same frames the values are paired: their differences say how sure that of the distances is.
    """
    if len(set(measured.groups)) < _LEAST_GROUPS:
        return ()
    sets = next(sets for kind, sets in measured.features.items() if kind in (COLOUR_KID, DETAIL_KID))
    return tuple(without_blocks(kid, sets[""], sets[_TRUTH], measured.groups, seed=seed).tolist())


def left_out(measured: Measured) -> list[str]:
    """Sentences on what was not measured, and why."""
    scores, enlarged, notes = measured.rows[0], "mae_ab" not in measured.rows[0], []
    if all(kind.startswith("kid_") for kind in measured.features):
        notes.append(
            "FID and KID on Inception's features are left out: no weights of it were given (evaluate --inception FILE)."
        )
    if len(set(measured.groups)) < _LEAST_GROUPS:
        notes.append(
            f"Distances between sets of pictures (KID, FID) are left out: they need {_LEAST_GROUPS} field groups."
        )
    if enlarged and "completeness" not in scores:
        notes.append(
            "Sources (completeness, purity, flux ratio, those invented in noise) are left out: sep or SciPy is not "
            "installed."
        )
    if enlarged and "lr_consistency" not in scores:
        notes.append(
            "lr_consistency, and a column of consistent results, are left out: the input was not made by area means "
            "alone, so that those of the output need not be it."
        )
    return notes
