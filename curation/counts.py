"""What is measured of counts, of which no display has bent or cut anything: the estimators that linear frames have."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from curation.artefacts import longest_streak
from curation.blocks import whole_blocks
from curation.canvas import shrink
from curation.focus import median_width
from curation.peaks import extrema
from curation.signal import MAD_TO_SIGMA, are_round, noise_sigma
from manifests.shapes import shapes

_SKY_SHARE = 0.25  # what lies lowest is sky, also where most of a frame is burnt or nebula
_ROWS_AT_ONCE = 512
_BRIGHT_SIGMA, _FLAT_SIGMA = 20.0, 0.5
_SHARP_SIGMA, _SHARP_RATIO, _SHARP_CONTRAST = 8.0, 5.0, 0.25
_SHARP_REACH_PX: Final = 7  # of the medians
_PEAK_SIGMA, _STAR_SIGMA = 6.0, 10.0
_STAR_REACH_PX: Final = 15  # half the side of the box around a star: blurred ones are wide
_FEWEST_STARS, _MOST_STARS = 5, 100
_TRAIL_SIDE_PX = 384
_TRAIL_SIGMA, _TRAIL_CAP, _TRAIL_FLOOR, _TRAIL_SOFT = 3.0, 8.0, 1.0, 3.0


def _line(degrees: float) -> np.ndarray:
    """The mean along a line of 31 px through the middle, as a filter."""
    half = 15
    across, down = half * math.cos(math.radians(degrees)), half * math.sin(math.radians(degrees))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    ends = [(round(half + sign * across), round(half + sign * down)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()


_LINES = tuple(_line(180.0 * turn / 24) for turn in range(24))


@dataclass(frozen=True)
class Counts:
    """Columns of the group Measurements in manifests/schema.py as counts have them."""

    noise_counts: float
    signal_to_noise: float
    dynamic_range_counts: float
    clipped_fraction: float
    clipped_blob_fraction: float
    channel_clipped_fraction: float
    speckle_per_mpx: float
    star_fwhm_px: float | None
    trail_length: float


def measure_counts(linear: np.ndarray, valid: np.ndarray, saturated_at: float | None) -> Counts:
    """Measure counts, float32 (H, W) or (3, H, W), over the valid pixels, bool (H, W), of which there are some.

    `saturated_at` is the count from which on the file says that pixels are saturated.
    """
    planes = [_filled(plane, valid) for plane in linear.reshape(-1, *valid.shape)]
    noises = [_noise(plane, valid) for plane in planes]
    light, sigma = planes[0], noises[0]
    if len(planes) > 1:
        light = np.mean(planes, axis=0)
        sigma = _noise(light, valid)
    low, median, high, top = np.percentile(light[valid], [1.0, 50.0, 99.0, 99.9]).tolist()
    burnt = [saturated(plane, valid, noise, saturated_at) for plane, noise in zip(planes, noises, strict=True)]
    everywhere, anywhere = np.logical_and.reduce(burnt), np.logical_or.reduce(burnt)
    unburnt = valid & ~anywhere
    hit = np.logical_or.reduce([sharp(plane, unburnt, noise) for plane, noise in zip(planes, noises, strict=True)])
    area = int(np.count_nonzero(valid))
    return Counts(
        noise_counts=sigma,
        signal_to_noise=(top - median) / sigma if sigma else 0.0,
        dynamic_range_counts=high - low,
        clipped_fraction=np.count_nonzero(everywhere) / area,
        clipped_blob_fraction=int(shapes(everywhere, everywhere, 8)[:, 4].max(initial=0)) / area,
        channel_clipped_fraction=np.count_nonzero(anywhere) / area,
        speckle_per_mpx=np.count_nonzero(hit) / area * 1e6,
        star_fwhm_px=star_fwhm(light, unburnt, sigma),
        trail_length=trail_length(light, valid, sigma),
    )


def saturated(plane: np.ndarray, valid: np.ndarray, sigma: float, level: float | None) -> np.ndarray:
    """Which pixels of a plane are saturated, bool (H, W): those from `level` on, and plateaus far above the sky.

    A plateau is where the counts of 3 x 3 pixels differ by half the noise of the sky at most, and are above the sky by
    twenty times that noise: light as bright has even more. It is found whatever its level, which flat fields and
    drizzling change from place to place.
    """
    bright = _sky(plane, valid) + _BRIGHT_SIGMA * sigma
    window = np.ones((3, 3), np.uint8)

    def plateaus(counts: np.ndarray, _: np.ndarray) -> np.ndarray:
        lowest = cv2.erode(counts, window)
        flat = (cv2.dilate(counts, window) - lowest <= _FLAT_SIGMA * sigma) & (lowest > bright)
        return cv2.dilate(flat.view(np.uint8), window).view(bool)

    found = _by_rows(plateaus, plane, valid, reach=2) & valid
    return found if level is None else found | ((plane >= level) & valid)


def sharp(plane: np.ndarray, valid: np.ndarray, sigma: float) -> np.ndarray:
    """Which pixels of a plane are sharper than any star, bool (H, W): hot pixels and the tracks of cosmic rays.

    L.A.Cosmic (van Dokkum 2001, PASP 113, 1420) in one pass: the Laplacian of the subsampled image, its negative part
    cut off and its median around taken away, must be eight times the noise, and the Laplacian five times the fine
    structure, as for undersampled stars. As the gain is not known, noise is that of the sky or, where larger, the
    typical deviation among 5 x 5 pixels; and what adds less than a quarter to the light around does no harm.
    """
    sky = _sky(plane, valid)

    def sharper(counts: np.ndarray, known: np.ndarray) -> np.ndarray:
        smooth = cv2.medianBlur(counts, 5)
        around = cv2.medianBlur(np.abs(counts - smooth), 5) / MAD_TO_SIGMA
        noise = np.maximum(around, sigma)
        fine = cv2.medianBlur(counts, 3)
        # the 7 x 7 median of L.A.Cosmic; of floats OpenCV has no such one
        wide = cv2.medianBlur(cv2.medianBlur(fine, 5), 5)
        edges = _laplacian(counts)
        least = np.maximum(_SHARP_SIGMA * noise, _SHARP_CONTRAST * (smooth - sky))
        return (edges - cv2.medianBlur(edges, 5) > least) & (edges > _SHARP_RATIO * (fine - wide)) & shrink(known, 2)

    return _by_rows(sharper, plane, valid, reach=_SHARP_REACH_PX)


def star_fwhm(plane: np.ndarray, valid: np.ndarray, sigma: float) -> float | None:
    """Median full width at half maximum of the stars of a plane, in native pixels; None below five.

    Stars are round maxima of a difference of Gaussians (1.2 and 4 px) by six times its noise, in a box of 31 x 31
    pixels without saturated ones, that stand ten times the noise above its rim and have none as bright on it. The
    first 100 in order of brightness speak for all.
    """
    fine = cv2.GaussianBlur(plane, (0, 0), 1.2)
    bumps = cv2.subtract(fine, cv2.GaussianBlur(plane, (0, 0), 4.0))
    inner = shrink(valid, _STAR_REACH_PX)
    inner[:_STAR_REACH_PX], inner[-_STAR_REACH_PX:] = False, False
    inner[:, :_STAR_REACH_PX], inner[:, -_STAR_REACH_PX:] = False, False
    if not inner.any():
        return None
    scatter = float(np.median(np.abs(bumps[inner]))) / MAD_TO_SIGMA
    y, x, _ = extrema(bumps, np.float32(_PEAK_SIGMA * scatter), inner)
    round_ones = are_round(fine, y, x)
    y, x = y[round_ones], x[round_ones]
    brightest = np.argsort(-fine[y, x], kind="stable")[:_MOST_STARS]
    y, x = y[brightest], x[brightest]
    reach = np.arange(-_STAR_REACH_PX, _STAR_REACH_PX + 1)
    boxes = plane[y[:, None, None] + reach[None, :, None], x[:, None, None] + reach[None, None, :]]
    return median_width(boxes, _STAR_SIGMA * sigma, _FEWEST_STARS)


def trail_length(plane: np.ndarray, valid: np.ndarray, sigma: float) -> float:
    """Length of the longest straight bright streak, in sides of the frame (the longer one); 0 where there is none.

    As `artefacts.trail_length`, of the inverse hyperbolic sine of counts over noise, where the mean of a ridge along 31
    px in some direction, each counted up to eight times the scatter, is above three times it: a faint trail counts as
    much as a burnt one, and stars, which are short, do not.
    """
    height, width = valid.shape
    factor = max(1, -(-max(height, width) // _TRAIL_SIDE_PX))
    size = width // factor, height // factor
    if min(size) < 16 or not sigma:
        return 0.0
    cut = np.s_[: size[1] * factor, : size[0] * factor]
    small = cv2.resize(plane[cut], size, interpolation=cv2.INTER_AREA)
    known = shrink(whole_blocks(valid, factor), 6)
    if not known.any():
        return 0.0
    level = _TRAIL_SOFT * np.arcsinh((small - _sky(small, known)) * (factor / (_TRAIL_SOFT * sigma)))
    ridge = cv2.morphologyEx(level.astype(np.float32), cv2.MORPH_TOPHAT, np.ones((7, 7), np.uint8))
    middle = float(np.median(ridge[known]))
    scatter = float(np.median(np.abs(ridge[known] - middle))) / MAD_TO_SIGMA
    # in units of the scatter; what stands out more, as stars do, counts no more
    lit = np.clip((ridge - middle) / max(scatter, _TRAIL_FLOOR), 0.0, _TRAIL_CAP) * known
    along = np.max([cv2.filter2D(lit, cv2.CV_32F, kernel) for kernel in _LINES], axis=0)
    return longest_streak((along > _TRAIL_SIGMA) & (lit > _TRAIL_SIGMA))


def _filled(plane: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The plane with the level of the sky where there is no data."""
    return np.where(valid, plane, np.float32(_sky(plane, valid)))


