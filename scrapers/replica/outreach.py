"""An archive's colour pictures as outreach sites publish them: with names, titles, types, and files of several sizes.

Three sites show the same releases, each in its own files: ESA/Hubble whole, HubbleSite encoded anew, Heritage cropped.
What lies beside the observations on real sites, and what is wrong with some, is in `mix`.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from urllib.parse import urlencode

from PIL import Image
from pyavm import AVM

from scrapers.replica.cache import Cache
from scrapers.replica.catalogue import COLOR, Archive, Dataset
from scrapers.replica.drawings import draw
from scrapers.replica.exchange import Reply, Request, page
from scrapers.replica.fitscut import PictureService
from scrapers.replica.instruments import FILTERS
from scrapers.replica.odd_files import cmyk_jpeg, deep_tiff, gray_tiff, vast_png

_NAME = re.compile(r"(?<![a-z0-9])(?:heic|opo|potw|ann)\d{4}[a-z]{1,2}\d*(?![a-z0-9])")
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
_FIRST_YEAR, _YEARS = 1999, 18
_MEDIA = {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff"}
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/tiff": "tif"}
_CREDIT = "Deepfield replica, no telescope"
_VAST = (69_536, 2**31 + 1)  # columns and bytes of an original that nobody is to fetch
_BOMB = (25_000, 17_000)
_ASTRAY_DEG = 90.0
# compressed bytes of a pixel, for the lengths that pages state
_BYTES_PER_PIXEL = {"jpg": 0.4, "png": 2.0, "tif": 3.0}


@dataclass(frozen=True)
class Picture:
    """A published picture. `name` is ESA/Hubble's; `release` is STScI's year and number, None where ESA alone has it.

    `type` is ESA/Hubble's word for what it is, `facet` HubbleSite's, whose number it has in `image_id`. Pictures
    without `placed` have no position. `drawn` is the kind of one that is no observation, `trouble` what is wrong.
    """

    name: str
    release: tuple[int, int] | None
    image_id: int
    title: str
    object: str
    type: str
    category: str
    released: datetime
    dataset: Dataset
    placed: bool
    facet: str = "Observations"
    drawn: str | None = None
    trouble: str | None = None

    @property
    def enlarged(self) -> float:
        """How much larger the original is stated to be than the files that stand in for it."""
        return _VAST[0] / self.dataset.grid.nx if self.trouble == "vast" else 1.0

    @property
    def width(self) -> int:
        """Columns of the original."""
        return round(self.dataset.grid.nx * self.enlarged)

    @property
    def height(self) -> int:
        """Rows of the original."""
        return round(self.dataset.grid.ny * self.enlarged)

    @property
    def in_heritage(self) -> bool:
        """Whether it belongs to the Heritage collection: every other release."""
        return self.release is not None and self.image_id % 2 == 0

    @property
    def credit(self) -> str:
        """Whom to name."""
        return f"{_CREDIT}; in memory of the Hubble Heritage Team" if self.in_heritage else _CREDIT

    def stated_size(self, suffix: str, scale: float = 1.0) -> str:
        """Roughly how long a file is, as sites print it: "2.2 MB", "275.7 KB"."""
        kilobytes = self.width * self.height * scale**2 * _BYTES_PER_PIXEL[suffix] / 1000
        if kilobytes >= 1_000_000:
            return f"{kilobytes / 1_000_000:.1f} GB"
        return f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.1f} KB"


def pictures(archive: Archive) -> tuple[Picture, ...]:
    """The colour products of an archive as published pictures, the newest first.

    A file whose name is an ESA/Hubble name keeps it; the others get names of all kinds in turn.
    """
    chosen = [dataset for dataset in archive.datasets if dataset.level == COLOR]
    named = [_NAME.search(dataset.name.lower()) for dataset in chosen]
    taken = {found.group() for found in named if found}
    used: set[str] = set()
    made = []
    for index, (dataset, found) in enumerate(zip(chosen, named, strict=True)):
        name = found.group() if found and found.group() not in used else _free_name(index, taken | used)
        used.add(name)
        made.append(_picture(dataset, name, index))
    return tuple(sorted(made, key=lambda one: (one.released, one.name), reverse=True))


def _picture(dataset: Dataset, name: str, index: int) -> Picture:
    drawn = not dataset.is_file and index % 13 == 7
    release = None
    if name.startswith("opo"):
        year = int(name[3:5])
        release = (year + (1900 if year >= 90 else 2000), int(re.findall(r"\d+", name)[0][2:]))
    year = release[0] if release else _FIRST_YEAR + index % _YEARS
    return Picture(
        name=name,
        release=release,
        image_id=1000 + index,
        title=f"Artist's view of {dataset.target}" if drawn else f"The field of {dataset.target} & its neighbours",
        object=dataset.target,
        type="Artwork" if drawn else "Observation",
        category="illustrations" if drawn else ("galaxies", "nebulae", "stars")[index % 3],
        released=datetime(year, 1, 8, 6, tzinfo=UTC) + timedelta(days=index * 7 % 350),
        dataset=dataset,
        placed=not dataset.is_file and not drawn,
        facet="Artwork" if drawn else "Observations",
        drawn="artwork" if drawn else None,
    )


def _free_name(index: int, taken: set[str]) -> str:
    """A name by the place in the archive: three in five are STScI's releases, the others ESA's own."""
    kind = ("opo", "heic", "opo", "potw", "opo")[index % 5]
    number = 1 + index // _YEARS
    while (name := f"{kind}{(_FIRST_YEAR + index % _YEARS) % 100:02d}{number:02d}a") in taken:
        number += 1
    return name


class Renditions:
    """Files of an archive's pictures, made when asked for; the 256 MiB asked for last are kept."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._service = PictureService(archive)
        self._kept: Cache[tuple[object, ...], bytes] = Cache(256 * 2**20, len)

    def suffix(self, picture: Picture) -> str:
        """Of the original file; a TIFF is made of what is rendered."""
        file = self._archive.original(picture.dataset.name)
        return SUFFIXES[file.media_type] if file else "tif"

    def original(self, picture: Picture) -> Reply:
        """The file as it is, or a TIFF of what is rendered."""
        file = self._archive.original(picture.dataset.name)
        if file:
            return Reply(file.data, file.media_type)
        if picture.trouble == "vast":
            return Reply(b"", _MEDIA["TIFF"], announced=_VAST[1])
        return self.encoded(picture, "TIFF")

    def bomb(self) -> Reply:
        """A picture with more pixels than can be held, in a short file."""
        return Reply(self._kept.get(("bomb",), lambda: vast_png(*_BOMB)), _MEDIA["PNG"])

    def encoded(
        self,
        picture: Picture,
        format: str,
        *,
        width: int | None = None,
        height: int | None = None,
        crop: tuple[float, float] = (0.0, 0.0),
        quality: int = 92,
        avm: bool = False,
    ) -> Reply:
        """The picture as JPEG, PNG or TIFF, no wider or higher than asked, without shares of its margins (x, y).

        AVM goes into JPEGs; it repeats the size and the scale of the original whatever the size of the file.
        """
        if picture.trouble == "lost":
            return Reply(b"<h1>Not Found</h1>", status=404)
        key = (picture.name, format, width, height, crop, quality, avm)
        body = self._kept.get(key, lambda: self._encode(picture, format, (width, height), crop, quality))
        media_type = None if picture.trouble == "untyped" else _MEDIA[format]
        return Reply(_with_avm(body, picture) if avm and format == "JPEG" else body, media_type)

    def _encode(
        self,
        picture: Picture,
        format: str,
        within: tuple[int | None, int | None],
        crop: tuple[float, float],
        quality: int,
    ) -> bytes:
        image = self._image(picture)
        if any(crop):
            x, y = round(image.width * crop[0]), round(image.height * crop[1])
            image = image.crop((x, y, image.width - x, image.height - y))
        shrink = min([1.0, *(most / side for most, side in zip(within, image.size, strict=True) if most)])
        if shrink < 1.0:
            image = image.resize((max(1, round(image.width * shrink)), max(1, round(image.height * shrink))))
        odd = {("deep", "TIFF"): deep_tiff, ("gray", "TIFF"): gray_tiff, ("cmyk", "JPEG"): cmyk_jpeg}
        if make := odd.get((picture.trouble or "", format)):
            return make(image)
        out = io.BytesIO()
        image.save(out, format, **({"quality": quality} if format == "JPEG" else {}))
        return out.getvalue()

    def _image(self, picture: Picture) -> Image.Image:
        bands = {1: ("red",), 2: ("red", "blue"), 3: ("red", "green", "blue")}[len(picture.dataset.files)]
        asked = dict(zip(bands, picture.dataset.files, strict=True)) | {"size": "ALL", "format": "png"}
        reply = self._service.fitscut(Request("", urlencode(asked), ""))
        with Image.open(io.BytesIO(reply.body)) as image:
            observed = image.convert("RGB")
        return draw(picture.drawn, observed, picture.image_id) if picture.drawn else observed


