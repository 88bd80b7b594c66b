"""Calibration: learn a policy from labelled frames, and try the very same procedure on frames it did not see."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from curation.labelled import Labelled
from curation.learning import Aims, folds, learn, shares
from curation.policy import VERDICTS, Calibration, Policy, Rate, Rule, rule_on
from curation.rates import Share
from curation.rulefit import rated

REPEATS = 3
_FIRST_SEED = 100  # apart from the partitions by which thresholds are chosen


@dataclass(frozen=True)
class Trial:
    """One partition into five: what policies learnt from four parts said of the fifth, in the order of the frames."""

    verdict: np.ndarray
    score: np.ndarray
    values: tuple[str, ...]


@dataclass(frozen=True)
class Calibrated:
    """The policy learnt from all frames, and how policies learnt alike did on frames that they had not seen."""

    policy: Policy
    labelled: Labelled
    aims: Aims
    trials: tuple[Trial, ...]

    def share(self, verdict: str, *, label: str | None = None, given: str | None = None) -> Share:
        """How often held-out frames got a verdict: of those with a meaning or a label as given, the mean of trials."""
        frames = self.labelled.frames
        chosen = np.ones(len(frames), bool)
        if label is not None:
            chosen &= (frames["label"] == label).to_numpy()
        if given is not None:
            chosen &= (frames["given"] == given).to_numpy()
        hits = np.mean([((trial.verdict == verdict) & chosen).sum() for trial in self.trials])
        return Share(round(float(hits)), int(chosen.sum()))

    def precision(self, verdict: str, label: str) -> Share:
        """Of the held-out frames with a verdict, how many have this meaning; spared ones count for neither."""
        frames = self.labelled.frames
        judged = (frames["label"] != "spare").to_numpy()
        right = (frames["label"] == label).to_numpy()
        hits = np.mean([((trial.verdict == verdict) & right).sum() for trial in self.trials])
        total = np.mean([((trial.verdict == verdict) & judged).sum() for trial in self.trials])
        return Share(round(float(hits)), round(float(total)))


def calibrate(
    labelled: Labelled,
    base: Policy,
    aims: Aims,
    *,
    name: str,
    model: str,
    on: date,
    repeats: int = REPEATS,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Calibrated:
    """Learn a policy called `name` with the rules of `base`, and try the procedure on held-out groups.

    Everything is learnt anew within each part of a trial, thresholds included. `model` names the classifier's file.
    Rules on counts keep their thresholds, and get the rates that these have on labelled FITS.
    """
    frames = labelled.frames
    trials = []
    for repeat in range(repeats):
        verdict, score = np.empty(len(frames), object), np.zeros(len(frames))
        values = [""] * len(frames)
        for part, (learnt, tried) in enumerate(folds(frames, _FIRST_SEED + repeat)):
            policy = learn(base, frames.iloc[learnt], aims, model)
            for position, row in zip(tried, frames.iloc[tried].to_dict("records"), strict=True):
                ruling = rule_on(policy, row)
                verdict[position], values[position] = ruling.verdict, ruling.values
            score[tried] = _scores(policy, frames.iloc[tried])
            if on_progress:
                on_progress("try", 5 * repeat + part + 1, 5 * repeats)
        trials.append(Trial(verdict, score, tuple(values)))
    policy = learn(base, frames, aims, model)
    rules = _rated(policy.rules, labelled, on)
    done = Calibrated(replace(policy, name=name, rules=rules), labelled, aims, tuple(trials))
    return replace(done, policy=_dated(done, on))


def _rated(rules: tuple[Rule, ...], labelled: Labelled, on: date) -> tuple[Rule, ...]:
    """The rules with their rates: those on counts by the labelled FITS where there are enough, others by pictures."""
    by_pictures = rated(rules, labelled.frames, labelled.frames["label"], labelled.name, on)
    if labelled.counts is None:
        return by_pictures
    frames = labelled.counts.frames
    by_counts = rated(rules, frames, frames["label"], labelled.counts.name, on)
    return tuple(
        counts if counts.domain == "linear" else pictures
        for counts, pictures in zip(by_counts, by_pictures, strict=True)
    )


def _dated(done: Calibrated, on: date) -> Policy:
    """The policy with the rates of its classifier's thresholds, as the trials found them."""
    classifier = done.policy.classifier
    assert classifier is not None
    drop = (done.labelled.frames["label"] == "drop").to_numpy()
    judged = (done.labelled.frames["label"] != "spare").to_numpy()
    score = np.mean([trial.score for trial in done.trials], axis=0)

    def rate(threshold: float) -> Rate:
        hit = score > threshold
        found = int((hit & drop).sum())
        return Rate(found / max(1, int((hit & judged).sum())), found / int(drop.sum()))

    known = Calibration(done.labelled.name, on, rate(classifier.review), rate(classifier.reject))
    return replace(done.policy, classifier=replace(classifier, calibration=known))


def _scores(policy: Policy, frames: pd.DataFrame) -> np.ndarray:
    assert policy.classifier is not None
    forest = policy.classifier.forest
    return np.array([forest.calibrated(share) for share in shares(forest, frames)])


def summary(done: Calibrated) -> dict[str, object]:
    """The figures of a calibration, by name, as programs read them."""
    figures = {
        "false_accepts": done.share("accept", label="drop"),
        "false_rejects": done.share("reject", label="keep"),
        "review_load": done.share("review"),
        "accept_precision": done.precision("accept", "keep"),
        "reject_precision": done.precision("reject", "drop"),
    }
    counts = {verdict: done.share(verdict).hits for verdict in VERDICTS}
    rates = {
        name: {"value": share.value, "low": share.interval[0], "high": share.interval[1], "n": share.total}
        for name, share in figures.items()
    }
    return {"policy": done.policy.name, "digest": done.policy.digest, "frames": done.labelled.name, **rates, **counts}
