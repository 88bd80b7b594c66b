"""Running a network over a picture of any size in bounded memory: tile by tile, joined without a seam."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from manifests.resize import shrink, shrunk_size
from models import predict
from models.color import paint, rgb_to_lightness
from models.tiling import Tile, tiles

# Side of the kept part of a tile. Large enough that the margin costs little, small enough for 2 GB.
TILE_PX = 512
_PAINT_ROWS = 256


def colorize(
    network: nn.Module,
    rgb: np.ndarray,
    valid: np.ndarray,
    *,
    work_px: int,
    tile_px: int = TILE_PX,
    on_tile: Callable[[], None],
) -> np.ndarray:
    """Colour the lightness of a picture, uint8 (H, W, 3), with its mask bool (H, W); the result has its size.

    A picture whose longer side exceeds `work_px` is shown to the network at that size, the one it was trained at,
    and the a*b* are enlarged: objects then have the size in pixels that the network knows. Lightness is the input's
    at full size. No-data pixels stay as they are. `on_tile` is called after each tile of `tile_count`.
    """
    small, small_valid = shrink(rgb, valid, work_px)
    ab = np.zeros((2, *small_valid.shape), np.float32)
    device = next(network.parameters()).device
    for tile, window in _windows(network, small.shape, tile_px):
        mask = torch.from_numpy(small_valid[window]).unsqueeze(0).to(device)
        result = predict.predict_ab(network, rgb_to_lightness(_to_tensor(small[window], device)), mask)
        rows, columns = slice(*tile.rows.target), slice(*tile.columns.target)
        ab[:, rows, columns] = result[:, slice(*tile.rows.inner), slice(*tile.columns.inner)].cpu().numpy()
        on_tile()
    return _painted(rgb, valid, ab, small_valid)


def upscale(
    network: nn.Module, rgb: np.ndarray, valid: np.ndarray, *, tile_px: int = TILE_PX, on_tile: Callable[[], None]
) -> np.ndarray:
    """Enlarge a picture, uint8 (H, W, 3), by the network's whole-number scale.

    No-data pixels, False in `valid` (H, W), are repeated and not invented upon. `on_tile` is called after each tile.
    """
    scale = predict.scale_of(network)
    height, width = rgb.shape[:2]
    out = np.empty((height * scale, width * scale, 3), np.uint8)
    device = next(network.parameters()).device
    for tile, window in _windows(network, rgb.shape, max(64, tile_px // scale)):
        _place(out, predict.upscale(network, _to_tensor(rgb[window], device)), tile, scale)
        on_tile()
    if not valid.all():
        for offset_y in range(scale):
            for offset_x in range(scale):
                out[offset_y::scale, offset_x::scale][~valid] = rgb[~valid]
    return out


def colour_tiles(network: nn.Module, shape: tuple[int, ...], work_px: int, tile_px: int = TILE_PX) -> int:
    """How many tiles `colorize` takes for a picture of that shape."""
    return sum(1 for _ in _windows(network, shrunk_size(shape, work_px), tile_px))


def upscale_tiles(network: nn.Module, shape: tuple[int, ...], tile_px: int = TILE_PX) -> int:
    """How many tiles `upscale` takes for a picture of that shape."""
    return sum(1 for _ in _windows(network, shape, max(64, tile_px // predict.scale_of(network))))


def _painted(rgb: np.ndarray, valid: np.ndarray, ab: np.ndarray, ab_valid: np.ndarray) -> np.ndarray:
    """The a*b* (2, h, w), enlarged where needed, on the picture's own lightness, a band of rows at a time."""
    out = rgb.copy()
    size = (rgb.shape[1], rgb.shape[0])
    if ab.shape[1:] != valid.shape:
        # no-data has no colour and must not fade that of its neighbours
        share = np.maximum(cv2.resize(ab_valid.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), 1e-3)
        ab = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) / share for plane in ab])
    for start in range(0, rgb.shape[0], _PAINT_ROWS):
        band = slice(start, start + _PAINT_ROWS)
        lightness = rgb_to_lightness(_to_tensor(rgb[band], torch.device("cpu")))
        painted = _to_bytes(paint(lightness, torch.from_numpy(np.ascontiguousarray(ab[:, band]))))
        out[band] = np.where(valid[band][..., None], painted, rgb[band])
    return out


def _windows(network: nn.Module, shape: tuple[int, ...], tile_px: int) -> Iterator[tuple[Tile, tuple[slice, slice]]]:
    stride = int(network.stride)  # type: ignore[arg-type]
    margin = int(network.receptive_radius)  # type: ignore[arg-type]
    for tile in tiles(shape[0], shape[1], tile_px=tile_px, margin=margin, stride=stride):
        yield tile, (slice(*tile.rows.source), slice(*tile.columns.source))


def _to_tensor(rgb: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).to(device).float() / 255.0


def _to_bytes(rgb: Tensor) -> np.ndarray:
    return (rgb * 255.0 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def _place(out: np.ndarray, result: Tensor, tile: Tile, scale: int) -> None:
    inner = (slice(*(scale * i for i in tile.rows.inner)), slice(*(scale * i for i in tile.columns.inner)))
    target = (slice(*(scale * i for i in tile.rows.target)), slice(*(scale * i for i in tile.columns.target)))
    out[target] = _to_bytes(result[:, inner[0], inner[1]])
