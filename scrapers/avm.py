"""What a picture says of itself: Astronomy Visualization Metadata in its XMP packet, read by pyavm.

The standard is AVM 1.2 (Virtual Astronomy Multimedia Project). Outreach sites write it into their files: where on
the sky the picture lies, through which filters it was taken, whom to credit.
"""

import io
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
from astropy.wcs import FITSFixedWarning
from PIL import Image
from pyavm import AVM
from pyavm.exceptions import AVMEmptyValueError, AVMItemNotInControlledVocabularyError, AVMListLengthError

from scrapers.products import Product
from scrapers.sky import separation
from scrapers.text import plain_text

# pyavm and wcslib comment on every oddity of a header that thousands of pictures have; none is ours to mend
warnings.filterwarnings("ignore", module=r"pyavm(\..*)?")
warnings.filterwarnings("ignore", category=FITSFixedWarning)

_NAMESPACE = b"http://www.communicatingastronomy.org/avm/"
_PACKET = re.compile(rb"<x:xmpmeta\b.*?</x:xmpmeta>", re.DOTALL)
_LONGEST_PACKET = 4 * 2**20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
_SPATIAL = re.compile(r"\{http://www\.communicatingastronomy\.org/avm/1\.0/\}Spatial\.(?!Notes|FITSheader)")
_UNREADABLE = (
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    ElementTree.ParseError,
    AVMEmptyValueError,
    AVMItemNotInControlledVocabularyError,
    AVMListLengthError,
)
_WIDEST_DEG = 30.0  # more than any picture of a telescope: a number gone wrong
_SAME_SHAPE = 0.02
# A page that loses the sign of a declination above -1 degree is off by less; more is another part of the sky.
_SAME_PLACE_DEG = 2.0
_ROUGH = "Position"  # a quality that says to trust neither scale nor rotation


@dataclass(frozen=True)
class Place:
    """Where a picture lies, ICRS degrees: centre, longer side, footprint as STC-S.

    `s_resolution` is the scale of the file in arcsec per pixel; None where the file's size is not known.
    """

    s_ra: float
    s_dec: float
    s_fov: float
    s_region: str
    s_resolution: float | None


def read_avm(data: bytes) -> AVM | None:
    """The AVM of a JPEG, PNG or TIFF file; None where it has none that can be read.

    A packet with a value that AVM does not allow is read for its position alone.
    """
    for found in _PACKET.finditer(data):
        packet = found.group()
        # entities have no place in a packet, and could be made to fill the memory
        if _NAMESPACE not in packet or len(packet) > _LONGEST_PACKET or b"<!" in packet:
            continue
        for attempt in (bytes, _only_spatial):
            try:
                return AVM.from_xml(attempt(packet))
            except _UNREADABLE:
                continue
    return None


def place_of(avm: AVM, size: tuple[int, int] | None = None) -> Place | None:
    """Where a picture of `size` (width, height) with this AVM lies; None where it does not say so fully.

    The WCS is that of the original, of `ReferenceDimension` pixels, which every smaller copy repeats: the footprint
    is the original's and the pixel scale is scaled to the copy. A copy of another shape is a crop, whose place in
    the original is not known.
    """
    spatial = avm.Spatial
    if spatial.Quality == _ROUGH:
        return None
    dimension = _numbers(spatial.ReferenceDimension, 2) or (tuple(map(float, size)) if size else None)
    value, scale = _numbers(spatial.ReferenceValue, 2), _numbers(spatial.Scale, 1)
    if dimension is None or min(dimension) < 1 or value is None or not -90 <= value[1] <= 90:
        return None
    if (scale is None or scale[0] == 0) and _numbers(spatial.CDMatrix, 4) is None:
        return None
    if size is not None and abs(math.log(size[0] * dimension[1] / (size[1] * dimension[0]))) > _SAME_SHAPE:
        return None
    pixel = _numbers(spatial.ReferencePixel, 2) or tuple((side + 1) / 2 for side in dimension)
    try:
        spatial.ReferencePixel = list(pixel)
        if scale is not None:
            # of the signs and the second one there is no telling
            spatial.Scale = [-abs(scale[0]), abs(scale[0])]
        spatial.CoordinateFrame = spatial.CoordinateFrame or "ICRS"
        spatial.CoordsystemProjection = spatial.CoordsystemProjection or "TAN"
        return _placed(avm.to_wcs(), dimension, size)
    except _UNREADABLE:
        return None


def place_at(
    reference: tuple[float, float],
    *,
    dimension: tuple[float, float],
    scale_deg: float,
    rotation_deg: float = 0.0,
    pixel: tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
) -> Place | None:
    """Where a picture of `size` lies, from the WCS of its original as a page or feed gives it; None where it is none.

    `reference` is RA and Dec of `pixel` (the middle by default) of an original of `dimension` pixels in gnomonic
    projection, north turned from the vertical counter-clockwise by `rotation_deg`.
    """
    avm = AVM()
    avm.Spatial.CoordinateFrame, avm.Spatial.Equinox = "ICRS", "J2000"
    avm.Spatial.ReferenceValue = list(reference)
    avm.Spatial.ReferenceDimension = list(dimension)
    avm.Spatial.Scale = [-scale_deg, scale_deg]
    avm.Spatial.Rotation = rotation_deg
    if pixel is not None:
        avm.Spatial.ReferencePixel = list(pixel)
    return place_of(avm, size)


