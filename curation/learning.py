"""How the classifier and its thresholds are learnt from labelled frames, with every figure from frames held out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
import pandas as pd
from scipy.stats.mstats import hdquantiles
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from curation.forest import Forest, Tree, Usual, log_odds
from curation.measures import MEASURE_NAMES, MEASURE_VERSION
from curation.policy import VERDICTS, Classifier, Policy, rule_on
from curation.rates import errors_allowed
from curation.rulefit import fit_rules
from manifests import schema

MODEL_SEED = 0

# Extremely randomised trees (Geurts, Ernst and Wehenkel 2006, Machine Learning 63, 3) were the most accurate of what
# was tried on the real frames, before boosting and additive models, and hold still under wrong labels. Half as many
# send more frames to review, 13.4 % instead of 12.7; the size of their leaves keeps the file small.
_TREES = 200
_LEAF_FRAMES = 2
_TRIED_SHARE = 0.3
_SPARE_WEIGHT = 0.3
_FOLDS = 5

# How sure the thresholds are of the wanted rates, in deviations: 75 %.
SURE = 0.674490
_INNER_REPEATS = 2

# What a frame lacks can be masked: a staircase of missing data may make it doubtful, but not reject it. How much is
# missing is no matter at all, as a turned chip in its north-up box lacks a third of it.
_EXCUSED = ("void_line_length",)
_RULES_ONLY = ("coverage", "valid_rectangle_fraction", "border_fraction")
_OF_COUNTS = ("noise_counts", "dynamic_range_counts")
LEARNT_FROM = tuple(
    column.name
    for column in schema.MEASURES
    if column.name in MEASURE_NAMES and column.dtype == "float64" and column.name not in _RULES_ONLY + _OF_COUNTS
)


@dataclass(frozen=True)
class Aims:
    """Wanted rates: of the frames to drop that are accepted, and of the good ones that are rejected, 0 to 1."""

    false_accepts: float = 0.05
    false_rejects: float = 0.02


@dataclass(frozen=True)
class _HeldOut:
    """What a policy said of frames it had not seen: mean shares of the trees, and the verdict of the rules alone."""

    share: np.ndarray
    excused: np.ndarray
    ruled: np.ndarray


def learn(base: Policy, frames: pd.DataFrame, aims: Aims, model: str) -> Policy:
    """A policy with the rules of `base`, its thresholds and its classifier learnt from labelled frames.

    `frames` has the manifest columns of the groups Frame and Measurements, `label` (keep, spare or drop) and `group`:
    thresholds come from scores of frames whose group the trees had not seen. `model` names the classifier's file.
    """
    held = _held_out(base, frames)
    rules = replace(base, rules=fit_rules(base.rules, frames, frames["label"]), classifier=None)
    drop, keep = ((frames["label"] == label).to_numpy() for label in ("drop", "keep"))
    slope, offset = _platt(held.share, drop, keep)
    forest = fit_forest(frames, MODEL_SEED, slope, offset)
    scores, excused = (np.array([forest.calibrated(one) for one in known]) for known in (held.share, held.excused))
    review, reject = _thresholds(scores, excused, held.ruled, drop, keep, aims)
    return replace(rules, classifier=Classifier(model, forest, review, reject))


def folds(frames: pd.DataFrame, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions to learn from and to try on, five times; no group is on both sides, and labels are spread evenly."""
    splitter = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    yield from splitter.split(np.zeros(len(frames)), frames["label"], frames["group"])


def fit_forest(frames: pd.DataFrame, seed: int, slope: float = 1.0, offset: float = 0.0) -> Forest:
    """Grow the trees on labelled frames; the two classes weigh the same.

    Spared frames count for little, but for the blind trees, which reject and must spare them, as much as others.
    """
    values = frames[list(LEARNT_FROM)].astype(float)
    missing = values.median().fillna(0.0)
    good = values[(frames["label"] == "keep").to_numpy()]
    usual = tuple(
        Usual(_short(low), _short(high), _short(middle))
        for low, high, middle in zip(good.quantile(0.05).fillna(0), good.quantile(0.95).fillna(0), missing, strict=True)
    )
    filled = values.fillna(pd.Series([one.missing for one in usual], index=values.columns)).to_numpy()
    drop, spare = ((frames["label"] == label).to_numpy() for label in ("drop", "spare"))
    trees = _grown(filled, drop, np.where(spare, _SPARE_WEIGHT, 1.0), range(len(LEARNT_FROM)), seed)
    seen = [position for position, name in enumerate(LEARNT_FROM) if name not in _EXCUSED]
    blind = _grown(filled, drop, np.ones(len(frames)), seen, seed)
    return Forest(LEARNT_FROM, usual, _EXCUSED, trees, blind, slope, offset, MEASURE_VERSION)


def _grown(
    values: np.ndarray, drop: np.ndarray, weight: np.ndarray, seen: Sequence[int], seed: int
) -> tuple[Tree, ...]:
    """Trees on some of the columns of the values, which are named by their positions among all."""
    forest = ExtraTreesClassifier(
        _TREES,
        min_samples_leaf=_LEAF_FRAMES,
        max_features=_TRIED_SHARE,
        class_weight="balanced",
        random_state=seed,
    )
    forest.fit(values[:, list(seen)], drop, sample_weight=weight)
    return tuple(_plain_tree(one.tree_, np.array(seen)) for one in forest.estimators_)


