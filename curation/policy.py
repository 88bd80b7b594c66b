"""The policy: rules and a classifier over measurements that turn a frame into accept, review or reject, with reasons.

Rules name defects by one measurement each; the classifier weighs all measurements for what no rule can name. Thresholds
live in a TOML file, each with the set and date it was calibrated on, the classifier's trees in a JSON file beside it;
nothing here looks at pixels.
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from curation.forest import Forest, OlderModelError, Opinion, from_json
from curation.measures import MEASURE_VERSION
from manifests import schema
from manifests.errors import UsageError

DEFAULT_POLICY = Path(__file__).with_name("default_policy.toml")
RULES_ONLY = Path(__file__).with_name("rules.toml")

VERDICTS = ("accept", "review", "reject")
Verdict = Literal["accept", "review", "reject"]
Side = Literal["above", "below"]

_MEASURABLE = {c.name: c.unit for c in (*schema.FRAME, *schema.MEASURES) if c.dtype in ("float64", "int64")}
_DOMAINS = ("any", "stretched", "linear")
_TELLING = ("calibration", "meaning")  # of a rule, what changes no verdict
_AGAIN = "Run `deepfield curate calibrate` again."
_DRIVERS = 3  # as many measurements explain a score to a person


class OutdatedError(UsageError):
    """The policy's classifier is of an earlier version of Deepfield, or knows measurements of another one."""


@dataclass(frozen=True)
class Rate:
    """Precision and recall of a threshold for bad frames, 0 to 1, on the calibration set.

    Where no frame of the set lies beyond the threshold, there is no precision.
    """

    precision: float | None
    recall: float


@dataclass(frozen=True)
class Calibration:
    """Where a threshold comes from: which frames, when, and how well it found the bad ones among them."""

    frames: str
    on: date
    review: Rate
    reject: Rate | None = None


@dataclass(frozen=True)
class Rule:
    """A measurement, the side on which it is suspect, and from where on it is doubtful or surely bad.

    `reason` is the word given to people; rules that name one defect by several measurements share it. `meaning` says
    in a sentence what the rule finds.
    """

    reason: str
    measure: str
    side: Side
    review: float
    reject: float | None = None
    domain: str = "any"
    calibration: Calibration | None = None
    meaning: str = ""

    def exceeds(self, value: float, threshold: float) -> bool:
        """Whether a value lies on the suspect side of a threshold."""
        return value > threshold if self.side == "above" else value < threshold

    def describe(self, value: float, threshold: float) -> str:
        """The value against the threshold, with its unit, as people read it."""
        unit = _MEASURABLE[self.measure]
        sign = ">" if self.side == "above" else "<"
        return f"{self.measure} {value:.3g} {sign} {threshold:g}{' ' + unit if unit else ''} ({self.reason})"

    def depth(self, value: float) -> float:
        """How far between the two thresholds a doubtful value lies, 0 to 1; 0.5 where there is no sure one."""
        if self.reject is None:
            return 0.5
        return min(1.0, max(0.0, (value - self.review) / (self.reject - self.review)))


@dataclass(frozen=True)
class Classifier:
    """A forest over the measurements, and from which score on a frame of its domain is doubtful or surely bad.

    `model` is the name of the forest's file, beside the policy's. `reason` is the word given to people.
    """

    model: str
    forest: Forest
    review: float
    reject: float
    domain: str = "stretched"
    reason: str = "unlike_good"
    calibration: Calibration | None = None

    def speaks_of(self, row: Mapping[str, Any]) -> bool:
        """Whether a frame is of its domain and has valid pixels."""
        return self.domain in ("any", row.get("domain")) and _number(row.get("median_level_dn")) is not None

    def describe(self, opinion: Opinion) -> str:
        """The score against its threshold and, of a doubtful frame, what moved it most, beside good frames' values."""
        if opinion.score <= self.review:
            return f"score {opinion.score:.2g} <= {self.review:g} (like good frames)"
        score, threshold = (opinion.excused, self.reject) if self.rejects(opinion) else (opinion.score, self.review)
        return "; ".join([f"score {score:.2g} > {threshold:g} ({self.reason})", *self.moved_by(opinion)])

    def moved_by(self, opinion: Opinion) -> list[str]:
        """What moved the score that decides most, beside good frames' values."""
        parts = []
        drivers = opinion.excused_drivers if self.rejects(opinion) else opinion.drivers
        for driver in drivers[:_DRIVERS]:
            unit = _MEASURABLE[driver.measure]
            usual = f"{driver.usual.low:.3g} to {driver.usual.high:.3g}"
            parts.append(f"{driver.measure} {driver.value:.3g}{' ' + unit if unit else ''}, in good frames {usual}")
        return parts

    def rejects(self, opinion: Opinion) -> bool:
        """Whether a score rejects by itself; what the forest excuses has no part in that."""
        return opinion.score > self.review and opinion.excused > self.reject

    def depth(self, score: float) -> float:
        """How far between the two thresholds a score lies, 0 to 1."""
        return min(1.0, max(0.0, (score - self.review) / max(self.reject - self.review, 1e-9)))


