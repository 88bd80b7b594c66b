"""Whether pictures, taken together, look like the truth's: distances between two sets of feature vectors.

Features are float64 (N, D), a row a frame. FID and KID deserve their names only with Inception's features (see
`training.inception`); with `chroma_features` or `band_features`, which need no weights, the kernel distance is called
`kid_abhist` or `kid_bandhist` and can be compared with itself only.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.color import rgb_to_lab
from training.metrics import luma

_BLOCKS = 20
_AB_BINS, _AB_LIMIT = 16, 64.0
_LIGHTNESS_EDGES = (0.0, 20.0, 50.0, 100.01)
_BAND_BINS, _BAND_LIMIT, _LEVELS = 33, 4.0, 4


def frechet(made: np.ndarray, truth: np.ndarray) -> float:
    """Squared Frechet distance of Gaussians fitted to two sets (Heusel et al. 2017), in float64; needs 2 rows each.

    The trace of the root of the covariances' product is the nuclear norm of the centred sets' cross product, so no
    D x D matrix is needed; with few frames the distance is biased upwards and compares equal numbers of frames only.
    """
    x, y = (values - values.mean(axis=0) for values in (made, truth))
    roots = np.linalg.norm(x @ y.T, ord="nuc") / np.sqrt((len(x) - 1) * (len(y) - 1))
    spread = (x**2).sum() / (len(x) - 1) + (y**2).sum() / (len(y) - 1)
    return float(((made.mean(axis=0) - truth.mean(axis=0)) ** 2).sum() + spread - 2 * roots)


def kid(made: np.ndarray, truth: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 (Binkowski et al. 2018).

    Row i of both is the same frame, so a row is compared with all others but its own (Gretton et al. 2012, eq. 4).
    """
    dimensions, number = made.shape[1], len(made)

    def mean(x: np.ndarray, y: np.ndarray) -> float:
        values = (x @ y.T / dimensions + 1.0) ** 3
        return float((values.sum() - np.trace(values)) / (number * (number - 1)))

    return mean(made, made) + mean(truth, truth) - 2.0 * mean(made, truth)


def standard_error(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    made: np.ndarray,
    truth: np.ndarray,
    groups: Sequence[str],
    *,
    seed: int,
) -> float:
    """Standard error of a statistic of two sets of the same frames: a jackknife over at most 20 blocks of groups.

    Resampling with replacement would show each statistic frames that repeat, which both count as distance.
    """
    return jackknife_error(without_blocks(statistic, made, truth, groups, seed=seed))


def without_blocks(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    made: np.ndarray,
    truth: np.ndarray,
    groups: Sequence[str],
    *,
    seed: int,
) -> np.ndarray:
    """The statistic without one of at most 20 blocks of groups at a time, (blocks,).

    The blocks follow from groups and seed: of two sets of the same frames the values are paired.
    """
    names = np.random.default_rng(seed).permutation(sorted(set(groups)))
    blocks = min(_BLOCKS, len(names))
    block_of = {str(name): place % blocks for place, name in enumerate(names)}
    member = np.array([block_of[group] for group in groups])
    return np.array([statistic(made[member != block], truth[member != block]) for block in range(blocks)])


def jackknife_error(without: np.ndarray) -> float:
    """Standard error of a statistic from its values without one block at a time, (blocks,)."""
    return float(np.sqrt((len(without) - 1) * np.mean((without - without.mean()) ** 2)))


def chroma_features(rgb: Tensor, valid: Tensor) -> np.ndarray:
    """Which colours a picture (3, H, W) has, where it has data: roots of a*b* histograms, 16 x 16 bins up to 64 units.

    One histogram for each of three bands of L* (to 20, to 50, above), each a share of all pixels; (768,), scaled so
    that the mean of squares is 1.
    """
    lightness, a, b = rgb_to_lab(rgb)[:, valid[0]].double().cpu().numpy()
    edge = _AB_LIMIT * (1 - 1e-9)
    edges = np.linspace(-_AB_LIMIT, _AB_LIMIT, _AB_BINS + 1)
    sample = np.stack((lightness, a.clip(-edge, edge), b.clip(-edge, edge)), axis=1)
    counts, _ = np.histogramdd(sample, bins=(np.array(_LIGHTNESS_EDGES), edges, edges))
    return _rooted(counts.ravel())


def band_features(levels: Tensor, valid: Tensor) -> np.ndarray:
    """How much detail levels (3, H, W) in 0 to 255 have at which size: roots of histograms of four band-passes of luma.

    Each band is the difference from the 2x2 means, one octave apart, on an asinh scale; (132,), the mean of squares 1.
    """
    picture, mask = luma(levels.float()).unsqueeze(0), valid.float().unsqueeze(0)
    edges = np.linspace(-_BAND_LIMIT, _BAND_LIMIT, _BAND_BINS + 1)
    counts = []
    for _ in range(_LEVELS):
        if min(picture.shape[-2:]) < 4:
            counts.append(np.zeros(_BAND_BINS))
            continue
        height, width = (side - side % 2 for side in picture.shape[-2:])
        picture, mask = picture[..., :height, :width], mask[..., :height, :width]
        small = F.avg_pool2d(picture, 2)
        band = picture - small.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
        small_mask = (F.avg_pool2d(mask, 2) == 1).float()
        inside = small_mask.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1) > 0
        values = torch.asinh(band[inside]).double().cpu().numpy()
        counts.append(np.histogram(values.clip(-_BAND_LIMIT, _BAND_LIMIT), bins=edges)[0] / max(values.size, 1))
        picture, mask = small, small_mask
    return _rooted(np.concatenate(counts))


def _rooted(counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    return np.sqrt(counts / total * counts.size) if total else np.zeros(counts.size)
