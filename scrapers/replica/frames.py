"""A folder of real pictures as an archive: each is one colour product at a made-up place near M101.

The bytes go out unchanged. Where a picture was really taken is not known here, and every product says so: its
target is SYNTHETIC-POSITION.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, radians, sin, sqrt
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from manifests.errors import DeepfieldError, UsageError
from manifests.media import sniff
from scrapers.replica.catalogue import COLOR, Dataset, Original, Plane, Truth
from scrapers.replica.geometry import Grid
from scrapers.replica.sky import GOLDEN_ANGLE_DEG, M101

TARGET = "SYNTHETIC-POSITION"
_PICTURES = {"image/jpeg", "image/png", "image/tiff"}
_REACH_DEG = 0.97
_LARGEST_FOOTPRINT_DEG = 0.02


@dataclass(frozen=True)
class _File:
    path: Path
    media_type: str
    sha256: str
    width: int
    height: int


class FrameFolder:
    """An archive of the JPEG, PNG and TIFF files below a folder, judged by their first bytes.

    Positions follow the order of the files' SHA-256 on a spiral within one degree of M101; footprints are small
    enough never to overlap. Nothing but headers is decoded.

    Raises:
        UsageError: there is no such folder.
        DeepfieldError: there is no picture in it, or a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder: name one that holds JPEG, PNG or TIFF pictures.")
        files = sorted(_pictures(folder), key=lambda file: (file.sha256, file.path))
        if not files:
            raise DeepfieldError(f"There is no JPEG, PNG or TIFF picture in {folder}.")
        names = _names(sorted(file.path for file in files))
        self._files = {names[file.path]: file for file in files}
        spacing = _REACH_DEG / sqrt(len(files))
        placed = [_dataset(names[file.path], file, index, spacing) for index, file in enumerate(files)]
        self.datasets: Sequence[Dataset] = sorted(placed, key=lambda dataset: dataset.name.lower())
        self.truth: Sequence[Truth] = ()

    def plane(self, name: str) -> Plane:
        """Raises KeyError: a finished picture has no counts."""
        raise KeyError(name)

    def original(self, name: str) -> Original | None:
        """The file of a product, read when asked for."""
        file = self._files.get(name)
        return None if file is None else Original(file.path.read_bytes(), file.media_type, file.path.name)


def _pictures(folder: Path) -> Iterator[_File]:
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            with path.open("rb") as handle:
                media_type = sniff(handle.read(16))
                if media_type not in _PICTURES:
                    continue
                handle.seek(0)
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise DeepfieldError(f"{path} cannot be read: {error.strerror}.") from None
        yield _File(path, media_type, digest, *_size(path))


def _size(path: Path) -> tuple[int, int]:
    """Width and height from the header; a nominal size where it cannot be read, as archives list such files too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                return picture.size
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return 512, 512


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Dataset names that keep the file's stem; of equal stems the later ones get a number."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name, number = f"hst_frames_{path.stem}", 2
        while name in taken:
            name, number = f"hst_frames_{path.stem}-{number}", number + 1
        taken.add(name)
        names[path] = name
    return names


def _dataset(name: str, file: _File, index: int, spacing: float) -> Dataset:
    radius, angle = spacing * sqrt(index), radians(GOLDEN_ANGLE_DEG * index)
    ra, dec = Grid(*M101, 2, 2, 1.0).to_sky(radius * cos(angle), radius * sin(angle))
    width, height = max(file.width, 1), max(file.height, 1)
    scale = min(_LARGEST_FOOTPRINT_DEG, 0.3 * spacing) / max(width, height)
    grid = Grid(round(ra, 6), round(dec, 6), width, height, scale)
    corners = ((-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5))
    return Dataset(
        name=name,
        level=COLOR,
        target=TARGET,
        instrument=None,
        detector=None,
        aperture=None,
        elements=(),
        exposures=None,
        exptime_s=None,
        start=None,
        propid=None,
        visit=None,
        pi_name=None,
        mode=None,
        created=None,
        source="HLSP",
        wavelength=None,
        released=None,
        title=f"{name} (color) {TARGET}",
        grid=grid,
        files=(name,),
        polygons=(tuple(grid.to_sky(*corner) for corner in corners),),
        is_file=True,
    )
