"""HLA's picture services: `fitscut.cgi` (cut-outs and colour), `preview.cgi`, `getdata.cgi` (FITS files)."""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from scrapers.replica.arrays import ByteArray, FloatArray
from scrapers.replica.cache import Cache
from scrapers.replica.catalogue import Archive, Original, Plane
from scrapers.replica.encode import encode, fits_file, fits_picture
from scrapers.replica.exchange import Reply, Request, page
from scrapers.replica.stretch import block_mean, nearest, to_bytes

_LARGEST_PX = 8192
_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "fits": "FITS"}
_BANDS = ("red", "green", "blue")


class _BadRequestError(ValueError):
    """A request that gives no picture; its text goes onto the error page."""


@dataclass(frozen=True)
class _Options:
    """The parameters of one picture, read and checked."""

    names: dict[str, str]
    size: tuple[int, int] | None  # None is ALL
    centre: tuple[float, float] | None  # degrees where on_sky, else px
    on_sky: bool
    zoom: float
    output_size: int | None
    autoscale: float
    asinh: bool
    invert: bool
    format: str
    download: bool

    @classmethod
    def of(cls, params: dict[str, str]) -> "_Options":
        names = {band: _strip_extension(params[band]) for band in _BANDS if params.get(band)}
        if not names:
            raise _BadRequestError("No image was named: give red=, green= or blue=.")
        wanted = params.get("format", "jpg").lower()
        if wanted not in _FORMATS:
            raise _BadRequestError(f"Format {wanted!r} is not known: use jpg, png or fits.")
        ra, dec, x, y = (params.get(name) for name in ("ra", "dec", "x", "y"))
        centre, on_sky = None, False
        if ra and dec:
            centre, on_sky = (_float("ra", ra), _float("dec", dec)), True
        elif x or y:
            centre, on_sky = (_float("x", x or "500"), _float("y", y or "500")), _flag(params, "wcs", False)
        output = params.get("output_size")
        return cls(
            names=names,
            size=_size(params.get("size", "512")),
            centre=centre,
            on_sky=on_sky,
            zoom=_float("zoom", params.get("zoom", "1"), 1e-3, 64),
            output_size=int(_float("output_size", output, 1, _LARGEST_PX)) if output else None,
            autoscale=_float("autoscale", params.get("autoscale", "99.5"), 50, 100),
            asinh=_flag(params, "asinh", True),
            invert=_flag(params, "invert", False),
            format=_FORMATS[wanted],
            download=_flag(params, "download", wanted == "fits"),
        )


