"""Making a pack from a snapshot: which frames are trained on, decoded once and shrunk to the size asked for."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError
from manifests.export import effective_verdict
from manifests.frames import Frame, decode
from manifests.resize import shrink
from manifests.settings import Settings
from manifests.snapshots import read_snapshot, resolve
from training.pack import SPLITS, FrameInfo
from training.pack_write import Item, PackWriter

# enough to keep the cores busy, few enough to hold in memory
_AT_ONCE = 16

# a picture whose channels differ by less on average, in 8-bit steps, has no colour to learn from
_GRAY_SPREAD_DN = 2.0


OnProgress = Callable[[int, int], None]


def pack_for_snapshot(
    settings: Settings,
    snapshot_id: str | None,
    max_side_px: int,
    *,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """The folder of the pack of a snapshot (the newest by default), built if it is not there yet.

    Without `folder` it stands among the packs of the home, under the snapshot's id and the size.

    Raises:
        DeepfieldError: there is no such snapshot, or nothing in it to train on.
    """
    name = resolve(settings.manifest_dir, snapshot_id)
    rows = read_snapshot(settings.manifest_dir, name)
    blobs = BlobStore(settings.blobs_dir)
    target = folder or settings.packs_dir / f"{name}-{max_side_px}px"
    return build_pack(rows, blobs, target, snapshot_id=name, max_side_px=max_side_px, on_progress=on_progress)


def build_pack(
    rows: pd.DataFrame,
    blobs: BlobStore,
    folder: Path,
    *,
    snapshot_id: str,
    max_side_px: int,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the trainable frames of a snapshot's rows as the pack `folder`, and return it.

    A pack that is there already and intact is left as it is; one whose building was cut off is gone on with. Frames
    larger than `max_side_px` are shrunk by the mean over each area, counting pixels with data only.
    `on_progress(frames done, frames in all)` is called after each.

    Raises:
        DeepfieldError: no row is trainable, a picture is missing from the blob store or cannot be decoded, or
            the folder holds the pack of another snapshot or size.
    """
    with PackWriter(folder, snapshot_id, max_side_px) as writer:
        if not writer.finished:
            chosen = trainable(rows)
            left = chosen[~chosen["image_id"].isin(writer.names)]
            for done, item in enumerate(_frames(left, blobs, max_side_px), start=1 + len(chosen) - len(left)):
                writer.add(*item)
                if on_progress:
                    on_progress(done, len(chosen))
            writer.finish()
    return folder


def trainable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that are accepted, by a person or, where none decided, by the policy; no duplicates; in a split."""
    keep = (effective_verdict(rows) == "accept") & rows["duplicate_of"].isna() & rows["split"].isin(SPLITS)
    return rows[keep].sort_values("image_id", ignore_index=True)


def _frames(rows: pd.DataFrame, blobs: BlobStore, max_side_px: int) -> Iterator[Item]:
    records = rows.to_dict("records")
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(records), _AT_ONCE):
            batch = records[start : start + _AT_ONCE]
            yield from pool.map(lambda row: _frame(row, blobs, max_side_px), batch)


def _frame(row: dict[Any, Any], blobs: BlobStore, max_side_px: int) -> Item:
    name = row["image_id"]
    try:
        frame = decode(blobs.read(name))
    except DeepfieldError as error:
        raise DeepfieldError(f"Frame {name} is accepted but cannot be packed. {error}") from error
    rgb, valid = shrink(frame.rgb, frame.valid, max_side_px)
    info = FrameInfo(
        image_id=name,
        split=row["split"],
        group_id=_text(row.get("group_id")) or name,
        source_name=_text(row.get("source_name")),
        synthetic=bool(row.get("synthetic_position") is True),
        color=_has_color(row, frame),
        licence=_text(row.get("licence")),
    )
    return info, rgb, valid


def _has_color(row: dict[Any, Any], frame: Frame) -> bool:
    if frame.channels == 1:
        return False
    known = row.get("grayscale")
    if known is not None and not pd.isna(known):
        return not bool(known)
    seen = frame.rgb[frame.valid].astype(np.int16)
    return bool(seen.size) and float((seen.max(axis=1) - seen.min(axis=1)).mean()) > _GRAY_SPREAD_DN


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
