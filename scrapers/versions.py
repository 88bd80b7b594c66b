"""Which of the files that a page offers of one picture to fetch: the largest that is of use and within the limits."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from manifests.settings import Settings
from scrapers.text import path_of

Format = Literal["JPEG", "PNG", "TIFF"]

_FORMATS: dict[str, Format] = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "tif": "TIFF", "tiff": "TIFF"}
MEDIA_TYPES: dict[Format, str] = {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff"}
_UNITS = {"b": 1.0, "bytes": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9}
_SIZE = re.compile(r"(?<![\d.])(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>bytes|[kmg]?b)\b", re.IGNORECASE)
_PIXELS = re.compile(r"(?<!\d)(?P<width>\d{2,6})\s*(?:x|\N{MULTIPLICATION SIGN})\s*(?P<height>\d{2,6})(?!\d)", re.I)
_WORD = re.compile(r"\b(jpe?g|png|tiff?)\b", re.IGNORECASE)
# STScI's fixed renditions, the smallest first; their sizes stand nowhere
_KNOWN = (
    *("mini_thumb", "thumb", "small_web", "web", "web_print", "large_web", "xlarge_web", "hires_jpg", "full_jpg"),
    "full_tif",
)
# "Unannotated", also as "Uannoatated"
_PLAIN = re.compile(
    r"\b(?:un?an\w*ted|unlabel+ed|textless|(?:no|without)\s+(?:text|labels?|annotations?|compass))\b", re.IGNORECASE
)
_ANNOTATED = re.compile(r"\b(?:an\w*tated|label+ed|compass|scale\s?bar|text)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What is fetched: stated length and pixels at most so many; TIFF originals only where they are wanted."""

    max_bytes: int
    max_pixels: int
    originals: bool = False


def limits_within(settings: Settings, max_mb: float | None, max_pixels: int | None, *, originals: bool) -> Limits:
    """The limits that a user gives, where they are given, and never above those of the settings."""
    return Limits(
        settings.max_bytes if max_mb is None else min(int(max_mb * 1e6), settings.max_bytes),
        settings.max_pixels if max_pixels is None else min(max_pixels, settings.max_pixels),
        originals,
    )


@dataclass(frozen=True)
class Version:
    """One file of a picture as its page describes it; None where the page does not say.

    A larger `rank` is known to be a larger rendition, 0 is an unknown one. `clean` is 1 where the page says that there
    is no writing in the picture, -1 where it says that there is (annotations, a compass), else 0.
    """

    url: str
    format: Format
    width: int | None = None
    height: int | None = None
    size_bytes: float | None = None
    rank: int = 0
    clean: int = 0

    @property
    def pixels(self) -> int | None:
        """Width times height."""
        return self.width * self.height if self.width and self.height else None


def version_of(url: str, text: str) -> Version | None:
    """The version that a download link stands for, by its address and text ("Full Res, 3840 X 2160, PNG (4.98 MB)").

    None where neither names a JPEG, PNG or TIFF. A label may look like a size: the last size in the text counts.
    """
    path = path_of(url)
    suffix = path.rsplit(".", 1)[-1].lower() if "." in path.rsplit("/", 1)[-1] else ""
    words = _WORD.findall(text)
    kind = _FORMATS.get(suffix) or (_FORMATS[words[-1].lower()] if words and not suffix else None)
    if kind is None:
        return None
    name = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    sizes = list(_PIXELS.finditer(text)) or list(_PIXELS.finditer(name.replace("_", " ")))
    width, height = (int(sizes[-1]["width"]), int(sizes[-1]["height"])) if sizes else (None, None)
    rank = _KNOWN.index(name.lower()) if name.lower() in _KNOWN else 0
    clean = 1 if _PLAIN.search(text) else -1 if _ANNOTATED.search(text) else 0
    return Version(url, kind, width, height, stated_bytes(text), rank, clean)


def stated_bytes(text: str) -> float | None:
    """The length that a text states ("2.2 MB", "993.39 KB"), in bytes; the last where there are several."""
    found = list(_SIZE.finditer(text))
    if not found:
        return None
    return float(found[-1]["number"].replace(",", ".")) * _UNITS[found[-1]["unit"].lower()]


def in_order(versions: Iterable[Version], limits: Limits) -> list[Version]:
    """The versions that may be fetched, the best first.

    A file without writing in the picture comes before any other, however large. Of the rest the best is the largest
    rendition where all are known by name, else the one with the most pixels where all state them, else the longest
    where all state that. Failing this, what is known of each counts, and last the later one on the page, for these
    pages go from small to large. With `originals` a TIFF comes before the other formats.
    """
    usable = [
        version
        for version in versions
        if (limits.originals or version.format != "TIFF")
        and (version.size_bytes or 0) <= limits.max_bytes
        and (version.pixels or 0) <= limits.max_pixels
    ]
    by_rank = all(version.rank for version in usable)
    by_pixels = not by_rank and all(version.pixels for version in usable)
    by_bytes = not by_pixels and all(version.size_bytes for version in usable)

    def worth(place: int, version: Version) -> tuple[float, ...]:
        rank, pixels, size = version.rank, version.pixels or 0, version.size_bytes or 0.0
        first = rank if by_rank else pixels if by_pixels else size if by_bytes else rank
        return (version.clean, version.format == "TIFF", first, rank, pixels, size, place)

    ordered = sorted(enumerate(usable), key=lambda pair: worth(*pair), reverse=True)
    return [version for _, version in ordered]
