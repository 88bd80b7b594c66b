"""How fast random crops come out of a pack, beside Pillow reading the same frames from JPEGs.

    python benchmarks/loader_rate.py [--pack DIR] [--frames N] [--side PX] [--crops N]

Without a pack one of drawn frames is made: noisy glows with a rotated footprint, so that crops must look for data.
Crops of 256 pixels, in batches of 16, one process. Three figures of ours: crops as the training takes them out of the
pack (bytes, mask and symmetry), the same turned and made floats on the CPU, which a GPU does for itself, and, where
there is a GPU, on it. The peer opens a JPEG (quality 95, 4:4:4) of the frame, crops and turns it to an array. Rates are
by the wall clock and by CPU; where other work shares the machine, only the latter can be compared.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.data import CropSampler
from training.pack import SPLITS, FrameInfo, Pack, open_pack
from training.pack_write import write_pack

CROP_PX = 256
BATCH = 16


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, help="an existing pack")
    parser.add_argument("--frames", type=int, default=200, help="frames of the pack made without --pack")
    parser.add_argument("--side", type=int, default=1024, help="their side in pixels")
    parser.add_argument("--crops", type=int, default=4000, help="crops to draw")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "pack"
        if not options.pack:
            write_pack(made, drawn(options.frames, options.side), snapshot_id="drawn", max_side_px=options.side)
        pack = open_pack(options.pack or made)
        print_rates(pack, Path(place), options.crops)


def print_rates(pack: Pack, place: Path, crops: int) -> None:
    """Crops a second, ours and the peer's, on the same frames."""
    frames = [frame for split in SPLITS for frame in pack.select(split, color_only=False)]
    settings = {"crop_px": CROP_PX, "batch": BATCH, "min_valid": 0.5, "seed": 0}
    sampler = CropSampler(pack, frames, **settings)
    cpu = torch.device("cpu")
    batches = crops // BATCH
    # the first touch of a page costs more than the crop: time what a second epoch takes
    touched = int(pack.pixels[:: 4096 // 3].sum()) + int(pack.mask[::4096].sum())
    assert touched > 0
    print(f"{len(frames)} frames, {pack.mask.size / 1e6:.0f} Mpx; crops of {CROP_PX} px in batches of {BATCH}")
    print_rate("out of the pack", batches * BATCH, lambda: [sampler.draw() for _ in range(batches)])
    print_rate("as floats on the CPU", batches * BATCH, lambda: [sampler.next(cpu) for _ in range(batches)])
    if torch.cuda.is_available():
        gpu = torch.device("cuda")

        def on_gpu() -> None:
            for _ in range(batches):
                sampler.next(gpu)
            torch.cuda.synchronize()

        print_rate(f"as floats on {torch.cuda.get_device_name()}", batches * BATCH, on_gpu)
    files = []
    for frame in frames[:BATCH]:
        files.append(place / f"{frame.image_id}.jpg")
        Image.fromarray(pack.rgb(frame).copy()).save(files[-1], quality=95, subsampling=0)
    few = max(BATCH, crops // 40)
    rng = np.random.default_rng(0)
    print_rate("Pillow: open JPEG, crop", few, lambda: [cropped(files[n % len(files)], rng) for n in range(few)])


def cropped(path: Path, rng: np.random.Generator) -> np.ndarray:
    """One random crop of a file, as an array."""
    with Image.open(path) as picture:
        left, top = (int(rng.integers(max(side - CROP_PX, 0) + 1)) for side in picture.size)
        return np.asarray(picture.crop((left, top, left + CROP_PX, top + CROP_PX)))


def drawn(number: int, side: int) -> Iterator[tuple[FrameInfo, np.ndarray, np.ndarray]]:
    """Noisy glows; every second frame has a footprint turned by 45 degrees in white no-data."""
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    footprint = np.abs(rows) + np.abs(columns) < 1.2
    rng = np.random.default_rng(0)
    for n in range(number):
        glow = 120 * np.exp(-((rows - rng.uniform(-1, 1)) ** 2) - (columns - rng.uniform(-1, 1)) ** 2)
        rgb = (glow[..., None] + rng.integers(0, 60, (side, side, 3), dtype=np.uint8)).astype(np.uint8)
        valid = footprint if n % 2 else np.ones_like(footprint)
        rgb[~valid] = 255
        info = FrameInfo(f"{n:064x}", "train", f"g{n}", f"{n}.jpg", synthetic=True, color=True, licence="")
        yield info, rgb, valid


def print_rate(what: str, crops: int, work: Callable[[], object]) -> None:
    """One line of the table."""
    wall, used = time.perf_counter(), time.process_time()
    work()
    wall, used = time.perf_counter() - wall, time.process_time() - used
    print(f"{what:28} {crops / wall:7.0f} crops/s by the clock, {crops / used:7.0f} a CPU second")


if __name__ == "__main__":
    main()
