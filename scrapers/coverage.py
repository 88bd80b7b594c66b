"""How much of the sky has been asked for: the MOCs of answered questions, by archive and by what was asked.

An answer about colour pictures says nothing about FITS files of single filters, so coverage is told apart by all of
a question but its place.
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl

from mocpy import MOC
from sqlalchemy import Engine, select

from manifests.errors import DeepfieldError, UsageError
from manifests.files import replacing, write_atomic
from manifests.tables import tiles
from scrapers import mocs

WHOLE_SKY_DEG2 = 4 * math.pi * math.degrees(1) ** 2
# how questions to the archives name where and how far
_PLACE = frozenset({"pos", "size", "cone", "ra", "dec", "radius"})
_ALWAYS_TOLD = ("imagetype", "kinds")
_FORMATS = {".fits": "fits", ".json": "json", ".txt": "ascii", ".ascii": "ascii", ".moc": "ascii"}


@dataclass(frozen=True)
class Coverage:
    """The sky that an archive has answered one kind of question for; `question` says which, as few words as will do."""

    archive: str
    question: str
    tiles: int
    texts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.archive} {self.question}".strip()

    @cached_property
    def moc(self) -> MOC:
        """All of it, each part once."""
        return mocs.union(self.texts)

    @property
    def sky_fraction(self) -> float:
        """Its share of the whole sky, 0 to 1."""
        return float(self.moc.sky_fraction)

    @property
    def area_deg2(self) -> float:
        """Its area in square degrees."""
        return self.sky_fraction * WHOLE_SKY_DEG2

    def record(self) -> dict[str, object]:
        """What a program may want of it, for JSON."""
        return {
            "archive": self.archive,
            "what": "coverage",
            "question": self.question,
            "tiles": self.tiles,
            "area_deg2": round(self.area_deg2, 6),
            "sky_fraction": self.sky_fraction,
        }


def question_kind(request: str) -> str:
    """All of a tile's request but the place, as JSON: coverage counts for requests that agree in it."""
    asked = dict(json.loads(request))
    # a page that keeps all of its state behind the hash is asked by an address alone
    page, _, state = str(asked.get("url", "")).partition("#")
    if state:
        asked["url"] = page
        for name, value in parse_qsl(state.replace("|", "&")):
            asked[name] = f"{asked[name]},{value}" if name in asked else value
    return json.dumps({name: value for name, value in asked.items() if name.lower() not in _PLACE})


def coverages(engine: Engine) -> list[Coverage]:
    """What the questions that were answered cover, by archive and kind of question."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    query = select(tiles.c.archive, tiles.c.request, tiles.c.coverage).where(
        tiles.c.status == "done", tiles.c.coverage.is_not(None)
    )
    with engine.connect() as connection:
        for archive, request, coverage in connection.execute(query):
            found[archive, question_kind(request)].append(coverage)
    kinds: dict[str, list[str]] = defaultdict(list)
    for archive, kind in sorted(found):
        kinds[archive].append(kind)
    return [
        Coverage(archive, words, len(found[archive, kind]), tuple(found[archive, kind]))
        for archive, of_archive in kinds.items()
        for kind, words in zip(of_archive, _words([json.loads(kind) for kind in of_archive]), strict=True)
    ]


def describe(coverage: Coverage) -> str:
    """A line for a person: "covered: 12.9 deg2, 0.031 % of the sky, for color"."""
    question = f", for {coverage.question}" if coverage.question else ""
    digits = 3 if coverage.area_deg2 < 100 else 0
    share = 100 * coverage.sky_fraction
    percent = f"{share:.1f}" if share >= 1 else f"{share:.2g}"
    return f"covered: {coverage.area_deg2:.{digits}f} deg2, {percent} % of the sky{question}"


def export(found: Sequence[Coverage], path: Path, of: str | None = None) -> Coverage:
    """Write one coverage as a MOC (IVOA MOC 2.0): FITS, JSON or ASCII by the file's ending; the one written.

    `of` picks it by its archive, or by archive and question, where there are several.

    Raises:
        UsageError: nothing is covered, several coverages are meant, or the ending is unknown.
        DeepfieldError: the file cannot be written.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"The MOC {path} must end in .fits, .json or .txt, which says how it is written.")
    chosen = [one for one in found if of is None or of in (one.archive, str(one))]
    names = ", ".join(f"'{one}'" for one in chosen or found)
    if not found:
        raise UsageError("Nothing is covered yet: no archive has answered a question about a part of the sky.")
    if len(chosen) != 1:
        raise UsageError(f"Say which coverage to write with --moc-of: one of {names}.")
    moc = chosen[0].moc
    try:
        if kind == "fits":
            with replacing(path) as handle:
                moc.serialize("fits").writeto(handle)
        else:
            write_atomic(path, moc.to_string(kind))
    except OSError as error:
        raise DeepfieldError(f"The MOC cannot be written to {path}: {error.strerror or error}.") from error
    return chosen[0]


def _words(kinds: Sequence[Mapping[str, object]]) -> list[str]:
    """What tells the kinds of an archive's questions apart, and the sort of picture in any case."""
    names = sorted({name for kind in kinds for name in kind}, key=lambda name: (name not in _ALWAYS_TOLD, name))
    told = [name for name in names if name in _ALWAYS_TOLD or len({repr(kind.get(name)) for kind in kinds}) > 1]
    return [
        "; ".join(
            _value(kind[name]) if name in _ALWAYS_TOLD else f"{name} {_value(kind[name])}"
            for name in told
            if name in kind
        )
        for kind in kinds
    ]


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
