"""The blob store: original bytes, named by their SHA-256, never altered."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from manifests.errors import DeepfieldError
from manifests.files import sync_folder

_CHUNK = 1 << 20


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
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise DeepfieldError(f"{sha256!r} is not the name of a blob: it must be 64 hexadecimal digits.")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def put(self, data: bytes) -> StoredBlob:
        """Store bytes that are already in memory."""
        return self.put_stream([data])

    def put_stream(self, chunks: Iterable[bytes]) -> StoredBlob:
        """Store a stream without holding it in memory: temporary name, fsync, rename."""
        incoming = self.root / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with NamedTemporaryFile(dir=incoming, suffix=".part", delete=False) as handle:
            partial = Path(handle.name)
            try:
                for chunk in chunks:
                    handle.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                handle.flush()
                os.fsync(handle.fileno())
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        name = digest.hexdigest()
        target = self.path(name)
        new = not target.exists()
        if new:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.chmod(0o444)
            partial.replace(target)
            sync_folder(target.parent)
        else:
            partial.unlink()
        return StoredBlob(name, size, new)

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
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest() == sha256

    def __contains__(self, sha256: str) -> bool:
        return self.path(sha256).exists()

    def __iter__(self) -> Iterator[str]:
        """Names of all blobs, in order."""
        yield from sorted(path.name for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"))
