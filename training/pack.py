"""A pack: the decoded frames of a snapshot in two flat files, from which training runs on a bare machine.

A folder with `pack.json` (what is in it), `pixels.u8` (RGB bytes of all frames, one after another, row by row) and
`valid.u8` (one byte a pixel, 1 where there is data). Needs numpy only.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from manifests.errors import DeepfieldError

FORMAT = 1
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
    """A frame of a pack: `offset` counts pixels from the start of the files."""

    offset: int
    height: int
    width: int


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


def write_pack(
    folder: Path,
    frames: Iterable[tuple[FrameInfo, np.ndarray, np.ndarray]],
    *,
    snapshot_id: str,
    max_side_px: int,
) -> Path:
    """Write frames, each with its pixels, uint8 (H, W, 3), and mask, bool (H, W), as the pack `folder`.

    Made under another name and renamed at the end; if someone else finished the same pack meanwhile, theirs stays.

    Raises:
        DeepfieldError: there is no frame.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        packed, offset = [], 0
        with (partial / "pixels.u8").open("wb") as pixels, (partial / "valid.u8").open("wb") as mask:
            for info, rgb, valid in frames:
                height, width = valid.shape
                pixels.write(np.ascontiguousarray(rgb, dtype=np.uint8).data)
                mask.write(np.ascontiguousarray(valid, dtype=np.uint8).data)
                packed.append(PackedFrame(**asdict(info), offset=offset, height=height, width=width))
                offset += height * width
        if not packed:
            raise DeepfieldError(
                f"Snapshot {snapshot_id} has no accepted frame in a train, val or test split: scrape or review more."
            )
        described = {
            "format": FORMAT,
            "snapshot_id": snapshot_id,
            "max_side_px": max_side_px,
            "frames": [asdict(frame) for frame in packed],
        }
        (partial / "pack.json").write_text(json.dumps(described, indent=1))
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / "pack.json").exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def open_pack(folder: Path) -> Pack:
    """Open a pack for reading.

    Raises:
        DeepfieldError: the folder holds no pack, one of another format, or one whose files are cut short.
    """
    try:
        described = json.loads((folder / "pack.json").read_text())
    except FileNotFoundError:
        raise DeepfieldError(f"{folder} holds no pack (pack.json is missing): train again to build it.") from None
    except ValueError as error:
        raise DeepfieldError(f"{folder / 'pack.json'} is damaged ({error}): delete the folder.") from None
    if described.get("format") != FORMAT:
        raise DeepfieldError(
            f"The pack {folder} has format {described.get('format')}, this version reads {FORMAT}: delete the folder."
        )
    frames = tuple(PackedFrame(**frame) for frame in described["frames"])
    total = sum(frame.height * frame.width for frame in frames)
    for name, size in (("pixels.u8", 3 * total), ("valid.u8", total)):
        path = folder / name
        if not path.exists() or path.stat().st_size != size:
            raise DeepfieldError(f"The pack file {path} is missing or cut short: delete the folder {folder}.")
    return Pack(
        folder=folder,
        snapshot_id=described["snapshot_id"],
        max_side_px=described["max_side_px"],
        frames=frames,
        pixels=np.memmap(folder / "pixels.u8", np.uint8, "r").reshape(-1, 3),
        mask=np.memmap(folder / "valid.u8", np.uint8, "r"),
    )


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
