"""The views of a frame that the measurements share, made once: no-data filled, reduced to a common working size."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from curation.blocks import halved, quartered, whole_blocks
from curation.scans import level_counts, quantile_of_counts
from manifests.frames import Frame, luma, on_backdrop
from manifests.planes import extremes

_LONGEST_PX = 640
_COARSE_PX = 4  # of the half-size picture, as `quartered` has it


@dataclass(frozen=True)
class Canvas:
    """A frame at native and at working size.

    `native` is uint8 as it is, `gray` its luminance with no-data painted in the median colour of the valid area;
    `valid` is bool. `small`, `small_gray`, `small_valid` are averages over blocks of `factor` pixels, so that the
    longer side has at most 640, with blocks that are not valid throughout painted like that, so that no value that was
    there before can leak; `inner` is `small_valid` less a rim of six pixels. `half`, `half_gray`, `half_valid` are the
    same of 2 x 2 pixels, `half_bands` its red, green and blue (3, h, w), `half_darkest` and `half_brightest` the least
    and the largest of these, `small_brightest` that at working size. `coarse` and `coarse_valid` are averages of 8 x 8
    pixels.
    """

    native: np.ndarray
    gray: np.ndarray
    valid: np.ndarray
    small: np.ndarray
    small_gray: np.ndarray
    small_valid: np.ndarray
    inner: np.ndarray
    half: np.ndarray
    half_gray: np.ndarray
    half_valid: np.ndarray
    half_bands: np.ndarray
    half_darkest: np.ndarray
    half_brightest: np.ndarray
    coarse: np.ndarray
    coarse_valid: np.ndarray
    factor: int
    small_brightest: np.ndarray


def canvas(frame: Frame) -> Canvas:
    """Prepare the views of a frame that has at least one valid pixel, and 8 pixels a side."""
    factor = max(1, -(-max(frame.valid.shape) // _LONGEST_PX))
    backdrop = np.zeros(3, np.uint8) if frame.backdrop is None else frame.backdrop
    native = np.ascontiguousarray(frame.rgb)
    half, half_bands, half_valid, half_gray, half_darkest, half_brightest = halved(native, frame.valid, backdrop)
    if factor == 2:
        small, small_valid, small_gray, small_brightest = half, half_valid, half_gray, half_brightest
    else:
        small, small_valid = reduce(native, frame.valid, factor)
        small = on_backdrop(small, small_valid, frame.backdrop)
        small_gray = frame.gray if factor == 1 else luma(small)
        small_brightest = extremes(small)[1]
    return Canvas(
        native=native,
        gray=frame.gray,
        valid=frame.valid,
        small=small,
        small_gray=small_gray,
        small_valid=small_valid,
        inner=shrink(small_valid, 6),
        half=half,
        half_gray=half_gray,
        half_valid=half_valid,
        half_bands=half_bands,
        half_darkest=half_darkest,
        half_brightest=half_brightest,
        coarse=quartered(half),
        coarse_valid=whole_blocks(half_valid, _COARSE_PX),
        factor=factor,
        small_brightest=small_brightest,
    )


def reduce(picture: np.ndarray, valid: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Average blocks of `factor` pixels; returns the uint8 picture and which blocks are valid throughout.

    Rows and columns that fill no whole block are dropped.
    """
    height, width = valid.shape[0] // factor, valid.shape[1] // factor
    if factor == 1 or height == 0 or width == 0:
        return picture, valid
    cut = np.s_[: height * factor, : width * factor]
    return cv2.resize(picture[cut], (width, height), interpolation=cv2.INTER_AREA), whole_blocks(valid, factor)


def shrink(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask without the pixels nearer than `pixels` to its holes; the border of the picture is no hole."""
    if mask.all():
        return mask
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.erode(mask.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1).view(bool)


def sparse_step(pixels: int, samples: int) -> int:
    """Step between rows and columns that leaves about so many samples of a plane of so many pixels.

    Odd, so that all places of the blocks of 8 x 8 pixels in which JPEG leaves its noise are seen alike.
    """
    return math.ceil(math.sqrt(pixels / samples)) | 1


def histogram(plane: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Counts of the 256 levels of a uint8 plane under the mask, float64 (256,)."""
    return level_counts(np.ascontiguousarray(plane), np.ascontiguousarray(mask)).astype(np.float64)


def histogram_quantile(counts: np.ndarray, share: float) -> float:
    """Level below which `share` of the counts lie; 0 where there are none."""
    return float(quantile_of_counts(counts, share))
