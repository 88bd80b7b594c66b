"""Running a network over a picture of any size in bounded memory: tile by tile, joined without a seam."""

from collections.abc import Callable, Iterator
from itertools import groupby

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from models import predict
from models.color import paint, rgb_to_lightness
from models.consistency import consistent_with
from models.memory import bytes_per_pixel
from models.tiling import Tile, tiles
from serving.bands import Band, Bands, pieces

# Of the 2 GB that an 8,000 x 8,000 picture may take, PyTorch has 0.6 and the decoded picture 0.4 before the first tile;
# a row of tiles and its mask, four thirds of this, exist twice while one is written and the next one made; of a tile's
# memory the convolutions take up to half as much again
_TILE_BYTES = 320 * 2**20
_ROW_OF_TILES_BYTES = 128 * 2**20
_TILE_PX = range(64, 1025)


def colours(
    network: nn.Module, rgb: np.ndarray, valid: np.ndarray, *, tile_px: int, on_tile: Callable[[], None]
) -> np.ndarray:
    """a*b* (2, H, W) for the lightness of uint8 (H, W, 3); no-data, False in `valid` (H, W), has none.

    `on_tile` is called after each of the `tile_count`.
    """
    ab = np.zeros((2, *valid.shape), np.float32)
    device = next(network.parameters()).device
    for tile in _tiles(network, valid.shape, tile_px):
        window = slice(*tile.rows.source), slice(*tile.columns.source)
        mask = torch.from_numpy(valid[window]).unsqueeze(0).to(device)
        result = predict.predict_ab(network, rgb_to_lightness(_to_tensor(rgb[window], device)), mask)
        rows, columns = slice(*tile.rows.target), slice(*tile.columns.target)
        ab[:, rows, columns] = result[:, slice(*tile.rows.inner), slice(*tile.columns.inner)].cpu().numpy()
        on_tile()
    return ab


def painted(picture: Bands, ab: np.ndarray, ab_valid: np.ndarray) -> Bands:
    """The a*b* (2, h, w), enlarged to the picture's size, on its own lightness; no-data pixels stay as they are."""
    # no-data has no colour and must not fade that of its neighbours
    planes = np.dstack((*ab, ab_valid.astype(np.float32)))

    def read() -> Iterator[Band]:
        row = 0
        for rgb, valid in pieces(picture.read()):
            rows = _rows_of(planes, row, rgb.shape[0], picture.height)
            wide = cv2.resize(rows, (picture.width, rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
            chroma = (wide[..., :2] / np.maximum(wide[..., 2:], 1e-3)).transpose(2, 0, 1)
            lightness = rgb_to_lightness(_to_tensor(rgb, torch.device("cpu")))
            coloured = _to_bytes(paint(lightness, torch.from_numpy(np.ascontiguousarray(chroma))))
            yield np.where(valid[..., None], coloured, rgb), valid
            row += rgb.shape[0]

    return Bands(picture.height, picture.width, read)


def enlarged(
    network: nn.Module,
    rgb: np.ndarray,
    valid: np.ndarray,
    *,
    tile_px: int,
    consistent: bool = False,
    on_tile: Callable[[], None],
) -> Bands:
    """A picture, uint8 (H, W, 3), enlarged by the network's whole-number scale while it is read.

    No-data pixels, False in `valid` (H, W), are repeated and not invented upon. With `consistent` the mean over each
    pixel of the input is that pixel again. `on_tile` is called after each of the `tile_count`.
    """
    scale = predict.scale_of(network)
    device = next(network.parameters()).device

    def read() -> Iterator[Band]:
        for span, row in groupby(_tiles(network, valid.shape, tile_px), key=lambda tile: tile.rows):
            given, given_valid = rgb[slice(*span.target)], valid[slice(*span.target)]
            out = np.empty((given.shape[0] * scale, given.shape[1] * scale, 3), np.uint8)
            for tile in row:
                window = _to_tensor(rgb[slice(*span.source), slice(*tile.columns.source)], device)
                result = predict.upscale(network, window)
                if consistent:
                    result = consistent_with(window, result)
                inner = [slice(scale * start, scale * end) for start, end in (span.inner, tile.columns.inner)]
                start, end = tile.columns.target
                out[:, scale * start : scale * end] = _to_bytes(result[:, inner[0], inner[1]])
                on_tile()
            if not given_valid.all():
                for offset in np.ndindex(scale, scale):
                    out[offset[0] :: scale, offset[1] :: scale][~given_valid] = given[~given_valid]
            yield out, given_valid.repeat(scale, axis=0).repeat(scale, axis=1)

    return Bands(scale * rgb.shape[0], scale * rgb.shape[1], read)


def tile_px_for(network: nn.Module, width: int) -> int:
    """Side of the kept part of a tile: as large as memory allows, as its margin is computed in vain.

    `width` is that of the picture, whose results are kept for a row of tiles at a time.
    """
    scale = getattr(network, "scale", 0)
    most = (_TILE_BYTES / bytes_per_pixel(network, 3 if scale else 1)) ** 0.5
    side = int(most) - 2 * int(network.receptive_radius)  # type: ignore[arg-type]
    if scale:
        side = min(side, _ROW_OF_TILES_BYTES // (3 * scale**2 * width))
    return min(max(side, _TILE_PX.start), _TILE_PX.stop - 1)


def tile_count(network: nn.Module, shape: tuple[int, ...], tile_px: int) -> int:
    """How many tiles a picture of that shape takes."""
    return sum(1 for _ in _tiles(network, shape, tile_px))


def _tiles(network: nn.Module, shape: tuple[int, ...], tile_px: int) -> Iterator[Tile]:
    stride, margin = int(network.stride), int(network.receptive_radius)  # type: ignore[arg-type]
    return tiles(shape[0], shape[1], tile_px=tile_px, margin=margin, stride=stride)


def _rows_of(planes: np.ndarray, first: int, count: int, height: int) -> np.ndarray:
    """Rows `first` and on of the planes (h, w, n) when enlarged linearly to `height` rows, as cv2.resize would."""
    at = (np.arange(first, first + count, dtype=np.float32) + 0.5) * (planes.shape[0] / height) - 0.5
    at = at.clip(0.0, planes.shape[0] - 1.0)
    above = at.astype(int)
    below = np.minimum(above + 1, planes.shape[0] - 1)
    weight = (at - above)[:, None, None].astype(np.float32)
    return planes[above] * (1.0 - weight) + planes[below] * weight


def _to_tensor(rgb: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).to(device).float() / 255.0


def _to_bytes(rgb: Tensor) -> np.ndarray:
    return (rgb * 255.0 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
