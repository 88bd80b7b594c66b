"""A pack as JPEGs in one tar file or folder, to be carried to another machine. Needs numpy and Pillow only.

`travel.json` says what the pack is of and lists its frames; `<image_id>.jpg` are their pixels at quality 95 without
colour subsampling, and `<image_id>.png` their masks, where a frame has no-data.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from manifests.errors import DeepfieldError
from training.files import write_atomic
from training.pack import FrameInfo, Pack
from training.pack_write import Item, PackWriter

_FORMAT = 1
_QUALITY = 95
_DESCRIPTION = "travel.json"

OnProgress = Callable[[int, int], None]


def write_travelling(pack: Pack, out: Path, on_progress: OnProgress | None = None) -> Path:
    """Write a pack's frames as JPEGs into `out`: one tar file if it ends in .tar, else a folder.

    Raises:
        DeepfieldError: the folder holds something already.
    """
    files = _files(pack, on_progress)
    if out.suffix == ".tar":
        write_atomic(out, lambda partial: _write_tar(partial, files))
        return out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DeepfieldError(f"{out} exists already: choose another folder, or delete it.")
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files:
        (out / name).write_bytes(data)
    return out


def unpack(source: Path, folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Turn a travelling pack back into one that is trained from, going on where an earlier attempt stopped.

    Raises:
        DeepfieldError: the source holds no travelling pack, or is damaged, or the folder holds something else.
    """
    if not source.exists():
        raise DeepfieldError(f"There is no travelling pack {source}.")
    try:
        if source.is_dir():
            return _unpack(lambda name: (source / name).read_bytes(), folder, on_progress)
        with tarfile.open(source) as tar:
            return _unpack(lambda name: _member(tar, name), folder, on_progress)
    except (tarfile.TarError, OSError, KeyError, ValueError, TypeError):
        raise DeepfieldError(
            f"{source} cannot be unpacked: it is damaged, or not what `deepfield pack --jpeg` wrote; carry it again."
        ) from None


def _unpack(read: Callable[[str], bytes], folder: Path, on_progress: OnProgress | None) -> Path:
    described = json.loads(read(_DESCRIPTION))
    if described["format"] != _FORMAT:
        raise ValueError(f"format {described['format']} is not {_FORMAT}")
    frames = [FrameInfo(**frame) for frame in described["frames"]]
    with PackWriter(folder, described["snapshot_id"], described["max_side_px"]) as writer:
        if not writer.finished:
            there = writer.names
            for done, info in enumerate(frames, start=1):
                if info.image_id not in there:
                    writer.add(*_frame(info, read, described["masked"]))
                if on_progress:
                    on_progress(done, len(frames))
            writer.finish()
    return folder


def _frame(info: FrameInfo, read: Callable[[str], bytes], masked: list[str]) -> Item:
    rgb = _picture(read(f"{info.image_id}.jpg"), "RGB")
    if info.image_id not in masked:
        return info, rgb, np.ones(rgb.shape[:2], bool)
    return info, rgb, _picture(read(f"{info.image_id}.png"), "L") > 0


def _picture(data: bytes, mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


def _files(pack: Pack, on_progress: OnProgress | None) -> Iterator[tuple[str, bytes]]:
    names = [field.name for field in fields(FrameInfo)]
    described: dict[str, Any] = {
        "format": _FORMAT,
        "snapshot_id": pack.snapshot_id,
        "max_side_px": pack.max_side_px,
        "masked": [frame.image_id for frame in pack.frames if not frame.full],
        "frames": [asdict(FrameInfo(**{name: getattr(f, name) for name in names})) for f in pack.frames],
    }
    for done, frame in enumerate(pack.frames, start=1):
        jpeg = _encoded(pack.rgb(frame), format="JPEG", quality=_QUALITY, subsampling=0)
        yield f"{frame.image_id}.jpg", jpeg
        if not frame.full:
            yield f"{frame.image_id}.png", _encoded(pack.valid(frame).astype(np.uint8) * 255, format="PNG")
        if on_progress:
            on_progress(done, len(pack.frames))
    # last, so that a folder that was cut short is none
    yield _DESCRIPTION, json.dumps(described, indent=1).encode()


def _encoded(values: np.ndarray, **settings: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(out, **settings)
    return out.getvalue()


def _write_tar(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    handle = tar.extractfile(name)
    if handle is None:
        raise ValueError(f"{name} is no file")
    return handle.read()
