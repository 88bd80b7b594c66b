"""Marks that one of two pictures of the same sky bears and the other lacks: letters, lines, circles, arrows, boxes.

The pictures are laid over each other. What is thin and stands out of its surroundings on one of them, where the other
has nothing like it, was drawn there: a top-hat and its negative (Meyer 1979, J. Histochem. Cytochem. 27, 128) find it,
whatever is in the background. The sky seldom differs in long strokes or in rows of small shapes of one height.
"""

import cv2
import numpy as np

from curation.drawn import rows_of_letters
from curation.features import Features

_CONTRAST_DN = 28
_FAINTER = 0.3  # of a mark's contrast: what has as much on the other picture is the sky, in another stretch
_HAT_PX = 13  # wider things than this are no strokes
_SHIFT_PX = 2  # by which a star may be off
_RIM_PX = 9  # the reach of a hat and of a shift
_SMOOTH_PX = 0.8
_STROKE_PX = 18  # shorter ones are letters, stars or tracks of cosmic rays
_SLENDER = 5.0  # pixels of a stroke over its squared half width: 3.1 of a disc, 4 of a square
_LETTER_HEIGHTS_PX, _LETTER_WIDTH = (5, 48), 1.8
_WORD = 3


def marks(a: Features, b: Features, matrix: np.ndarray) -> tuple[float, float]:
    """Length of the marks on a alone and on b alone, pixels of the coarser picture of at most 1,024.

    `matrix`, float64 (2, 3), maps places of a's features to b's. Strokes count with their longer side, and letters in
    rows of three and more with their height.
    """
    into = np.diag([b.sketch_scale, b.sketch_scale, 1.0]) @ np.vstack([matrix, [0, 0, 1]])
    into = (into @ np.diag([1 / a.sketch_scale, 1 / a.sketch_scale, 1.0]))[:2]
    scale = float(np.sqrt(abs(np.linalg.det(into[:, :2]))))
    if scale > 1.0:  # the finer is laid over the coarser
        on_b, on_a = marks(b, a, cv2.invertAffineTransform(matrix))
        return on_a, on_b
    (fine, known), (coarse, known_below) = _drawn(a), _drawn(b)
    if scale < 1.0:
        fine = cv2.GaussianBlur(fine, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1) + 0.01)
    size = coarse.shape[1::-1]
    laid = cv2.warpAffine(fine, into, size, flags=cv2.INTER_LINEAR)
    known = (cv2.warpAffine(known, into, size) > 250) & (known_below > 0)
    common = cv2.erode(known.view(np.uint8), _square(_RIM_PX), borderType=cv2.BORDER_CONSTANT, borderValue=0).view(bool)
    if not common.any():
        return 0.0, 0.0
    laid = _curve(laid, coarse, common)[laid]
    hats = [_hats(picture) for picture in (laid, coarse)]
    on_a, on_b = (_length(_alone(mine, other) & common) for mine, other in (hats, hats[::-1]))
    return on_a, on_b


def _drawn(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """The picture, uint8 (h, w, 3), and where it is valid, uint8 (h, w) of 0 and 255."""
    picture = np.asarray(cv2.imdecode(features.sketch, cv2.IMREAD_COLOR))
    valid = features.thumb_valid.view(np.uint8) * 255
    return picture, cv2.resize(valid, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _curve(one: np.ndarray, two: np.ndarray, common: np.ndarray) -> np.ndarray:
    """The rising curve, uint8 (256,), for all channels that gives `one` as many pixels of each level as `two` has.

    By ranks and not by what lies over what: letters are often the only places of their level.
    """
    shares = []
    for picture in (one, two):
        counts = np.bincount(picture[common].ravel(), minlength=256)
        shares.append(counts.cumsum() - counts / 2)
    return np.interp(shares[0], shares[1], np.arange(256)).round().astype(np.uint8)


def _hats(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much thin things are brighter, and by how much darker, than what is around them, uint8 (h, w, 3) each."""
    smooth = cv2.GaussianBlur(picture, (0, 0), _SMOOTH_PX)
    hat = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_HAT_PX, _HAT_PX))
    bright, dark = (cv2.morphologyEx(smooth, way, hat) for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    return bright, dark


def _alone(mine: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Where something thin is on this picture and nothing like it near there on the other, bool (h, w)."""
    found = np.zeros(mine[0].shape[:2], bool)
    for here, there in zip(mine, other, strict=True):
        like = cv2.dilate(there, _square(_SHIFT_PX))
        found |= ((here > _CONTRAST_DN) & (like < _FAINTER * here)).any(axis=2)
    return found


def _length(found: np.ndarray) -> float:
    """Length of the strokes and letters of a bool mask (h, w), pixels."""
    plane = found.view(np.uint8)
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(plane, connectivity=8)
    half_width = np.zeros(number, np.float32)
    np.maximum.at(half_width, labels[found], cv2.distanceTransform(plane, cv2.DIST_L2, 3)[found])
    x, y, width, height, area = boxes[1:].T
    longer = np.maximum(width, height)
    is_stroke = (longer >= _STROKE_PX) & (area >= _SLENDER * half_width[1:] ** 2)
    low, high = _LETTER_HEIGHTS_PX
    is_letter = ~is_stroke & (height >= low) & (height <= high) & (width <= _LETTER_WIDTH * height)
    letters = np.flatnonzero(is_letter)
    strokes = float(longer[is_stroke].sum())
    if len(letters) < _WORD:
        return strokes
    letters = letters[np.lexsort((y[letters], x[letters]))].astype(np.int64)
    tall = height[letters].astype(np.int64)
    ends, base = (x + width)[letters].astype(np.int64), (y + height)[letters].astype(np.int64)
    _, in_rows = rows_of_letters(x[letters].astype(np.int64), ends, base, tall, _WORD)
    return strokes + float(in_rows * np.median(tall))


def _square(reach_px: int) -> np.ndarray:
    return np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