def _sky(plane: np.ndarray, valid: np.ndarray) -> float:
    return float(np.quantile(plane[valid], _SKY_SHARE))


def _noise(plane: np.ndarray, valid: np.ndarray) -> float:
    """Noise by second differences, or, where most pixels repeat their neighbours', the standard deviation."""
    return noise_sigma(plane, valid) or float(np.std(plane[valid], dtype=np.float64))


def _laplacian(counts: np.ndarray) -> np.ndarray:
    """The positive part of the Laplacian of the image with each pixel made 2 x 2, averaged back, over twice the step.

    A lone pixel has its height. Each of the four has two like itself beside it, one across and one below or above.
    """
    padded = cv2.copyMakeBorder(counts, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    above, below, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    total = np.zeros_like(counts)
    for across in (left, right):
        for along in (above, below):
            total += np.maximum(2.0 * counts - across - along, 0.0)
    return total / 8.0


def _by_rows(
    find: Callable[[np.ndarray, np.ndarray], np.ndarray], plane: np.ndarray, valid: np.ndarray, reach: int
) -> np.ndarray:
    """What a search marks in a plane, some rows at a time, so that large frames need no more memory than small ones.

    `reach` is how far away a pixel matters.
    """
    found = np.empty(valid.shape, bool)
    for start in range(0, len(plane), _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, len(plane))
        low, high = max(0, start - reach), min(len(plane), stop + reach)
        found[start:stop] = find(plane[low:high], valid[low:high])[start - low : stop - low]
    return found
