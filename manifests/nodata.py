"""Which pixels of a stretched picture hold no data: the white or black void around and between detector chips."""

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from manifests.planes import enlarged_within, left_over, voidlike
from manifests.shapes import find_shapes

# Sure and possible levels of a void. HLA previews paint it 255, and JPEG rings around the edges of a chip by tens of
# levels; black has no such room, as the sky beside it is nearly black too.
_WHITE, _NEAR_WHITE = 252, 225
_BLACK = 2

_WORK_SIDE = 512
_MIN_AREA = 0.004  # of the frame: smaller flat patches are star cores or clipped sky
_MAX_CORNERS = 24  # WFPC2 staircases and chip pairs have 4 to 12, nebulae on clipped sky 33 and more
_SLIVER_LENGTH, _SLIVER_AREA = 0.08, 0.1  # of the longer side, of the frame
_GAP_LENGTH, _GAP_WIDTH = 0.25, 0.05  # of the longer side: a gap between chips inside the frame


def valid_mask(rgb: np.ndarray) -> np.ndarray:
    """Mask of the pixels that hold data, bool (H, W), for an 8-bit picture (H, W, 3).

    No-data is a large flat patch of white or black that touches the border and has the outline of detector chips:
    few straight edges. Sky that was clipped to black is flat too, but its outline is ragged and stars dot it. White
    gaps between chips count as well where they are long and thin.
    """
    white, near_white, black, number_white, number_black = voidlike(
        np.ascontiguousarray(rgb), _WHITE, _NEAR_WHITE, _BLACK
    )
    least = _MIN_AREA / 4 * white.size
    voids = []
    if number_white > least:
        voids.append(_void(white, near_white, gaps=True))
        voids.append(_slivers(white, near_white, voids[0]))
    if number_black > least:
        voids.append(_void(black, black, gaps=False))
    found = [void for void in voids if void is not None]
    return reduce(cv2.bitwise_or, found) == 0 if found else np.ones(white.shape, bool)


def _void(sure: np.ndarray, possible: np.ndarray, gaps: bool) -> np.ndarray | None:
    """No-data among the possible pixels: components that hold sure ones and have the shape of a void.

    Masks are uint8 (H, W), 0 or 255, here and below; None where there is no such component.
    """
    height, width = sure.shape
    shrink = max(1, round(max(height, width) / _WORK_SIDE))
    size = (max(1, width // shrink), max(1, height // shrink))
    kernel = np.ones((3, 3), np.uint8)
    seeds = cv2.morphologyEx(_shrunk(sure, size), cv2.MORPH_OPEN, kernel)
    core = seeds if possible is sure else cv2.morphologyEx(_shrunk(possible, size), cv2.MORPH_OPEN, kernel)
    found = find_shapes(core.view(bool), seeds.view(bool), 4)
    area, seeded = found.table[:, 4], found.table[:, 5] > 0
    large = found.on_border(core.shape) & (area >= _MIN_AREA * core.size)
    # clipped sky has a thousand small patches: most are dismissed by their area, as one that is long has some
    long = gaps & (area > _GAP_LENGTH * max(core.shape) - 1)
    keep = np.zeros_like(core)
    for number in np.flatnonzero((large | long) & seeded).tolist():
        part = found.cut(number)
        outlines, links = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        is_void = large[number] or _is_gap(outlines, core.shape)
        if is_void and _has_straight_outline(part, outlines, links, core.shape):
            found.paint(number, keep)
    return enlarged_within(cv2.dilate(keep, np.ones((5, 5), np.uint8)), possible) if keep.any() else None


def _slivers(sure: np.ndarray, possible: np.ndarray, found: np.ndarray | None) -> np.ndarray | None:
    """No-data too thin for `_void`: wedges along the border of a frame almost north-up, and narrow chip gaps.

    Looked for where the pixels are possible and not `found` yet.
    """
    height, width = sure.shape
    possible, number = (possible, cv2.countNonZero(sure)) if found is None else left_over(possible, found, sure)
    # a sliver is that long, and half of it is sure
    if 2 * number <= _SLIVER_LENGTH * max(height, width):
        return None
    void = None
    # outlines cost a fraction of labels, and few patches are that long
    outlines, links = cv2.findContours(possible, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for outline, (_, _, _, parent) in zip(outlines, links[0], strict=True):
        x, y, w, h = cv2.boundingRect(outline)
        if parent >= 0 or max(w, h) <= _SLIVER_LENGTH * max(height, width):
            continue
        patch = possible[y : y + h, x : x + w].copy()
        area, _, _, _ = cv2.floodFill(patch, None, (outline[0, 0] - (x, y)).tolist(), 2, flags=8)
        part = patch == 2
        if area > _SLIVER_AREA * sure.size or 2 * np.count_nonzero(part & (sure[y : y + h, x : x + w] != 0)) < area:
            continue
        along = (
            part[0].mean() if y == 0 else 0.0,
            part[-1].mean() if y + h == height else 0.0,
            part[:, 0].mean() if x == 0 else 0.0,
            part[:, -1].mean() if x + w == width else 0.0,
        )
        _, sides, _ = cv2.minAreaRect(outline)
        thin = min(sides) + 1 < _GAP_WIDTH * max(sides) and max(sides) > _GAP_LENGTH * max(height, width)
        # a wedge lies along the border from end to end; a gap fills the thin rectangle around it
        if max(along) > 0.8 or (thin and area > 0.5 * (sides[0] + 1) * (sides[1] + 1)):
            void = np.zeros_like(sure) if void is None else void
            void[y : y + h, x : x + w][part] = 255
    return void


def _shrunk(flags: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where nine tenths of what became a pixel are set, uint8, 0 or 1."""
    return cv2.threshold(cv2.resize(flags, size, interpolation=cv2.INTER_AREA), int(0.9 * 255), 1, cv2.THRESH_BINARY)[1]


def _is_gap(outlines: Sequence[np.ndarray], shape: tuple[int, ...]) -> bool:
    _, sides, _ = cv2.minAreaRect(np.concatenate(outlines))
    side = max(shape)
    return max(sides) > _GAP_LENGTH * side and min(sides) < _GAP_WIDTH * side


def _has_straight_outline(
    part: np.ndarray, contours: Sequence[np.ndarray], hierarchy: np.ndarray, shape: tuple[int, ...]
) -> bool:
    """Whether a polygon of a few corners covers the component: chips have straight edges, clipped sky has not.

    `part` is cut out of a frame of that shape, at working size; its contours are as OpenCV gives them.
    """
    outline = np.zeros_like(part)
    corners = 0
    # outer contours first: a hole drawn before them would be filled again
    for contour, links in sorted(zip(contours, hierarchy[0], strict=True), key=lambda pair: pair[1][3] >= 0):
        is_hole = links[3] >= 0
        # specks inside the void are compression noise; a large hole is the picture itself
        if is_hole and cv2.contourArea(contour) < 0.002 * shape[0] * shape[1]:
            continue
        polygon = cv2.approxPolyDP(contour, 0.008 * max(shape), True)
        corners += len(polygon)
        cv2.drawContours(outline, [polygon], -1, 0 if is_hole else 255, cv2.FILLED)
    union = cv2.countNonZero(outline | part)
    agreement = cv2.countNonZero(outline & part) / union if union else 0.0
    return corners <= _MAX_CORNERS and agreement >= 0.93
