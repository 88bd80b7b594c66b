"""What an archive says about one picture before anything is downloaded."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from scrapers.writable import writable

_LONGEST_ID = 255
_RELEASE = re.compile(
    r"(?<![a-z0-9])(?P<release>(heic|opo|potw|potm|ann)\d{4,5})[a-z]{1,2}\d*(?![a-z0-9])", re.IGNORECASE
)


def product_id(archive: str, name: str) -> str:
    """Identifier of a product: archive and its own name for it, joined by a colon, at most 255 characters.

    A longer name keeps its end and gets the start of its SHA-256, so that it stays unique.
    """
    name = writable(name)
    whole = f"{archive}:{name}"
    if len(whole) <= _LONGEST_ID:
        return whole
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{archive}:{digest}-{name[-(_LONGEST_ID - len(archive) - 18) :]}"


def release_of(name: str) -> str | None:
    """The release that a picture's name tells: `opo9738` for `opo9738c10`, `heic0206` for `heic0206g_screen`.

    ESA/Hubble numbers its releases so, with a letter for each picture; pictures of a release belong together.
    """
    found = _RELEASE.search(name)
    return found["release"].lower() if found else None


@dataclass(frozen=True)
class Product:
    """One picture of an archive.

    Fields after `expects_colour` carry ObsCore names, or those of `manifests/schema.py`, and its units: degrees,
    MJD, metres, seconds, arcsec per pixel, kB; `None` where the archive does not say.

    `expects_colour` says that the archive promised a colour picture: a grey one is then an error of the archive.
    """

    archive: str
    product_id: str
    source_name: str
    release_id: str
    expects_colour: bool = False

    dataproduct_type: str | None = "image"
    calib_level: int | None = None
    obs_collection: str | None = None
    obs_id: str | None = None
    obs_title: str | None = None
    obs_publisher_did: str | None = None
    obs_creator_name: str | None = None
    obs_release_date: str | None = None
    access_url: str = ""
    access_format: str | None = None
    access_estsize: float | None = None
    target_name: str | None = None
    s_ra: float | None = None
    s_dec: float | None = None
    s_fov: float | None = None
    s_region: str | None = None
    s_resolution: float | None = None
    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    em_min: float | None = None
    em_max: float | None = None
    facility_name: str | None = None
    instrument_name: str | None = None

    filters: str | None = None
    credit: str | None = None
    licence: str | None = None
    image_type: str | None = None
    aliases: str | None = None
    synthetic_green: bool | None = None
    partial_fraction: float | None = None
    rendering: str | None = None
    derived_from: str | None = None
    synthetic_position: bool | None = None
    fetched_at: str | None = None

    def __post_init__(self) -> None:
        for name in _NAMES:
            value = getattr(self, name)
            if isinstance(value, str) and (kept := writable(value)) is not value:
                object.__setattr__(self, name, kept)

    def record(self) -> dict[str, Any]:
        """The manifest columns that are known, for JSON; `from_record` reads it back."""
        return {
            name: value
            for name, value in asdict(self).items()
            if (value not in (None, "") or name in _NEEDED) and name not in _OUTSIDE_RECORD
        }

    @classmethod
    def from_record(cls, archive: str, record: dict[str, Any], *, expects_colour: bool) -> Self:
        """The product of a record; keys that this version does not know are left out."""
        return cls(archive=archive, expects_colour=expects_colour, **{k: v for k, v in record.items() if k in _RECORD})

    def filled(self, columns: Mapping[str, Any]) -> Self:
        """The product with what it left open taken from `columns`."""
        return replace(self, **{name: value for name, value in columns.items() if getattr(self, name) is None})

    def arrived(self, *, access_format: str, size_bytes: int, fetched_at: str) -> Self:
        """The product with what its bytes turned out to be."""
        return replace(
            self, access_format=access_format, access_estsize=round(size_bytes / 1000, 3), fetched_at=fetched_at
        )


_NAMES = tuple(field.name for field in fields(Product))
_OUTSIDE_RECORD = frozenset({"archive", "expects_colour"})
_NEEDED = frozenset({"product_id", "source_name", "release_id"})
_RECORD = frozenset(_NAMES) - _OUTSIDE_RECORD


@dataclass(frozen=True)
class Tile:
    """One question to an archive: `request` is its canonical text, equal for equal questions.

    `coverage` is the part of the sky that the answer is complete for, as a MOC in ASCII form; None for a list page.
    """

    archive: str
    request: str
    coverage: str | None = field(default=None, compare=False)

    @property
    def tile_id(self) -> str:
        """SHA-256 of archive and request, hexadecimal."""
        return hashlib.sha256(f"{self.archive}\n{self.request}".encode()).hexdigest()
