"""What the page shows of a frame: a picture of screen size, a thumbnail, its no-data as an overlay, its histogram.

Pictures are made first and by the shortest way, as people wait for them; mask and histogram come from the decoded
frame, as the networks would see it, when somebody looks at them.
"""

import io
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from PIL import Image, ImageOps

from manifests.blobs import BlobStore
from manifests.frames import Frame, decode
from manifests.media import sniff
from manifests.resize import shrunk_size

T = TypeVar("T")

_PREVIEW_PX, _THUMB_PX = 1600, 400
_PREVIEW_BYTES = 1_500_000  # a JPEG of screen size and at most this long is sent as it is
_KEPT = 160  # views of about half a megabyte
_BINS = 64
_OVERLAY = (255, 0, 200, 150)  # a colour no sky has


@dataclass(frozen=True)
class Analysis:
    """A PNG overlay of the no-data, and the histogram of the rest: counts of R, G, B in 64 steps of 0 to 255."""

    mask: bytes
    histogram: tuple[tuple[int, ...], ...]


class _Shelf(Generic[T]):
    """Makes things in the background, each once, and keeps the latest."""

    def __init__(self, make: Callable[[str], T], workers: ThreadPoolExecutor) -> None:
        self._make, self._workers = make, workers
        self._made: OrderedDict[str, Future[T]] = OrderedDict()
        self._lock = Lock()

    def begin(self, name: str) -> "Future[T]":
        with self._lock:
            future = self._made.get(name)
            if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
                future = self._made[name] = self._workers.submit(self._make, name)
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(name)
            return future


class Renditions:
    """Makes what the page shows, and keeps the latest."""

    def __init__(self, blobs: BlobStore, max_pixels: int) -> None:
        """Read frames from `blobs`, none larger than `max_pixels`."""
        self._blobs, self._max_pixels = blobs, max_pixels
        # apart, so that no picture waits for the histogram of another
        self._pools = ThreadPoolExecutor(2, "views"), ThreadPoolExecutor(1, "analysis")
        self._previews = _Shelf(lambda image_id: preview(blobs.read(image_id), max_pixels), self._pools[0])
        self._thumbs = _Shelf(lambda image_id: thumb(blobs.read(image_id), max_pixels), self._pools[0])
        self._analyses = _Shelf(lambda image_id: analyse(decode(blobs.read(image_id), max_pixels)), self._pools[1])

    def warm(self, image_ids: Iterable[str]) -> None:
        """Begin with the views of frames that will be asked for soon and that take time."""
        for image_id in image_ids:
            self._pools[0].submit(self._prepare, image_id)

    def preview(self, image_id: str) -> bytes:
        """The frame at the size of a screen, JPEG; one of that size as it is, without waiting for its decoding.

        Raises:
            DeepfieldError: the blob is missing or cannot be decoded.
        """
        data = self._blobs.read(image_id)
        return data if _fits_screen(data) else self._previews.begin(image_id).result()

    def thumb(self, image_id: str) -> bytes:
        """The frame at the size of a tile, JPEG; from a JPEG without making the larger view.

        Raises:
            DeepfieldError: as `preview`.
        """
        return self._thumbs.begin(image_id).result()

    def analysis(self, image_id: str) -> Analysis:
        """Mask and histogram of a frame.

        Raises:
            DeepfieldError: as `preview`.
        """
        return self._analyses.begin(image_id).result()

    def pixels(self, image_id: str) -> tuple[bytes, str]:
        """The frame in full size and its media type: a JPEG as it is, anything else as PNG.

        Raises:
            DeepfieldError: as `preview`.
        """
        data = self._blobs.read(image_id)
        if sniff(data[:16]) == "image/jpeg":
            return data, "image/jpeg"
        out = io.BytesIO()
        Image.fromarray(decode(data, self._max_pixels).rgb).save(out, "PNG", compress_level=1)
        return out.getvalue(), "image/png"

    def _prepare(self, image_id: str) -> None:
        if image_id in self._blobs and not _fits_screen(self._blobs.read(image_id)):
            self._previews.begin(image_id)

    def close(self) -> None:
        """Stop the workers."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)


def preview(data: bytes, max_pixels: int) -> bytes:
    """A frame's bytes at the size of a screen. No-data keeps the colour it has in the file."""
    return _jpeg(_reduced(data, max_pixels, _PREVIEW_PX), 88)


def thumb(data: bytes, max_pixels: int) -> bytes:
    """A frame's bytes at the size of a tile."""
    return _jpeg(_reduced(data, max_pixels, _THUMB_PX), 80)


def _reduced(data: bytes, max_pixels: int, longest_px: int) -> Image.Image:
    image = _reduced_jpeg(data, longest_px)
    if image is None:
        image = Image.fromarray(decode(data, max_pixels).rgb)
    image.thumbnail((longest_px, longest_px), reducing_gap=2.0)
    return image


def analyse(frame: Frame) -> Analysis:
    """Mask, at the size of the preview, and histogram of a decoded frame."""
    bands = frame.rgb[frame.valid].T
    return Analysis(
        _mask(frame.valid, shrunk_size(frame.valid.shape, _PREVIEW_PX)),
        tuple(tuple(int(n) for n in np.bincount(band // (256 // _BINS), minlength=_BINS)) for band in bands),
    )


def _reduced_jpeg(data: bytes, longest_px: int) -> Image.Image | None:
    """A JPEG in colour, decoded at a half, a quarter or an eighth where that is enough; None for anything else."""
    if sniff(data[:16]) != "image/jpeg":
        return None
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG"])
        if image.mode != "RGB":
            return None
        image.draft("RGB", (longest_px, longest_px))
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError):  # Pillow reports damage by any of these; `decode` tells which
        return None


def _fits_screen(data: bytes) -> bool:
    """Whether bytes are a JPEG in colour that a browser may have as it is."""
    if sniff(data[:16]) != "image/jpeg" or len(data) > _PREVIEW_BYTES:
        return False
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return image.mode == "RGB" and max(image.size) <= _PREVIEW_PX
    except (OSError, SyntaxError, ValueError):  # as below
        return False


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _mask(valid: np.ndarray, size: tuple[int, int]) -> bytes:
    image = Image.fromarray((~valid).view(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST)
    paletted = image.convert("P")
    paletted.putpalette([0, 0, 0, *_OVERLAY[:3]])
    out = io.BytesIO()
    paletted.save(out, "PNG", transparency=bytes([0, _OVERLAY[3]]))
    return out.getvalue()
