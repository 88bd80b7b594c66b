"""The blob store: original bytes, named by their SHA-256, never altered."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from manifests.errors import DeepfieldError
from manifests.files import file_sha256, sync_folder

_INCOMING = "incoming"


@dataclass(frozen=True)
class StoredBlob:
    """What a `put` stored: its name, its size, and whether it was new."""

    sha256: str
    size: int
    new: bool


@dataclass(frozen=True)
class BlobStore:
    """A folder of blobs at `root/ab/cd/<sha256>`."""

    root: Path

    def path(self, sha256: str) -> Path:
        """Where the blob of that name is or would be.

        Raises:
            DeepfieldError: the name is not 64 hex digits.
        """
        if not is_blob_name(sha256):
            raise DeepfieldError(f"{sha256!r} is not the name of a blob: it must be 64 hexadecimal digits.")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def put(self, data: bytes) -> StoredBlob:
        """Store bytes that are already in memory."""
        return self.put_stream([data])

    def put_stream(self, chunks: Iterable[bytes]) -> StoredBlob:
        """Store a stream without holding it in memory: temporary name, fsync, rename."""
        digest, size = hashlib.sha256(), 0
        with self._partial() as (handle, partial):
            try:
                for chunk in chunks:
                    handle.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                handle.flush()
                os.fsync(handle.fileno())
                target = self.path(digest.hexdigest())
                new = not target.exists()
                # what a disk has damaged meanwhile is mended by whoever brings the bytes again
                if new or not self.intact(target.name):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    partial.chmod(0o444)
                    partial.replace(target)
                    sync_folder(target.parent)
            finally:
                partial.unlink(missing_ok=True)
        return StoredBlob(target.name, size, new)

    def sweep(self) -> None:
        """Remove what writers that were killed left of the blobs they were at; those at work keep theirs."""
        for partial in (self.root / _INCOMING).glob("*.part"):
            try:
                with partial.open("rb") as handle:
                    if _lock(handle):
                        partial.unlink(missing_ok=True)
            except FileNotFoundError:
                continue  # its writer is done

    @contextmanager
    def _partial(self) -> Iterator[tuple[IO[bytes], Path]]:
        """A new temporary file, locked for as long as it is open."""
        folder = self.root / _INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        kept = False
        while not kept:
            with NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as handle:
                # a sweep may have it in hand for a moment, and may have taken it away before it was locked
                _lock(handle.file, wait=True)
                kept = os.fstat(handle.fileno()).st_nlink > 0
                if kept:
                    yield handle.file, Path(handle.name)

    def read(self, sha256: str) -> bytes:
        """Return the bytes of a blob.

        Raises:
            DeepfieldError: there is no such blob.
        """
        path = self.path(sha256)
        if not path.exists():
            raise DeepfieldError(f"Blob {sha256} is not in {self.root}: scrape it again or restore the folder.")
        return path.read_bytes()

    def intact(self, sha256: str) -> bool:
        """Whether the stored bytes still hash to their name; False too where the blob is missing."""
        path = self.path(sha256)
        if not path.exists():
            return False
        return file_sha256(path) == sha256

    def __contains__(self, sha256: str) -> bool:
        # asked a hundred thousand times when a crawl goes on: paths as objects would take most of that time
        return os.path.exists(f"{self.root}/{sha256[:2]}/{sha256[2:4]}/{sha256}")  # noqa: PTH110

    def __iter__(self) -> Iterator[str]:
        """Names of all blobs, in order."""
        found = (path.name for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"))
        yield from sorted(name for name in found if is_blob_name(name))


def is_blob_name(text: str) -> bool:
    """Whether a text is a SHA-256 in lower-case hexadecimal."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _lock(handle: IO[bytes], *, wait: bool = False) -> bool:
    """Lock an open file, for as long as this process lives and has it open; whether that went well."""
    try:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False  # another one holds it, or the file system knows no locks: then nothing is swept
    return True
