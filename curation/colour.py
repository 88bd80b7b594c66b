"""How much colour there is, and whether it is real: grayscale, one tinted filter, green made from two filters."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from curation.canvas import Canvas, histogram_quantile
from curation.scans import colour_sums
from manifests.planes import extremes

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
    """Measure colour over the valid area, averaged over 8 x 8 pixels.

    `rank` is the second over the first singular value of the colour covariance: near 0 for gray and for one filter in
    one tint whose three curves are proportional. `hue_spread` is the share of the colourfulness (rms distance from the
    gray axis) that is left when the mean colour of each lightness is taken away: near 0 for a single filter under any
    false-colour palette, which is a function of lightness alone.
    """
    picture, valid = view.coarse, view.coarse_valid
    if np.count_nonzero(valid) < 16:
        picture, valid = view.native, view.valid
    darkest, brightest = extremes(picture)
    pure = (brightest >= _LIT_DN) & (brightest - darkest > _PURE_SATURATION * brightest) & valid
    products, spread, greenness, by_lightness = colour_sums(picture, valid, _BINS)
    number = float(products[0, 0])
    mean = products[0, 1:] / number
    covariance = products[1:, 1:] / number - np.outer(mean, mean)
    return Colour(
        chroma_p99_dn=histogram_quantile(spread, 0.99),
        rank=_rank(covariance),
        hue_spread=_hue_spread(products[1:, 1:], by_lightness),
        fake_green_dn=greenness / (2 * number),
        pure_fraction=np.count_nonzero(pure) / number,
        colourfulness=_colourfulness(mean, covariance),
    )


def is_gray(measured: Colour) -> bool:
    """Whether the frame has no colour, whatever its file mode."""
    return measured.chroma_p99_dn <= _GRAY_CHROMA_DN


def _colourfulness(mean: np.ndarray, covariance: np.ndarray) -> float:
    """Hasler and Suesstrunk 2003 (SPIE 5007, 87), the metric M3 of opponent colours R - G and (R + G) / 2 - B."""
    opponent = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    scatter = np.sqrt(max(0.0, float(np.trace(opponent @ covariance @ opponent.T))))
    return float(scatter + 0.3 * np.hypot(*(opponent @ mean)))


def _rank(covariance: np.ndarray) -> float:
    largest, second, _ = np.maximum(cv2.eigen(covariance)[1].ravel(), 0.0).tolist()
    return math.sqrt(second / largest) if largest > 0 else 0.0


def _hue_spread(squares: np.ndarray, by_lightness: np.ndarray) -> float:
    # of three times the distance from the gray axis, squared: 9 (R^2 + G^2 + B^2) - 3 (R + G + B)^2
    total = float(9 * np.trace(squares) - 3 * squares.sum())
    explained = float((by_lightness[:, 1:].astype(float) ** 2 / np.maximum(by_lightness[:, :1], 1)).sum())
    return float(np.sqrt(max(0.0, 1.0 - explained / total))) if total > 0 else 0.0
