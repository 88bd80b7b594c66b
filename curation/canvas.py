"""The views of a frame that the measurements share, made once: no-data filled, reduced to a common working size."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from curation.scans import level_counts
from manifests.frames import Frame

_LONGEST_PX = 640
_BAND_PX, _BANDS = 32, 12


@dataclass(frozen=True)
class Canvas:
    """A frame at native and at working size.

    `native` and `gray` are uint8 with no-data painted in the median colour of the valid area, so that no value that
    was there before can leak; `valid` is bool. `small`, `small_gray`, `small_valid` are the same, averaged over blocks
    of `factor` pixels so that the longer side has at most 640; `inner` is `small_valid` less a rim of six pixels.
    `half`, `half_gray`, `half_valid` are the frame averaged over 2 x 2 pixels, `half_bands` its red, green and blue.
    `half_darkest` and `half_brightest` are the least and the largest of these, `small_brightest` that at working size.
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
    half_bands: tuple[np.ndarray, ...]
    half_darkest: np.ndarray
    half_brightest: np.ndarray
    factor: int
    small_brightest: np.ndarray


def canvas(frame: Frame) -> Canvas:
    """Prepare the views of a frame that has at least one valid pixel."""
    native = frame.filled
    factor = max(1, -(-max(frame.valid.shape) // _LONGEST_PX))
    half, half_valid = reduce(native, frame.valid, 2)
    half_bands = cv2.split(half)
    half_darkest, half_brightest = extremes(half_bands)
    small, small_valid = (half, half_valid) if factor == 2 else reduce(native, frame.valid, factor)
    half_gray = luminance(half)
    small_gray = frame.gray if factor == 1 else half_gray if factor == 2 else luminance(small)
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
        half_bands=tuple(half_bands),
        half_darkest=half_darkest,
        half_brightest=half_brightest,
        factor=factor,
        small_brightest=half_brightest if factor == 2 else extremes(cv2.split(small))[1],
    )


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601, uint8 (H, W), of an RGB picture."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def extremes(bands: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest of three channels at each pixel, uint8 (H, W) each."""
    red, green, blue = bands
    return cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)


def reduce(picture: np.ndarray, valid: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Average blocks of `factor` pixels; returns the uint8 picture and which blocks are valid throughout.

    Rows and columns that fill no whole block are dropped.
    """
    height, width = valid.shape[0] // factor, valid.shape[1] // factor
    if factor == 1 or height == 0 or width == 0:
        return picture, valid
    cut = np.s_[: height * factor, : width * factor]
    return cv2.resize(picture[cut], (width, height), interpolation=cv2.INTER_AREA), reduce_mask(valid, factor)


def reduce_mask(valid: np.ndarray, factor: int) -> np.ndarray:
    """Which blocks of `factor` pixels are valid throughout; rows and columns that fill no whole block are dropped."""
    height, width = valid.shape[0] // factor, valid.shape[1] // factor
    if factor == 1 or height == 0 or width == 0:
        return valid
    if valid.all():
        return np.ones((height, width), bool)
    cut = valid[: height * factor, : width * factor].view(np.uint8)
    flags = cv2.threshold(cut, 0, 255, cv2.THRESH_BINARY)[1]
    return cv2.resize(flags, (width, height), interpolation=cv2.INTER_AREA) == 255


def bands(height: int) -> list[slice]:
    """Rows that stand for all of a picture where its pixels are looked at one by one: twelve bands of 32, or all."""
    if height <= _BANDS * _BAND_PX:
        return [slice(0, height)]
    starts = np.linspace(0, height - _BAND_PX, _BANDS).astype(int).tolist()
    return [slice(start, start + _BAND_PX) for start in starts]


def shrink(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask without the pixels nearer than `pixels` to its holes; the border of the picture is no hole."""
    if mask.all():
        return mask
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.erode(mask.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1).view(bool)


def histogram(plane: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Counts of the 256 levels of a uint8 plane under the mask, float64 (256,)."""
    return level_counts(np.ascontiguousarray(plane), np.ascontiguousarray(mask)).astype(np.float64)


def histogram_quantile(counts: np.ndarray, share: float) -> float:
    """Level below which `share` of the counts lie; 0 where there are none."""
    cumulative = counts.cumsum()
    return float(np.searchsorted(cumulative, share * cumulative[-1])) if cumulative[-1] else 0.0
