"""Where no exposure reached an image of counts: drizzling leaves exact zeros outside the chips' outline."""

from collections.abc import Iterable

import cv2
import numpy as np

from manifests.shapes import find_shapes

_WORK_SIDE = 512
_MIN_AREA = 0.004  # of the frame, as of other no-data
# Counts have noise, so that hardly any is 0 exactly. Where more are, as where single photons were counted, zeros are
# data.
_MOST_ELSEWHERE = 0.01


class Unreached:
    """The regions of an image of shape (H, W) or (3, H, W) in which zeros are no-data, kept as a coarse map.

    STScI's drizzle starts from zeros, and with its usual `fillval`, INDEF, leaves them where no input pixel falls. Such
    are the zeros of a solid region that touches the border and has 0.4 % of the frame, if at most 1 % of the other
    pixels are 0 too. `blocks` are all rows of the image, some at a time.
    """

    def __init__(self, blocks: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
        height, self._width = shape[-2:]
        self._factor = max(1, -(-max(shape[-2:]) // _WORK_SIDE))
        tops, lefts = (np.arange(0, side, self._factor) for side in shape[-2:])
        zeros = np.zeros((*shape[:-2], len(tops), len(lefts)), np.int64)
        row = 0
        for block in blocks:
            by_column = np.add.reduceat(block == 0, lefts, axis=-1, dtype=np.int64)
            for offset in range(by_column.shape[-2]):
                zeros[..., (row + offset) // self._factor, :] += by_column[..., offset, :]
            row += by_column.shape[-2]
        size = np.outer(np.diff(tops, append=height), np.diff(lefts, append=self._width))
        planes = zeros.reshape(-1, *size.shape)
        self._cells = np.stack([_regions(plane, size) for plane in planes]).reshape(zeros.shape)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Whether a zero would be no-data, bool (..., rows, W), for the rows from `start` to `stop`."""
        down, across = np.arange(start, stop) // self._factor, np.arange(self._width) // self._factor
        return self._cells[..., down, :][..., across]


def _regions(zeros: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The cells in which zeros are no-data, bool, of how many zeros and how many pixels each cell has."""
    solid = cv2.morphologyEx((zeros == size).view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    patches = find_shapes(solid.view(bool), solid.view(bool), 4)
    found = np.zeros_like(solid)
    large = patches.table[:, 4] >= _MIN_AREA * solid.size
    for number in np.flatnonzero(large & patches.on_border(solid.shape)).tolist():
        patches.paint(number, found)
    # as far as opening may have cut, and the cells that the outline crosses
    grown = cv2.dilate(found, np.ones((5, 5), np.uint8)) != 0
    elsewhere = zeros.sum() - zeros[grown].sum()
    others = size.sum() - zeros[grown].sum()
    return grown if elsewhere <= _MOST_ELSEWHERE * others else np.zeros_like(grown)
