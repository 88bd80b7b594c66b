"""Which pixels of a stretched picture hold no data: the white or black void around and between detector chips."""

import cv2
import numpy as np

_WHITE = 252  # HLA previews paint no-data 255; JPEG moves it by up to three levels
_BLACK = 2
_MIN_AREA = 0.004  # of the frame: smaller flat patches are star cores or clipped sky
_WORK_SIDE = 512
_MAX_CORNERS = 24  # WFPC2 staircases and chip pairs have 4 to 12, nebulae on clipped sky 33 and more


def valid_mask(rgb: np.ndarray) -> np.ndarray:
    """Mask of the pixels that hold data, bool (H, W), for an 8-bit picture (H, W, 3).

    No-data is a large flat patch of white or black that touches the border and has the outline of detector chips:
    few straight edges. Sky that was clipped to black is flat too, but its outline is ragged and stars dot it.
    White chip gaps inside the frame count as well: a gap is flat, thin and straight.
    """
    height, width = rgb.shape[:2]
    shrink = max(1, round(max(height, width) / _WORK_SIDE))
    darkest, brightest = rgb.min(axis=2), rgb.max(axis=2)
    void = np.zeros((height, width), bool)
    for flat, may_be_inside in ((darkest >= _WHITE, True), (brightest <= _BLACK, False)):
        if flat.mean() < _MIN_AREA / 4:
            continue
        void |= _void(flat, shrink, may_be_inside)
    return ~void


def _void(flat: np.ndarray, shrink: int, may_be_inside: bool) -> np.ndarray:
    """No-data among the flat pixels: large or thin straight components, grown back to the flat pixels around them."""
    height, width = flat.shape
    small = cv2.resize(
        flat.astype(np.float32),
        (max(1, width // shrink), max(1, height // shrink)),
        interpolation=cv2.INTER_AREA,
    )
    core = cv2.morphologyEx((small > 0.9).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=4)
    keep = np.zeros_like(core)
    for label in range(1, count):
        x, y, w, h, area = stats[label]
        touches = x == 0 or y == 0 or x + w == core.shape[1] or y + h == core.shape[0]
        if area < _MIN_AREA * core.size and not (may_be_inside and max(w, h) > 0.2 * max(core.shape)):
            continue
        part = (labels == label).astype(np.uint8)
        if _has_straight_outline(part) and (touches or may_be_inside):
            keep = np.maximum(keep, part)
    if not keep.any():
        return np.zeros_like(flat)
    grown = cv2.dilate(keep, np.ones((5, 5), np.uint8))
    full = cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    return full & flat


def _has_straight_outline(part: np.ndarray) -> bool:
    """Whether a polygon of a few corners covers the component: chips have straight edges, clipped sky has not."""
    contours, hierarchy = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outline = np.zeros_like(part)
    corners = 0
    for contour, links in zip(contours, hierarchy[0], strict=True):
        is_hole = links[3] >= 0
        # specks inside the void are compression noise; a large hole is the picture itself
        if is_hole and cv2.contourArea(contour) < 0.002 * part.size:
            cv2.drawContours(outline, [contour], -1, 1, cv2.FILLED)
            continue
        polygon = cv2.approxPolyDP(contour, 0.008 * max(part.shape), True)
        corners += len(polygon)
        cv2.drawContours(outline, [polygon], -1, 0 if is_hole else 1, cv2.FILLED)
    union = int((outline | part).sum())
    agreement = int((outline & part).sum()) / union if union else 0.0
    return corners <= _MAX_CORNERS and agreement >= 0.93
