"""Drawn frames, a pack of them, and configs small enough for a test."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from training.config import Task, TrainConfig
from training.pack import FrameInfo, Pack, open_pack
from training.pack_write import write_pack
from training.recipes import make_config
from training.settings import override


def drawn(number: int, side: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Smooth glow, reddish where bright and blue where faint, in a frame with a corner of white no-data."""
    rng = np.random.default_rng(number)
    glow = gaussian_filter(rng.standard_normal((side, side)), 3)
    glow = (glow - glow.min()) / (glow.max() - glow.min())
    rgb = np.stack((40 + 190 * glow, 50 + 130 * glow, 90 + 60 * glow), axis=2)
    valid = np.add.outer(np.arange(side), np.arange(side)) > 20
    rgb[~valid] = 255
    return rgb.astype(np.uint8), valid


def info(number: int, split: str, **changes: Any) -> FrameInfo:
    values = {
        "image_id": f"{number:064x}",
        "split": split,
        "group_id": f"group-{number:03d}",
        "source_name": f"frame{number}.jpg",
        "synthetic": True,
        "color": True,
        "licence": "CC BY 4.0",
    }
    return FrameInfo(**{**values, **changes})


def tiny_pack(folder: Path, splits: dict[str, int], snapshot_id: str = "snap", color: bool = True) -> Pack:
    names = [split for split, count in splits.items() for _ in range(count)]
    frames = ((info(number, split, color=color), *drawn(number)) for number, split in enumerate(names))
    return open_pack(write_pack(folder, frames, snapshot_id=snapshot_id, max_side_px=80))


def tiny_config(task: Task = "colorizer", **changes: Any) -> TrainConfig:
    common = {
        "data": {"crop_px": 32, "batch": 2, "frame_px": 80},
        "pretrain": {"steps": 6, "decay": "cosine"},
        "adversarial": {"steps": 6},
        "discriminator": {"width": 4},
        "discriminator_first": 2,
        "log_every": 2,
        "eval_every": 3,
        "device": "cpu",
        "precision": "fp32",
    }
    networks: dict[str, Any] = {
        "colorizer": {"generator": {"width": 4, "depth": 2, "max_width": 8, "reduce": 1}},
        "superres": {"generator": {"scale": 2, "width": 4, "blocks": 1}},
    }
    return override(override(make_config(task), common | networks[task]), changes)