@dataclass(frozen=True)
class Policy:
    """All rules, how many different doubts together make a sure rejection, the classifier, and how much people check.

    `audit_rate` is the share of the sure verdicts that people look at all the same, `second_opinion_rate` the share of
    the decided frames that a second person is asked about; both 0 to 1, drawn by lot.
    """

    name: str
    doubts_to_reject: int
    rules: tuple[Rule, ...]
    classifier: Classifier | None = None
    audit_rate: float = 0.02
    second_opinion_rate: float = 0.05

    @property
    def digest(self) -> str:
        """SHA-256 of everything that can change a verdict, hexadecimal."""
        deciding: dict[str, Any] = {
            "doubts_to_reject": self.doubts_to_reject,
            "rules": [
                {k: v for k, v in asdict(rule).items() if k not in ("calibration", "meaning")} for rule in self.rules
            ],
        }
        if self.classifier:
            told = {name: getattr(self.classifier, name) for name in ("review", "reject", "domain", "reason")}
            deciding["classifier"] = told | {"forest": self.classifier.forest.digest}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Ruling:
    """What the policy says of a frame: verdict, reasons in the order of the rules, values, and how undecided it was.

    `doubt` is 0 next to a sure verdict and 1 halfway between acceptance and rejection.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    values: str
    doubt: float


def rule_on(policy: Policy, row: Mapping[str, Any]) -> Ruling:
    """Apply a policy to one frame, given as the manifest columns of the groups Frame and Measurements.

    A rule whose measurement is missing says nothing. Where only rules speak, one sure rule rejects, and so do
    `doubts_to_reject` different doubtful reasons; fewer ask for a review. Where the classifier speaks too (on frames
    of its domain that have valid pixels), its upper threshold rejects by itself, but what rules would reject must lie
    above its lower one: a frame that is like good ones in all but one measurement is for a person to look at. It is
    accepted only where neither rules nor score have a doubt.
    """
    sure: list[tuple[Rule, float, float]] = []
    doubtful: list[tuple[Rule, float, float]] = []
    for rule in policy.rules:
        value = _number(row.get(rule.measure))
        if value is None or rule.domain not in ("any", row.get("domain")):
            continue
        if rule.reject is not None and rule.exceeds(value, rule.reject):
            sure.append((rule, value, rule.reject))
        elif rule.exceeds(value, rule.review):
            doubtful.append((rule, value, rule.review))
    doubts = {rule.reason for rule, _, _ in doubtful}
    named = sure + doubtful
    reasons = [rule.reason for rule, _, _ in named]
    values = [rule.describe(value, threshold) for rule, value, threshold in named]
    if len(doubts) >= policy.doubts_to_reject and not sure:
        values.append(f"{len(doubts)} doubts >= {policy.doubts_to_reject} together reject")
    rejected = bool(sure) or len(doubts) >= policy.doubts_to_reject
    badness = [rule.depth(value) for rule, value, _ in doubtful]
    if doubts:
        badness.append(len(doubts) / policy.doubts_to_reject)
    judge = policy.classifier
    if judge and judge.speaks_of(row):
        opinion = judge.forest.opinion(row)
        values.append(judge.describe(opinion))
        if opinion.score > judge.review:
            reasons.append(judge.reason)
            badness.append(judge.depth(opinion.score))
        elif rejected:
            badness.append(0.5)  # the two contradict each other
        rejected = judge.rejects(opinion) or (rejected and opinion.score > judge.review)
    told = (tuple(dict.fromkeys(reasons)), "; ".join(values))
    if rejected:
        return Ruling("reject", *told, 0.0)
    if not badness:
        return Ruling("accept", *told, 0.0)
    return Ruling("review", *told, 1.0 - abs(2.0 * min(1.0, max(badness)) - 1.0))


def load_policy(path: Path = DEFAULT_POLICY) -> Policy:
    """Read a policy file, and the file of its classifier where it has one.

    Raises:
        UsageError: a file is missing, is not TOML (or JSON), or has an unknown key, measurement or impossible value.
    """
    policy, document = _read(path)
    if "classifier" not in document:
        return policy
    try:
        return replace(policy, classifier=_classifier(document["classifier"], path))
    except ValueError as error:
        raise UsageError(f"The policy {path} cannot be used: {error}.") from error


def load_rules(path: Path) -> Policy:
    """Read a policy file without its classifier, whose trees may be those of other measurements.

    Raises:
        UsageError: as `load_policy`.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Policy, dict[str, Any]]:
    text = _text(path, "policy", "TOML")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The policy {path} is not TOML: {error}.") from error
    try:
        return _policy(document), document
    except ValueError as error:
        raise UsageError(f"The policy {path} cannot be used: {error}.") from error


def _text(path: Path, what: str, form: str) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise UsageError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise UsageError(f"The {what} {path} is not a text file: write it as {form}.") from None


