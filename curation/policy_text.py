"""Writing a policy as people read it: TOML that `load_policy` takes back, its classifier's trees beside it."""

import json
from dataclasses import replace
from pathlib import Path

from curation.forest import to_json
from curation.policy import Calibration, Classifier, Policy, Rate, Rule
from manifests.files import write_atomic

_HEAD = """\
# What counts as a good frame, written by `deepfield curate calibrate`. One rule is one measurement against two
# thresholds: past `review` a person decides, past `reject` nobody need look. Rules that share a reason count as one
# doubt; `doubts_to_reject` different doubts together reject. The classifier's score weighs all measurements: above its
# `review` a frame is doubtful, above `reject` it is rejected, by trees that do not know what may make doubtful only
# (`excused` in the model); and what rules reject must be above `review` too.
# `audit_rate` of the sure verdicts people look at all the same; about `second_opinion_rate` of the decided frames a
# second person is asked. A rule with a `domain` speaks only of frames of that kind: stretched (display values) or
# linear (FITS counts). Colour is asked of the former alone: counts of one filter have none to have.
# What each measurement is and its unit: manifests/schema.py.
#
# Rates of a rule say how each threshold alone finds frames to drop among those it was calibrated on, without a
# precision where none of them lies beyond it; rates of the classifier are those on frames held out.
"""


def write_policy(policy: Policy, path: Path) -> None:
    """Write the policy to `path`, its classifier beside it and first, so that a policy that is there is whole."""
    if policy.classifier:
        model = path.with_name(f"{path.stem}_model.json").name
        policy = replace(policy, classifier=replace(policy.classifier, model=model))
        write_atomic(path.with_name(model), to_json(policy.classifier.forest))  # type: ignore[union-attr]
    write_atomic(path, to_toml(policy))


def to_toml(policy: Policy) -> str:
    """The policy as TOML text."""
    parts = [
        _HEAD,
        f"name = {_quoted(policy.name)}\ndoubts_to_reject = {policy.doubts_to_reject}\n"
        f"audit_rate = {policy.audit_rate!r}\nsecond_opinion_rate = {policy.second_opinion_rate!r}\n",
    ]
    if policy.classifier:
        parts.append(_classifier(policy.classifier))
    parts += [_rule(rule) for rule in policy.rules]
    return "\n".join(parts)


def _classifier(classifier: Classifier) -> str:
    lines = [
        "[classifier]",
        f"model = {_quoted(classifier.model)}",
        f"domain = {_quoted(classifier.domain)}",
        f"review = {classifier.review!r}",
        f"reject = {classifier.reject!r}",
    ]
    return "\n".join(lines) + "\n" + _calibration(classifier.calibration, "classifier")


def _rule(rule: Rule) -> str:
    lines = ["[[rules]]", f"reason = {_quoted(rule.reason)}"]
    if rule.meaning:
        lines.append(f"meaning = {_quoted(rule.meaning)}")
    lines += [f"measure = {_quoted(rule.measure)}", f"side = {_quoted(rule.side)}", f"review = {_plain(rule.review)}"]
    if rule.reject is not None:
        lines.append(f"reject = {_plain(rule.reject)}")
    if rule.domain != "any":
        lines.append(f"domain = {_quoted(rule.domain)}")
    return "\n".join(lines) + "\n" + _calibration(rule.calibration, "rules")


def _calibration(known: Calibration | None, table: str) -> str:
    if known is None:
        return ""
    lines = [f"[{table}.calibration]", f"frames = {_quoted(known.frames)}", f"on = {known.on.isoformat()}"]
    lines += [
        f"{name} = {{ {_rate(rate)} }}"
        for name, rate in (("review", known.review), ("reject", known.reject))
        if rate is not None
    ]
    return "\n".join(lines) + "\n"


def _rate(rate: Rate) -> str:
    # three digits of recall, as one frame of some hundred is not none
    precision = "" if rate.precision is None else f"precision = {rate.precision:.2f}, "
    return f"{precision}recall = {rate.recall:.3f}"


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _quoted(text: str) -> str:
    # JSON's strings are TOML's, but for the delete character, which TOML wants escaped
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
