"""A smaller pack out of a larger one, without going back to the archive's pictures. Needs numpy and Pillow only."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from training.pack import FrameInfo, Pack, open_pack
from training.pack_write import Item, write_pack


def at_size(pack: Pack, max_side_px: int, folder: Path) -> Pack:
    """The pack as if it had been made for a longer side of `max_side_px`; what must be shrunk becomes a pack `folder`.

    A pack whose frames were shrunk further than that cannot be made larger and is returned as it is. A pack with no
    frame as large as its own limit had none to shrink: it is the same at any size above them.
    """
    largest = max(max(frame.height, frame.width) for frame in pack.frames)
    if largest > max_side_px:
        return open_pack(resized_pack(pack, max_side_px, folder))
    return replace(pack, max_side_px=max_side_px) if largest < pack.max_side_px else pack


def resized_pack(pack: Pack, max_side_px: int, folder: Path) -> Path:
    """Write the pack's frames, shrunk to a longer side of `max_side_px`, as the pack `folder`, unless it is there."""
    return write_pack(folder, _frames(pack, max_side_px), snapshot_id=pack.snapshot_id, max_side_px=max_side_px)


def _frames(pack: Pack, max_side_px: int) -> Iterator[Item]:
    names = [field.name for field in fields(FrameInfo)]
    for frame in pack.frames:
        info = FrameInfo(**{name: getattr(frame, name) for name in names})
        yield info, *shrunk(pack.rgb(frame), pack.valid(frame), max_side_px)


def shrunk(rgb: np.ndarray, valid: np.ndarray, max_side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over areas of uint8 (H, W, 3), counting pixels with data only; a pixel more than half of data is valid."""
    height, width = valid.shape
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return rgb, valid
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    share = _means(valid.astype(np.float32), size)
    planes = [_means(np.where(valid, rgb[..., channel], 0).astype(np.float32), size) for channel in range(3)]
    inside = share > 0.5
    means = np.stack(planes, axis=2) / np.maximum(share, 1e-6)[..., None]
    return np.where(inside[..., None], (means + 0.5).clip(0, 255), 255).astype(np.uint8), inside


def _means(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX))
