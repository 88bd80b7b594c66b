"""Signs that a picture is no observation, or a made-up page: flat areas, ruled lines, text, borders, hard edges."""

import math

import cv2
import numpy as np

from curation.blocks import whole_blocks
from curation.canvas import Canvas, histogram, histogram_quantile, reduce, shrink
from curation.drawn import are_letters, largest_rectangle, letter_planes, outlined_pixels, rows_of_letters, ruled_pixels
from curation.scans import even_rows, flat_pixels, most_common_colour, slopes
from manifests.shapes import shapes

_DARK_DN = 12
_LINE_STEP_DN = 14
_STRONG_EDGE_DN = 12.0
_AXIS_RAD = 0.06
_BORDER_SPREAD_DN = 6
_TEXT_HEIGHTS_PX = (5, 48)
_BRIGHT_DN, _DARK_LETTER_DN = (120, 200), (135, 55)  # a letter, and its flat top
_TEXT_MAX_PARTS = 4000
_WORD = 4
_PAGE_SHARE = 0.03
_RECTANGLE_SIDE = 96
_OBJECT_DN = 25


def flat_fraction(view: Canvas) -> float:
    """Share of the valid area that is lit (above 12 DN) and flat: no channel varies by more than 1 DN in 3 x 3 pixels.

    A detector always leaves noise on light; drawings and captions do not. Black is left out, because previews clip
    the sky there. Every second row and column is looked at.
    """
    flat, known = flat_pixels(view.small, view.small_brightest, view.inner, _DARK_DN, 1)
    return flat / max(1, known)


def mode_fraction(view: Canvas) -> float:
    """Share of the valid area in its most common lit colour, colours rounded to 8 DN; every fourth row and column."""
    most, known = most_common_colour(view.small, view.small_brightest, view.small_valid, _DARK_DN)
    return most / max(1, known)


def line_length(view: Canvas) -> float:
    """Total length of straight edges along rows and columns, each at least 8 % of the side, in units of the side.

    An edge is a step of more than 14 DN of one sign. Panels, boxes, axes and captions have them; stars do not.
    """
    total = 0.0
    turned = cv2.transpose(view.small_gray), _turned(view.inner)
    for gray, inner in ((view.small_gray, view.inner), turned):
        total += ruled_pixels(gray, inner, _LINE_STEP_DN, _shortest_line(gray.shape[1])) / gray.shape[1]
    return total


def edges(view: Canvas) -> tuple[float, float]:
    """99th percentile of the luminance gradient (DN/px, Sobel) and the share of strong gradients along the axes.

    Gradients above 12 DN/px count as strong; along an axis means within 0.06 rad (7.6 % of directions by chance).
    """
    # every second row and column: the gradients of neighbours say the same
    limit = int((8.0 * _STRONG_EDGE_DN) ** 2)
    sizes, strong, along = slopes(view.small_gray, view.inner, limit, np.tan(_AXIS_RAD))
    if not len(sizes):
        return 0.0, 0.0
    rank = int(0.99 * (len(sizes) - 1))
    top = math.sqrt(float(np.partition(sizes, rank)[rank])) / 8.0
    return top, along / strong if strong >= 25 else 0.0


def border_fraction(view: Canvas) -> float:
    """Depth of the one-coloured margins, the deeper of each two: over the height plus over the width, 0 to 2.

    A row or column belongs to a margin while it has no valid pixel, or at least half are valid and all of these within
    6 DN.
    """
    depth = 0.0
    for picture, valid in (
        (view.small, view.small_valid),
        (view.small.transpose(1, 0, 2), view.small_valid.T),
    ):
        margins = (even_rows(picture[::way], valid[::way], _BORDER_SPREAD_DN) for way in (1, -1))
        depth += max(margins) / len(valid)
    return depth


def void_line_length(view: Canvas) -> float:
    """Total length of straight no-data outlines along rows and columns inside the frame, in units of the side.

    Pages, panels and detector staircases have them; a footprint turned to north has almost none.
    """
    if view.small_valid.all():
        return 0.0
    total = 0.0
    for valid in (view.small_valid, _turned(view.small_valid)):
        total += outlined_pixels(valid, _shortest_line(valid.shape[1])) / valid.shape[1]
    return total


def valid_rectangle_fraction(view: Canvas) -> float:
    """Area of the largest upright rectangle of valid pixels, over the frame; found on blocks, at most 96 a side."""
    height, width = view.valid.shape
    if view.valid.all():
        return 1.0
    valid = whole_blocks(view.valid, min(height, width, -(-max(height, width) // _RECTANGLE_SIDE)))
    return largest_rectangle(valid) / valid.size


def largest_object_fraction(view: Canvas) -> float:
    """Largest connected area that stands 25 DN above the sky (the lower quartile), over the valid area.

    A planet, a person or a logo on black is one such; so is a nebula that fills the frame.
    """
    gray, valid = reduce(view.small_gray, view.small_valid, 4)
    counts = histogram(gray, valid)
    if not counts.sum():
        return 0.0
    above = (gray > histogram_quantile(counts, 0.25) + _OBJECT_DN) & valid
    return float(shapes(above, above, 4)[:, 4].max(initial=0) / counts.sum())


def text(view: Canvas) -> tuple[int, int]:
    """Longest row of letter-like shapes, and how many letters stand in rows of at least four.

    Letters are bright on dark, dark on bright, or islands of data in a void (a white page). A letter is a connected
    shape 5 to 48 px high at working size, flat-topped (a third of it in the brightest fifth of the range; a star is
    all slope), whose right neighbour stands on the same line, at most nine tenths of its height away and of similar
    height.
    """
    valid, gray = shrink(view.small_valid, 1), view.small_gray
    bright, core, dark, dark_core, light = letter_planes(gray, valid, _BRIGHT_DN, _DARK_LETTER_DN)
    found = [_rows_of_letters(bright, core)]
    # dark letters need light around them
    if light > _PAGE_SHARE * gray.size:
        found.append(_rows_of_letters(dark, dark_core))
    if not view.small_valid.all():
        found.append(_rows_of_letters(view.small_valid, view.small_valid))
    return max(run for run, _ in found), sum(letters for _, letters in found)


def _turned(mask: np.ndarray) -> np.ndarray:
    """Its columns as rows, contiguous."""
    return cv2.transpose(mask.view(np.uint8)).view(bool)


def _shortest_line(side_px: int) -> int:
    """Pixels of the shortest run that counts as a line."""
    return max(24, side_px * 8 // 100)


def _rows_of_letters(shape: np.ndarray, top: np.ndarray) -> tuple[int, int]:
    """Length of the longest row, and the number of letters in rows of four and more."""
    if not top.any():
        return 0, 0
    letters = shapes(shape, top, 8)
    letters = letters[are_letters(letters, *_TEXT_HEIGHTS_PX)]
    if not 3 <= len(letters) <= _TEXT_MAX_PARTS:
        return min(len(letters), 2), 0
    x, y, width, height, _, _ = letters[np.lexsort((letters[:, 1], letters[:, 0]))].T
    return rows_of_letters(x, x + width, y + height, height, _WORD)