class PictureService:
    """Pictures and files of one archive. The 256 MiB of replies asked for last are kept."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._by_name = {dataset.name: dataset for dataset in archive.datasets}
        self._replies: Cache[tuple[tuple[str, str], ...], Reply] = Cache(256 * 2**20, lambda reply: len(reply.body))

    def fitscut(self, request: Request) -> Reply:
        """A cut-out or whole picture, gray from one band, colour from two or three.

        Names of parameters it does not know are ignored; `amp;green`, which a client sends that did not undo
        the search's double escape, is such a name, and gives a gray picture.
        """
        params = request.params
        try:
            return self._picture(params)
        except _BadRequestError as error:
            return _error("fitscut error", str(error), params)

    def preview(self, request: Request) -> Reply:
        """The whole field of any dataset, a colour one too, 256 px on its longest side unless asked otherwise."""
        params = request.params
        dataset = self._by_name.get(params.get("dataset", ""))
        if dataset is None:
            return _error("preview error", f"There is no dataset {params.get('dataset', '')!r}.", params)
        bands = {1: ("red",), 2: ("red", "blue"), 3: _BANDS}[len(dataset.files)]
        asked = dict(zip(bands, dataset.files, strict=True))
        asked |= {"size": "ALL", "output_size": params.get("output_size") or "256", "format": "jpg"}
        try:
            return self._picture(asked)
        except _BadRequestError as error:
            return _error("preview error", str(error), params)

    def getdata(self, request: Request) -> Reply:
        """The FITS file of a single-filter or detection dataset: empty primary, SCI, WHT, CTX, WFPC2's with DQ."""
        params = request.params
        asked = params.get("dataset") or params.get("filename")
        if not asked:
            return Reply(b"dataset parameter is required\n", "text/plain")
        name = asked.removesuffix(".fits").removesuffix("_drz").removesuffix("_drc")
        dataset = self._by_name.get(name)
        if dataset is None or dataset.files != (name,):
            return _error("getdata error", f"There is no file of dataset {name!r}.", params)
        original = self._archive.original(name)
        if original is not None:
            return _as_file(original.data, original.media_type, original.filename)
        return _as_file(fits_file(dataset, self._archive.plane(name)), "image/fits", f"{name}_drz.fits")

    def _picture(self, params: dict[str, str]) -> Reply:
        options = _Options.of(params)
        file = self._file_of(options)
        if file is not None:
            return _file_reply(file, options)
        key = tuple(sorted((name, value) for name, value in params.items() if name not in {"config", "imagename"}))
        return self._replies.get(key, lambda: self._render(options))

    def _file_of(self, options: _Options) -> Original | None:
        if len(options.names) != 1:
            return None
        (name,) = options.names.values()
        return self._archive.original(name)

    def _render(self, options: _Options) -> Reply:
        planes = {band: self._cut(name, options) for band, name in options.names.items()}
        first = next(iter(planes.values()))
        if any(plane.pixels.shape != first.pixels.shape for plane in planes.values()):
            raise _BadRequestError("The images have different sizes and align was not asked for.")
        name = next(iter(options.names.values()))
        pictures = {band: plane.pixels for band, plane in planes.items()}
        if options.format == "FITS":
            body, media_type = fits_picture(pictures, first.grid), "image/fits"
        else:
            shown = _shown(pictures, options)
            body, media_type = encode(shown, options.format, first.grid), f"image/{options.format.lower()}"
        suffix = {"FITS": "fits", "JPEG": "jpg", "PNG": "png"}[options.format]
        if options.download:
            return _as_file(body, media_type, f"{name}.{suffix}")
        return Reply(body, media_type)

    def _cut(self, name: str, options: _Options) -> Plane:
        try:
            plane = self._archive.plane(name)
        except KeyError:
            raise _BadRequestError(f"There is no image {name!r}.") from None
        plane = _cut_out(plane, options)
        return _resize(plane, options.zoom, options.output_size)


