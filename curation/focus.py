"""How sharp a frame is: the width of its stars, and how steep its edges are against those of the frame at half size."""

from typing import Final

import numpy as np

from curation.canvas import Canvas, histogram_quantile, sparse_step
from curation.peaks import areas_above, boxes_around, half_heights
from curation.scans import steepness_counts

_REACH_PX: Final = 7  # half the side of the box around a star
_MIN_STARS, _MAX_STARS = 10, 100
_MIN_HEIGHT_DN = 25.0
_MAX_LEVEL_DN = 245.0  # clipped cores look wider than they are
_STEEP_SHARE = 0.995
_MIN_EDGE_DN = 1.0
_SAMPLES = 40_000


def star_fwhm(view: Canvas, y: np.ndarray, x: np.ndarray) -> float | None:
    """Median full width at half maximum of the stars at these peaks, in native pixels; None below 10 stars.

    The width of the disc that has as many pixels above half the star's height, counted on a grid of half pixels in a
    box of 15 x 15 working pixels. Height counts from the median of the box's rim; clipped, faint and crowded peaks
    (light above the half height on the rim) are left out. The first 100 stars in order of brightness speak for all.
    """
    if len(y) < _MIN_STARS:
        return None
    boxes = boxes_around(view.small_gray, y, x, _REACH_PX, _MAX_LEVEL_DN, _MAX_STARS)
    width_px = median_width(boxes, _MIN_HEIGHT_DN, _MIN_STARS)
    return None if width_px is None else width_px * view.factor


def median_width(boxes: np.ndarray, least: float, fewest: int) -> float | None:
    """Median full width at half maximum of the peaks in the middle of float32 boxes (n, side, side), in pixels.

    Peaks less high than `least` above the median of the box's rim, and those with light above the half height on it,
    do not count; None where fewer than `fewest` do.
    """
    half = half_heights(boxes, least)
    alone = np.isfinite(half)
    if alone.sum() < fewest:
        return None
    areas = areas_above(boxes[alone], half[alone])
    return float(2.0 * np.sqrt(np.median(areas) / np.pi))


def edge_sharpness(view: Canvas) -> float | None:
    """Steepest luminance gradients over those of the same frame at half size; None where the frame has no edges.

    The 99.5th percentiles of the gradient per pixel (central differences), of large frames at every second or third
    row and column. Halving doubles the slope of a wide ramp,
    so that a blurred or enlarged frame comes to 0.5, and leaves a step as it was, so that a sharp one comes to 1.
    """
    whole = _steepest(view.gray, view.valid)
    half = _steepest(view.half_gray, view.half_valid)
    return None if whole is None or half is None or half < _MIN_EDGE_DN else whole / half


def _steepest(gray: np.ndarray, valid: np.ndarray) -> float | None:
    """99.5th percentile of the larger of the two central differences, DN/px; None where there is none."""
    counts = steepness_counts(gray, valid, sparse_step(gray.size, _SAMPLES))
    return histogram_quantile(counts, _STEEP_SHARE) / 2.0 if counts.any() else None
