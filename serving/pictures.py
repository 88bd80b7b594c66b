"""Reading the pictures people bring and writing ours, with what was done to them in the file itself."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from manifests.errors import DeepfieldError, UsageError
from manifests.files import replacing
from manifests.frames import UndecodableError, decode
from manifests.media import sniff
from serving.bands import Bands
from serving.writers import Note, write_jpeg, write_png, write_tiff

MIN_SIDE = 64
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
_WRITERS = {"PNG": write_png, "JPEG": write_jpeg, "TIFF": write_tiff}
_JPEG_MAX_SIDE = 65_535
_JPEG_MAX_PX = 2**28  # it is held whole, a gigabyte of it

# EXIF and TIFF tags
_ARTIST, _COPYRIGHT = 315, 33432

NOT_PHOTOMETRIC = (
    "Made by a neural network: colours and fine detail are a plausible guess, not measured. Not for photometry."
)


@dataclass(frozen=True)
class Step:
    """One thing done to a picture: `colorize` or `upscale`, with which model, trained on which snapshot.

    `palette` is the name of the palette that guided it, or `like` and the SHA-256 of the reference picture.
    """

    task: str
    model: str
    snapshot_id: str
    strength: float
    palette: str | None = None


@dataclass(frozen=True)
class Picture:
    """A decoded picture, uint8 (H, W, 3) with its mask, the digest of its file and the credits that stood in it."""

    rgb: np.ndarray
    valid: np.ndarray
    sha256: str
    artist: str | None
    copyright: str | None


def read_picture(path: Path, max_pixels: int) -> Picture:
    """Read a JPEG, PNG, TIFF or FITS picture of at least 64x64 pixels.

    Raises:
        DeepfieldError: it is not there, not a picture, damaged or too small.
    """
    data = path.read_bytes()
    try:
        frame = decode(data, max_pixels)
    except UndecodableError as error:
        raise DeepfieldError(f"{path} cannot be used. {error}") from error
    if min(frame.height, frame.width) < MIN_SIDE:
        raise DeepfieldError(
            f"{path} has {frame.width}x{frame.height} pixels; the networks need at least {MIN_SIDE}x{MIN_SIDE}."
        )
    artist, rights = _credits(data) if sniff(data[:16]) in ("image/jpeg", "image/png", "image/tiff") else (None, None)
    return Picture(frame.rgb, frame.valid, hashlib.sha256(data).hexdigest(), artist, rights)


def check_size(path: Path, height: int, width: int) -> None:
    """Raise where a result of that size cannot have the format that its name asks for.

    Raises:
        DeepfieldError: a JPEG cannot be that large, or not without more memory than the rest of the work takes.
    """
    if _FORMATS[path.suffix.lower()] == "JPEG" and (
        max(height, width) > _JPEG_MAX_SIDE or height * width > _JPEG_MAX_PX
    ):
        raise DeepfieldError(
            f"A result of {width}x{height} pixels is too large for a JPEG: write {path.stem}.tif or {path.stem}.png."
        )


def check_target(path: Path) -> None:
    """Raise now what writing a picture to `path` would raise after minutes of work.

    Raises:
        UsageError: the name does not end in .png, .jpg, .jpeg, .tif or .tiff.
        DeepfieldError: the name is that of a folder.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path} should end in .png, .jpg or .tif, so that the format of the result is clear.")
    if path.is_dir():
        raise DeepfieldError(f"{path} is a folder: give the name of a file to write.")


def write_picture(picture: Bands, path: Path, source: Picture, steps: tuple[Step, ...]) -> None:
    """Write a picture in the format its name asks for, while it is made, in one step, with `steps` in its metadata.

    PNG text, EXIF or TIFF tags carry the steps as JSON, the digest of the input, its artist and copyright, and a
    warning that the result is not photometric. When anything goes wrong, `path` is as it was.

    Raises:
        DeepfieldError: a JPEG cannot be that large.
    """
    kind = _FORMATS[path.suffix.lower()]
    check_size(path, picture.height, picture.width)
    record = json.dumps({"deepfield": [asdict(step) for step in steps], "input_sha256": source.sha256})
    with replacing(path) as handle:
        _WRITERS[kind](handle, picture, Note(NOT_PHOTOMETRIC, record, source.artist, source.copyright))


def _credits(data: bytes) -> tuple[str | None, str | None]:
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        text = image.info
    artist = exif.get(_ARTIST) or text.get("Author")
    rights = exif.get(_COPYRIGHT) or text.get("Copyright")
    return (str(artist) if artist else None), (str(rights) if rights else None)
