"""Stars and galaxies in a picture, and whether an enlarged one shows the same as the truth.

PSNR and SSIM hardly see a star that was invented or erased; matching detected sources does. Detection is SExtractor's
(Bertin and Arnouts 1996) by the library sep: luma minus a background of 64 px meshes, 4 sigma, 5 pixels or more. Fluxes
are sums within 5 px of display pictures, stretched and clipped: not photometry.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from training.metrics import luma, to_8bit

MESH_PX = 64
SIGMAS, _MIN_AREA_PX = 4.0, 5
MATCH_PX, _APERTURE_PX = 2.0, 5.0
# a flat 8-bit background has no noise to speak of; its rounding has
LEAST_RMS = 12**-0.5
_NOISE_LEVEL, _NOISE_SIGMA, _NOISE_SIDE_PX, _NOISE_PICTURES = 30.0, 4.0, 96, 4


def available() -> bool:
    """Whether sources can be looked for: a bare training machine may lack sep or SciPy."""
    return find_spec("sep") is not None and find_spec("scipy") is not None


def source_scores(levels: Tensor, truth: Tensor, valid: Tensor) -> dict[str, float]:
    """Sources of (3, H, W) levels in 0 to 255 against the truth's, over the pixels that hold data, bool (1, H, W).

    `completeness` is the share of the truth's sources that are found within 2 px, each to one; `purity` the share of
    the found ones that are the truth's; `flux_ratio` the median flux over the truth's, and `flux_scatter` 1.48 times
    the median absolute deviation from it. NaN where there is no source to count.

    A source is what stands out of the noise of its own picture. Where that was averaged away, fainter ones do than the
    truth could show, and none of these counts as true: `completeness_same_depth` and `purity_same_depth` are of what
    stands as far out of the truth's noise.

    All these are of catalogues from which SExtractor's cleaning has taken what may be the wing of a brighter neighbour.
    Among nebulae that is most of what was detected, and what it takes from one picture only counts as missed or as
    invented, however plain in both: `completeness_uncleaned` and `purity_uncleaned` are of everything detected.
    """
    here, there = _Sky(levels, valid), _Sky(truth, valid)
    found, true = here.sources(here.noise), there.sources(there.noise)
    as_deep = here.sources(there.noise)
    detected, detectable = here.sources(here.noise, clean=False), there.sources(there.noise, clean=False)
    mine, theirs = _matches(found, true)
    known, _ = _matches(as_deep, true)
    seen, _ = _matches(detected, detectable)
    ratios = here.fluxes(found[mine]) / there.fluxes(true[theirs]) if len(mine) else np.empty(0)
    ratios = ratios[np.isfinite(ratios)]
    middle = float(np.median(ratios)) if len(ratios) else float("nan")
    return {
        "completeness": _share(mine, true),
        "purity": _share(mine, found),
        "flux_ratio": middle,
        "flux_scatter": 1.48 * float(np.median(np.abs(ratios - middle))) if len(ratios) else float("nan"),
        "completeness_same_depth": _share(known, true),
        "purity_same_depth": _share(known, as_deep),
        "completeness_uncleaned": _share(seen, detectable),
        "purity_uncleaned": _share(seen, detected),
    }


def invented_per_mpx(
    makers: Mapping[str, Callable[[Tensor, Tensor], Tensor]], device: torch.device
) -> dict[str, list[float]]:
    """Sources that enlarging finds in blank noise, per million pixels of output: by maker, for each of four pictures.

    The noise is Gaussian, gray, sigma 4 around 30 of 255, 96 px a side and the same for every maker. Enlarged noise
    is correlated and would pass a filter matched to stars, so here none is applied. A maker takes a picture and its
    mask, and returns the picture.
    """
    random = torch.Generator().manual_seed(0)
    found: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(_NOISE_PICTURES):
        noise = torch.randn((1, _NOISE_SIDE_PX, _NOISE_SIDE_PX), generator=random) * _NOISE_SIGMA + _NOISE_LEVEL
        picture = (noise.round().clamp(0, 255) / 255.0).expand(3, -1, -1).to(device)
        for name, enlarge in makers.items():
            large = to_8bit(enlarge(picture, torch.ones_like(picture[:1], dtype=torch.bool)))
            everything = torch.ones_like(large[:1], dtype=torch.bool)
            sky = _Sky(large, everything)
            places = sky.sources(sky.noise, filtered=False)
            found[name].append(1e6 * len(places) / everything.numel())
    return found


class _Sky:
    """A picture's luma without its background, and the noise of that, (H, W)."""

    def __init__(self, levels: Tensor, valid: Tensor) -> None:
        import sep  # noqa: PLC0415  a bare machine has none

        self._empty = np.ascontiguousarray(~valid[0].cpu().numpy())
        values = np.ascontiguousarray(luma(levels.float())[0].cpu().numpy())
        background = sep.Background(values, mask=self._empty, bw=MESH_PX, bh=MESH_PX)
        # sep looks at some masked pixels of the first rows all the same
        self._values = np.where(self._empty, np.float32(0), values - background.back())
        self.noise = np.maximum(background.rms(), LEAST_RMS)

    def sources(self, noise: np.ndarray, *, filtered: bool = True, clean: bool = True) -> np.ndarray:
        """Places (N, 2) of the sources that stand out of so much noise, (H, W), by a matched filter, and cleaned."""
        import sep  # noqa: PLC0415  a bare machine has none

        # crowded fields overflow the library's first guesses of how much room it needs
        sep.set_extract_pixstack(max(300_000, self._values.size))
        sep.set_sub_object_limit(16_384)
        options = {"clean": clean} if filtered else {"clean": clean, "filter_kernel": None}
        found = sep.extract(self._values, SIGMAS, err=noise, mask=self._empty, minarea=_MIN_AREA_PX, **options)
        return np.stack((found["x"], found["y"]), axis=1)

    def fluxes(self, places: np.ndarray) -> np.ndarray:
        """Sums within 5 px of places (N, 2), NaN where not above 0."""
        import sep  # noqa: PLC0415

        x, y = np.ascontiguousarray(places.T)
        sums, _, _ = sep.sum_circle(self._values, x, y, _APERTURE_PX, mask=self._empty)
        return np.where(sums > 0, sums, np.nan)


def _share(matched: np.ndarray, sources: np.ndarray) -> float:
    """How many of the sources these are; NaN where there is none."""
    return len(matched) / len(sources) if len(sources) else float("nan")


def _matches(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which places (N, 2) of two lists are each other's nearest and within 2 px: their indices."""
    from scipy.spatial import cKDTree  # noqa: PLC0415  a bare machine has none

    if not len(first) or not len(second):
        return np.empty(0, int), np.empty(0, int)
    distance, nearest = cKDTree(second).query(first)
    _, back = cKDTree(first).query(second)
    mine = np.flatnonzero((back[nearest] == np.arange(len(first))) & (distance <= MATCH_PX))
    return mine, nearest[mine]
