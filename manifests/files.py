"""Writing files so that a reader never sees half of one, and the digest that names what is in one."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from manifests.errors import DeepfieldError


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal, without holding them in memory."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; when the block ends well it is fsynced and renamed to `path`.

    When the block raises, `path` is as it was and the temporary file is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}-", suffix=".part", delete=False) as handle:
        partial = Path(handle.name)
        try:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
            partial.chmod(0o644)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` in one step: the old content or the new, never a part."""
    with replacing(path) as handle:
        handle.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Make an empty draft folder beside `folder`; when the block ends well it is renamed to `folder`.

    When the block raises, the draft is gone; what a killed process left of its draft is removed by the next one.

    Raises:
        DeepfieldError: `folder` exists already, or another process is making it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.part"
    draft.mkdir(exist_ok=True)
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeepfieldError(f"Another process is writing {folder}: wait for it or choose another name.") from None
        for left in draft.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            if folder.exists():
                raise DeepfieldError(f"{folder} exists already: choose another name or remove it.")
            yield draft
            os.sync()  # once for all files, of which there may be many thousand
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
