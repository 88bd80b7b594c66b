"""How much memory and time `deepfield upscale`, `colorize` or `enhance` takes on a picture of a chosen size.

    python benchmarks/upscale_memory.py [--side 8000] [--network RECIPE] [--set key=value]... [--out .tif]
                                        [--task upscale]

A noisy picture with a void in one corner is made as PNG, then the command runs on it in a process of its own, with
weights as they are before training: memory and time do not depend on them. Printed are its peak resident memory
(ru_maxrss, the import of PyTorch included), the clock and the CPU time, and the size of the result. `--network` is a
recipe for super-resolution, `--set` changes it, as in `deepfield train`; colours are those of demo_colorizer.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from models import catalogue
from training.config import Task
from training.recipes import make_config


def main() -> None:
    """Print one line for the picture and one for the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8000, help="pixels of the picture's side")
    parser.add_argument("--network", default="demo_superres", help="recipe for super-resolution")
    parser.add_argument("--set", action="append", default=[], help="one change to the recipe: key=value")
    parser.add_argument("--task", default="upscale", choices=("upscale", "colorize", "enhance"))
    parser.add_argument("--out", default=".tif", choices=(".tif", ".png", ".jpg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        register(home, "superres", options.network, options.set)
        register(home, "colorizer", "demo_colorizer", [])
        source, target = home / "in.png", home / f"out{options.out}"
        draw(options.side).save(source, compress_level=1)
        print(f"{options.side} x {options.side} pixels, {source.stat().st_size / 1e6:.0f} MB as PNG")
        command = [sys.executable, "-m", "flows.cli", options.task, str(source), "-o", str(target)]
        started = time.perf_counter()
        subprocess.run(command, check=True, env=os.environ | {"DEEPFIELD_HOME": folder}, stdout=subprocess.DEVNULL)
        clock = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        Image.MAX_IMAGE_PIXELS = None
        with Image.open(target) as image:
            size = image.size
        what = " ".join([options.task, options.network, *options.set])
        print(
            f"{what} to {size[0]} x {size[1]} {options.out}: peak {used.ru_maxrss / 1e6:.2f} GB, {clock:.0f} s, "
            f"{used.ru_utime + used.ru_stime:.0f} CPU-s, {target.stat().st_size / 1e6:.0f} MB"
        )


def register(home: Path, task: Task, recipe: str, changes: list[str]) -> None:
    """A model of the recipe's size with fresh weights, as `deepfield train` would register it."""
    config = make_config(task, recipe, None, changes)
    torch.manual_seed(0)
    folder = home / "models" / task / "v1"
    folder.mkdir(parents=True)
    for name in ("weights", "weights_faithful"):
        save_file(catalogue.build(config.generator).state_dict(), str(folder / f"{name}.safetensors"))
    meta = {"format": 1, "task": task, "network": catalogue.to_dict(config.generator)}
    meta |= {"recipe": recipe, "snapshot_id": "none", "frame_px": config.data.frame_px, "licences": []}
    (folder / "config.json").write_text(json.dumps(meta))
    (folder.parent / "champion").write_text("v1\n")


def draw(side: int) -> Image.Image:
    """Noise on a gradient, and a white corner as around a rotated footprint."""
    rng = np.random.default_rng(0)
    rgb = np.empty((side, side, 3), np.uint8)
    rgb[:] = (np.arange(side) * 200 // side)[None, :, None]
    for row in range(0, side, 256):
        rgb[row : row + 256] += rng.integers(0, 20, rgb[row : row + 256].shape, np.uint8)
    rgb[: side // 6, : side // 6] = 255
    return Image.fromarray(rgb)


if __name__ == "__main__":
    main()
