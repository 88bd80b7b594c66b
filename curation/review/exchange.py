"""Taking decisions out of a catalogue and into another, as Parquet or CSV.

A decision keeps its `request_id` on the way, so that a file that is brought twice adds nothing the second time.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, insert, select

from curation.review.decisions import REVIEW_LOCK, Decision, iso
from manifests.blobs import is_blob_name
from manifests.database import alone
from manifests.errors import DeepfieldError, UsageError
from manifests.files import write_atomic
from manifests.parquet import read_parquet, write_parquet
from manifests.tables import decisions

_NEEDED = ("image_id", "action", "reviewer", "decided_at")
_TEXTS = ("request_id", "reasons", "note", "origin", "role", "policy_verdict", "snapshot_id", "policy_digest")
# `undoes` names the request that an undo takes back: ids of rows mean nothing elsewhere
COLUMNS = (*_NEEDED, *_TEXTS, "seconds", "undoes")
_ACTIONS = ("accept", "reject", "skip", "undo")
_LENGTHS = {"request_id": 64, "snapshot_id": 64, "policy_digest": 64, "policy_verdict": 16}  # of the catalogue
_ROLES = ("doubt", "audit", "second", "third", "override")


@dataclass(frozen=True)
class Imported:
    """What an import added, and how many rows were known already."""

    added: int
    known: int


def export_decisions(said: Sequence[Decision], path: Path) -> None:
    """Write all decisions to a .parquet or .csv file, in one step.

    Raises:
        UsageError: the name ends in neither.
    """
    kind = _kind(path)
    requests = {one.decision_id: one.request_id for one in said}
    rows = [{name: getattr(one, name) for name in COLUMNS} | {"undoes": requests.get(one.undoes or 0)} for one in said]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if kind == ".parquet":
        texts = [name for name in COLUMNS if name != "seconds"]
        frame[texts] = frame[texts].astype(object).where(frame[texts].notna(), None)
        write_parquet(frame.astype({"seconds": "float64"}), path)
    else:
        write_atomic(path, frame.to_csv(index=False, lineterminator="\n"))


def import_decisions(engine: Engine, path: Path) -> Imported:
    """Append the decisions of a .parquet or .csv file: all of them or, where one cannot be used, none.

    A file made by hand needs the columns image_id, action, reviewer and decided_at; of rows without `request_id` the
    content is the name.

    Raises:
        UsageError: a column or a value cannot be used.
        DeepfieldError: the file is cut or damaged.
    """
    rows = [_checked(row, number, path) for number, row in enumerate(_read(path), start=1)]
    with alone(engine, REVIEW_LOCK) as connection:
        names = (decisions.c.request_id, decisions.c.image_id, decisions.c.decision_id)
        ids = {(one.request_id, one.image_id): one.decision_id for one in connection.execute(select(*names))}
        added = 0
        for number, row in enumerate(rows, start=1):
            name = row["request_id"], row["image_id"]
            if name in ids:
                continue
            if row["action"] == "undo":  # of a row above it, or of one that is here
                undone = ids.get((row["undoes"], row["image_id"]))
                if undone is None:
                    raise UsageError(
                        f"Row {number} of {path} takes back a decision that is not there: nothing was kept."
                    )
                row["undoes"] = undone
            ids[name] = connection.execute(insert(decisions).returning(decisions.c.decision_id), row).scalar_one()
            added += 1
    return Imported(added, len(rows) - added)


def _kind(path: Path) -> str:
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise UsageError(f"{path} should end in .parquet or .csv, so that the format is clear.")
    return path.suffix.lower()


def _read(path: Path) -> list[dict[str, Any]]:
    kind = _kind(path)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if kind == ".parquet":
        frame = read_parquet(path)
        _check_columns(list(frame.columns), path)
        return frame.astype(object).where(frame.notna(), None).to_dict("records")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DeepfieldError(f"{path} is not a text file: export it anew.") from None
    if not text.endswith("\n"):
        raise DeepfieldError(f"{path} ends within a line, so it was cut short: nothing was kept.")
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header, *lines = reader
    except (csv.Error, ValueError) as error:
        raise DeepfieldError(f"{path} is no CSV file, or cut short ({error}): nothing was kept.") from error
    _check_columns(header, path)
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            raise DeepfieldError(f"Row {number} of {path} has {len(line)} of {len(header)} fields: nothing was kept.")
    return [{name: value or None for name, value in zip(header, line, strict=True)} for line in lines]


def _check_columns(names: list[str], path: Path) -> None:
    for name in _NEEDED:
        if name not in names:
            raise UsageError(f"{path} has no column {name!r}: nothing was kept.")
    for name in names:
        if name not in COLUMNS:
            raise UsageError(f"{path} has a column {name!r} that decisions have not: nothing was kept.")


def _checked(row: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    def refuse(what: str) -> UsageError:
        return UsageError(f"Row {number} of {path} has {what}: nothing was kept.")

    image_id = str(row["image_id"] or "").lower()
    if not is_blob_name(image_id):
        raise refuse(f"no id of a frame in image_id ({row['image_id']!r})")
    if row["action"] not in _ACTIONS:
        raise refuse(f"the action {row['action']!r}, which is none of {', '.join(_ACTIONS)}")
    reviewer = str(row["reviewer"] or "").strip()
    if not 1 <= len(reviewer) <= 128:
        raise refuse("no reviewer")
    role = row.get("role")
    if role is not None and role not in _ROLES:
        raise refuse(f"the role {role!r}, which is none of {', '.join(_ROLES)}")
    try:
        moment = datetime.fromisoformat(str(row["decided_at"]).replace("Z", "+00:00"))
        seconds = None if row.get("seconds") is None else float(row["seconds"])
    except ValueError as error:
        raise refuse(f"a value that is no time ({error})") from None
    if moment.tzinfo is None:
        raise refuse(f"a moment without time zone in decided_at ({row['decided_at']!r})")
    for name, longest in _LENGTHS.items():
        if len(str(row.get(name) or "")) > longest:
            raise refuse(f"more than {longest} characters in {name}")
    texts = {name: None if row.get(name) is None else str(row[name]) for name in _TEXTS}
    content = hashlib.sha256(repr(sorted((k, str(v)) for k, v in row.items())).encode()).hexdigest()
    return texts | {
        "image_id": image_id,
        "action": row["action"],
        "reviewer": reviewer,
        "seconds": seconds,
        "undoes": row.get("undoes") if row["action"] == "undo" else None,
        "decided_at": iso(moment),
        "reasons": texts["reasons"] or "",
        "note": texts["note"] or "",
        "origin": (texts["origin"] or "import")[:32],
        "request_id": texts["request_id"] or content,
    }
