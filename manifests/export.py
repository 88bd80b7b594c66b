"""Taking a snapshot, or a part of it, out of Deepfield: a table, or pictures in a form that other tools read."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.files import building, write_atomic
from manifests.media import SUFFIXES
from manifests.parquet import write_parquet
from manifests.shards import Sample, write_shards
from manifests.splits import SPLITS

TABLES = ("csv", "jsonl", "parquet")
TRAINING = ("webdataset", "imagefolder")
PICTURES = ("folder", *TRAINING)
FORMATS = (*TABLES, *PICTURES)

VERDICTS = ("accept", "review", "reject", "all")

# The splits as Hugging Face names them; its readers go by these words.
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test", "none": "none"}

_CREDITS = ("image_id", "obs_title", "credit", "licence", "obs_collection", "access_url")
_ALIKE_ROWS, _ALIKE_SAMPLES = 200, 5  # from which Hugging Face guesses the types of JSON lines, and of shards


@dataclass(frozen=True)
class Selection:
    """The rows to export, in the order of `image_id`, and how many were left out as no picture readers open."""

    rows: pd.DataFrame
    left_out: int


def check_choice(value: str | None, known: Collection[str], what: str) -> None:
    """Say so where a value that was given is none of those known.

    Raises:
        UsageError: it is not.
    """
    if value is not None and value not in known:
        raise UsageError(f"There is no {what} {value!r}: choose one of {', '.join(known)}.")


def effective_verdict(rows: pd.DataFrame) -> pd.Series:
    """What holds for each row: the person's decision where there is one, else the policy's verdict."""
    return rows["decision"].where(rows["decision"].notna(), rows["verdict"])


def select(rows: pd.DataFrame, kind: str, verdict: str | None = None, split: str | None = None) -> Selection:
    """The rows of a snapshot that an export of this kind takes.

    Tables take all by default. Pictures are those to train on: accepted, no duplicate of another. WebDataset and
    imagefolder take train, validation and test only, unless `split` says otherwise; imagefolder takes no FITS.

    Raises:
        UsageError: an unknown kind, verdict or split.
    """
    for value, known, what in (
        (kind, FORMATS, "export format"),
        (verdict, VERDICTS, "verdict"),
        (split, SPLIT_NAMES, "split"),
    ):
        check_choice(value, known, what)
    wanted = verdict or ("accept" if kind in PICTURES else "all")
    if wanted != "all":
        rows = rows[effective_verdict(rows) == wanted]
    if kind in PICTURES and wanted == "accept":
        rows = rows[rows["duplicate_of"].isna()]
    if split is not None:
        rows = rows[rows["split"] == split]
    elif kind in TRAINING:
        rows = rows[rows["split"].isin(SPLITS)]
    whole = len(rows)
    if kind == "imagefolder":
        rows = rows[rows["access_format"].isin(["image/jpeg", "image/png", "image/tiff"])]
    return Selection(rows.sort_values("image_id", ignore_index=True), whole - len(rows))


def export(
    rows: pd.DataFrame,
    out: Path,
    kind: str,
    blobs: BlobStore,
    *,
    card: str = "",
    shard_bytes: int = 500_000_000,
    on_picture: Callable[[], object] = lambda: None,
) -> None:
    """Write rows to `out`: a CSV, JSON-lines or Parquet file, or a folder with the pictures themselves.

    Pictures are the original bytes, hashed on the way. Beside them lie the dataset card as `README.md` and
    `credits.csv`. Either all of it is at `out` in the end, or nothing. The same rows give the same bytes.

    - folder: `<split>/<image_id><suffix>` and `metadata.csv` with all columns.
    - imagefolder: `train`, `validation` and `test` folders with a `metadata.jsonl` each, as Hugging Face reads them,
      and `manifest.parquet` with all columns.
    - webdataset: tar files of at most about `shard_bytes` each, by split, and by format where there are several; a
      sample is picture and JSON; and `manifest.parquet`.

    Raises:
        DeepfieldError: `out` exists already, there is nothing to export, or a blob is missing or has changed.
    """
    if out.exists():
        raise DeepfieldError(f"{out} exists already: choose another name or remove it.")
    if kind == "csv":
        write_atomic(out, rows.to_csv(index=False))
    elif kind == "jsonl":
        write_atomic(out, rows.to_json(orient="records", lines=True))
    elif kind == "parquet":
        write_parquet(rows.reset_index(drop=True), out)
    else:
        _export_pictures(rows, out, kind, blobs, card, shard_bytes, on_picture)


@dataclass(frozen=True)
class ShardSet:
    """WebDataset shards that belong together: how their names begin, their split, and which rows go into them.

    `config` is the name under which a reader of the dataset card finds the shards of this format.
    """

    name: str
    split: str
    config: str
    chosen: pd.Series


def shard_sets(rows: pd.DataFrame) -> list[ShardSet]:
    """How rows are laid out as WebDataset shards: by split, the formats of one after the other.

    Where pictures have several formats these are apart, as `train-jpg` and `train-png`: many readers, that of Hugging
    Face among them, expect all samples to have files of the same kinds.
    """
    splits, suffixes = rows["split"].fillna("none"), _suffixes(rows)
    alone = suffixes.nunique() == 1
    found = []
    for split, name in SPLIT_NAMES.items():
        for suffix in sorted(suffixes.unique()):
            chosen = (splits == split) & (suffixes == suffix)
            config = "default" if alone else suffix[1:]
            if chosen.any():
                found.append(ShardSet(name if alone else f"{name}-{config}", name, config, chosen))
    return found


def _suffixes(rows: pd.DataFrame) -> pd.Series:
    return rows["access_format"].map(SUFFIXES).fillna(".bin")


def plain_row(record: dict[str, Any]) -> dict[str, Any]:
    """A row with null for whatever pandas uses instead, and plain numbers, so that JSON can hold it."""
    return {
        name: None if pd.isna(value) else value.item() if hasattr(value, "item") else value
        for name, value in record.items()
    }


def _export_pictures(
    rows: pd.DataFrame,
    out: Path,
    kind: str,
    blobs: BlobStore,
    card: str,
    shard_bytes: int,
    on_picture: Callable[[], object],
) -> None:
    if rows.empty:
        raise DeepfieldError("There is nothing to export: no row has this verdict and split and is a picture.")
    splits = rows["split"].fillna("none")
    if kind != "folder":
        splits = splits.map(SPLIT_NAMES)
    suffixes = _suffixes(rows)
    with building(out) as draft:
        if kind == "webdataset":
            names = pd.Series("", index=rows.index)
            known: dict[str, list[str]] = {}
            for shards in shard_sets(rows):
                part = rows[shards.chosen]
                # of each format the first split speaks for the others
                if shards.config not in known:
                    known[shards.config] = _known([part], _ALIKE_SAMPLES)
                samples = _samples(part[known[shards.config]], suffixes[part.index], blobs, on_picture)
                names[part.index] = write_shards(draft, shards.name, samples, shard_bytes)
        else:
            names = splits + "/" + rows["image_id"] + suffixes
            for name, image_id in zip(names, rows["image_id"], strict=True):
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_bytes(_checked(blobs, image_id))
                on_picture()
        table = rows.copy()
        table.insert(0, "file_name", names)
        if kind == "folder":
            write_atomic(draft / "metadata.csv", table.to_csv(index=False))
        if kind == "imagefolder":
            _write_metadata(table, splits, draft)
        if kind in TRAINING:
            write_parquet(table, draft / "manifest.parquet")
        write_atomic(draft / "credits.csv", table[["file_name", *_CREDITS]].to_csv(index=False))
        write_atomic(draft / "README.md", card)


def _samples(
    rows: pd.DataFrame, suffixes: pd.Series, blobs: BlobStore, on_picture: Callable[[], object]
) -> Iterator[Sample]:
    for record, suffix in zip(rows.to_dict("records"), suffixes, strict=True):
        plain = plain_row({str(name): value for name, value in record.items()})
        text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
        yield Sample(plain["image_id"], {suffix: _checked(blobs, plain["image_id"]), ".json": text.encode()})
        on_picture()


def _write_metadata(table: pd.DataFrame, splits: pd.Series, draft: Path) -> None:
    """One `metadata.jsonl` per split, with the columns that a reader takes for the same type in each of them."""
    parts = dict(list(table.groupby(splits, sort=True)))
    known = _known(list(parts.values()), _ALIKE_ROWS)
    for split, part in parts.items():
        beside = part.assign(file_name=part["file_name"].str.removeprefix(f"{split}/"))
        lines = [
            json.dumps(plain_row({str(name): value for name, value in record.items()}), ensure_ascii=False)
            for record in beside[known].to_dict("records")
        ]
        write_atomic(draft / split / "metadata.jsonl", "\n".join(lines) + "\n")


def _known(parts: Sequence[pd.DataFrame], first: int) -> list[str]:
    """Columns that hold something in the first rows of each part: readers guess types from these, which must agree.

    The others are in `manifest.parquet` only.
    """
    return [name for name in parts[0] if all(part[name].head(first).notna().any() for part in parts)]


def _checked(blobs: BlobStore, image_id: str) -> bytes:
    data = blobs.read(image_id)
    if hashlib.sha256(data).hexdigest() != image_id:
        raise DeepfieldError(f"Blob {image_id} has changed since it was stored: scrape it again.")
    return data
