"""How contrast is spread over scales: grain of enlarged or summed-up noise, and the texture of paint, cloud and sky."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import cv2
import numpy as np

from curation.blocks import known_means
from curation.canvas import Canvas
from curation.signal import colour_noise

_GRAIN_FLOOR_DN = 0.25
_TEXTURE_MIN_PX, _FINEST_PX, _TEXTURE_BLOCKS = 64, 4, 128
_CONTRAST_FLOOR_DN = 0.3  # what JPEG and eight bits leave of an even picture
_OCTAVES = 3


def signal_to_grain(view: Canvas, height_dn: float) -> float | None:
    """Height of the light above the median (DN) over the colour noise that is left after averaging 8 x 8 pixels.

    Stamps that were enlarged several times have grain of many pixels, which no estimate of noise from pixel to pixel
    finds; real colour seldom changes as fast. None where fewer than 200 such blocks can be used.
    """
    grain = colour_noise(cv2.split(view.coarse), view.coarse_valid)
    return None if grain is None else height_dn / max(_GRAIN_FLOOR_DN, grain)


def octave_contrasts(view: Canvas) -> tuple[float | None, ...]:
    """Contrast at 4, 8 and 16 px over that at twice the scale, natural logarithm, of a frame of 512 px at working size.

    The standard deviations of the bands of a Laplacian pyramid (Burt and Adelson 1983, IEEE Trans. Comm. 31, 532) whose
    finest level averages 4 x 4 pixels, of larger frames as many as leave 128, each pixel counting for as much as is
    valid of it. None where the frame is smaller than 64 px or no pixel is valid.
    """
    height, width = view.small_gray.shape
    if min(height, width) < _TEXTURE_MIN_PX or not view.small_valid.any():
        return (None,) * _OCTAVES
    side = max(_FINEST_PX, round(max(height, width) / _TEXTURE_BLOCKS))
    level, shares = known_means(view.small_gray, view.small_valid, side)
    known = None if view.small_valid.all() else shares
    contrast = []
    for _ in range(_OCTAVES + 1):
        coarser, known_coarser = _averaged(cv2.pyrDown, level, known)
        enlarge = partial(cv2.pyrUp, dstsize=level.shape[::-1])
        band = cv2.subtract(level, _averaged(enlarge, coarser, known_coarser)[0])
        contrast.append(_spread(band, known) + _CONTRAST_FLOOR_DN)
        level, known = coarser, known_coarser
    # OpenCV sums in an order that depends on where a plane lies in memory
    return tuple(round(math.log(finer / next_one), 6) for finer, next_one in pairwise(contrast))


def _averaged(
    smooth: Callable[[np.ndarray], np.ndarray], plane: np.ndarray, known: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """A smoothed plane and how much of it is known: each pixel counts for as much as it is known.

    Normalized convolution (Knutsson and Westin 1993, CVPR, 515); `known` is None where all is.
    """
    if known is None:
        return smooth(plane), None
    weight = smooth(known)
    return cv2.divide(smooth(cv2.multiply(plane, known)), np.maximum(weight, 1e-6)), weight


def _spread(band: np.ndarray, known: np.ndarray | None) -> float:
    """Standard deviation of a float32 plane, each pixel counting for as much as it is known; all alike where None.

    Sums of products, as a library for matrices would start threads of its own in every process that measures.
    """
    if known is None:
        return float(cv2.meanStdDev(band)[1][0, 0])
    weighted = cv2.multiply(band, known)
    total, first, second = (cv2.sumElems(one)[0] for one in (known, weighted, cv2.multiply(weighted, band)))
    return math.sqrt(max(0.0, second / total - (first / total) ** 2))
