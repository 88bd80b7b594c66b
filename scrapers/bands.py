"""The filters of a visit as the bands of one picture: which is red, and how their pixels lie on each other."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS

from manifests.errors import DeepfieldError
from manifests.fitsfile import Science, open_science
from scrapers.fitsheader import celestial
from scrapers.passbands import wavelengths_m

_NUMBER = re.compile(r"F[A-Z]?(\d{3,4})")
_SAME_PX = 0.02  # how far two grids may be off each other anywhere on the picture


class NoCompositeError(DeepfieldError):
    """The filters of a visit do not make a picture; the text says why. `reason` is one word for counting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def colour_order(instrument: str | None, filters: Sequence[str]) -> tuple[str, ...]:
    """Which of the filters of a camera are shown red, (green,) blue; fewer than two where that is all there is.

    Red is the longest wavelength and blue the shortest; of more than three the green one is the lower median, as in
    the Hubble Advanced Products. Filters whose names tell no wavelength are left out.
    """
    known = sorted({name for name in filters if _NUMBER.match(name)}, key=lambda name: _rank(instrument, filters, name))
    if len(known) < 3:
        return tuple(reversed(known))
    return known[-1], known[(len(known) - 1) // 2], known[0]


def _rank(instrument: str | None, filters: Sequence[str], name: str) -> tuple[float, str]:
    """Where a filter stands from blue to red: by its pass band, or where that of one is not known by their names.

    The numbers of one camera's filters rise with the wavelength but for a few neighbours.
    """
    found = _NUMBER.match(name)
    edges = {one: wavelengths_m(instrument, one) for one in filters if _NUMBER.match(one)}
    if all(None not in pair for pair in edges.values()):
        shortest, longest = edges[name]
        return (shortest or 0.0) + (longest or 0.0), name
    return float(found[1]) if found else 0.0, name


@dataclass(frozen=True)
class PlacedBand:
    """A science image somewhere on the grid of a picture of `shape`; its first pixel is at `corner` (row, column)."""

    science: Science
    shape: tuple[int, int]
    corner: tuple[int, int]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows of the picture, float32, NaN where this image does not reach."""
        height, width = self.science.shape[-2:]
        row, column = self.corner
        first, last = max(start, row), min(stop, row + height)
        if (height, width) == self.shape:
            return self.science.rows(start, stop)
        placed = np.full((stop - start, self.shape[1]), np.nan, np.float32)
        if first < last:
            placed[first - start : last - start, column : column + width] = self.science.rows(first - row, last - row)
        return placed


@dataclass(frozen=True)
class Stack:
    """The bands of a picture on one grid, and where that lies on the sky."""

    bands: tuple[PlacedBand, ...]
    wcs: WCS

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bands[0].shape


@contextmanager
def open_stack(paths: Sequence[Path], max_pixels: int) -> Iterator[Stack]:
    """Open the FITS files of a picture's bands, on the smallest grid that holds all of them.

    Images may be shifted against each other by whole pixels; nothing is resampled.

    Raises:
        NoCompositeError: the files hold no single filters, do not say where they lie, or lie on grids that are not
            whole pixels apart.
        UndecodableError: one of them cannot be read.
    """
    with ExitStack() as files:
        images = [files.enter_context(open_science(path, max_pixels)) for path in paths]
        if any(len(image.shape) != 2 for image in images):
            raise NoCompositeError("not_single", "One of the files holds colour planes, not one filter.")
        skies = [celestial(image.header) for image in images]
        first = skies[0]
        if first is None or any(sky is None for sky in skies):
            raise NoCompositeError("no_wcs", "One of the files does not say where on the sky its pixels lie.")
        reach = max(max(image.shape) for image in images)
        corners = [_shift(first, sky, reach) for sky in skies if sky is not None]
        low = tuple(min(corner[axis] for corner in corners) for axis in (0, 1))
        high = tuple(max(c[axis] + i.shape[axis] for c, i in zip(corners, images, strict=True)) for axis in (0, 1))
        shape = (high[0] - low[0], high[1] - low[1])
        if shape[0] * shape[1] > max_pixels:
            raise NoCompositeError(
                "too_large",
                f"The filters together cover {shape[1]}x{shape[0]} pixels, more than the limit of {max_pixels} "
                "(DEEPFIELD_MAX_PIXELS).",
            )
        wcs = first.deepcopy()
        wcs.wcs.crpix -= [low[1], low[0]]
        bands = tuple(
            PlacedBand(image, shape, (corner[0] - low[0], corner[1] - low[1]))
            for image, corner in zip(images, corners, strict=True)
        )
        yield Stack(bands, wcs)


def _shift(first: WCS, other: WCS, reach: int) -> tuple[int, int]:
    """Row and column of the first pixel of an image on the grid of the first one."""
    scale = first.pixel_scale_matrix
    turned = np.abs(other.pixel_scale_matrix - scale).max() * reach / np.abs(scale).max()
    moved = np.abs(other.wcs.crval - first.wcs.crval).max() / np.abs(scale).max()
    column, row = first.wcs.crpix - other.wcs.crpix
    whole = max(abs(column - round(column)), abs(row - round(row)))
    alike = tuple(first.wcs.ctype) == tuple(other.wcs.ctype) and first.sip is None and other.sip is None
    if not alike or max(turned, moved, whole) > _SAME_PX:
        raise NoCompositeError(
            "other_grid",
            "The filters lie on grids that are not whole pixels apart, and pixels are not resampled here: take the "
            "archive's own colour picture, without --fits.",
        )
    return round(row), round(column)


def header_of(wcs: WCS) -> Header:
    """The sky coordinates of a picture as FITS keywords."""
    header = wcs.to_header()
    return Header([card for card in header.cards if not card.keyword.startswith(("DATE", "MJD"))])