def shares(forest: Forest, frames: pd.DataFrame, *, excused: bool = False) -> np.ndarray:
    """Mean share of the trees for each frame, all at once; on wish of those that are blind to what is excused."""
    grown = forest.blind if excused else forest.trees
    values = np.stack(
        [frames[m].astype(float).fillna(u.missing) for m, u in zip(forest.measures, forest.usual, strict=True)]
    )
    total = np.zeros(len(frames))
    everyone = np.arange(len(frames))
    for tree in grown:
        measure, threshold, right, value = map(np.array, (tree.measure, tree.threshold, tree.right, tree.value))
        node = np.zeros(len(frames), np.intp)
        while (inside := measure[node] >= 0).any():
            left = values[measure[node], everyone] <= threshold[node]
            node = np.where(inside, np.where(left, node + 1, right[node]), node)
        total += value[node]
    return total / len(grown)


def _held_out(base: Policy, frames: pd.DataFrame) -> _HeldOut:
    """What trees and rules fitted to the other groups say of each frame, the mean of two partitions."""
    share, excused = np.zeros(len(frames)), np.zeros(len(frames))
    ruled = np.empty((_INNER_REPEATS, len(frames)), object)
    for repeat in range(_INNER_REPEATS):
        for learnt, tried in folds(frames, repeat):
            some, others = frames.iloc[learnt], frames.iloc[tried]
            forest = fit_forest(some, repeat)
            share[tried] += shares(forest, others) / _INNER_REPEATS
            excused[tried] += shares(forest, others, excused=True) / _INNER_REPEATS
            rules = replace(base, rules=fit_rules(base.rules, some, some["label"]), classifier=None)
            ruled[repeat, tried] = [rule_on(rules, row).verdict for row in others.to_dict("records")]
    # the more lenient word for frames to drop, the stricter one for good ones: thresholds must hold for either
    lenient, strict = _first(ruled, VERDICTS), _first(ruled, VERDICTS[::-1])
    return _HeldOut(share, excused, np.where(frames["label"] == "drop", lenient, strict))


def _first(ruled: np.ndarray, order: tuple[str, ...]) -> np.ndarray:
    """Of the verdicts in each column the one that comes first in `order`."""
    rank: Mapping[str, int] = {verdict: position for position, verdict in enumerate(order)}
    return np.array([min(column, key=rank.__getitem__) for column in ruled.T], object)


def _platt(share: np.ndarray, drop: np.ndarray, keep: np.ndarray) -> tuple[float, float]:
    """Slope and offset that turn the log odds of a share into a probability, both classes in their true numbers."""
    chosen = drop | keep
    odds = np.array([[log_odds(one)] for one in share[chosen]])
    line = LogisticRegression(C=100.0).fit(odds, drop[chosen])
    return float(f"{line.coef_[0, 0]:.4g}"), float(f"{line.intercept_[0]:.4g}")


def _thresholds(
    scores: np.ndarray, excused: np.ndarray, ruled: np.ndarray, drop: np.ndarray, keep: np.ndarray, aims: Aims
) -> tuple[float, float]:
    """The widest sure zones whose errors, rules included, show that the aims are met.

    Where the two classes do not overlap, the gap between them is doubtful.
    """
    missed = scores[drop & (ruled == "accept")]
    review = float(scores[keep].max())
    allowed = errors_allowed(int(drop.sum()), aims.false_accepts, SURE)
    if len(missed) > allowed:
        review = min(review, _score_above(allowed, missed))
    # what rules reject above the lower threshold is rejected at any upper one
    lost = keep & (ruled == "reject") & (scores > review)
    spared = excused[keep & ~lost & (scores > review)]
    allowed = max(0, errors_allowed(int(keep.sum()), aims.false_rejects, SURE) - int(lost.sum()))
    reject = max(review, float(scores[drop].min()))
    if len(spared) > allowed:
        reject = max(reject, 1.0 - _score_above(allowed, 1.0 - spared))
    return floor(1000 * review) / 1000, min(1.0, ceil(1000 * reject) / 1000)


def _score_above(number: int, scores: np.ndarray) -> float:
    """The score that so many of the lowest scores lie below.

    A weighted mean of the scores around it, on log odds (Harrell and Davis 1982, Biometrika 69, 635): one score by
    itself would be chance, and the threshold another one for every partition of the frames.
    """
    odds = hdquantiles(np.array([log_odds(one) for one in scores]), [(number + 0.5) / len(scores)])
    return float(1.0 / (1.0 + np.exp(-odds[0])))


def _plain_tree(tree: object, seen: np.ndarray) -> Tree:
    """scikit-learn's tree as plain lists; its nodes come parent first, left child next. `seen` are its measures."""
    leaf = tree.children_left == -1  # type: ignore[attr-defined]
    counts = tree.value[:, 0, :]  # type: ignore[attr-defined]
    share = counts[:, 1] / counts.sum(axis=1)
    return Tree(
        tuple(int(one) for one in np.where(leaf, -1, seen[tree.feature])),  # type: ignore[attr-defined]
        tuple(_short(one) for one in np.where(leaf, 0.0, tree.threshold)),  # type: ignore[attr-defined]
        tuple(int(one) for one in np.where(leaf, 0, tree.children_right)),  # type: ignore[attr-defined]
        tuple(round(float(one), 3) for one in share),
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")
