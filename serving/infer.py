"""Running a network over a picture of any size in bounded memory: tile by tile, joined without a seam."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models import predict
from models.tiling import Tile, tiles

# Side of the kept part of a tile. Large enough that the margin costs little, small enough for 2 GB.
TILE_PX = 512


def colorize(
    network: nn.Module, rgb: np.ndarray, valid: np.ndarray, *, tile_px: int = TILE_PX, on_tile: Callable[[], None]
) -> np.ndarray:
    """Colour the lightness of a picture, uint8 (H, W, 3), with its mask bool (H, W); the result has its size.

    No-data pixels stay as they are. `on_tile` is called after each tile of `tile_count`.
    """
    out = rgb.copy()
    device = next(network.parameters()).device
    for tile, window in _windows(network, rgb.shape, tile_px):
        mask = torch.from_numpy(valid[window]).unsqueeze(0).to(device)
        result = predict.colorize(network, _to_tensor(rgb[window], device), mask)
        _place(out, result, tile, 1)
        on_tile()
    return out


def upscale(
    network: nn.Module, rgb: np.ndarray, valid: np.ndarray, *, tile_px: int = TILE_PX, on_tile: Callable[[], None]
) -> np.ndarray:
    """Enlarge a picture, uint8 (H, W, 3), by the network's whole-number scale.

    No-data pixels, False in `valid` (H, W), are repeated and not invented upon. `on_tile` is called after each tile.
    """
    scale = int(network.scale)  # type: ignore[arg-type]
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


def tile_count(network: nn.Module, shape: tuple[int, ...], tile_px: int = TILE_PX) -> int:
    """How many tiles a picture of that shape takes, for a progress bar."""
    scale = int(getattr(network, "scale", 1))
    side = tile_px if scale == 1 else max(64, tile_px // scale)
    return sum(1 for _ in _windows(network, shape, side))


def _windows(network: nn.Module, shape: tuple[int, ...], tile_px: int) -> Iterator[tuple[Tile, tuple[slice, slice]]]:
    stride = int(network.stride)  # type: ignore[arg-type]
    margin = int(network.receptive_radius)  # type: ignore[arg-type]
    for tile in tiles(shape[0], shape[1], tile_px=tile_px, margin=margin, stride=stride):
        yield tile, (slice(*tile.rows.source), slice(*tile.columns.source))


def _to_tensor(rgb: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).to(device).float() / 255.0


def _place(out: np.ndarray, result: Tensor, tile: Tile, scale: int) -> None:
    inner = (slice(*(scale * i for i in tile.rows.inner)), slice(*(scale * i for i in tile.columns.inner)))
    target = (slice(*(scale * i for i in tile.rows.target)), slice(*(scale * i for i in tile.columns.target)))
    pixels = (result[:, inner[0], inner[1]] * 255.0 + 0.5).clamp(0, 255).to(torch.uint8)
    out[target] = pixels.permute(1, 2, 0).cpu().numpy()