def _placed(wcs: Any, dimension: Sequence[float], size: tuple[int, int] | None) -> Place | None:
    width, height = dimension
    # corners counter-clockwise as seen in the file, then the middle; pixels count from the centre of the first
    x = np.array([0.0, width, width, 0.0, width / 2]) - 0.5
    y = np.array([0.0, 0.0, height, height, height / 2]) - 0.5
    sky = wcs.pixel_to_world(x, y).icrs
    ra, dec = np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        return None
    sides = sky[0].separation(sky[1]).deg, sky[1].separation(sky[2]).deg
    if not 0 < max(sides) <= _WIDEST_DEG:
        return None
    corners = " ".join(f"{a:.6f} {d:.6f}" for a, d in zip(ra[:4], dec[:4], strict=True))
    resolution = max(sides) / max(width, height) * 3600.0
    if size is not None:
        resolution *= max(width, height) / max(size)
    return Place(
        round(float(ra[4]) % 360.0, 7),
        round(float(dec[4]), 7),
        float(max(sides)),
        f"POLYGON ICRS {corners}",
        float(resolution) if size is not None else None,
    )


def annotate(product: Product, data: bytes) -> Product:
    """The product with what its file's AVM says.

    The file's own WCS is more precise than a page, so that position, footprint and scale are taken from it; all else
    fills what the archive left open. Where file and archive mean different parts of the sky, one of them is wrong and
    nobody knows which: the product then has no position. Without AVM it comes back as it is.
    """
    if _NAMESPACE not in data:
        return product
    avm = read_avm(data)
    if avm is None:
        return product
    place = place_of(avm, _size(data))
    roughly = _numbers(avm.Spatial.ReferenceValue, 2) if avm.Spatial.Quality == _ROUGH else None
    if place is not None and not _agree(product, place):
        product = replace(product, s_ra=None, s_dec=None, s_fov=None, s_region=None, s_resolution=None)
    elif place is not None:
        product = replace(product, **asdict(place))
    elif roughly and product.s_ra is None and abs(roughly[1]) <= 90:
        product = replace(product, s_ra=roughly[0] % 360.0, s_dec=roughly[1])
    told: dict[str, Any] = {
        "obs_title": _text(avm.Title) or _text(avm.Headline),
        "credit": _text(avm.Credit),
        "licence": _text(avm.Rights),
        "image_type": _text(avm.Type),
        "target_name": _text(avm.Subject.Name),
        "instrument_name": ", ".join(_texts(avm.Instrument)) or None,
        **bands(_texts(avm.Spectral.Bandpass), avm.Spectral.CentralWavelength or []),
    }
    return replace(product, **{name: value for name, value in told.items() if value and not getattr(product, name)})


def _agree(product: Product, place: Place) -> bool:
    if product.s_ra is None or product.s_dec is None:
        return True
    apart = separation(product.s_ra, product.s_dec, place.s_ra, place.s_dec)
    return apart <= _SAME_PLACE_DEG + max(place.s_fov, product.s_fov or 0.0)


def bands(names: Sequence[str], wavelengths_nm: Sequence[float | None]) -> dict[str, Any]:
    """`filters` (red to blue), `em_min` and `em_max` (m) of bands with their central wavelengths in nm.

    Pages and AVM give no widths, so that the wavelengths are those of the bluest and the reddest centre.
    """
    known = [float(nm) for nm in wavelengths_nm if isinstance(nm, int | float) and 0 < nm < 1e9]
    columns: dict[str, Any] = {}
    if names:
        if len(known) == len(names):
            ordered = [name for _, name in sorted(zip(known, names, strict=True), key=lambda one: -one[0])]
        else:
            ordered = list(names)
        columns["filters"] = "/".join(dict.fromkeys(name.replace("/", "-") for name in ordered))
    if known:
        columns["em_min"], columns["em_max"] = (round(nm * 1e-9, 12) for nm in (min(known), max(known)))
    return columns


def _only_spatial(packet: bytes) -> bytes:
    """A packet with nothing but what tells the position."""
    root = ElementTree.fromstring(packet)
    for description in root.iter(_RDF):
        for element in list(description):
            if not _SPATIAL.match(element.tag) or _unknown_quality(element.tag, element.text):
                description.remove(element)
            elif element.tag.endswith("Scale") and len(element) == 1 and len(element[0]) == 1:
                element[0].append(element[0][0])  # the second of two that are the same is missing at times
        for name in list(description.attrib):
            if not _SPATIAL.match(name) or _unknown_quality(name, description.attrib[name]):
                del description.attrib[name]
    return ElementTree.tostring(root)


def _unknown_quality(name: str, value: str | None) -> bool:
    return name.endswith("Spatial.Quality") and value not in ("Full", _ROUGH)


def _size(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError):
        return None


def _numbers(value: Any, least: int) -> tuple[float, ...] | None:
    """A list of at least so many finite numbers, else None."""
    if not isinstance(value, list | tuple) or len(value) < least:
        return None
    numbers = [one for one in value[: max(least, 2)] if isinstance(one, int | float) and math.isfinite(one)]
    return tuple(map(float, numbers)) if len(numbers) >= least else None


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in (plain_text(one) for one in values if isinstance(one, str)) if text]


def _text(value: Any) -> str | None:
    return next(iter(_texts(value)), None)
