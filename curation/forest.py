"""A classifier as plain numbers: trees over measurements, a score from 0 to 1, and which measurements moved it.

It is kept as JSON and evaluated here, so that a verdict depends on no library's version and a file from elsewhere can
do nothing but give wrong numbers. curation/learning.py makes one.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

from manifests import schema

FORMAT = 2
_LEAF = -1
_NUMERIC = {column.name for column in schema.MEASURES if column.dtype == "float64"}


class OlderModelError(ValueError):
    """The model is of an earlier format."""


@dataclass(frozen=True)
class Usual:
    """Where a measurement lies in good frames (5th and 95th percentile), and the value taken where it is missing."""

    low: float
    high: float
    missing: float


@dataclass(frozen=True)
class Tree:
    """A decision tree as parallel lists, node 0 first and every left child right after its parent.

    `measure` is a position in the forest's measures, -1 at a leaf; a value up to `threshold` goes left, else to node
    `right`. `value` is the share of frames to drop among those that came by, both classes weighing the same.
    """

    measure: tuple[int, ...]
    threshold: tuple[float, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


@dataclass(frozen=True)
class Driver:
    """A measurement that moved a score towards dropping, by `pull` (of the trees' mean share, 0 to 1)."""

    measure: str
    value: float
    usual: Usual
    pull: float


@dataclass(frozen=True)
class Opinion:
    """The calibrated score of a frame, 0 (keep) to 1 (drop), and what moved it up, strongest first.

    `excused` is the score by the trees that do not know the forest's excused measurements, `excused_drivers` what moved
    that.
    """

    score: float
    drivers: tuple[Driver, ...]
    excused: float
    excused_drivers: tuple[Driver, ...]


@dataclass(frozen=True)
class Forest:
    """Trees whose mean share, as log odds, is brought to a probability by a line (Platt 1999): `slope`, `offset`.

    `excused` are measures that may make a frame doubtful but never reject it: `blind` are trees that were grown
    without them. `measure_version` is that of the measurements it learnt from.
    """

    measures: tuple[str, ...]
    usual: tuple[Usual, ...]
    excused: tuple[str, ...]
    trees: tuple[Tree, ...]
    blind: tuple[Tree, ...]
    slope: float
    offset: float
    measure_version: str

    @property
    def digest(self) -> str:
        """SHA-256 of everything that can change a score, hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def opinion(self, row: Mapping[str, Any]) -> Opinion:
        """Score a frame, given as the manifest columns of the group Measurements."""
        values = [_value(row.get(name), usual.missing) for name, usual in zip(self.measures, self.usual, strict=True)]
        return Opinion(*self._said(self.trees, values), *self._said(self.blind, values))

    def _said(self, trees: tuple[Tree, ...], values: list[float]) -> tuple[float, tuple[Driver, ...]]:
        """The score by some of the trees, and what moved it."""
        pulls = [0.0] * len(values)
        share = sum(_walk(tree, values, pulls) for tree in trees) / len(trees)
        order = sorted(range(len(values)), key=lambda position: (-pulls[position], self.measures[position]))
        drivers = tuple(
            Driver(self.measures[i], values[i], self.usual[i], pulls[i] / len(trees)) for i in order if pulls[i] > 0
        )
        return self.calibrated(share), drivers

    def calibrated(self, share: float) -> float:
        """The probability, 0 to 1, that belongs to a mean share of the trees."""
        return 1.0 / (1.0 + math.exp(-(self.slope * log_odds(share) + self.offset)))


def log_odds(share: float) -> float:
    """Natural logarithm of the odds, for shares from 0.001 to 0.999; beyond, that of the nearest of these."""
    held = min(0.999, max(0.001, share))
    return math.log(held / (1.0 - held))


def to_json(forest: Forest) -> str:
    """The forest as JSON text, one measurement or tree a line."""
    usual = [json.dumps({"measure": m, **asdict(u)}) for m, u in zip(forest.measures, forest.usual, strict=True)]
    trees, blind = (
        [json.dumps(asdict(tree), separators=(",", ":")) for tree in grown] for grown in (forest.trees, forest.blind)
    )
    head = {
        "format": FORMAT,
        "measure_version": forest.measure_version,
        "slope": forest.slope,
        "offset": forest.offset,
        "excused": forest.excused,
    }
    lists = {"measures": usual, "trees": trees, "blind": blind}
    parts = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    parts += [f'"{name}": [\n' + ",\n".join(lines) + "\n]" for name, lines in lists.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def from_json(text: str) -> Forest:
    """Read what `to_json` wrote.

    Raises:
        OlderModelError: it is what an earlier version of Deepfield wrote.
        ValueError: it is not such a text; the message says what is wrong, for the middle of a sentence.
    """
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("it is not JSON") from None
    if isinstance(document, dict) and document.get("format") in range(1, FORMAT):
        raise OlderModelError(f"it is a model of format {document['format']}, and this is format {FORMAT}")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"it is no model of format {FORMAT}")
    try:
        measures = tuple(str(entry["measure"]) for entry in document["measures"])
        usual = tuple(
            Usual(*(_finite(entry[key]) for key in ("low", "high", "missing"))) for entry in document["measures"]
        )
        trees, blind = (tuple(_tree(entry, len(measures)) for entry in document[name]) for name in ("trees", "blind"))
        slope, offset = _finite(document["slope"]), _finite(document["offset"])
        version = str(document["measure_version"])
        excused = tuple(str(name) for name in document["excused"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"a part of it is missing or of the wrong kind ({error})") from None
    unknown = sorted((set(measures) - _NUMERIC) | (set(excused) - set(measures)))
    if unknown:
        raise ValueError(f"it asks for the unknown measurement {unknown[0]!r}")
    if not trees or not blind or len(set(measures)) != len(measures):
        raise ValueError("it has no trees, or names a measurement twice")
    unseen = {measures.index(name) for name in excused}
    if any(unseen.intersection(tree.measure) for tree in blind):
        raise ValueError("its blind trees know what is excused")
    return Forest(measures, usual, excused, trees, blind, slope, offset, version)


def _tree(entry: dict[str, Any], measures: int) -> Tree:
    columns = [entry[name] for name in ("measure", "threshold", "right", "value")]
    nodes = len(columns[0])
    if not nodes or any(len(column) != nodes for column in columns):
        raise ValueError("the lists of a tree differ in length")
    tree = Tree(
        tuple(int(one) for one in columns[0]),
        tuple(_finite(one) for one in columns[1]),
        tuple(int(one) for one in columns[2]),
        tuple(_finite(one) for one in columns[3]),
    )
    for node, (measure, right) in enumerate(zip(tree.measure, tree.right, strict=True)):
        # children come after their parent, so that every walk ends
        if measure != _LEAF and not (0 <= measure < measures and node + 1 < right < nodes):
            raise ValueError("a node of a tree leads nowhere")
        if not 0.0 <= tree.value[node] <= 1.0:
            raise ValueError("a share in a tree is not from 0 to 1")
    return tree


def _walk(tree: Tree, values: list[float], pulls: list[float]) -> float:
    """The share at the leaf that these values lead to; adds each step's change of the share to its measurement."""
    node = 0
    while (measure := tree.measure[node]) != _LEAF:
        after = node + 1 if values[measure] <= tree.threshold[node] else tree.right[node]
        pulls[measure] += tree.value[after] - tree.value[node]
        node = after
    return tree.value[node]


def _value(value: object, missing: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return missing
    return float(value)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
