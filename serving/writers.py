"""Writing a picture that comes in bands as PNG or TIFF, of any size, or as JPEG, which must be held whole."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo, putchunk

from serving.bands import Bands, blocks, pieces

_EXIF_DESCRIPTION, _EXIF_SOFTWARE, _EXIF_ARTIST, _EXIF_COPYRIGHT = 270, 305, 315, 33432
_SOFTWARE = "Deepfield"

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SUB, _UP, _PAETH = 1, 2, 4
_DEFLATE_LEVEL = 6

_TIFF_TILE = 256
_CLASSIC_TIFF_BYTES = 2**32 - 2**25


@dataclass(frozen=True)
class Note:
    """What stands in the file beside the pixels: a warning, the record of what was done as JSON, and the credits."""

    warning: str
    record: str
    artist: str | None
    copyright: str | None


def write_png(handle: IO[bytes], picture: Bands, note: Note) -> None:
    """Write a PNG row by row: Pillow's chunks, and the filters of the PNG specification (third edition, 9)."""
    text = PngInfo()
    text.add_text("Software", _SOFTWARE)
    text.add_itxt("Description", note.warning)
    text.add_itxt("Comment", note.record)
    for key, value in (("Author", note.artist), ("Copyright", note.copyright)):
        if value:
            text.add_itxt(key, value)
    size = picture.width.to_bytes(4, "big") + picture.height.to_bytes(4, "big")
    handle.write(_PNG_SIGNATURE)
    # 8 bits, RGB, deflate, adaptive filters, not interlaced
    putchunk(handle, b"IHDR", size + bytes((8, 2, 0, 0, 0)))
    for chunk in text.chunks:
        putchunk(handle, *chunk[:2])
    packer = zlib.compressobj(_DEFLATE_LEVEL, strategy=zlib.Z_FILTERED)
    above = np.zeros((1, picture.width, 3), np.uint8)
    for rgb, _ in pieces(picture.read()):
        if packed := packer.compress(_filtered(rgb, above).data):
            putchunk(handle, b"IDAT", packed)
        above = rgb[-1:].copy()
    putchunk(handle, b"IDAT", packer.flush())
    putchunk(handle, b"IEND", b"")


def _filtered(rgb: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Rows (h, W, 3) after `above` (1, W, 3), each as its filter's number and what it leaves: uint8 (h, 1 + 3 * W).

    Of three filters a row gets the one whose differences are smallest, as the specification advises.
    """
    up = np.concatenate((above, rgb[:-1]))
    left, corner = np.zeros_like(rgb), np.zeros_like(rgb)
    left[:, 1:], corner[:, 1:] = rgb[:, :-1], up[:, :-1]
    guess = left.astype(np.int16) + up - corner
    to_left, to_up, to_corner = (np.abs(guess - near) for near in (left, up, corner))
    nearest = np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
    tried = [rgb - before for before in (left, up, nearest)]
    sizes = np.stack([np.abs(rest.view(np.int8).astype(np.int16)).sum(axis=(1, 2)) for rest in tried])
    best = sizes.argmin(axis=0)
    out = np.empty((rgb.shape[0], 1 + 3 * rgb.shape[1]), np.uint8)
    out[:, 0] = np.array((_SUB, _UP, _PAETH), np.uint8)[best]
    for number, rest in enumerate(tried):
        out[best == number, 1:] = rest[best == number].reshape(-1, 3 * rgb.shape[1])
    return out


def write_tiff(handle: IO[bytes], picture: Bands, note: Note) -> None:
    """Write a deflated TIFF in tiles of 256 x 256; a BigTIFF where it might not fit the classic one's 4 GiB."""
    credit = ((_EXIF_ARTIST, note.artist), (_EXIF_COPYRIGHT, note.copyright))
    large = 3 * picture.width * picture.height > _CLASSIC_TIFF_BYTES
    with tifffile.TiffWriter(handle, bigtiff=large) as writer:
        writer.write(
            _tiff_tiles(picture),
            shape=(picture.height, picture.width, 3),
            dtype=np.uint8,
            photometric="rgb",
            tile=(_TIFF_TILE, _TIFF_TILE),
            compression="adobe_deflate",
            predictor=True,
            software=_SOFTWARE,
            description=f"{note.warning} {note.record}",
            extratags=[(tag, "s", 0, value.encode(), True) for tag, value in credit if value],
            metadata=None,
        )


def _tiff_tiles(picture: Bands) -> Iterator[np.ndarray]:
    for block in blocks(picture.read(), _TIFF_TILE):
        for start in range(0, picture.width, _TIFF_TILE):
            tile = block[:, start : start + _TIFF_TILE]
            beyond = ((0, _TIFF_TILE - tile.shape[0]), (0, _TIFF_TILE - tile.shape[1]), (0, 0))
            yield np.pad(tile, beyond, mode="edge")


def write_jpeg(handle: IO[bytes], picture: Bands, note: Note) -> None:
    """Write a JPEG of quality 95 without chroma subsampling, four bytes of memory a pixel."""
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = _SOFTWARE
    exif[_EXIF_DESCRIPTION] = f"{note.warning} {note.record}"
    for tag, value in ((_EXIF_ARTIST, note.artist), (_EXIF_COPYRIGHT, note.copyright)):
        if value:
            exif[tag] = value
    image = Image.new("RGB", (picture.width, picture.height))
    row = 0
    for rgb, _ in pieces(picture.read()):
        image.paste(Image.fromarray(np.ascontiguousarray(rgb)), (0, row))
        row += rgb.shape[0]
    image.save(handle, "JPEG", quality=95, subsampling=0, exif=exif)
