"""What detectors, satellites and file formats leave in a frame: speckle, trails, blocks, stripes, seams."""

import math
import statistics

import cv2
import numpy as np

from curation.canvas import Canvas, histogram, histogram_quantile, reduce, sparse_step
from curation.profiles import largest_jump, line_sums, phase_medians, step_profiles, step_profiles_within, typical_bend
from curation.scans import lone_pixels, paired_differences, products_within

_SPECKLE_SIGMA, _SPECKLE_MIN_DN = 8.0, 24.0
_TRAIL_SIDE_PX = 384
_TRAIL_MIN_DN, _TRAIL_MAX_SHARE = 8.0, 0.03
_TRAIL_MIN_LENGTH = 0.2  # of the longer side
_BLOCK_PX = 8
_BLOCK_MAX_STEP_DN = 12
_STEP_MAX_DN = 24
_SEAM_REACH_PX = 4
_WHOLE_LINE = 0.25  # of the longest valid row or column: the mean of a shorter one is mostly chance
_GRAIN_RANGE, _GRAIN_SAMPLES = (6, 246), 10_000


def speckle(view: Canvas, noise: float | None) -> float:
    """Single pixels that stand out of all their eight neighbours in a channel, per million valid pixels.

    By more than eight times the noise and 24 DN: a star is wider than a pixel, a hot pixel or the track of a cosmic ray
    is not (van Dokkum 2001, PASP 113, 1420, draws the same line between the two).
    """
    cut = int(max(_SPECKLE_SIGMA * (noise or 0.0), _SPECKLE_MIN_DN))
    found, area = lone_pixels(view.native, view.valid, cut)
    return found / max(1, area) * 1e6


def trail_length(view: Canvas) -> float:
    """Length of the longest straight bright streak, in sides of the frame (the longer one); 0 where there is none.

    A probabilistic Hough transform (Matas et al. 2000, CVIU 78, 119) of narrow ridges on the frame binned to 384 px,
    the 3 % brightest of them at most. Diffraction spikes count too, but are seldom a fifth of the frame.
    """
    gray, valid = reduce(view.small_gray, view.inner, max(1, -(-max(view.small_gray.shape) // _TRAIL_SIDE_PX)))
    if min(gray.shape) < 16:
        return 0.0
    ridge = cv2.morphologyEx(gray, cv2.MORPH_TOPHAT, np.ones((7, 7), np.uint8))
    counts = histogram(ridge, valid)
    cut = max(_TRAIL_MIN_DN, histogram_quantile(counts, 1.0 - _TRAIL_MAX_SHARE))
    return longest_streak((ridge > cut) & valid)


def longest_streak(lit: np.ndarray) -> float:
    """Length of the longest straight run of lit pixels of a bool mask (H, W), in its longer side.

    0 where none is a fifth of that long.
    """
    side = max(lit.shape)
    shortest = _TRAIL_MIN_LENGTH * side
    lines = cv2.HoughLinesP(
        lit.view(np.uint8), 1, np.pi / 180, int(0.6 * shortest), minLineLength=shortest, maxLineGap=4
    )
    if lines is None:
        return 0.0
    x0, y0, x1, y1 = lines.reshape(-1, 4).T.astype(np.float64)
    return float(np.hypot(x1 - x0, y1 - y0).max() / side)


def blockiness(view: Canvas) -> float | None:
    """Luminance step across the borders of 8 px blocks over the step elsewhere, the mean of both axes; 1 where unseen.

    Wang, Sheikh and Bovik 2002 (ICIP, 477) measure the same borders. The grid may start anywhere, because pictures
    are cropped; steps count up to 12 DN. None where the valid area is smaller than four blocks or has no steps.
    """
    found = []
    for profile in _steps(view.gray, view.valid, _BLOCK_MAX_STEP_DN):
        phases = phase_medians(profile, _BLOCK_PX).tolist()
        elsewhere = statistics.median(phases) if phases else 0.0
        if elsewhere <= 0:
            return None
        found.append(max(phases) / elsewhere)
    return math.fsum(found) / 2


def stripes(view: Canvas, median_dn: float) -> float:
    """Banding: typical difference of the mean luminance of a row or column from its two neighbours', DN.

    The larger of rows and columns, of their valid parts; light above the median level (DN) counts as that, so that
    stars do not matter.
    """
    sums = line_sums(view.small_gray, view.inner, int(median_dn))
    return max(typical_bend(total, known, _WHOLE_LINE) for total, known in sums)


def seam(view: Canvas) -> float:
    """How much the luminance jumps across one whole row or column more than beside it, DN, the largest such jump.

    Panels of a collage, chip seams and frames within the frame have one; steps count up to 24 DN a pixel. Whole means
    its valid part, of at least a quarter of the longest.
    """
    return max(largest_jump(one, _SEAM_REACH_PX) for one in _steps(view.small_gray, view.inner, _STEP_MAX_DN))


def _steps(gray: np.ndarray, valid: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean steps to the next column and to the next row over the valid area; NaN for short columns and rows."""
    if valid.all():
        return step_profiles(gray, most)
    return step_profiles_within(gray, valid, most, _WHOLE_LINE)


def channel_noise_correlation(view: Canvas) -> float | None:
    """Correlation of the grain of red and blue at half size, -1 to 1; None where fewer than 200 pixels can be used.

    Exposures through different filters have grain of their own; one exposure in a tint, a drawing and a picture
    that was toned as a whole share theirs. Second differences (Immerkaer 1996) of at most four times their median.
    """
    red, _, blue = view.half_bands
    step = sparse_step(red.size, _GRAIN_SAMPLES)
    found = paired_differences(red, blue, view.half_valid, step, *_GRAIN_RANGE)
    if found.shape[1] < 200:
        return None
    number, one, two, one_one, two_two, both = products_within(found, 4.0).tolist()
    spread = math.sqrt((number * one_one - one * one) * (number * two_two - two * two)) if number >= 200 else 0.0
    return (number * both - one * two) / spread if spread > 0 else None
