"""How unlike a frame is to all that were decided, by what was measured of it."""

import numpy as np
import pandas as pd

from manifests import schema

_NUMBERS = [column.name for column in schema.MEASURES if column.dtype == "float64"]
_BLOCK = 512  # decided frames compared at a time: 50,000 rows times this many distances are 100 MB


def portraits(rows: pd.DataFrame) -> np.ndarray:
    """Each row's measurements as ranks among all rows, 0 to 1, float32 (rows, measures); a missing one is the middle.

    Ranks, because the measurements have units and tails that no distance is fair to.
    """
    ranks = rows[_NUMBERS].rank(pct=True).fillna(0.5)
    return np.ascontiguousarray(ranks.to_numpy(np.float32))


def nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each of the points to the nearest of the others, over the largest there is, 0 to 1; 1 without any."""
    least = np.full(len(points), float(points.shape[1]), np.float32)
    lengths = (points**2).sum(axis=1)
    for start in range(0, len(others), _BLOCK):
        block = others[start : start + _BLOCK]
        squares = lengths[:, None] - 2.0 * (points @ block.T) + (block**2).sum(axis=1)
        np.minimum(least, squares.min(axis=1), out=least)
    return np.sqrt(np.maximum(least, 0.0) / points.shape[1])
