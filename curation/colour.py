"""How much colour there is, and whether it is real: grayscale, one tinted filter, green made from two filters."""

from dataclasses import dataclass

import numpy as np

from curation.canvas import Canvas, reduce

_GRAY_CHROMA_DN = 6.0  # chroma subsampling of a gray JPEG leaves a few levels
_BINS = 64
_LIT_DN = 40
_PURE_SATURATION = 0.97


@dataclass(frozen=True)
class Colour:
    """What colour a frame has; units and meaning as in manifests/schema.py."""

    chroma_p99_dn: float
    rank: float
    hue_spread: float
    fake_green_dn: float
    pure_fraction: float
    colourfulness: float


def colour(view: Canvas) -> Colour:
    """Measure colour over the valid area, at a quarter of the working size.

    `rank` is the second over the first singular value of the colour covariance: near 0 for gray and for one filter in
    one tint whose three curves are proportional. `hue_spread` is the share of the colourfulness (rms distance from the
    gray axis) that is left when the mean colour of each lightness is taken away: near 0 for a single filter under any
    false-colour palette, which is a function of lightness alone.
    """
    picture, valid = reduce(view.small, view.small_valid, 4)
    values = (picture.reshape(-1, 3) if valid.all() else picture[valid]).astype(np.float32)
    if len(values) < 16:
        values = view.native[view.valid].astype(np.float32)
    red, green, blue = np.ascontiguousarray(values.T)
    lightness = (red + green + blue) / 3
    spread = np.abs(red - green) + np.abs(green - blue)
    brightest, darkest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    lit = brightest >= _LIT_DN
    return Colour(
        chroma_p99_dn=float(np.percentile(spread, 99)),
        rank=_rank(np.stack([red, green, blue])),
        hue_spread=_hue_spread([band - lightness for band in (red, green, blue)], lightness),
        fake_green_dn=float(np.abs(green - (red + blue) / 2).mean()),
        pure_fraction=float((lit & (brightest - darkest > _PURE_SATURATION * brightest)).mean()),
        colourfulness=_colourfulness(red - green, (red + green) / 2 - blue),
    )


def is_gray(measured: Colour) -> bool:
    """Whether the frame has no colour, whatever its file mode."""
    return measured.chroma_p99_dn <= _GRAY_CHROMA_DN


def _colourfulness(red_green: np.ndarray, yellow_blue: np.ndarray) -> float:
    """Hasler and Suesstrunk 2003 (SPIE 5007, 87), the metric M3 of opponent colours."""
    scatter = np.hypot(red_green.std(), yellow_blue.std())
    return float(scatter + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _rank(bands: np.ndarray) -> float:
    variance = np.clip(np.linalg.eigvalsh(np.cov(bands)), 0.0, None)
    return float(np.sqrt(variance[1] / variance[2])) if variance[2] > 0 else 0.0


def _hue_spread(chroma: list[np.ndarray], lightness: np.ndarray) -> float:
    bins = np.minimum((lightness * (_BINS / 256)).astype(np.intp), _BINS - 1)
    counts = np.maximum(np.bincount(bins, minlength=_BINS), 1)
    total = sum(float(band @ band) for band in chroma)
    explained = sum(float((np.bincount(bins, band, _BINS) ** 2 / counts).sum()) for band in chroma)
    return float(np.sqrt(max(0.0, 1.0 - explained / total))) if total > 0 else 0.0