def _with_avm(jpeg: bytes, picture: Picture) -> bytes:
    """A JPEG with an XMP packet as its first segment."""
    avm, grid, more = AVM(), picture.dataset.grid, picture.enlarged
    avm.ID, avm.Title, avm.Credit, avm.Type = picture.name, picture.title, picture.credit, picture.type
    avm.Subject.Name = [picture.object]
    if picture.dataset.instrument and picture.placed:
        avm.Facility = ["Hubble Space Telescope"] * len(picture.dataset.elements)
        avm.Instrument = [picture.dataset.instrument] * len(picture.dataset.elements)
        avm.Spectral.Bandpass = list(picture.dataset.elements)
        avm.Spectral.CentralWavelength = [nanometres(name) for name in picture.dataset.elements]
    if picture.placed:
        avm.Spatial.CoordinateFrame, avm.Spatial.Equinox = "ICRS", "J2000"
        avm.Spatial.Quality = "Position" if picture.trouble == "rough" else "Full"
        avm.Spatial.CoordsystemProjection = "TAN"
        avm.Spatial.ReferenceValue = [(grid.ra + _ASTRAY_DEG * (picture.trouble == "astray")) % 360, grid.dec]
        avm.Spatial.ReferenceDimension = [picture.width, picture.height]
        avm.Spatial.ReferencePixel = [more * (pixel - 0.5) + 0.5 for pixel in grid.crpix]
        avm.Spatial.Scale = [-grid.scale_deg / more, grid.scale_deg / more]
        avm.Spatial.Rotation = 0.0
    segment = _XMP_MARK + avm.to_xmp()
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def nanometres(element: str) -> float:
    """Wavelength of a filter."""
    return FILTERS[element].wavelength_a / 10


def by_name(shown: Sequence[Picture]) -> dict[str, Picture]:
    """Pictures by ESA/Hubble's name."""
    return {picture.name: picture for picture in shown}


def paged(shown: Sequence[Picture], number: int, size: int) -> tuple[Sequence[Picture], int]:
    """A page of a list, counted from 1, and how many pages there are."""
    return shown[(number - 1) * size : number * size], max(1, ceil(len(shown) / size))


def moved(where: str, status: int = 301) -> Reply:
    """A redirect."""
    return Reply(b"", status=status, headers=(("Location", where),))


def missing(request: Request) -> Reply:
    """What is not there."""
    return page("Not Found", f"{request.path} is not here.", 404)


def below(prefix: str, answer: Callable[[str, Request], Reply]) -> Callable[[Request], Reply]:
    """A handler that gets the part of the path that follows a prefix."""
    return lambda request: answer(request.path.removeprefix(prefix), request)
