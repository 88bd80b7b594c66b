"""Where on the sky to look: positions as people write them, and cones cut into pieces an archive can answer."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from manifests.errors import UsageError

LARGEST_CONE_DEG = 1.0
_DEGREES = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d{1,3})[hd: ]+(?P<minutes>\d{1,2})[m': ]*(?P<seconds>\d{1,2}(\.\d*)?)?[s\"]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Cone:
    """All directions within `radius` of a centre; ICRS degrees, 0 <= ra < 360, -90 <= dec <= 90, radius 0 to 180.

    Radius 0 stands for whatever covers the one point.
    """

    ra: float
    dec: float
    radius: float

    def __str__(self) -> str:
        where = f"RA {self.ra:.5f}, Dec {self.dec:+.5f}"
        return f"within {self.radius:g} degrees of {where}" if self.radius else f"at {where}"


def cone(ra: str | float, dec: str | float, radius: float) -> Cone:
    """A cone from numbers or text: degrees, or hours, minutes and seconds ("14:03:12.6", "14h03m12.6s").

    Raises:
        UsageError: a value cannot be read or does not exist on the sky.
    """
    right, north = _angle(ra, "RA", hours=True), _angle(dec, "Dec", hours=False)
    if not 0.0 <= right < 360.0:
        raise UsageError(f"RA {ra} is not on the sky: right ascension runs from 0 up to 360 degrees.")
    if not -90.0 <= north <= 90.0:
        raise UsageError(f"Dec {dec} is not on the sky: declination runs from -90 to 90 degrees.")
    if not 0.0 <= radius <= 180.0:
        raise UsageError(f"A radius of {radius:g} is not possible: give degrees from 0 to 180.")
    return Cone(right, north, radius)


def _angle(value: str | float, name: str, *, hours: bool) -> float:
    text = str(value).strip()
    if _DEGREES.fullmatch(text):
        return float(text)
    match = _SEXAGESIMAL.fullmatch(text)
    # "14d" is degrees even for a right ascension
    if match and not (hours and match["sign"]) and float(match["minutes"]) < 60 and float(match["seconds"] or 0) < 60:
        size = int(match["whole"]) + int(match["minutes"]) / 60 + float(match["seconds"] or 0) / 3600
        scale = 15.0 if hours and "d" not in text.lower() else 1.0
        return math.copysign(size * scale, -1.0 if match["sign"] == "-" else 1.0)
    example = "14:03:12.6" if hours else "-54:20:57"
    raise UsageError(f"{name} {value!r} cannot be read: give degrees, or a form like {example}.")


def separation(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Angle between two directions in degrees, by the haversine formula, which is exact for small ones too."""
    a1, d1, a2, d2 = (math.radians(angle) for angle in (ra1, dec1, ra2, dec2))
    h = math.sin((d2 - d1) / 2) ** 2 + math.cos(d1) * math.cos(d2) * math.sin((a2 - a1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def pieces(region: Cone, largest: float = LARGEST_CONE_DEG) -> Iterator[Cone]:
    """Cones of at most `largest` degrees that together cover a region: the region itself where it is small enough.

    The sky is cut into rows of declination and these into cells, fewer towards the poles; a cell and a margin fit
    into a cone of radius `largest`. Cells lie where they lie whatever the region, so that regions share them.
    """
    if region.radius <= largest:
        yield region
        return
    rows = math.ceil(180.0 / (largest * 1.3))
    height = 180.0 / rows
    for row in range(rows):
        south = -90.0 + row * height
        dec = south + height / 2
        if abs(dec - region.dec) > region.radius + largest:
            continue
        widest = math.cos(math.radians(min(abs(south), abs(south + height))))
        cells = max(1, math.ceil(360.0 * widest / (largest * 1.3)))
        for cell in range(cells):
            ra = (cell + 0.5) * 360.0 / cells
            if separation(ra, dec, region.ra, region.dec) <= region.radius + largest:
                yield Cone(round(ra, 6), round(dec, 6), largest)
