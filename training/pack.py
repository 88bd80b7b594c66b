"""A pack: the decoded frames of a snapshot in two flat files, from which training runs on a bare machine.

A folder with `pack.json` (what is in it), `pixels.u8` (RGB bytes of all frames, one after another, row by row) and
`valid.u8` (one byte a pixel, 1 where there is data). Needs numpy only. `training.pack_write` writes it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.errors import DeepfieldError, UsageError

FORMAT = 2
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class FrameInfo:
    """What is known of a packed frame besides its pixels. `color` is False for grayscale pictures."""

    image_id: str
    split: str
    group_id: str
    source_name: str
    synthetic: bool
    color: bool
    licence: str


@dataclass(frozen=True)
class PackedFrame(FrameInfo):
    """A frame of a pack: `offset` counts pixels from the start of the files, `valid_px` those that hold data."""

    offset: int
    height: int
    width: int
    valid_px: int

    @property
    def full(self) -> bool:
        """Whether every pixel holds data."""
        return self.valid_px == self.height * self.width


@dataclass(frozen=True)
class Pack:
    """An open pack. `pixels` and `mask` are memory maps of the two files."""

    folder: Path
    snapshot_id: str
    max_side_px: int
    frames: tuple[PackedFrame, ...]
    pixels: np.ndarray
    mask: np.ndarray

    def rgb(self, frame: PackedFrame) -> np.ndarray:
        """The frame's pixels, uint8 (H, W, 3), read from disk when touched."""
        end = frame.offset + frame.height * frame.width
        return self.pixels[frame.offset : end].reshape(frame.height, frame.width, 3)

    def valid(self, frame: PackedFrame) -> np.ndarray:
        """Where the frame has data, bool (H, W)."""
        end = frame.offset + frame.height * frame.width
        return self.mask[frame.offset : end].reshape(frame.height, frame.width).view(np.bool_)

    def select(self, split: str, *, color_only: bool) -> tuple[PackedFrame, ...]:
        """The frames of a split, without grayscale pictures where `color_only`."""
        return tuple(f for f in self.frames if f.split == split and (f.color or not color_only))


def check_split(split: str) -> None:
    """Say so where there is no such split.

    Raises:
        UsageError: there is none.
    """
    if split not in SPLITS:
        raise UsageError(f"There is no split {split!r}: choose {', '.join(SPLITS)}.")


def open_pack(folder: Path) -> Pack:
    """Open a pack for reading.

    Raises:
        DeepfieldError: the folder holds no pack, one of another format, or one whose files are cut short.
    """
    described = read_description(folder)
    frames = tuple(PackedFrame(**frame) for frame in described["frames"])
    total = sum(frame.height * frame.width for frame in frames)
    for name, size in (("pixels.u8", 3 * total), ("valid.u8", total)):
        path = folder / name
        if not path.exists() or path.stat().st_size != size:
            raise DeepfieldError(f"The pack file {path} is missing or cut short: delete the folder {folder}.")
    # plain arrays over the maps: numpy's own memmap type makes every slice several times as dear
    return Pack(
        folder=folder,
        snapshot_id=described["snapshot_id"],
        max_side_px=described["max_side_px"],
        frames=frames,
        pixels=np.asarray(np.memmap(folder / "pixels.u8", np.uint8, "r")).reshape(-1, 3),
        mask=np.asarray(np.memmap(folder / "valid.u8", np.uint8, "r")),
    )


def read_description(folder: Path) -> dict:
    """What a pack's `pack.json` says.

    Raises:
        DeepfieldError: there is none, it is damaged, or of another format.
    """
    try:
        described = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DeepfieldError(
            f"{folder} holds no pack (pack.json is missing): `deepfield pack --out {folder}` makes one."
        ) from None
    except ValueError as error:
        raise DeepfieldError(f"{folder / 'pack.json'} is damaged ({error}): delete the folder.") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        found = described.get("format") if isinstance(described, dict) else None
        raise DeepfieldError(f"The pack {folder} has format {found}, this version reads {FORMAT}: delete the folder.")
    return described


def hold_out(pack: Pack, *, color_only: bool) -> tuple[tuple[PackedFrame, ...], tuple[PackedFrame, ...], bool]:
    """Training frames, held-out frames, and whether the latter had to be taken from the training split.

    A small snapshot may have no `val` frame. Then every tenth group of the training split, at least one, in the
    order of the group ids (hashes), is held out; `test` is never touched.

    Raises:
        DeepfieldError: there is nothing to train on, or only one group, so that nothing can be held out.
    """
    train = pack.select("train", color_only=color_only)
    held = pack.select("val", color_only=color_only)
    what = "colour frames" if color_only else "frames"
    if not train:
        raise DeepfieldError(f"Snapshot {pack.snapshot_id} has no accepted {what} in its train split.")
    if held:
        return train, held, False
    groups = sorted({frame.group_id for frame in train})
    if len(groups) < 2:
        raise DeepfieldError(
            f"Snapshot {pack.snapshot_id} has no {what} in its val split and a single group in train, so nothing can "
            "be held out to measure progress: scrape more."
        )
    chosen = set(groups[::10])
    return (
        tuple(frame for frame in train if frame.group_id not in chosen),
        tuple(frame for frame in train if frame.group_id in chosen),
        True,
    )
