"""Reading the pictures people bring and writing ours, with what was done to them in the file itself."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from manifests.errors import DeepfieldError, UsageError
from manifests.files import replacing
from manifests.frames import Frame, UndecodableError, decode
from manifests.media import sniff

MIN_SIDE = 64
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
_JPEG_MAX_SIDE = 65_535

# EXIF and TIFF tags
_DESCRIPTION, _SOFTWARE, _ARTIST, _COPYRIGHT = 270, 305, 315, 33432

NOT_PHOTOMETRIC = (
    "Made by a neural network: colours and fine detail are a plausible guess, not measured. Not for photometry."
)


@dataclass(frozen=True)
class Step:
    """One thing done to a picture: `colorize` or `upscale`, with which model, trained on which snapshot."""

    task: str
    model: str
    snapshot_id: str
    strength: float


@dataclass(frozen=True)
class Picture:
    """A decoded picture with the digest of its file and the credits that stood in it."""

    frame: Frame
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
    return Picture(frame, hashlib.sha256(data).hexdigest(), artist, rights)


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


def write_picture(rgb: np.ndarray, path: Path, source: Picture, steps: tuple[Step, ...]) -> None:
    """Write uint8 (H, W, 3) in the format its name asks for, in one step, with `steps` in its metadata.

    PNG text, EXIF or TIFF tags carry the steps as JSON, the digest of the input, its artist and copyright, and a
    warning that the result is not photometric.

    Raises:
        DeepfieldError: a JPEG cannot be that large.
    """
    kind = _FORMATS[path.suffix.lower()]
    if kind == "JPEG" and max(rgb.shape[:2]) > _JPEG_MAX_SIDE:
        raise DeepfieldError(f"A JPEG cannot be {rgb.shape[1]}x{rgb.shape[0]} pixels large: write {path.stem}.tif.")
    record = json.dumps({"deepfield": [asdict(step) for step in steps], "input_sha256": source.sha256})
    image = Image.fromarray(rgb)
    with replacing(path) as handle:
        if kind == "PNG":
            text = PngInfo()
            text.add_text("Software", "Deepfield")
            text.add_itxt("Description", NOT_PHOTOMETRIC)
            text.add_itxt("Comment", record)
            for key, value in (("Author", source.artist), ("Copyright", source.copyright)):
                if value:
                    text.add_itxt(key, value)
            image.save(handle, kind, pnginfo=text)
            return
        exif = Image.Exif()
        exif[_SOFTWARE] = "Deepfield"
        exif[_DESCRIPTION] = f"{NOT_PHOTOMETRIC} {record}"
        for tag, value in ((_ARTIST, source.artist), (_COPYRIGHT, source.copyright)):
            if value:
                exif[tag] = value
        if kind == "JPEG":
            image.save(handle, kind, quality=95, subsampling=0, exif=exif)
        else:
            image.save(handle, kind, compression="tiff_deflate", exif=exif)


def _credits(data: bytes) -> tuple[str | None, str | None]:
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        text = image.info
    artist = exif.get(_ARTIST) or text.get("Author")
    rights = exif.get(_COPYRIGHT) or text.get("Copyright")
    return (str(artist) if artist else None), (str(rights) if rights else None)
