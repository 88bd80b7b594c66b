"""The science image of a FITS file: found, checked to be whole, and read a few rows at a time.

Structure after the FITS standard 4.0 (2018), sections 3.3 and 4.4: every header declares how much data follows it.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manifests.errors import DeepfieldError
from manifests.unreached import Unreached

if TYPE_CHECKING:
    from astropy.io.fits import Header

_BLOCK = 2880
_ROWS_AT_ONCE = 256
# Lost in transmission, filled in, bad detector pixel: the flags that the data handbooks of ACS and WFC3 have alike and
# that no value can be trusted under. Saturation and cosmic rays are for measurements to find.
_NO_DATA_FLAGS = 1 | 2 | 4
_WEIGHTS = ("WHT", "WEIGHT")  # as drizzling and as mosaicking by SWarp name it


class UndecodableError(DeepfieldError):
    """The bytes are not a complete picture that can be used. `reason` is one word of the refusal vocabulary."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Science:
    """One image of an open FITS file. `shape` is (H, W), or (3, H, W) for planes R, G, B; the first row is the bottom.

    `header` is the image's own, `primary` that of the file. Of several images of that name, as an exposure has one for
    each chip, it is the first, and `unread_images` says how many others there are. Pixels are read when asked for, and
    not kept.
    """

    def __init__(self, hdu: Any, weight: Any | None, quality: Any | None, primary: "Header", unread: int) -> None:
        self.header: Header = hdu.header
        self.primary = primary
        self.unread_images = unread
        shape = tuple(hdu.shape)
        self._lone_plane = len(shape) == 3 and shape[0] == 1
        self.shape = shape[1:] if self._lone_plane else shape
        self._hdu, self._weight, self._quality = hdu, weight, quality

    @property
    def saturated_at(self) -> float | None:
        """The count from which on pixels are saturated, by the keyword SATURATE; None where it gives none."""
        value = self.header.get("SATURATE", self.primary.get("SATURATE"))
        return float(value) if isinstance(value, int | float) and value > 1 else None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to `stop`, counted from the bottom, float32 (..., rows, W).

        NaN where the file says that there is no data: a blank value, weight 0 in the extension WHT (or WEIGHT), as
        drizzled images have it outside of the chips, or a flag of lost or filled data or of a bad detector pixel in the
        extension DQ, as exposures have it. Floats without weights are `Unreached` where they are 0.
        """
        values = self._known(start, stop)
        if self._unreached is not None:
            values[self._unreached.rows(start, stop) & (values == 0)] = np.nan
        return values

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows from the bottom up, some hundreds at a time."""
        for start in range(0, self.shape[-2], _ROWS_AT_ONCE):
            yield self.rows(start, min(start + _ROWS_AT_ONCE, self.shape[-2]))

    @cached_property
    def _unreached(self) -> Unreached | None:
        if self._weight is not None or self.header["BITPIX"] > 0:
            return None
        height = self.shape[-2]
        steps = range(0, height, _ROWS_AT_ONCE)
        return Unreached((self._known(start, min(start + _ROWS_AT_ONCE, height)) for start in steps), self.shape)

    def _known(self, start: int, stop: int) -> np.ndarray:
        """Rows as `rows` gives them, but for the zeros."""
        with _damage_refused():
            values = np.array(self._hdu.section[..., start:stop, :], dtype=np.float32)
            if self._weight is not None:
                _blank(values, ~(self._weight.section[..., start:stop, :] > 0))
            if self._quality is not None:
                flags = self._quality.section[..., start:stop, :].astype(np.int64)
                _blank(values, flags & _NO_DATA_FLAGS != 0)
        return values[0] if self._lone_plane else values


def _blank(values: np.ndarray, where: np.ndarray) -> None:
    """Make values NaN; a mask of one plane is meant for all of them."""
    values[np.broadcast_to(where, values.shape)] = np.nan


@contextmanager
def open_science(source: bytes | Path, max_pixels: int) -> Iterator[Science]:
    """Open the science image (extension SCI, else the first image) of FITS bytes, or of the file of that name.

    Every part of the file is checked to be there, also those that are not read.

    Raises:
        UndecodableError: no image, or one that is no picture (`not_a_picture`), cut short or damaged (`corrupt`), or
            larger than `max_pixels` (`too_large`).
    """
    # imported here: astropy takes most of a second, and most frames are JPEGs
    from astropy.io import fits  # noqa: PLC0415

    with _damage_refused():
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        hdus = fits.open(stream, memmap=False, lazy_load_hdus=False)
    with hdus:
        with _damage_refused():
            chosen = _choose(hdus, source)
            _refuse_shape(tuple(chosen.shape), max_pixels)
            _refuse_cut(hdus, source)
            weight, quality = (_beside(hdus, chosen, names) for names in (_WEIGHTS, ("DQ",)))
            unread = sum(hdu.is_image and hdu.name == "SCI" and hdu is not chosen for hdu in hdus)
            science = Science(chosen, weight, quality, hdus[0].header, unread)
        yield science


