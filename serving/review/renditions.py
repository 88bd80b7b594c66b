"""What the page shows of a frame: a picture of screen size, a thumbnail, its no-data as an overlay, its histogram.

Made of the decoded frame, so that people judge what the networks would see.
"""

import io
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from PIL import Image

from manifests.blobs import BlobStore
from manifests.frames import Frame, decode
from manifests.media import sniff
from manifests.resize import shrink

_PREVIEW_PX, _THUMB_PX = 1600, 400
_PREVIEW_BYTES = 1_500_000
_KEPT = 160  # renditions of about half a megabyte
_BINS = 64
_OVERLAY = (255, 0, 200, 150)  # a colour no sky has


@dataclass(frozen=True)
class Rendition:
    """JPEG bytes for the screen and the grid, a PNG overlay of the no-data, and the histogram of the rest.

    `histogram` holds counts of red, green and blue in 64 steps of the levels 0 to 255.
    """

    preview: bytes
    thumb: bytes
    mask: bytes
    histogram: tuple[tuple[int, ...], ...]


class Renditions:
    """Makes renditions in the background and keeps the latest."""

    def __init__(self, blobs: BlobStore, max_pixels: int) -> None:
        """Read frames from `blobs`, none larger than `max_pixels`."""
        self._blobs, self._max_pixels = blobs, max_pixels
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="rendition")
        self._made: OrderedDict[str, Future[Rendition]] = OrderedDict()
        self._lock = Lock()

    def warm(self, image_ids: Iterable[str]) -> None:
        """Begin with frames that will be asked for soon and that take time."""
        for image_id in image_ids:
            self._workers.submit(self._prepare, image_id)

    def get(self, image_id: str) -> Rendition:
        """The rendition of a frame.

        Raises:
            DeepfieldError: the blob is missing or cannot be decoded.
        """
        return self._future(image_id).result()

    def preview(self, image_id: str) -> bytes:
        """The frame at the size of a screen, JPEG: one of that size as it is, so that nobody waits for its decoding.

        Raises:
            DeepfieldError: as `get`.
        """
        data = self._blobs.read(image_id)
        return data if _fits_screen(data) else self.get(image_id).preview

    def pixels(self, image_id: str) -> tuple[bytes, str]:
        """The frame in full size and its media type: a JPEG as it is, anything else as PNG.

        Raises:
            DeepfieldError: as `get`.
        """
        data = self._blobs.read(image_id)
        if sniff(data[:16]) == "image/jpeg":
            return data, "image/jpeg"
        out = io.BytesIO()
        Image.fromarray(decode(data, self._max_pixels).rgb).save(out, "PNG", compress_level=1)
        return out.getvalue(), "image/png"

    def close(self) -> None:
        """Stop the workers."""
        self._workers.shutdown(cancel_futures=True)

    def _future(self, image_id: str) -> "Future[Rendition]":
        with self._lock:
            future = self._made.get(image_id)
            if future is None or (future.done() and future.exception() is not None):
                future = self._made[image_id] = self._workers.submit(self._make, image_id)
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(image_id)
            return future

    def _prepare(self, image_id: str) -> None:
        if image_id in self._blobs and not _fits_screen(self._blobs.read(image_id)):
            self._future(image_id)

    def _make(self, image_id: str) -> Rendition:
        return render(decode(self._blobs.read(image_id), self._max_pixels))


def _fits_screen(data: bytes) -> bool:
    if sniff(data[:16]) != "image/jpeg" or len(data) > _PREVIEW_BYTES:
        return False
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return image.mode == "RGB" and max(image.size) <= _PREVIEW_PX
    except (OSError, SyntaxError, ValueError):  # Pillow reports damage by any of these
        return False


def render(frame: Frame) -> Rendition:
    """The rendition of a decoded frame. No-data keeps the colour it has in the file."""
    everywhere = np.ones(frame.valid.shape, bool)
    shown, _ = shrink(frame.rgb, everywhere, _PREVIEW_PX)
    thumb, _ = shrink(shown, np.ones(shown.shape[:2], bool), _THUMB_PX)
    return Rendition(
        _jpeg(shown, 88),
        _jpeg(thumb, 80),
        _mask(frame.valid, shown.shape[:2]),
        tuple(tuple(int(n) for n in np.histogram(band, _BINS, (0, 256))[0]) for band in frame.rgb[frame.valid].T),
    )


def _jpeg(rgb: np.ndarray, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _mask(valid: np.ndarray, size: tuple[int, int]) -> bytes:
    image = Image.fromarray((~valid).view(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST)
    paletted = image.convert("P")
    paletted.putpalette([0, 0, 0, *_OVERLAY[:3]])
    out = io.BytesIO()
    paletted.save(out, "PNG", transparency=bytes([0, _OVERLAY[3]]))
    return out.getvalue()