def _policy(document: dict[str, Any]) -> Policy:
    _known(document, {field.name for field in fields(Policy)}, "the policy")
    limit = document.get("doubts_to_reject")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 2:
        raise ValueError("doubts_to_reject must be a whole number of at least 2")
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        raise ValueError("it has no [[rules]]")
    audit, second = (_share(document.get(n, getattr(Policy, n)), n) for n in ("audit_rate", "second_opinion_rate"))
    name, parsed = str(document.get("name", "unnamed")), tuple(_rule(entry) for entry in rules)
    return Policy(name, limit, parsed, audit_rate=audit, second_opinion_rate=second)


def _rule(entry: dict[str, Any]) -> Rule:
    _known(entry, {field.name for field in fields(Rule)}, "a rule")
    reason, measure, side = entry.get("reason"), entry.get("measure"), entry.get("side")
    where = f"rule {reason!r} on {measure!r}"
    if not isinstance(reason, str) or not reason.replace("_", "").isalnum():
        raise ValueError(f"{where}: reason must be one word")
    if measure not in _MEASURABLE:
        raise ValueError(f"{where}: there is no such measurement; there are {', '.join(sorted(_MEASURABLE))}")
    if side not in ("above", "below"):
        raise ValueError(f"{where}: side must be above or below")
    if entry.get("domain", "any") not in _DOMAINS:
        raise ValueError(f"{where}: domain must be one of {', '.join(_DOMAINS)}")
    review, reject = _number(entry.get("review")), _number(entry.get("reject"))
    if review is None or ("reject" in entry and reject is None):
        raise ValueError(f"{where}: review must be a number, and reject too where it is given")
    if reject is not None and (reject <= review if side == "above" else reject >= review):
        raise ValueError(f"{where}: reject must lie further {side} than review")
    calibration = _calibration(entry["calibration"], where) if "calibration" in entry else None
    meaning = str(entry.get("meaning", ""))
    return Rule(reason, measure, side, review, reject, entry.get("domain", "any"), calibration, meaning)


def _classifier(entry: dict[str, Any], path: Path) -> Classifier:
    known = {"model", "domain", "review", "reject", "calibration"}
    _known(entry, known, "the classifier")
    model, domain = entry.get("model"), entry.get("domain", "stretched")
    if not isinstance(model, str) or not model or Path(model).name != model:
        raise ValueError("the classifier's model must be the name of a file beside the policy")
    if domain not in _DOMAINS:
        raise ValueError(f"the classifier's domain must be one of {', '.join(_DOMAINS)}")
    review, reject = _number(entry.get("review")), _number(entry.get("reject"))
    if review is None or reject is None or not 0 <= review <= reject <= 1:
        raise ValueError("the classifier's review and reject must be numbers from 0 to 1, review not above reject")
    calibration = _calibration(entry["calibration"], "the classifier") if "calibration" in entry else None
    place = path.with_name(model)
    text = _text(place, "classifier", "JSON")
    try:
        forest = from_json(text)
    except OlderModelError as error:
        raise OutdatedError(f"The classifier {place} is out of date: {error}. {_AGAIN}") from None
    except ValueError as error:
        raise UsageError(f"The classifier {place} cannot be used: {error}.") from error
    if forest.measure_version != MEASURE_VERSION:
        raise OutdatedError(
            f"The classifier {place} was calibrated on measurements of version {forest.measure_version}, and this is "
            f"version {MEASURE_VERSION}. {_AGAIN}"
        )
    return Classifier(model, forest, review, reject, domain, calibration=calibration)


def _calibration(entry: dict[str, Any], where: str) -> Calibration:
    _known(entry, {field.name for field in fields(Calibration)}, f"the calibration of {where}")
    if not isinstance(entry.get("on"), date) or not isinstance(entry.get("frames"), str) or "review" not in entry:
        raise ValueError(f"{where}: a calibration names its frames, the date `on` and the rates of `review`")
    rates = {name: _rate(entry[name], where) for name in ("review", "reject") if name in entry}
    return Calibration(entry["frames"], entry["on"], rates["review"], rates.get("reject"))


def _rate(entry: dict[str, Any], where: str) -> Rate:
    _known(entry, {"precision", "recall"}, f"a rate of {where}")
    precision, recall = _number(entry.get("precision")), _number(entry.get("recall"))
    given = [recall, precision] if "precision" in entry else [recall]
    if recall is None or any(value is None or not 0 <= value <= 1 for value in given):
        raise ValueError(f"{where}: precision and recall are numbers from 0 to 1, and recall is always there")
    return Rate(precision, recall)


def _share(value: object, name: str) -> float:
    share = _number(value)
    if share is None or not 0 <= share <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1")
    return share


def _known(entry: object, names: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be a table")
    unknown = sorted(set(entry) - names)
    if unknown:
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(names))}")


def _number(value: object) -> float | None:
    """A finite number, or None for what is missing or none; pandas says missing in several ways."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value) if math.isfinite(value) else None