def check_science(source: bytes | Path, max_pixels: int) -> tuple[int, ...]:
    """Shape of the science image of a FITS file that is whole and has a pixel with data; all of it is read, in parts.

    Raises:
        UndecodableError: as `open_science`, and `corrupt` where no pixel has data in all planes.
    """
    with open_science(source, max_pixels) as science:
        if not sum(int(np.count_nonzero(in_all_planes(block))) for block in science.blocks()):
            raise no_pixel()
        return science.shape


def in_all_planes(values: np.ndarray) -> np.ndarray:
    """Which pixels of counts (H, W) or (3, H, W) have data, in all filters as in composites of them: bool (H, W)."""
    finite = np.isfinite(values)
    return finite if values.ndim == 2 else finite.all(axis=0)


def no_pixel() -> UndecodableError:
    """What is raised of an image without a pixel that has data."""
    return UndecodableError("corrupt", "The FITS image has no pixel with data: all are blank, of weight 0, or empty.")


def _choose(hdus: Any, source: bytes | Path) -> Any:
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2]
    if not images:
        _refuse_cut(hdus, source)  # the image may be what is missing
        raise UndecodableError("not_a_picture", "The FITS file holds no image, only tables or headers.")
    return next((hdu for hdu in images if hdu.name == "SCI"), images[0])


def _refuse_shape(shape: tuple[int, ...], max_pixels: int) -> None:
    if math.prod(shape) > max_pixels:
        raise UndecodableError(
            "too_large",
            f"The FITS image has shape {shape}, more than the limit of {max_pixels} pixels (DEEPFIELD_MAX_PIXELS).",
        )
    if 0 in shape or len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)):
        raise UndecodableError("not_a_picture", f"The FITS image has shape {shape}; expected two axes.")


def _refuse_cut(hdus: Any, source: bytes | Path) -> None:
    """Refuse a file that ends before its headers say that it does."""
    size, end = len(source) if isinstance(source, bytes) else source.stat().st_size, 0
    for number, hdu in enumerate(hdus):
        place = hdu.fileinfo()
        start, span = place["datLoc"], place["datSpan"]
        # the span is filled up to whole blocks; a compressed image gives the size of what it unpacks to
        declared = hdu.size if 0 <= span - hdu.size < _BLOCK else span
        if start + declared > size:
            part = f"{number} ({hdu.name})" if hdu.name else str(number)
            raise UndecodableError(
                "corrupt",
                f"The FITS file is cut short: its part {part} declares {declared} bytes of data, "
                f"{max(size - start, 0)} are there.",
            )
        end = start + span
    rest = _tail(source, end)
    if rest and b"XTENSION".startswith(rest):
        # astropy passes over half a header
        raise UndecodableError("corrupt", f"The FITS file is cut short within the header of part {len(hdus)}.")
    if size % _BLOCK:
        # all data of the last part may be there, and parts that no header announces be missing
        raise UndecodableError("corrupt", f"The FITS file is cut short: its {size} bytes are not whole blocks.")


def _tail(source: bytes | Path, start: int) -> bytes:
    """The eight bytes from a place on, fewer at the end of the file."""
    if isinstance(source, bytes):
        return source[start : start + 8]
    with source.open("rb") as handle:
        handle.seek(start)
        return handle.read(8)


@contextmanager
def _damage_refused() -> Iterator[None]:
    from astropy.io.fits import VerifyError  # noqa: PLC0415
    from astropy.utils.exceptions import AstropyWarning  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except (OSError, ValueError, TypeError, KeyError, EOFError, AttributeError, IndexError, VerifyError) as error:
        # astropy reports damage by any of these
        raise UndecodableError("corrupt", f"The FITS file is cut short or damaged: {error}.") from error


def _beside(hdus: Any, chosen: Any, names: tuple[str, ...]) -> Any | None:
    """The extension of such a name that is as large as the chosen image or as one of its planes.

    Of several the one with the chosen image's number, else the first.
    """
    shapes = (tuple(chosen.shape), tuple(chosen.shape)[-2:])
    named = [hdu for hdu in hdus if hdu.is_image and hdu.name in names and hdu is not chosen]
    found = [hdu for hdu in named if tuple(hdu.shape) in shapes]
    return min(found, key=lambda hdu: hdu.ver != chosen.ver, default=None)
