"""Measuring many images: one row per image in Parquet parts that are added and never changed."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curation.cluster import connect, on_cluster
from curation.descriptors import load_descriptors, write_descriptors
from curation.features import Descriptors
from curation.fingerprints import Fingerprints
from curation.measured import Measured, begin_worker, measured
from curation.measures import MEASURE_VERSION
from manifests import schema
from manifests.errors import DeepfieldError
from manifests.parquet import read_parquet, write_parquet
from manifests.seals import intact_parts, seal

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

BATCH = 128

_TEXT = ("image_id", "access_format", "domain", "pixel_sha256", "phash64", "phash256", "problem", "problem_text")
_NUMBERS = tuple(column.name for column in (*schema.FRAME, *schema.MEASURES) if column.dtype in ("int64", "float64"))
_FLAGS = tuple(column.name for column in schema.MEASURES if column.dtype == "bool")


@dataclass(frozen=True)
class BatchResult:
    """How many images of a batch were measured, could not be decoded, or are not in the blob store."""

    measured: int
    undecodable: int
    missing: int

    def __add__(self, other: "BatchResult") -> "BatchResult":
        return BatchResult(
            self.measured + other.measured, self.undecodable + other.undecodable, self.missing + other.missing
        )


def measure_batch(image_ids: Sequence[str], *, blobs_dir: Path, measures_dir: Path, max_pixels: int) -> BatchResult:
    """Measure images in this process and write them as one new part.

    A frame that cannot be decoded becomes a row that says why. The part is named by its images, so that a batch that is
    done twice, or by two processes at once, leaves one part.
    """
    return _kept(measured(image_ids, blobs_dir, max_pixels), measures_dir)


def measure_all(
    image_ids: Sequence[str],
    *,
    blobs_dir: Path,
    measures_dir: Path,
    max_pixels: int,
    batch: int = BATCH,
    cluster: str | None = None,
    on_progress: Progress | None = None,
) -> BatchResult:
    """Measure images in batches of at most `batch`, with one process per core, or on the Dask cluster of an address.

    Each batch is on disk when it is done: after a kill only the batches in flight are measured again.

    Raises:
        DeepfieldError: a process was killed, most likely for want of memory, or the cluster does not answer.
    """
    ids = sorted(set(image_ids))
    if cluster is None:
        results = _run(ids, batch, blobs_dir, measures_dir, max_pixels)
    else:
        # a worker of a cluster is in a folder of its own
        there = blobs_dir.absolute(), measures_dir.absolute()
        work = partial(measure_batch, blobs_dir=there[0], measures_dir=there[1], max_pixels=max_pixels)
        results = _run_there(cluster, ids, batch, work)
    total, done = BatchResult(0, 0, 0), 0
    for number, result in results:
        total += result
        done += number
        if on_progress:
            on_progress("measure", done, len(ids))
    return total


def read_measures(measures_dir: Path) -> pd.DataFrame:
    """All images measured under the present version, one row each in the order of `image_id`.

    Images of a damaged part are not among them, and are measured anew.
    Columns are those of the manifest groups Frame and Measurements, `access_format`, the pixel hash, the eight hashes
    of each kind joined by commas, and `problem` and `problem_text` where the image could not be decoded.
    """
    parts = [read_parquet(part.with_suffix(".parquet")) for part in intact_parts(_folder(measures_dir))]
    if not parts:
        return _table([])
    rows = pd.concat(parts, ignore_index=True)
    # a frame refused once for its size may have been measured later under a higher limit
    rows = rows.sort_values(["image_id", "problem"], na_position="first")
    return rows.drop_duplicates("image_id").reset_index(drop=True)


def read_descriptors(measures_dir: Path) -> dict[str, Descriptors]:
    """The descriptors of all pictures measured under the present version, by pixel hash, in its order."""
    found: dict[str, Descriptors] = {}
    for part in intact_parts(_folder(measures_dir)):
        found |= load_descriptors(part.with_suffix(".npz"))
    return dict(sorted(found.items()))


def settled(measures: pd.DataFrame) -> set[str]:
    """Images that need not be tried again; those too large may be, as the limit is a setting."""
    return set(measures.loc[measures["problem"].ne("too_large").fillna(True), "image_id"])


def fingerprints_of(row: Any) -> Fingerprints:
    """Fingerprints of a row of `read_measures`, given as a named tuple."""
    return Fingerprints(row.pixel_sha256, _split(row.phash64), _split(row.phash256))


def parted(ids: list[str], most: int, workers: int) -> list[list[str]]:
    """Parts of at most `most`; where there are several, each of the workers gets as many and as large ones."""
    number = -(-len(ids) // most)
    if number > 1:
        number = -(-number // workers) * workers
    bounds = [len(ids) * part // max(1, number) for part in range(number + 1)]
    return [ids[start:end] for start, end in pairwise(bounds) if start < end]


def _run_there(
    address: str, ids: list[str], batch: int, work: Callable[[list[str]], BatchResult]
) -> Iterator[tuple[int, BatchResult]]:
    if ids:
        with connect(address) as client:
            yield from on_cluster(client, work, parted(ids, batch, sum(client.nthreads().values())))


def _run(
    ids: list[str], batch: int, blobs_dir: Path, measures_dir: Path, max_pixels: int
) -> Iterator[tuple[int, BatchResult]]:
    batches = parted(ids, batch, os.cpu_count() or 1)
    workers = min(len(batches), os.cpu_count() or 1)
    if workers < 2:
        for some in batches:
            yield (
                len(some),
                measure_batch(some, blobs_dir=blobs_dir, measures_dir=measures_dir, max_pixels=max_pixels),
            )
        return
    # spawn: a fork of a process with threads, as a Prefect worker is, can hang
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_worker) as pool:
        futures = {pool.submit(measured, some, blobs_dir, max_pixels): len(some) for some in batches}
        try:
            for future in as_completed(list(futures)):
                # not kept in the future: all batches together may be large
                yield futures.pop(future), _kept(future.result(), measures_dir)
        except BrokenProcessPool:
            raise DeepfieldError(
                "A process that measured frames was killed, most likely for want of memory: what was finished is kept; "
                "run the same command again, or lower DEEPFIELD_MAX_PIXELS."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _kept(batch: Measured, measures_dir: Path) -> BatchResult:
    if batch.rows:
        name = hashlib.sha256("\n".join(str(row["image_id"]) for row in batch.rows).encode()).hexdigest()[:32]
        part = _folder(measures_dir) / f"part-{name}"
        write_descriptors(batch.descriptors, part.with_suffix(".npz"))
        write_parquet(_table(batch.rows), part.with_suffix(".parquet"))
        seal(part)
    undecodable = sum(row["problem"] is not None for row in batch.rows)
    return BatchResult(len(batch.rows) - undecodable, undecodable, batch.missing)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in _TEXT:
        columns[name] = np.array([row.get(name) for row in rows], object)
    for name in _NUMBERS:
        columns[name] = np.array([row.get(name) for row in rows], np.float64)
    for name in _FLAGS:
        columns[name] = pd.array([row.get(name) for row in rows], "boolean")
    return pd.DataFrame(columns)


def _folder(measures_dir: Path) -> Path:
    return measures_dir / f"frames-v{MEASURE_VERSION}"


def _split(text: str | None) -> tuple[str, ...] | None:
    return tuple(text.split(",")) if text else None
