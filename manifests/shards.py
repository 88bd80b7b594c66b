"""WebDataset shards: tar files in which the files of one sample follow each other and share a name.

The convention is that of the webdataset library (https://github.com/webdataset/webdataset): the key is the file's name
up to the first dot, the field is the rest.
"""

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 512


@dataclass(frozen=True)
class Sample:
    """One sample: its key, without a dot, and its files by suffix."""

    key: str
    files: Mapping[str, bytes]

    @property
    def size_bytes(self) -> int:
        """What the sample takes in a tar file: each file in whole blocks after its header."""
        return sum(_BLOCK + -(-len(data) // _BLOCK) * _BLOCK for data in self.files.values())


def write_shards(folder: Path, name: str, samples: Iterable[Sample], most_bytes: int) -> list[str]:
    """Write samples in their order as `name-000000.tar`, `name-000001.tar` and so on, below `folder`.

    A shard ends before it would grow past `most_bytes`, but holds at least one sample. Nothing in it tells when or by
    whom it was written. Returns where each sample went: shard and first file, joined by a slash.
    """
    places: list[str] = []
    rest = iter(samples)
    sample = next(rest, None)
    number = 0
    while sample is not None:
        path = folder / f"{name}-{number:06d}.tar"
        size = 0
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
            while sample is not None and (not size or size + sample.size_bytes <= most_bytes):
                for suffix, data in sample.files.items():
                    entry = tarfile.TarInfo(f"{sample.key}{suffix}")
                    entry.size, entry.mode = len(data), 0o644
                    shard.addfile(entry, io.BytesIO(data))
                places.append(f"{path.name}/{sample.key}{next(iter(sample.files))}")
                size += sample.size_bytes
                sample = next(rest, None)
        number += 1
    return places
