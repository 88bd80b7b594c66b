"""A picture as bands of rows from top to bottom, so that one larger than memory can be made and written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile

import cv2
import numpy as np

from manifests.resize import shrunk_size

Band = tuple[np.ndarray, np.ndarray]
"""Some whole rows: uint8 (h, W, 3), and bool (h, W), False where there is no data."""

_PIECE_PX = 2**19
_SPOOL_IN_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class Bands:
    """A picture's size, and what reads its bands of rows from the top."""

    height: int
    width: int
    read: Callable[[], Iterator[Band]]


def in_memory(rgb: np.ndarray, valid: np.ndarray) -> Bands:
    """A picture that is all there, uint8 (H, W, 3), with its mask, bool (H, W)."""
    return Bands(rgb.shape[0], rgb.shape[1], lambda: pieces([(rgb, valid)]))


def joined(picture: Bands) -> np.ndarray:
    """The whole picture, uint8 (H, W, 3)."""
    return np.concatenate([rgb for rgb, _ in picture.read()])


def pieces(bands: Iterator[Band] | list[Band]) -> Iterator[Band]:
    """The same rows in bands of about half a million pixels: what is done to one may take many times its size."""
    for rgb, valid in bands:
        rows = max(1, _PIECE_PX // rgb.shape[1])
        for start in range(0, rgb.shape[0], rows):
            yield rgb[start : start + rows], valid[start : start + rows]


def blocks(bands: Iterator[Band], rows: int) -> Iterator[np.ndarray]:
    """The colours, uint8 (rows, W, 3), in blocks of exactly so many rows; the last may have fewer."""
    kept: list[np.ndarray] = []
    count = 0
    for rgb, _ in bands:
        taken = 0
        while count + rgb.shape[0] - taken >= rows:
            part = rgb[taken : taken + rows - count]
            taken += part.shape[0]
            yield np.concatenate([*kept, part]) if kept else part
            kept, count = [], 0
        if taken < rgb.shape[0]:
            kept.append(rgb[taken:])
            count += rgb.shape[0] - taken
    if kept:
        yield np.concatenate(kept)


@contextmanager
def spooled(picture: Bands, folder: Path | None, on_band: Callable[[Band], None]) -> Iterator[Bands]:
    """The picture on disk, for reading again, gone after the block; `on_band` sees each band on its way there.

    The file has no name in `folder` (the system's folder for temporary files where None), so that not even a killed
    process leaves it.
    """
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY, dir=str(folder) if folder else None) as handle:
        heights = []
        for band in pieces(picture.read()):
            on_band(band)
            rgb, valid = band
            handle.write(np.ascontiguousarray(rgb).data)
            handle.write(np.packbits(valid, axis=1).data)
            heights.append(rgb.shape[0])

        def read() -> Iterator[Band]:
            handle.seek(0)
            width, packed = picture.width, -(-picture.width // 8)
            for height in heights:
                rgb = np.frombuffer(handle.read(3 * height * width), np.uint8).reshape(height, width, 3)
                bits = np.frombuffer(handle.read(height * packed), np.uint8).reshape(height, packed)
                yield rgb, np.unpackbits(bits, axis=1, count=width).astype(bool)

        yield Bands(picture.height, picture.width, read)


class Shrinking:
    """`manifests.resize.shrink` for a picture that comes in bands: each pixel the mean over the data it covers."""

    def __init__(self, height: int, width: int, max_side_px: int) -> None:
        self._size = shrunk_size((height, width), max_side_px)
        self._step = height / self._size[0]
        self._sum = np.zeros((*self._size, 4), np.float32)
        self._row = 0

    def add(self, band: Band) -> None:
        """Take the next band."""
        for rgb, valid in pieces([band]):
            rows = rgb.shape[0]
            values = np.dstack((rgb, np.ones(valid.shape, np.uint8))).astype(np.float32)
            values[~valid] = 0.0
            narrow = cv2.resize(values, (self._size[1], rows), interpolation=cv2.INTER_AREA).reshape(rows, -1)
            first, last = int(self._row / self._step), min(self._size[0], int((self._row + rows) / self._step) + 1)
            # how much of each of these rows lies in each row of the result
            starts = self._step * np.arange(first, last)[:, None]
            edges = self._row + np.arange(rows)
            share = np.minimum(edges + 1, starts + self._step) - np.maximum(edges, starts)
            share = np.clip(share, 0.0, 1.0).astype(np.float32) / np.float32(self._step)
            self._sum[first:last] += (share @ narrow).reshape(last - first, self._size[1], 4)
            self._row += rows

    def result(self) -> Band:
        """The small picture and its mask, when all rows have come."""
        share = self._sum[..., 3]
        mean = self._sum[..., :3] / np.maximum(share, 1e-6)[..., None]
        return np.clip(mean + 0.5, 0.0, 255.0).astype(np.uint8), share >= 0.5 - 1e-5
