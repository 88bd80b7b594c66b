"""Thresholds of the policy's rules from labelled frames: how far good ones reach, how well a threshold finds others."""

from dataclasses import replace
from datetime import date
from math import ceil, floor, log10

import numpy as np
import pandas as pd

from curation.policy import Calibration, Rate, Rule

# A doubt costs a look, a sure rule costs the frame: how far each stands off from the most extreme good frame, as a
# share of its value.
_REVIEW_STAND_OFF = 0.1
_REJECT_STAND_OFF = 0.5
_DIGITS = 3

# How a footprint lies in its box differs from archive to archive, whatever one labelled set has.
_OF_FOOTPRINTS = ("coverage", "void_line_length")


def fit_rules(rules: tuple[Rule, ...], frames: pd.DataFrame, label: pd.Series) -> tuple[Rule, ...]:
    """The same rules with thresholds by these frames.

    A rule that none of them tells anything about stays as it is, and so do those on footprints; one that only good
    frames are beyond keeps off these. A sure threshold that no frame to drop lies beyond is left out: it may be where
    nothing can be measured, and then the rule only doubts.

    `frames` has the manifest columns of the groups Frame and Measurements, `label` is keep, spare or drop.
    """
    return tuple(rule if rule.measure in _OF_FOOTPRINTS else _fit_rule(rule, frames, label) for rule in rules)


def rated(rules: tuple[Rule, ...], frames: pd.DataFrame, label: pd.Series, name: str, on: date) -> tuple[Rule, ...]:
    """The same rules, each with the precision and recall of its thresholds on these frames.

    A rule whose thresholds come from other frames, and beyond which none of these lies, keeps what is known of it.
    """
    out = []
    for rule in rules:
        if rule.calibration and not _beyond(rule, rule.review, _values(rule, frames)).any():
            out.append(rule)
            continue
        review = rate(rule, rule.review, frames, label)
        reject = None if rule.reject is None else rate(rule, rule.reject, frames, label)
        out.append(replace(rule, calibration=Calibration(name, on, review, reject)))
    return tuple(out)


def rate(rule: Rule, threshold: float, frames: pd.DataFrame, label: pd.Series) -> Rate:
    """Precision and recall of a threshold for frames to drop."""
    hit = _beyond(rule, threshold, _values(rule, frames))
    drop = (label == "drop").to_numpy()
    right = int((hit & drop).sum())
    return Rate(right / int(hit.sum()) if hit.any() else None, right / max(1, int(drop.sum())))


def _fit_rule(rule: Rule, frames: pd.DataFrame, label: pd.Series) -> Rule:
    values = _values(rule, frames)
    kept = values[(label == "keep").to_numpy() & np.isfinite(values)]
    spared = values[label.isin(("keep", "spare")).to_numpy() & np.isfinite(values)]
    drop = values[(label == "drop").to_numpy() & np.isfinite(values)]
    if not len(kept):
        return rule
    sign = 1.0 if rule.side == "above" else -1.0
    review = _off(sign * float((sign * kept).max()), _REVIEW_STAND_OFF, rule.side)
    free = replace(rule, calibration=None)  # what is known of other thresholds is no matter
    if not _beyond(rule, review, drop).any():
        return replace(free, review=review, reject=None) if _beyond(rule, rule.review, kept).any() else rule
    if rule.reject is None:
        return replace(free, review=review)
    furthest = sign * float((sign * np.append(spared, review)).max())
    reject = _off(furthest, _REJECT_STAND_OFF, rule.side)
    # where all good frames measure nothing at all, a share of that is no distance
    if reject == review:
        return rule
    return replace(free, review=review, reject=reject if _beyond(rule, reject, drop).any() else None)


def _values(rule: Rule, frames: pd.DataFrame) -> np.ndarray:
    """The rule's measurement of each frame, not a number where the rule says nothing of it."""
    values = frames[rule.measure].astype(float).to_numpy(copy=True)
    if rule.domain != "any":
        values[(frames["domain"] != rule.domain).to_numpy()] = np.nan
    return values


def _beyond(rule: Rule, threshold: float, values: np.ndarray) -> np.ndarray:
    return values > threshold if rule.side == "above" else values < threshold


def _off(value: float, share: float, side: str) -> float:
    """The value moved to the suspect side by a share of itself, to three digits, away from the good frames."""
    moved = value + (share if side == "above" else -share) * abs(value)
    if moved == 0.0:
        return 0.0
    unit = 10.0 ** (floor(log10(abs(moved))) - _DIGITS + 1)
    steps = ceil(moved / unit - 1e-9) if side == "above" else floor(moved / unit + 1e-9)
    return float(f"{steps * unit:.{_DIGITS}g}")
