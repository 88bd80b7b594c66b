"""Where on the sky to look: positions as people write them, and cones about them."""

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from manifests.errors import UsageError
from scrapers import sphere

Side = Literal["in", "edge", "out"]

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

    @property
    def vector(self) -> np.ndarray:
        """The centre as a unit vector (3,)."""
        ra, dec = math.radians(self.ra), math.radians(self.dec)
        return np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])

    @property
    def bounds(self) -> "Cone":
        """The cone that holds the region: itself."""
        return self

    def side(self, circle: "Cone") -> Side:
        """Where a circle lies: wholly in the cone, wholly out of it, or on its edge."""
        distance = separation(self.ra, self.dec, circle.ra, circle.dec)
        if distance + circle.radius <= self.radius:
            return "in"
        return "edge" if distance - circle.radius <= self.radius else "out"

    def touches_polygon(self, corners: np.ndarray, slack_deg: float = 0.0) -> bool:
        """Whether a polygon (see `sphere`) shares a point with the cone, or comes within `slack_deg` of it."""
        here = self.vector[None]
        reach = self.radius + slack_deg
        return bool(sphere.inside(here, corners)[0] or sphere.border_distances(here, corners)[0] <= reach)


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
