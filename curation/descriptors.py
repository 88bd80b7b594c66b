"""Local descriptors on disk: what a batch of pictures is found by, in one file that is written once."""

import io
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np

from curation.features import Descriptors
from manifests.files import write_atomic

_SIDES = ("plain", "mirrored")


def write_descriptors(found: Mapping[str, Descriptors], path: Path) -> None:
    """Write descriptors by the pixel hash of their picture, in NumPy's npz form."""
    names = sorted(found)
    arrays = {"pixel_sha256": np.array(names, "S64")}
    for side in _SIDES:
        parts = [getattr(found[name], side) for name in names]
        arrays[f"{side}_counts"] = np.array([len(part) for part in parts], np.int64)
        arrays[side] = np.concatenate([*parts, np.zeros((0, 32), np.uint8)])
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            # np.savez would write the time of day too: what is written twice is to be the same bytes
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_atomic(path, out.getvalue())


def load_descriptors(path: Path) -> dict[str, Descriptors]:
    """What `write_descriptors` wrote."""
    with np.load(path) as arrays:
        names = [name.decode() for name in arrays["pixel_sha256"]]
        plain, mirrored = (np.split(arrays[side], np.cumsum(arrays[f"{side}_counts"])[:-1]) for side in _SIDES)
    return {name: Descriptors(one, other) for name, one, other in zip(names, plain, mirrored, strict=False)}
