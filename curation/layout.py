"""Signs that a picture is no observation, or a made-up page: flat areas, ruled lines, text, borders, hard edges."""

import cv2
import numpy as np

from curation.canvas import Canvas, histogram, histogram_quantile, reduce, shrink

_DARK_DN = 12
_LINE_STEP_DN = 14
_STRONG_EDGE_DN = 12.0
_AXIS_RAD = 0.06
_BORDER_SPREAD_DN = 6
_TEXT_HEIGHTS_PX = (5, 48)
_TEXT_MAX_PARTS = 4000
_TEXT_LOOKAHEAD = 64
_WORD = 4
_PAGE_SHARE = 0.03
_RECTANGLE_SIDE = 96
_OBJECT_DN = 25


def flat_fraction(view: Canvas) -> float:
    """Share of the valid area that is lit (above 12 DN) and flat: no channel varies by more than 1 DN in 3 x 3 pixels.

    A detector always leaves noise on light; drawings and captions do not. Black is left out, because previews clip
    the sky there.
    """
    kernel = np.ones((3, 3), np.uint8)
    swing = _brightest(cv2.subtract(cv2.dilate(view.small, kernel), cv2.erode(view.small, kernel)))
    lit = (_brightest(view.small) > _DARK_DN) & view.inner
    return int(np.count_nonzero((swing <= 1) & lit)) / max(1, int(np.count_nonzero(view.inner)))


def mode_fraction(view: Canvas) -> float:
    """Share of the valid area in its most common lit colour, colours rounded to 4 DN; every second row and column."""
    picture, valid = np.ascontiguousarray(view.small[::2, ::2]), view.small_valid[::2, ::2]
    code = (picture >> 2).astype(np.int32)
    code = (code[..., 0] << 12) | (code[..., 1] << 6) | code[..., 2]
    lit = code[(_brightest(picture) > _DARK_DN) & valid]
    return float(np.bincount(lit).max() / valid.sum()) if lit.size else 0.0


def line_length(view: Canvas) -> float:
    """Total length of straight edges along rows and columns, each at least 8 % of the side, in units of the side.

    An edge is a step of more than 14 DN of one sign. Panels, boxes, axes and captions have them; stars do not.
    """
    total, whole = 0.0, view.inner.all()
    for picture, valid in ((view.small_gray, view.inner), (view.small_gray.T, view.inner.T)):
        if len(picture) < 2:
            continue
        gray, inner = np.ascontiguousarray(picture), np.ascontiguousarray(valid)
        for step in (cv2.subtract(gray[1:], gray[:-1]), cv2.subtract(gray[:-1], gray[1:])):
            edge = (step > _LINE_STEP_DN) if whole else (step > _LINE_STEP_DN) & inner[1:] & inner[:-1]
            total += _straight_pixels(edge.view(np.uint8)) / step.shape[1]
    return total


def edges(view: Canvas) -> tuple[float, float]:
    """99th percentile of the luminance gradient (DN/px, Sobel) and the share of strong gradients along the axes.

    Gradients above 12 DN/px count as strong; along an axis means within 0.06 rad (7.6 % of directions by chance).
    """
    gray = view.small_gray
    # every second row and column: the gradients of neighbours say the same
    known = view.inner[::2, ::2]
    d_x = cv2.Sobel(gray, cv2.CV_16S, 1, 0)[::2, ::2][known].astype(np.float32)
    d_y = cv2.Sobel(gray, cv2.CV_16S, 0, 1)[::2, ::2][known].astype(np.float32)
    if d_x.size == 0:
        return 0.0, 0.0
    size = cv2.magnitude(d_x, d_y).ravel() / 8.0
    strong = size > _STRONG_EDGE_DN
    rank = int(0.99 * (size.size - 1))
    top = float(np.partition(size, rank)[rank])
    if strong.sum() < 25:
        return top, 0.0
    a, b = np.abs(d_x[strong]), np.abs(d_y[strong])
    return top, float((np.minimum(a, b) < np.tan(_AXIS_RAD) * np.maximum(a, b)).mean())


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
        depth += max(_margin(picture, valid), _margin(picture[::-1], valid[::-1])) / len(valid)
    return depth


def void_line_length(view: Canvas) -> float:
    """Total length of straight no-data outlines along rows and columns inside the frame, in units of the side.

    Pages, panels and detector staircases have them; a footprint turned to north has almost none.
    """
    if view.small_valid.all():
        return 0.0
    total = 0.0
    for valid in (view.small_valid, view.small_valid.T):
        outline = np.ascontiguousarray(valid[1:] != valid[:-1]).view(np.uint8)
        total += _straight_pixels(outline) / outline.shape[1]
    return total


