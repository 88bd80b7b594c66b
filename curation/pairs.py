"""Judging many pairs of pictures, each once: what was found is kept in Parquet parts beside the measurements."""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pandas as pd

from curation.features import Features
from curation.judge import JUDGE_VERSION, NO_MATCH, Judgement, judge
from curation.measures import MEASURE_VERSION
from curation.measuring import Progress
from manifests.parquet import read_parquet, write_parquet
from manifests.seals import intact_parts, seal

Pair = tuple[str, str]
Sided = tuple[Pair, bool]
"""A pair with its mirroring."""
Load = Callable[[str, bool], Features | None]
"""Features of the picture of that pixel hash, mirrored left to right where asked."""

_BLOCK_PAIRS = 256
_CACHED_FEATURES = 400  # of 500 kB each
_FIELDS = tuple(field.name for field in fields(Judgement))
_COLUMNS = {
    "a": "object",
    "b": "object",
    "mirrored": "boolean",
    **dict.fromkeys(_FIELDS, "float64"),
}


def judge_all(
    wanted: Mapping[Pair, Sequence[bool]],
    known: dict[Sided, Judgement],
    load: Load,
    *,
    measures_dir: Path,
    on_progress: Progress | None = None,
) -> dict[Pair, Judgement]:
    """Judge pairs of pixel hashes, each with the mirrorings to try, and return the best judgement of each.

    Pairs that are `known`, from `read_judgements`, are not judged again; new ones join them, and are written every 256,
    so that a kill loses no more than these.
    """
    todo = [(pair, side) for pair, sides in sorted(wanted.items()) for side in sides if (pair, side) not in known]
    cache = _FeatureCache(load)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(todo), _BLOCK_PAIRS):
            block = todo[start : start + _BLOCK_PAIRS]
            keys = {(a, False) for (a, _), _ in block} | {(b, side) for (_, b), side in block}
            features = cache.get_all(sorted(keys), pool)
            jobs = [(features[a, False], features[b, side]) for (a, b), side in block]
            found = dict(zip(block, pool.map(lambda job: _judge(*job), jobs), strict=True))
            _write(found, measures_dir)
            known |= found
            if on_progress:
                on_progress("compare", start + len(block), len(todo))
    return best_known(wanted, known)


def best_known(wanted: Mapping[Pair, Sequence[bool]], known: Mapping[Sided, Judgement]) -> dict[Pair, Judgement]:
    """The best judgement of each pair that is known in any of the mirrorings."""
    return {
        pair: max(found, key=lambda judgement: judgement.inliers)
        for pair, sides in wanted.items()
        if (found := [known[pair, side] for side in sides if (pair, side) in known])
    }


def read_judgements(measures_dir: Path) -> dict[Sided, Judgement]:
    """All pairs judged under the present versions, with their mirroring."""
    parts = [read_parquet(part.with_suffix(".parquet")) for part in intact_parts(_folder(measures_dir))]
    return {
        ((row.a, row.b), bool(row.mirrored)): Judgement(
            **{name: int(getattr(row, name)) if name == "inliers" else getattr(row, name) for name in _FIELDS}
        )
        for part in parts
        for row in part.itertuples()
    }


class _FeatureCache:
    """The features used last, as many as are kept at most."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._kept: OrderedDict[tuple[str, bool], Features | None] = OrderedDict()

    def get_all(
        self, keys: Iterable[tuple[str, bool]], pool: ThreadPoolExecutor
    ) -> dict[tuple[str, bool], Features | None]:
        keys = list(keys)
        new = [key for key in keys if key not in self._kept]
        self._kept.update(zip(new, pool.map(lambda key: self._load(*key), new), strict=True))
        for key in keys:
            self._kept.move_to_end(key)
        found = {key: self._kept[key] for key in keys}
        while len(self._kept) > _CACHED_FEATURES:
            self._kept.popitem(last=False)
        return found


def _judge(a: Features | None, b: Features | None) -> Judgement:
    return NO_MATCH if a is None or b is None else judge(a, b)


def _write(found: Mapping[Sided, Judgement], measures_dir: Path) -> None:
    rows = pd.DataFrame(
        [(a, b, side, *(getattr(j, name) for name in _FIELDS)) for ((a, b), side), j in found.items()],
        columns=list(_COLUMNS),
    ).astype(_COLUMNS)
    names = "\n".join(f"{a} {b} {side}" for (a, b), side in found)
    part = _folder(measures_dir) / f"part-{hashlib.sha256(names.encode()).hexdigest()[:32]}"
    write_parquet(rows, part.with_suffix(".parquet"))
    seal(part)


def _folder(measures_dir: Path) -> Path:
    return measures_dir / f"pairs-v{MEASURE_VERSION}.{JUDGE_VERSION}"