def _cut_out(plane: Plane, options: _Options) -> Plane:
    """The asked-for part; px off the image are NaN. Raises where nothing of it is on the image."""
    if options.size is None:
        return plane
    ny, nx = plane.pixels.shape
    columns, rows = options.size
    centre = (500.0, 500.0) if options.centre is None else options.centre
    if options.on_sky:
        found = plane.grid.to_pixel(*centre)
        if found is None:
            raise _BadRequestError("The position is on the other side of the sky.")
        centre = found
    left = math.floor(centre[0] - columns // 2 + 0.5)
    bottom = math.floor(centre[1] - rows // 2 + 0.5)
    x0, x1, y0, y1 = max(left, 0), min(left + columns, nx), max(bottom, 0), min(bottom + rows, ny)
    if x0 >= x1 or y0 >= y1:
        raise _BadRequestError("The cut-out lies wholly off the image.")
    pixels = np.full((rows, columns), np.nan, np.float32)
    pixels[y0 - bottom : y1 - bottom, x0 - left : x1 - left] = plane.pixels[y0:y1, x0:x1]
    return replace(plane, pixels=pixels, grid=plane.grid.part((left, bottom), (columns, rows)))


def _resize(plane: Plane, zoom: float, output_size: int | None) -> Plane:
    """Block mean down and replication up; `output_size` is exact and takes the place of `zoom`."""
    pixels = plane.pixels
    if output_size:
        pixels = nearest(block_mean(pixels, max(pixels.shape) // output_size), output_size)
    elif zoom < 1:
        pixels = block_mean(pixels, round(1 / zoom))
    elif zoom > 1:
        factor = round(zoom)
        if max(pixels.shape) * factor > _LARGEST_PX:
            raise _BadRequestError(f"The picture would be larger than {_LARGEST_PX} px.")
        pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    if pixels.shape == plane.pixels.shape:
        return replace(plane, pixels=pixels)
    ny, nx = pixels.shape
    return replace(plane, pixels=pixels, grid=plane.grid.part((0, 0), (nx, ny), plane.grid.nx / nx))


def _shown(pictures: dict[str, FloatArray], options: _Options) -> ByteArray:
    """Display bytes, top row north: (ny, nx) for one band, (ny, nx, 3) for more."""
    shown = to_bytes(list(pictures.values()), options.autoscale, options.asinh)
    if options.invert:
        shown = 255 - shown
    if shown.ndim == 3 and shown.shape[-1] == 2:
        by_band = dict(zip(pictures, np.moveaxis(shown, -1, 0), strict=True))
        if "green" not in by_band:
            by_band["green"] = ((by_band["red"].astype(np.uint16) + by_band["blue"]) // 2).astype(np.uint8)
        dark = np.zeros_like(shown[..., 0])
        shown = np.stack([by_band.get(band, dark) for band in _BANDS], axis=-1)
    return np.ascontiguousarray(shown[::-1])


def _file_reply(file: Original, options: _Options) -> Reply:
    """A finished picture: its own bytes when it is asked for whole, else a smaller JPEG of it."""
    if options.format == "FITS":
        raise _BadRequestError("This picture is a finished one: there is no FITS of it.")
    if options.output_size is None and options.zoom == 1 and options.size is None:
        return Reply(file.data, file.media_type)
    if options.output_size is None:
        raise _BadRequestError("This picture is a finished one: ask for size=ALL, or for an output_size.")
    with Image.open(io.BytesIO(file.data)) as picture:
        small = picture.convert("RGB")
    scale = options.output_size / max(small.size)
    small = small.resize((max(round(small.width * scale), 1), max(round(small.height * scale), 1)))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=75)
    return Reply(buffer.getvalue(), "image/jpeg")


def _as_file(body: bytes, media_type: str, filename: str) -> Reply:
    safe = filename.encode("ascii", "replace").decode().replace('"', "'")
    return Reply(body, media_type, headers=(("Content-Disposition", f'attachment; filename="{safe}"'),))


def _error(title: str, text: str, params: dict[str, str]) -> Reply:
    """Errors come with status 200, as an HTML page, or as plain text where `texterrors` is set."""
    if _flag(params, "texterrors", False):
        return Reply(f"{title}: {text}\n".encode(), "text/plain; charset=utf-8")
    return page(title, text)


def _strip_extension(name: str) -> str:
    return name.split("[", 1)[0]


def _flag(params: dict[str, str], name: str, default: bool) -> bool:
    value = params.get(name)
    if value is None or value == "":
        return default
    return value.lower() in {"1", "yes", "true", "t", "y"}


def _float(name: str, text: str, low: float = -math.inf, high: float = math.inf) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _BadRequestError(f"{name} must be a number, not {text!r}.") from None
    if not low <= value <= high:
        raise _BadRequestError(f"{name} must be between {low:g} and {high:g}, not {text}.")
    return value


def _size(text: str) -> tuple[int, int] | None:
    if text.upper() == "ALL":
        return None
    parts = [int(_float("size", part, 1, _LARGEST_PX)) for part in text.split(",")]
    if len(parts) > 2:
        raise _BadRequestError(f"size must be N, columns,rows or ALL, not {text!r}.")
    return parts[0], parts[-1]
