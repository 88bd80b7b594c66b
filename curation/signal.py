"""How much light and how much noise: noise, clipping, levels and stars of a frame, over the valid area only."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from curation.blocks import known_means
from curation.canvas import Canvas, histogram, histogram_quantile, reduce, shrink, sparse_step
from curation.peaks import blurred_above, extrema, median_size
from curation.scans import clip_counts, difference_counts, skewness_of_counts
from manifests.compiled import compiled
from manifests.shapes import shapes

# Immerkaer 1996, "Fast noise variance estimation", CVIU 64, 300: the difference of two Laplacians, blind to planes.
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_IMMERKAER_GAIN = 6.0  # root of the sum of the squared weights
MAD_TO_SIGMA = 0.6744897501960817
# outside this range the local mean says that noise was cut off at black or white
_NOISE_RANGE = (4, 248)
_CLIPPED_DN = 240  # enlarging, palettes and JPEG leave what was clipped at 243 to 255
_MIN_SAMPLES, _SAMPLES, _NOISE_SAMPLES, _LEVEL_SAMPLES = 200, 8_000, 10_000, 150_000
_SIGNAL_SIGMA, _SIGNAL_MIN_DN = 5.0, 15.0
_FINE_PX, _WIDE_PX = 1.2, 4.0
_WIDE_BLOCK_PX, _WIDE_BLUR = 4, 0.9  # averaging blocks blurs too: together with this, in blocks, about `_WIDE_PX`
_PEAK_SIGMA = 6.0
_PEAK_MIN_DN = 12.0
_ROUND_RATIO = 2.2  # of the two curvatures of a peak: stars and round cores stay below


@dataclass(frozen=True)
class Clipping:
    """Shares of the valid area: all channels clipped, the largest connected such blob, any channel clipped, black."""

    all_channels: float
    largest_blob: float
    any_channel: float
    black: float


@dataclass(frozen=True)
class Levels:
    """Luminance over the valid area, DN: median, percentiles; and the skewness of its distribution."""

    median: float
    p999: float
    range_98: float
    skewness: float


@dataclass(frozen=True)
class Peaks:
    """Local maxima: how many per million pixels, and which share of them is round like a star (None below 10).

    `dip_share` is the share of local minima, as deep, among both; `y` and
    `x` are where the round ones are, at working size.
    """

    per_mpx: float
    round_share: float | None
    dip_share: float | None
    y: np.ndarray
    x: np.ndarray


def noise_sigma(plane: np.ndarray, valid: np.ndarray) -> float | None:
    """Standard deviation of the noise of a plane (H, W) in its own units, by second differences.

    Immerkaer's mask with the median in place of the mean of the absolute response, which stays within a few per cent
    of the truth in crowds and nebulae. None where fewer than 200 pixels can be used. For uint8 planes only
    places whose mean of 3 x 3 pixels is well inside the range count, because clipping removes noise, and of large ones
    every second, third or so, as the median does not need them all.
    """
    if plane.dtype == np.uint8:
        step = sparse_step(plane.size, _NOISE_SAMPLES)
        counts = difference_counts(plane, valid, step, *_NOISE_RANGE)
        median = _median_of_counts(counts) if counts.sum() >= _MIN_SAMPLES else None
    else:
        response = cv2.filter2D(np.where(valid, plane, 0).astype(np.float32), cv2.CV_32F, _IMMERKAER)
        response = np.abs(response[shrink(valid, 1)])
        median = float(np.median(response)) if response.size >= _MIN_SAMPLES else None
    return None if median is None else median / (_IMMERKAER_GAIN * MAD_TO_SIGMA)


def coarse_noise_sigma(view: Canvas, factor: int) -> float | None:
    """Noise of the luminance after averaging blocks of `factor` pixels, DN: what drizzling or enlarging correlated.

    `factor` is even.
    """
    return noise_sigma(*reduce(view.half_gray, view.half_valid, factor // 2))


def chroma_noise_sigma(view: Canvas) -> float | None:
    """Noise of the colour differences R-G and B-G at half size, added in quadrature, DN."""
    return colour_noise(view.half_bands, view.half_valid)


def colour_noise(bands: Iterable[np.ndarray], valid: np.ndarray) -> float | None:
    """Noise of R-G and B-G of three uint8 channels (H, W), added in quadrature, DN; None as of `noise_sigma`."""
    red, green, blue = bands
    parts = []
    for band in (red, blue):
        # halved to fit eight bits around 128; noise_sigma then drops what clips
        sigma = noise_sigma(cv2.addWeighted(band, 0.5, green, -0.5, 128.0), valid)
        if sigma is None:
            return None
        parts.append(2.0 * sigma)
    return math.hypot(*parts)


def levels(view: Canvas) -> Levels:
    """Levels of the luminance over the valid area; of large frames every second, third or so row speaks for it."""
    step = max(1, view.gray.size // _LEVEL_SAMPLES)
    counts = histogram(view.gray[::step], view.valid[::step])
    if not counts.any():
        counts = histogram(view.gray, view.valid)
    low, median, high, top = (histogram_quantile(counts, share) for share in (0.01, 0.5, 0.99, 0.999))
    return Levels(median, top, high - low, skewness_of_counts(counts))


def signal_fraction(view: Canvas) -> float:
    """Share of the valid area that stands out from the sky, after averaging 2 x 2 pixels.

    Out of the sky means above its level, the lower quartile, by five times the noise and by 15 DN. A frame of noise
    has none, one of a few stars a per cent or two.
    """
    gray, valid = reduce(view.small_gray, view.inner, 2)
    noise = noise_sigma(gray, valid) or 0.0
    counts = histogram(gray, valid)
    if not counts.sum():
        return 0.0
    cut = histogram_quantile(counts, 0.25) + max(_SIGNAL_SIGMA * noise, _SIGNAL_MIN_DN)
    return float(counts[int(cut) + 1 :].sum() / counts.sum())


def clipping(view: Canvas) -> Clipping:
    """Share of the valid area, at half size, that is clipped or black, and the largest blob clipped in all channels.

    Requiring all channels keeps coloured stars and nebulae out; a star core is a small blob, a burnt nebula is not.
    """
    counts = clip_counts(view.half_darkest, view.half_brightest, view.half_valid, _CLIPPED_DN, _NOISE_RANGE[0])
    every, some, black, known = counts
    area, blob = max(1, known), 0
    if every:
        clipped = (view.half_darkest >= _CLIPPED_DN) & view.half_valid
        blob = int(shapes(clipped, clipped, 8)[:, 4].max())
    return Clipping(every / area, blob / area, some / area, black / area)


def peaks(view: Canvas) -> Peaks:
    """Count maxima of a difference of Gaussians (1.2 and 4 px at working size) above six times its noise and 12 DN.

    Minima are counted alike: light on a dark sky has few, a photograph or a painting has as many as maxima.
    """
    area = np.count_nonzero(view.inner)
    if area < _MIN_SAMPLES:
        return Peaks(0.0, None, None, np.empty(0, np.intp), np.empty(0, np.intp))
    fine, bumps = difference_of_blurs(view.small_gray)
    step = max(1, int(math.sqrt(area / _SAMPLES)))
    scatter = median_size(bumps, view.inner, step) / MAD_TO_SIGMA
    cut = max(_PEAK_SIGMA * scatter, _PEAK_MIN_DN)
    y, x, dips = extrema(bumps, np.float32(cut), view.inner)
    both = len(y) + dips
    round_ones = are_round(fine, y, x)
    return Peaks(
        per_mpx=len(y) / area * 1e6,
        round_share=float(round_ones.mean()) if len(y) >= 10 else None,
        dip_share=dips / both if both >= 10 else None,
        y=y[round_ones],
        x=x[round_ones],
    )


def difference_of_blurs(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A uint8 plane (H, W) blurred by a Gaussian of 1.2 px, and what that is above one of 4 px, float32 (H, W) each.

    The wide blur is made of means of 4 x 4 pixels, and planes of less than 8 pixels a side have none of their own.
    """
    if min(gray.shape) < 2 * _WIDE_BLOCK_PX:
        fine = cv2.GaussianBlur(gray.astype(np.float32), (7, 7), _FINE_PX)
        return fine, cv2.subtract(fine, cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _WIDE_PX))
    means, _ = known_means(gray, np.ones(gray.shape, np.bool_), _WIDE_BLOCK_PX)
    taps = cv2.getGaussianKernel(7, _FINE_PX, cv2.CV_32F)[3:, 0]
    return blurred_above(gray, taps, cv2.GaussianBlur(means, (0, 0), _WIDE_BLUR), _WIDE_BLOCK_PX)


def are_round(smooth: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Which peaks' curvatures are both downward and differ by less than 2.2 times (Lowe 2004, section 4.1)."""
    centre = smooth[y, x]
    d_xx = smooth[y, x + 1] + smooth[y, x - 1] - 2 * centre
    d_yy = smooth[y + 1, x] + smooth[y - 1, x] - 2 * centre
    d_xy = (smooth[y + 1, x + 1] + smooth[y - 1, x - 1] - smooth[y + 1, x - 1] - smooth[y - 1, x + 1]) / 4
    trace, determinant = d_xx + d_yy, d_xx * d_yy - d_xy**2
    limit = (_ROUND_RATIO + 1) ** 2 / _ROUND_RATIO
    return (trace < 0) & (determinant > 0) & (trace**2 < limit * determinant)


@compiled
def _median_of_counts(counts):  # type: ignore[no-untyped-def]
    """Median of absolute whole numbers given their counts, each spread evenly over the unit around it."""
    half = counts.sum() / 2
    value, below = 0, 0
    while below + counts[value] < half:
        below += counts[value]
        value += 1
    low = max(0.0, value - 0.5)
    return low + (value + 0.5 - low) * (half - below) / counts[value]
