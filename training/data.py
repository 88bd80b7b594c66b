"""Random crops from a pack: seeded, mask-aware, and resumable, because crop number i depends on i and the seed only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.pack import Pack, PackedFrame

_TRIES = 8
# the share of valid pixels in a crop is counted on a grid of about so many rows and columns
_GRID = 32
# which draws a crop needs: its symmetry, one for what a task leaves to chance, then row and column of each try
_DRAWS = 2 + 2 * _TRIES


@dataclass(frozen=True)
class Batch:
    """Crops: `rgb` float (N, 3, H, W) sRGB in [0, 1], `valid` bool (N, 1, H, W), False where there is no data.

    `image_ids` name the frames they are of, `chances` in [0, 1) are drawn for what a task leaves to chance.
    """

    rgb: Tensor
    valid: Tensor
    image_ids: tuple[str, ...] = ()
    chances: tuple[float, ...] = ()


@dataclass(frozen=True)
class RawCrops:
    """Crops as they lie in the pack: `rgb` uint8 (N, S, S, 3), `valid` bool (N, S, S).

    `symmetries`, each in 0 to 7, say how they are to be turned: twice as cheap where they become floats anyway.
    `image_ids` and `chances` are as in `Batch`.
    """

    rgb: Tensor
    valid: Tensor
    symmetries: tuple[int, ...]
    image_ids: tuple[str, ...]
    chances: tuple[float, ...]

    def on(self, device: torch.device) -> Batch:
        """The crops as floats on a device, each turned by its symmetry."""
        planes = self.rgb.to(device).permute(0, 3, 1, 2)
        masks = self.valid.to(device).unsqueeze(1)
        rgb = torch.empty(planes.shape, dtype=torch.float32, device=device)
        valid = torch.empty_like(masks)
        for place, symmetry in enumerate(self.symmetries):
            rgb[place].copy_(turned(planes[place], symmetry))
            valid[place].copy_(turned(masks[place], symmetry))
        return Batch(rgb.div_(255.0), valid, self.image_ids, self.chances)


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
        # fresh memory for every batch would cost as much as the copying
        self._pixels = np.empty((batch // world, crop_px, crop_px, 3), np.uint8)
        self._masks = np.empty((batch // world, crop_px, crop_px), np.bool_)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def next(self, device: torch.device) -> Batch:
        """The next batch, on a device."""
        return self.draw().on(device)

    def draw(self) -> RawCrops:
        """The next batch, as it lies in the pack; good until the next one is drawn, which takes its memory."""
        numbers = np.arange(self.position + self.rank, self.position + self.batch, self.world)
        self.position += self.batch
        size = self.crop_px
        draws = _uniform(self.seed, numbers)
        pixels, masks = self._pixels, self._masks
        frames = [self._frame(int(number)) for number in numbers]
        for place, frame in enumerate(frames):
            top, left = self._corner(frame, draws[place, 2:])
            height, width = min(size, frame.height), min(size, frame.width)
            if (height, width) != (size, size):
                # the rest of a crop from a smaller frame is black, and not valid
                pixels[place], masks[place] = 0, False
            pixels[place, :height, :width] = self.pack.rgb(frame)[top : top + size, left : left + size]
            if frame.full:
                masks[place, :height, :width] = True
            else:
                masks[place, :height, :width] = self.pack.valid(frame)[top : top + size, left : left + size]
        return RawCrops(
            torch.from_numpy(pixels),
            torch.from_numpy(masks),
            symmetries=tuple(int(value) for value in draws[:, 0] * 8),
            image_ids=tuple(frame.image_id for frame in frames),
            chances=tuple(draws[:, 1].tolist()),
        )

    def _corner(self, frame: PackedFrame, draws: np.ndarray) -> tuple[int, int]:
        """The first place with enough data, or the best of the tries."""
        size = self.crop_px
        rows = (draws[0::2] * (max(frame.height - size, 0) + 1)).astype(int).tolist()
        columns = (draws[1::2] * (max(frame.width - size, 0) + 1)).astype(int).tolist()
        if frame.full:
            return rows[0], columns[0]
        valid = self.pack.valid(frame)
        step = max(1, size // _GRID)
        needed = self.min_valid * len(range(0, size, step)) ** 2
        best, chosen = -1, (0, 0)
        for top, left in zip(rows, columns, strict=True):
            found = int(np.count_nonzero(valid[top : top + size : step, left : left + size : step]))
            if found > best:
                best, chosen = found, (top, left)
            if best >= needed:
                break
        return chosen

    def _frame(self, number: int) -> PackedFrame:
        epoch, place = divmod(number, len(self.frames))
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.frames)))
        return self.frames[int(self._order[1][place])]


def turned(values: Tensor, symmetry: int) -> Tensor:
    """A view of (..., S, S) under one of the 8 symmetries of the square: transposed, flipped, mirrored, or not."""
    if symmetry & 4:
        values = values.transpose(-2, -1)
    flipped = [axis for axis, bit in ((-2, 2), (-1, 1)) if symmetry & bit]
    return values.flip(flipped) if flipped else values


def _uniform(seed: int, numbers: np.ndarray) -> np.ndarray:
    """Draws in [0, 1) for each crop number, (N, draws), float64: SplitMix64 (Steele et al. 2014) at counted places.

    A generator object for every crop would take longer than the crop.
    """
    start = np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)
    places = numbers.astype(np.uint64)[:, None] * np.uint64(_DRAWS) + np.arange(_DRAWS, dtype=np.uint64)
    state: np.ndarray = start + (places + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)) * 2.0**-53


def whole(pack: Pack, frame: PackedFrame, device: torch.device) -> tuple[Tensor, Tensor]:
    """A frame as float sRGB (3, H, W) in [0, 1] and its mask, bool (1, H, W)."""
    rgb = torch.from_numpy(pack.rgb(frame).copy()).to(device).permute(2, 0, 1).float() / 255.0
    return rgb, torch.from_numpy(pack.valid(frame).copy()).to(device).unsqueeze(0)
