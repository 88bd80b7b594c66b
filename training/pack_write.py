"""Writing a pack frame by frame, so that a build that was cut off goes on where it stopped. Needs numpy only.

A pack in the making is the hidden folder `.<name>.building` beside its place: the two pixel files, `begun.json` (what
it is of) and `frames.jsonl`, a line a frame, written only after that frame's pixels are safely on the disk.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from manifests.errors import DeepfieldError
from training.files import write_text
from training.pack import FORMAT, FrameInfo, PackedFrame, open_pack

Item = tuple[FrameInfo, np.ndarray, np.ndarray]

# frames between two syncs: all that a power cut can cost
_SYNC_EVERY = 64


@dataclass
class PackWriter:
    """Writes one pack; a context manager. `names` are the image_ids that an earlier attempt wrote already.

    While one process writes, others wait on entering; `finished` then says that the pack is there and nothing is left
    to do. An earlier attempt at another snapshot or size under the same name is thrown away.

    Raises:
        DeepfieldError: on entering, the folder holds something else, or a damaged pack.
    """

    folder: Path
    snapshot_id: str
    max_side_px: int

    def __enter__(self) -> "PackWriter":
        self._open = ExitStack()
        self._packed: list[PackedFrame] = []
        self._offset = self._synced = 0
        self.finished = not self._locked()
        if self.finished:
            self._open.close()
            self._check_same()
        else:
            self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if not self.finished:
                self._sync()

    @property
    def names(self) -> frozenset[str]:
        """Which frames need not be added any more."""
        return frozenset(frame.image_id for frame in self._packed)

    def add(self, info: FrameInfo, rgb: np.ndarray, valid: np.ndarray) -> None:
        """Append a frame: its pixels, uint8 (H, W, 3), and mask, bool (H, W)."""
        height, width = valid.shape
        self._pixels.write(np.ascontiguousarray(rgb, dtype=np.uint8).data)
        self._mask.write(np.ascontiguousarray(valid, dtype=np.uint8).data)
        held = int(np.count_nonzero(valid))
        self._packed.append(PackedFrame(**asdict(info), offset=self._offset, height=height, width=width, valid_px=held))
        self._offset += height * width
        if len(self._packed) - self._synced >= _SYNC_EVERY:
            self._sync()

    def finish(self) -> None:
        """Give the pack its name.

        Raises:
            DeepfieldError: there is no frame in it.
        """
        if not self._packed:
            shutil.rmtree(self._partial)
            self.finished = True
            raise DeepfieldError(
                f"Snapshot {self.snapshot_id} has no accepted frame in a train, val or test split: scrape or review "
                "more."
            )
        self._sync()
        described = self._identity() | {"frames": [asdict(frame) for frame in self._packed]}
        write_text(self._partial / "pack.json", json.dumps(described, indent=1))
        for name in ("begun.json", "frames.jsonl"):
            (self._partial / name).unlink()
        self._partial.rename(self.folder)
        self.finished = True

    def _identity(self) -> dict[str, Any]:
        return {"format": FORMAT, "snapshot_id": self.snapshot_id, "max_side_px": self.max_side_px}

    @property
    def _partial(self) -> Path:
        return self.folder.with_name(f".{self.folder.name}.building")

    def _locked(self) -> bool:
        """Wait until no other process writes this pack; False if it is finished then.

        The lock is on the folder in the making, so it goes with the process, however that ends, and leaves no file.
        """
        while not (self.folder / "pack.json").exists():
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise DeepfieldError(f"{self.folder} exists and is no pack: choose another folder, or delete it.")
            self._partial.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._partial, os.O_RDONLY)
            self._open.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
            # who held it may have finished the pack, or given up an empty one
            if self._partial.exists() and os.path.samestat(os.fstat(handle), self._partial.stat()):
                return True
        return False

    def _check_same(self) -> None:
        """Refuse to take the pack of another snapshot or size, or what is left of one, for this one."""
        found = open_pack(self.folder)
        if (found.snapshot_id, found.max_side_px) != (self.snapshot_id, self.max_side_px):
            raise DeepfieldError(
                f"{self.folder} holds the pack of snapshot {found.snapshot_id} at {found.max_side_px} px already: "
                "choose another folder, or delete it."
            )

    def _begin(self) -> None:
        """Open the files of an earlier attempt at its last safe frame, or fresh ones."""
        partial, begun = self._partial, self._partial / "begun.json"
        if not begun.exists() or json.loads(begun.read_text(encoding="utf-8")) != self._identity():
            for path in partial.iterdir():
                path.unlink()
            write_text(begun, json.dumps(self._identity()))
        self._packed = _safe_frames(partial)
        last = self._packed[-1] if self._packed else None
        self._offset = last.offset + last.height * last.width if last else 0
        self._synced = len(self._packed)
        self._pixels = self._opened("pixels.u8", 3 * self._offset)
        self._mask = self._opened("valid.u8", self._offset)
        lines = "".join(_line(frame) for frame in self._packed)
        self._journal = self._opened("frames.jsonl", len(lines.encode()))

    def _opened(self, name: str, size: int) -> IO[bytes]:
        handle = self._open.enter_context((self._partial / name).open("ab"))
        handle.truncate(size)
        return handle

    def _sync(self) -> None:
        _to_disk(self._pixels)
        _to_disk(self._mask)
        self._journal.write("".join(_line(frame) for frame in self._packed[self._synced :]).encode())
        _to_disk(self._journal)
        self._synced = len(self._packed)


def write_pack(folder: Path, frames: Iterable[Item], *, snapshot_id: str, max_side_px: int) -> Path:
    """Write frames as the pack `folder`, going on with an attempt that was cut off; a finished pack is left as it is.

    Raises:
        DeepfieldError: there is no frame, or the folder holds something else.
    """
    with PackWriter(folder, snapshot_id, max_side_px) as writer:
        if not writer.finished:
            there = writer.names
            for info, rgb, valid in frames:
                if info.image_id not in there:
                    writer.add(info, rgb, valid)
            writer.finish()
    return folder


def _safe_frames(partial: Path) -> list[PackedFrame]:
    """The frames of an earlier attempt whose pixels are all there."""
    journal = partial / "frames.jsonl"
    if not journal.exists():
        return []
    sizes = [(partial / name).stat().st_size for name in ("pixels.u8", "valid.u8")]
    found: list[PackedFrame] = []
    for line in journal.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # cut short by a kill
        frame = PackedFrame(**json.loads(line))
        end = frame.offset + frame.height * frame.width
        if sizes[0] < 3 * end or sizes[1] < end:
            break
        found.append(frame)
    return found


def _line(frame: PackedFrame) -> str:
    return json.dumps(asdict(frame)) + "\n"


def _to_disk(handle: IO[bytes]) -> None:
    handle.flush()
    os.fsync(handle.fileno())
