"""Colour from counts: two or three aligned bands of a visit become one picture with a mask of who saw what.

Two renderings. `asinh` is what HLA's `fitscut` makes of a visit, so that our picture can stand beside the archive's
JPEG; it is written after the service's documented behaviour, as the local archive's is, and the two share no code, so
that each checks the other. `lupton` is astropy's version of Lupton et al. 2004 (PASP 116, 133), which keeps the hue of
bright sources.

Bands are read a few hundred rows at a time: a picture of 5700 x 5700 pixels takes the memory of its own bytes.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from manifests.errors import UsageError
from manifests.frames import COVERAGE_CHUNK

Method = Literal["asinh", "lupton"]

# Raise a version whenever the pixels of a rendering change: composites of another version are made again.
VERSIONS: dict[Method, int] = {"asinh": 1, "lupton": 1}
METHODS: tuple[Method, ...] = tuple(VERSIONS)

_PERCENT = 99.5
_BINS = 50_000
_FINE = 10_000  # bins between the limits: a limit is then good to a tenth of a display level
_NARROWINGS = 8
_Q = 3.0
_RANGE = {2: 0.4, 3: 0.33}  # of the stretched values, what is shown, by the number of bands
_LUPTON_STRETCH, _LUPTON_Q = 1 / 3, 3.0
_ROWS_AT_ONCE = 256
_ALL, _SOME, _NONE = 255, 128, 0
_PNG_LEVEL = 3  # of zlib: noise does not get smaller by trying harder


def method_of(text: str) -> Method:
    """The rendering of that name, as a user types it.

    Raises:
        UsageError: there is none.
    """
    for method in METHODS:
        if text.strip().lower() == method:
            return method
    raise UsageError(f"There is no rendering {text!r}: choose from {', '.join(METHODS)}.")


class Band(Protocol):
    """Counts of one filter on the grid of the picture, NaN where there are none; the first row is the bottom."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to `stop`, float32 (rows, columns)."""


@dataclass(frozen=True)
class Limits:
    """The counts that a band's display begins and ends with."""

    low: float
    high: float


@dataclass(frozen=True)
class Composite:
    """A picture, uint8 (H, W, 4), the top row north; alpha is 255 where all bands saw the sky, 128 some, 0 none."""

    rgba: np.ndarray
    partial_fraction: float

    @property
    def seen(self) -> bool:
        """Whether any pixel was seen by all bands."""
        return bool((self.rgba[..., 3] == _ALL).any())


def compose(bands: Sequence[Band], method: Method) -> Composite:
    """Make one picture of two or three bands of equal shape, in the order red, (green,) blue.

    With two, green is the mean of red and blue. Pixels that no band saw are white, as in the archive's pictures; where
    only some did, the others count as dark.
    """
    height, width = bands[0].shape
    limits = [autoscale(band) for band in bands]
    paint = _PAINT[method]
    rgba = np.empty((height, width, 4), np.uint8)
    for start, stop in _steps(height):
        counts = [band.rows(start, stop) for band in bands]
        seen = [np.isfinite(plane) for plane in counts]
        every, some = np.logical_and.reduce(seen), np.logical_or.reduce(seen)
        block = rgba[height - stop : height - start][::-1]
        block[..., :3] = paint(counts, seen, limits)
        block[~some, :3] = 255
        block[..., 3] = np.where(every, _ALL, np.where(some, _SOME, _NONE))
    return Composite(rgba, float((rgba[..., 3] == _SOME).mean()))


def autoscale(band: Band) -> Limits:
    """Display limits of a band as `fitscut` finds them: 0.5 and 99.5 percentiles of a histogram of 50,000 bins.

    The histogram is made again over a narrower range as long as its bins are coarse; the high limit is raised to
    median + 5 (median - low) where it is below that, so that noise alone stays dark. Where nearly all pixels are
    equal, the limits are that value and the largest one; (0, 1) where all are, or none is finite.
    """
    number, lowest, highest = _extent(band)
    if not number:
        return Limits(0.0, 1.0)
    ranks = np.array([(100.0 - _PERCENT) / 100.0, 0.5, _PERCENT / 100.0]) * number
    start, end = lowest, highest
    for _ in range(_NARROWINGS):
        width = (end - start) / _BINS
        if not start < start + width:
            break
        below, counts = _histogram(band, start, end)
        cumulative = below + np.concatenate([[0], np.cumsum(counts)])
        bins = np.clip(np.searchsorted(cumulative, ranks, side="left") - 1, 0, _BINS - 1)
        share = (ranks - cumulative[bins]) / np.maximum(counts[bins], 1)
        low, median, high = (float(value) for value in start + width * (bins + np.clip(share, 0.0, 1.0)))
        if bins[2] - bins[0] >= _FINE:
            return Limits(low, max(high, median + 5.0 * (median - low)))
        start, end = start + width * bins[0], start + width * (bins[2] + 1)
    return Limits(start, highest) if start < highest else Limits(0.0, 1.0)


