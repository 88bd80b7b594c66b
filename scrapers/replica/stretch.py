"""How HLA's previews are made of counts: percentile limits, asinh stretch, white no-data.

Own code after the documented behaviour of the archive's cut-out service; the asinh colour stretch is that of
Lupton et al. 2004 with Q = 3.
"""

import numpy as np

from scrapers.replica.arrays import ByteArray, FloatArray

_Q = 3.0
_DISPLAY_RANGE = {1: 0.7, 2: 0.4, 3: 0.33}


def limits(pixels: FloatArray, percent: float) -> tuple[float, float]:
    """Low and high count of the display range: the (100 - p)th and p-th percentile of the finite px.

    The service finds them in a histogram that it narrows until the bins are fine enough; these are the values
    that comes to. The high limit is raised to median + 5 (median - low) where it is less, so that noise alone
    stays dark. (0, 1) where no px is finite or all are equal.
    """
    values = pixels[np.isfinite(pixels)]
    if not values.size:
        return 0.0, 1.0
    ranks = (100 - percent, 50.0, percent, 100.0)
    low, median, high, highest = (float(value) for value in np.percentile(values, ranks, method="inverted_cdf"))
    high = max(high, median + 5 * (median - low))
    if high <= low:
        high = highest  # nearly all px are equal: what differs is what there is to see
    return (low, high) if high > low else (0.0, 1.0)


def to_bytes(bands: list[FloatArray], percent: float, asinh: bool = True) -> ByteArray:
    """Display bytes of one to three bands of equal shape: uint8 (ny, nx) or (ny, nx, bands).

    A px without data in all bands is white (255); without data in some it counts as 0 in those, which gives the
    coloured fringes at chip edges.
    """
    scaled, blank = [], []
    for band in bands:
        low, high = limits(band, percent)
        empty = ~np.isfinite(band)
        scaled.append(np.where(empty, 0, (band - low) / (high - low)))
        blank.append(empty)
    t = np.stack(scaled, axis=-1)
    if asinh:
        total = _Q * t.sum(axis=-1)
        weight = np.divide(np.arcsinh(total), total, out=np.ones_like(total), where=total != 0)
        strongest = t.max(axis=-1) * weight
        weight = np.where(strongest > 1, weight / np.where(strongest > 1, strongest, 1), weight)
        t = t * weight[..., None] / _DISPLAY_RANGE[len(bands)]
    shown = np.clip(255 * t, 0, 255).astype(np.uint8)
    shown[np.logical_and.reduce(blank)] = 255
    return shown[..., 0] if len(bands) == 1 else shown


def block_mean(pixels: FloatArray, factor: int) -> FloatArray:
    """Mean of each factor x factor block over its finite px; the last blocks may be smaller."""
    if factor <= 1:
        return pixels
    ny, nx = pixels.shape
    padded = np.full((-(-ny // factor) * factor, -(-nx // factor) * factor), np.nan, np.float64)
    padded[:ny, :nx] = pixels
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    seen = np.isfinite(blocks).sum(axis=(1, 3))
    total = np.nansum(blocks, axis=(1, 3))
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan).astype(np.float32)


def nearest(pixels: FloatArray, longest: int) -> FloatArray:
    """Nearest-neighbour resize so that the longest side is exactly `longest` px."""
    ny, nx = pixels.shape
    scale = longest / max(ny, nx)
    rows, columns = max(round(ny * scale), 1), max(round(nx * scale), 1)
    row = np.minimum(((np.arange(rows) + 0.5) * ny / rows).astype(int), ny - 1)
    column = np.minimum(((np.arange(columns) + 0.5) * nx / columns).astype(int), nx - 1)
    return pixels[np.ix_(row, column)]
