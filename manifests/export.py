"""Taking a snapshot, or the accepted part of it, out of Deepfield: a table, or a folder of pictures with a table."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.files import write_atomic
from manifests.media import SUFFIXES
from manifests.parquet import write_parquet

FORMATS = ("csv", "jsonl", "parquet", "folder")


def effective_verdict(rows: pd.DataFrame) -> pd.Series:
    """What holds for each row: the person's decision where there is one, else the policy's verdict."""
    return rows["decision"].where(rows["decision"].notna(), rows["verdict"])


def export(rows: pd.DataFrame, out: Path, kind: str, blobs: BlobStore) -> Path:
    """Write rows to `out`: a CSV, JSON-lines or Parquet file, or a folder of pictures beside `metadata.csv`.

    Pictures are copied byte for byte as `<split>/<image_id><suffix>`.

    Raises:
        UsageError: an unknown format.
        DeepfieldError: `out` exists already, or a blob is missing.
    """
    if kind not in FORMATS:
        raise UsageError(f"There is no export format {kind!r}: choose one of {', '.join(FORMATS)}.")
    if out.exists():
        raise DeepfieldError(f"{out} exists already: choose another name or remove it.")
    if kind == "csv":
        write_atomic(out, rows.to_csv(index=False))
    elif kind == "jsonl":
        write_atomic(out, rows.to_json(orient="records", lines=True))
    elif kind == "parquet":
        write_parquet(rows.reset_index(drop=True), out)
    else:
        _export_folder(rows, out, blobs)
    return out


def _export_folder(rows: pd.DataFrame, out: Path, blobs: BlobStore) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        names = []
        for image_id, split, media_type in zip(
            rows["image_id"], rows["split"].fillna("none"), rows["access_format"], strict=True
        ):
            name = f"{split}/{image_id}{SUFFIXES.get(media_type, '.bin')}"
            if image_id not in blobs:
                raise DeepfieldError(f"Blob {image_id} is missing from {blobs.root}: scrape it again.")
            (draft / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(blobs.path(image_id), draft / name)
            names.append(name)
        table = rows.copy()
        table.insert(0, "file_name", names)
        write_atomic(draft / "metadata.csv", table.to_csv(index=False))
        draft.chmod(0o755)
        draft.rename(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