def encode(composite: Composite, xmp: str, comment: str) -> bytes:
    """A composite as PNG with an XMP packet and a comment; equal input gives equal bytes."""
    texts = PngInfo()
    texts.add_text("Software", "Deepfield")
    texts.add_text(*COVERAGE_CHUNK)
    texts.add_text("Comment", comment)
    texts.add_itxt("XML:com.adobe.xmp", xmp)
    out = io.BytesIO()
    Image.fromarray(composite.rgba).save(out, "PNG", pnginfo=texts, compress_level=_PNG_LEVEL)
    return out.getvalue()


def _asinh(counts: Sequence[np.ndarray], seen: Sequence[np.ndarray], limits: Sequence[Limits]) -> np.ndarray:
    """`fitscut`'s stretch: one weight for all bands, of their sum, that keeps the largest within 1."""
    levels = np.stack(
        [
            np.where(there, (plane - np.float64(scale.low)) / (scale.high - scale.low), 0.0)
            for plane, there, scale in zip(counts, seen, limits, strict=True)
        ],
        axis=-1,
    )
    total = _Q * levels.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        weight = np.where(total == 0.0, 1.0, np.arcsinh(total) / total)
    weight /= np.maximum(levels.max(axis=-1) * weight, 1.0)
    levels *= (weight * (255.0 / _RANGE[len(counts)]))[..., None]
    shown = np.clip(levels, 0.0, 255.0).astype(np.uint8)
    if len(counts) == 3:
        return shown
    red, blue = shown[..., 0], shown[..., 1]
    green = (red.astype(np.uint16) + blue) // 2
    return np.stack([red, green.astype(np.uint8), blue], axis=-1)


def _lupton(counts: Sequence[np.ndarray], seen: Sequence[np.ndarray], limits: Sequence[Limits]) -> np.ndarray:
    """Lupton's mapping of bands scaled to the limits, with the softening that makes it as bright as `asinh`."""
    # imported here: astropy takes most of a second, and most commands render nothing
    from astropy.visualization import make_lupton_rgb  # noqa: PLC0415

    planes = [
        np.where(there, (plane - np.float64(scale.low)) / (scale.high - scale.low), 0.0)
        for plane, there, scale in zip(counts, seen, limits, strict=True)
    ]
    if len(planes) == 2:
        planes.insert(1, (planes[0] + planes[1]) / 2.0)
    with np.errstate(invalid="ignore", divide="ignore"):  # a pixel of sky has no hue to keep
        return np.asarray(make_lupton_rgb(*planes, minimum=0.0, stretch=_LUPTON_STRETCH, Q=_LUPTON_Q))


_Paint = Callable[[Sequence[np.ndarray], Sequence[np.ndarray], Sequence[Limits]], np.ndarray]
_PAINT: dict[Method, _Paint] = {"asinh": _asinh, "lupton": _lupton}


def _extent(band: Band) -> tuple[int, float, float]:
    """How many pixels of a band are finite, and their least and largest value."""
    number, lowest, highest = 0, np.inf, -np.inf
    for start, stop in _steps(band.shape[0]):
        values = band.rows(start, stop)
        values = values[np.isfinite(values)]
        if values.size:
            number += values.size
            lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    return number, lowest, highest


def _histogram(band: Band, start: float, end: float) -> tuple[int, np.ndarray]:
    """How many pixels of a band are below a range, and how many in each of its 50,000 equal parts."""
    below, counts = 0, np.zeros(_BINS, np.int64)
    for first, last in _steps(band.shape[0]):
        values = band.rows(first, last)
        values = values[np.isfinite(values)].astype(np.float64)
        below += int((values < start).sum())
        inside = values[(values >= start) & (values <= end)]
        places = ((inside - start) * (_BINS / (end - start))).astype(np.int64)
        counts += np.bincount(np.minimum(places, _BINS - 1), minlength=_BINS)
    return below, counts


def _steps(height: int) -> list[tuple[int, int]]:
    return [(start, min(start + _ROWS_AT_ONCE, height)) for start in range(0, height, _ROWS_AT_ONCE)]
