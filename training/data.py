"""Random crops from a pack: seeded, mask-aware, and resumable, because crop number i depends on i and the seed only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.pack import Pack, PackedFrame

_TRIES = 8


@dataclass(frozen=True)
class Batch:
    """Crops: `rgb` float (N, 3, H, W) sRGB in [0, 1], `valid` bool (N, 1, H, W), False where there is no data."""

    rgb: Tensor
    valid: Tensor


class CropSampler:
    """An endless stream of batches of square crops, each turned by one of the 8 symmetries of the square.

    Every frame gives one crop before any gives its second. A crop with less than `min_valid` of its pixels valid is
    drawn again, a few times, then the best is taken. Under several processes each takes its share of every batch,
    and together they see what one process would. `position`, the number of crops drawn, is the whole state.
    """

    def __init__(
        self,
        pack: Pack,
        frames: Sequence[PackedFrame],
        *,
        crop_px: int,
        batch: int,
        min_valid: float,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch % world:
            raise ValueError(f"a batch of {batch} cannot be shared by {world} processes")
        self.pack, self.frames = pack, tuple(frames)
        self.crop_px, self.batch, self.min_valid, self.seed = crop_px, batch, min_valid, seed
        self.rank, self.world = rank, world
        self.position = 0
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def next(self, device: torch.device) -> Batch:
        """The next batch, on a device."""
        mine = range(self.position + self.rank, self.position + self.batch, self.world)
        crops = [self._crop(number) for number in mine]
        self.position += self.batch
        rgb = torch.from_numpy(np.stack([rgb for rgb, _ in crops])).to(device)
        valid = torch.from_numpy(np.stack([valid for _, valid in crops])).to(device)
        return Batch(rgb.permute(0, 3, 1, 2).float() / 255.0, valid.unsqueeze(1))

    def _crop(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        frame = self._frame(number)
        rng = np.random.default_rng([self.seed, 1, number])
        rgb, valid, size = self.pack.rgb(frame), self.pack.valid(frame), self.crop_px
        best, top, left = -1.0, 0, 0
        for _ in range(_TRIES):
            y = int(rng.integers(max(frame.height - size, 0) + 1))
            x = int(rng.integers(max(frame.width - size, 0) + 1))
            share = float(valid[y : y + size, x : x + size].sum()) / size**2
            if share > best:
                best, top, left = share, y, x
            if best >= self.min_valid:
                break
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
        pixels = _pad(rgb[top : top + size, left : left + size], size)
        mask = _pad(valid[top : top + size, left : left + size], size)
        if mirror:
            pixels, mask = pixels[:, ::-1], mask[:, ::-1]
        return np.rot90(pixels, turn).copy(), np.rot90(mask, turn).copy()

    def _frame(self, number: int) -> PackedFrame:
        epoch, place = divmod(number, len(self.frames))
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.frames)))
        return self.frames[int(self._order[1][place])]


def _pad(values: np.ndarray, size: int) -> np.ndarray:
    """Fill a crop of a frame that is smaller than the crop with zeros: black, and not valid."""
    height, width = values.shape[:2]
    around = [(0, size - height), (0, size - width)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, around) if (height, width) != (size, size) else values


def whole(pack: Pack, frame: PackedFrame, device: torch.device) -> tuple[Tensor, Tensor]:
    """A frame as float sRGB (3, H, W) in [0, 1] and its mask, bool (1, H, W)."""
    rgb = torch.from_numpy(pack.rgb(frame).copy()).to(device).permute(2, 0, 1).float() / 255.0
    return rgb, torch.from_numpy(pack.valid(frame).copy()).to(device).unsqueeze(0)
