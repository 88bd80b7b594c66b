"""What one process measures of a batch of images. It starts twice as fast as one that imports pandas would."""

import ctypes
import gc
import mmap
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from curation.features import Descriptors, describe
from curation.fingerprints import fingerprint
from curation.measures import as_row, measure
from manifests.blobs import BlobStore
from manifests.frames import UndecodableError, decode

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_COLLECT_AFTER = 50_000  # objects; Python's own threshold is reached several times by the keypoints of one frame
_MADV_HUGEPAGE = 14  # of Linux's mman.h
_BLOCK_BYTES, _BLOCKS = 24 * 2**20, 4  # smaller ones than those mapped by themselves; frames of 3 Mpx need four


@dataclass(frozen=True)
class Measured:
    """The rows of a batch in the order of `image_id`, the descriptors of its pictures by pixel hash, and how many of
    its images are not in the blob store.
    """

    rows: list[dict[str, Any]]
    descriptors: dict[str, Descriptors]
    missing: int


def measured(image_ids: Sequence[str], blobs_dir: Path, max_pixels: int) -> Measured:
    """Measure images; the row of one that cannot be decoded says why."""
    blobs = BlobStore(blobs_dir)
    present = sorted({image_id for image_id in image_ids if image_id in blobs})
    rows, descriptors = [], {}
    for image_id in present:
        row, found = _measured(image_id, blobs.path(image_id), max_pixels)
        rows.append(row)
        if found is not None:
            descriptors[str(row["pixel_sha256"])] = found
    return Measured(rows, descriptors, len(set(image_ids)) - len(rows))


def begin_worker() -> None:
    """Prepare a process that does nothing else than measure."""
    cv2.setNumThreads(1)
    # modules and compiled code stay, and a frame leaves no cycles: collections would find nothing time and again
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    _keep_freed_memory()
    # Ctrl-C is for the parent, which lets the batches in flight end
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _keep_freed_memory() -> None:
    """Let the C library keep what a picture's temporary planes took for the next ones, where it is glibc.

    By default it gives each plane back to the system and asks for it again: a quarter of the time goes to page faults.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        library.mallopt(_M_TRIM_THRESHOLD, 256 * 2**20)
        _ask_for_large_pages(library)


def _ask_for_large_pages(library: ctypes.CDLL) -> None:
    """Have the kernel use pages of 2 MiB for what is kept, where it does: a plane has hundreds of those of 4 KiB."""
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    blocks = [library.malloc(_BLOCK_BYTES) for _ in range(_BLOCKS)]
    for block in filter(None, blocks):
        start = -(-block // mmap.PAGESIZE) * mmap.PAGESIZE
        # a kernel without them says no, which changes nothing
        library.madvise(start, block + _BLOCK_BYTES - start, _MADV_HUGEPAGE)
    for block in blocks:
        library.free(block)


def _measured(image_id: str, path: Path, max_pixels: int) -> tuple[dict[str, Any], Descriptors | None]:
    """The row of an image and its descriptors, from one decoding."""
    row: dict[str, Any] = {"image_id": image_id, "size_bytes": path.stat().st_size, "problem": None}
    try:
        frame = decode(path, max_pixels)
    except UndecodableError as error:
        return row | {"problem": error.reason, "problem_text": str(error)}, None
    prints = fingerprint(frame)
    row = (
        row
        | {
            "access_format": frame.media_type,
            "width_px": frame.width,
            "height_px": frame.height,
            "channels": frame.channels,
            "domain": frame.domain,
            "unread_images": frame.unread_images,
            "jpeg_quality": frame.jpeg_quality,
            "pixel_sha256": prints.pixel_sha256,
            "phash64": _join(prints.phash64),
            "phash256": _join(prints.phash256),
        }
        | as_row(measure(frame))
    )
    return row, describe(frame)


def _join(hashes: tuple[str, ...] | None) -> str | None:
    return None if hashes is None else ",".join(hashes)
