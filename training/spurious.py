"""Sources that an enlarged picture shows and the truth does not, as a loss.

The mean of all pictures that an input may be of, which least squares ask for, is smoother than each of them: in it
fainter things stand out of the noise than the truth could show, and a catalogue made from it is less pure. This
follows the detection of `training.sources` closely enough to have a slope: a background and a noise for each mesh,
clipped at 3 sigma, and the matched filter of SExtractor's default kernel (Bertin and Arnouts 1996, A&AS 117, 393).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.metrics import luma
from training.sources import LEAST_RMS, MATCH_PX, MESH_PX, SIGMAS

_CLIP_SIGMA, _CLIPPINGS = 3.0, 4
# sum over root of the sum of squares of the kernel 1 2 1, 2 4 2, 1 2 1: by so much it lifts a source out of the noise
_LIFT = 16.0 / 6.0
# what stands out less is safe, and what stands out by so much more than is needed is past mending
_SAFE_SIGMAS, _RAMP_SIGMAS = SIGMAS - 0.5, 4.0
# added to the area of all sources, or a single one of an empty picture would count like hundreds
_AREA_PX = 100.0


def spurious_share(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Which share of the area of the prediction's sources lies where the truth shows none; the mean of pictures.

    sRGB (N, 3, H, W) in [0, 1], `valid` bool (N, 1, H, W). Both are searched down to their own noise. A pixel counts
    by how far it stands out, from nothing at 3.5 sigma to wholly at 7.5; 2 px beside a source of the truth are its.
    The highest peaks of noise count too, so that the share of the truth itself is not quite 0.
    """
    stands_out = _significance(prediction, valid)
    with torch.no_grad():
        reach = int(MATCH_PX)
        near = F.max_pool2d(_significance(truth, valid), 2 * reach + 1, stride=1, padding=reach)
        nothing = (near < SIGMAS) & valid
        area = ((stands_out > SIGMAS) & valid).flatten(1).sum(dim=1)
    wrong = ((stands_out - _SAFE_SIGMAS) / _RAMP_SIGMAS).clamp(0.0, 1.0) * nothing
    return (wrong.flatten(1).sum(dim=1) / (area + _AREA_PX)).mean()


def _significance(rgb: Tensor, valid: Tensor) -> Tensor:
    """By how many sigma each pixel stands out of its background, matched-filtered: (N, 1, H, W)."""
    light = luma(255.0 * rgb.float().clamp(0.0, 1.0))
    background, noise = _background(light, valid)
    # two means over 2 x 2 pixels are the kernel
    smooth = F.pad((light - background) * valid, (1, 1, 1, 1), mode="replicate")
    for _ in range(2):
        smooth = F.avg_pool2d(smooth, 2, stride=1)
    return _LIFT * smooth / noise


def _background(light: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Background, without a gradient, and its noise, in the levels of (N, 1, H, W) light: meshes, interpolated."""
    height, width = light.shape[-2:]
    to_whole = (0, -width % MESH_PX, 0, -height % MESH_PX)
    levels, kept = _meshes(F.pad(light, to_whole)), _meshes(F.pad(valid, to_whole))
    there = kept.any(dim=-1)
    for _ in range(_CLIPPINGS):
        mean, deviation = _moments(levels.detach(), kept)
        kept = kept & ((levels.detach() - mean.unsqueeze(-1)).abs() <= _CLIP_SIGMA * deviation.unsqueeze(-1))
    mean, deviation = _moments(levels, kept)
    planes = []
    for statistic in (mean.detach(), deviation):
        # a mesh without data is as the others are, since it reaches into them
        usual = (statistic * there).sum(dim=(2, 3), keepdim=True) / there.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        grid = torch.where(there, statistic, usual)
        whole = F.interpolate(grid, scale_factor=MESH_PX, mode="bilinear", align_corners=False)
        planes.append(whole[..., :height, :width])
    # of a picture without data at all too
    return planes[0], planes[1].clamp(min=LEAST_RMS)


def _meshes(plane: Tensor) -> Tensor:
    """The pixels of each mesh of (N, 1, H, W): (N, 1, rows, columns, pixels of a mesh)."""
    cut = plane.unflatten(-1, (-1, MESH_PX)).unflatten(-3, (-1, MESH_PX))
    return cut.transpose(-3, -2).flatten(-2)


def _moments(levels: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each mesh over the pixels that are kept."""
    count = kept.sum(dim=-1).clamp(min=1)
    mean = (levels * kept).sum(dim=-1) / count
    squares = ((levels - mean.unsqueeze(-1)).square() * kept).sum(dim=-1) / count
    # the rounding of levels is noise too, and where there is no other the root has a slope
    return mean, (squares + LEAST_RMS**2).sqrt()