def valid_rectangle_fraction(view: Canvas) -> float:
    """Area of the largest upright rectangle of valid pixels, over the frame; found on blocks, at most 96 a side."""
    height, width = view.valid.shape
    if view.valid.all():
        return 1.0
    _, valid = reduce(view.gray, view.valid, max(1, -(-max(height, width) // _RECTANGLE_SIDE)))
    best, run = 0, np.zeros(valid.shape[1], np.int64)
    for row in valid:
        run = np.where(row, run + 1, 0)
        # under every pair of columns: the lowest run between them times their distance
        for tall in np.unique(run[run > 0]):
            wide = np.diff(np.flatnonzero(np.concatenate([[True], run < tall, [True]]))).max() - 1
            best = max(best, int(tall * wide))
    return best / valid.size


def largest_object_fraction(view: Canvas) -> float:
    """Largest connected area that stands 25 DN above the sky (the lower quartile), over the valid area.

    A planet, a person or a logo on black is one such; so is a nebula that fills the frame.
    """
    gray, valid = reduce(view.small_gray, view.small_valid, 4)
    counts = histogram(gray, valid)
    if not counts.sum():
        return 0.0
    above = ((gray > histogram_quantile(counts, 0.25) + _OBJECT_DN) & valid).view(np.uint8)
    number, _, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=4)
    return float(stats[1:, cv2.CC_STAT_AREA].max() / counts.sum()) if number > 1 else 0.0


def text(view: Canvas) -> tuple[int, int]:
    """Longest row of letter-like shapes, and how many letters stand in rows of at least four.

    Letters are bright on dark, dark on bright, or islands of data in a void (a white page). A letter is a connected
    shape 5 to 48 px high at working size, flat-topped (a third of it in the brightest fifth of the range; a star is
    all slope), whose right neighbour stands on the same line, at most nine tenths of its height away and of similar
    height.
    """
    valid, gray = shrink(view.small_valid, 1), view.small_gray
    found = [_rows_of_letters((gray >= 120) & valid, (gray >= 200) & valid)]
    # dark letters need light around them
    if np.count_nonzero((gray > 135) & valid) > _PAGE_SHARE * gray.size:
        found.append(_rows_of_letters((gray <= 135) & valid, (gray <= 55) & valid))
    if not view.small_valid.all():
        found.append(_rows_of_letters(view.small_valid, view.small_valid))
    return max(run for run, _ in found), sum(letters for _, letters in found)


def _straight_pixels(edge: np.ndarray) -> float:
    """Number of pixels of `edge`, uint8 (H, W), in runs along the rows of at least 8 % of the width."""
    shortest = max(24, edge.shape[1] * 8 // 100)
    # bridged gaps are four pixels wide at most: a row with fewer pixels than this has no such run
    edge = edge[np.count_nonzero(edge, axis=1) >= shortest // 5]
    if not edge.size:
        return 0.0
    bridged = cv2.morphologyEx(edge, cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))
    return float(cv2.morphologyEx(bridged, cv2.MORPH_OPEN, np.ones((1, shortest), np.uint8)).sum())


def _rows_of_letters(shape: np.ndarray, top: np.ndarray) -> tuple[int, int]:
    """Length of the longest row, and the number of letters in rows of four and more."""
    if not top.any():
        return 0, 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(shape.view(np.uint8), connectivity=8)
    core = np.bincount(labels[top], minlength=count)[1:]
    x, y, width, height, area = stats[1:].T
    is_letter = (
        (height >= _TEXT_HEIGHTS_PX[0])
        & (height <= _TEXT_HEIGHTS_PX[1])
        & (width <= 1.8 * height)
        & (core >= 0.35 * area)
        & (area <= 0.9 * height * width)
    )
    letters = np.flatnonzero(is_letter)
    if not 3 <= len(letters) <= _TEXT_MAX_PARTS:
        return min(len(letters), 2), 0
    letters = letters[np.lexsort((y[letters], x[letters]))]
    left, right = x[letters], x[letters] + width[letters]
    base, tall = y[letters] + height[letters], height[letters]
    follower = _followers(left, right, base, tall)
    length = np.ones(len(letters), np.int64)
    for index, after in enumerate(follower):
        if after >= 0:
            length[after] = max(length[after], length[index] + 1)
    ends = np.setdiff1d(np.arange(len(letters)), np.flatnonzero(follower >= 0))
    return int(length.max()), int(length[ends][length[ends] >= _WORD].sum())


def _followers(left: np.ndarray, right: np.ndarray, base: np.ndarray, tall: np.ndarray) -> np.ndarray:
    """Index of the next letter on the same line for each letter in order of `left`, -1 where there is none."""
    count = len(left)
    ahead = np.arange(count)[:, None] + np.arange(1, _TEXT_LOOKAHEAD + 1)[None, :]
    exists = ahead < count
    ahead = np.minimum(ahead, count - 1)
    gap = left[ahead] - right[:, None]
    fits = (
        exists
        & (gap >= -1)
        & (gap <= 0.9 * np.maximum(tall, 6)[:, None])
        & (np.abs(base[ahead] - base[:, None]) <= np.maximum(1, 0.12 * tall)[:, None])
        & (tall[ahead] <= 1.6 * tall[:, None])
        & (tall[ahead] >= 0.6 * tall[:, None])
    )
    return np.where(fits.any(axis=1), ahead[np.arange(count), fits.argmax(axis=1)], -1)


def _margin(picture: np.ndarray, valid: np.ndarray) -> int:
    """Number of one-coloured rows before the first that is not."""
    for number, (line, known) in enumerate(zip(picture, valid, strict=True)):
        values = line[known].astype(np.int16)
        if len(values) and (2 * len(values) < len(known) or np.ptp(values, axis=0).max() > _BORDER_SPREAD_DN):
            return number
    return len(picture)


def _brightest(picture: np.ndarray) -> np.ndarray:
    red, green, blue = cv2.split(picture)
    return cv2.max(cv2.max(red, green), blue)
