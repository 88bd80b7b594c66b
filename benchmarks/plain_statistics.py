"""The peer of the curation benchmark: gradient boosting on plain pixel statistics, thresholds chosen the same way."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingClassifier

from curation.learning import SURE, Aims, folds
from curation.rates import errors_allowed
from manifests.frames import decode

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def statistics(path: Path) -> list[float]:
    """45 numbers: mean, spread and percentiles of red, green, blue, gray and saturation."""
    rgb = decode(path).rgb
    planes = [*cv2.split(rgb), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 1]]
    return [
        float(value)
        for plane in planes
        for value in (plane.mean(), plane.std(), *np.percentile(plane[::2, ::2], _PERCENTILES))
    ]


def verdicts(values: np.ndarray, frames: pd.DataFrame, aims: Aims, seed: int) -> np.ndarray:
    """What boosting learnt from four parts says of the fifth, its two thresholds from parts held out of the four."""
    out = np.empty(len(frames), object)
    for learnt, tried in folds(frames, seed):
        some = frames.iloc[learnt].reset_index(drop=True)
        held = np.zeros(len(some))
        for inner, outer in folds(some, seed):
            held[outer] = _fit(values[learnt][inner], some.iloc[inner]).predict_proba(values[learnt][outer])[:, 1]
        drop, keep = ((some["label"] == label).to_numpy() for label in ("drop", "keep"))
        low = np.sort(held[drop])[errors_allowed(int(drop.sum()), aims.false_accepts, SURE)]
        high = np.sort(held[keep])[::-1][errors_allowed(int(keep.sum()), aims.false_rejects, SURE)]
        score = _fit(values[learnt], some).predict_proba(values[tried])[:, 1]
        out[tried] = np.where(score < low, "accept", np.where(score > max(low, high), "reject", "review"))
    return out


def _fit(values: np.ndarray, frames: pd.DataFrame) -> GradientBoostingClassifier:
    boosting = GradientBoostingClassifier(
        n_estimators=150, max_depth=3, subsample=0.7, max_features=0.3, random_state=0
    )
    return boosting.fit(values, frames["label"] == "drop")
