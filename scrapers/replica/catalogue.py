"""What an archive of the replica offers: its datasets as the search describes them, their pixels, the truth.

The HLA routes see nothing but this; the synthetic sky and the folder of real pictures both provide it, and
further archives can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scrapers.replica.arrays import FloatArray
from scrapers.replica.geometry import Grid, Polygon

COMBINED, COLOR = 2, 4  # product levels of the HLA that the replica has


@dataclass(frozen=True)
class Dataset:
    """One product as the search lists it; None is an empty cell. `elements` are filters, red first for colour.

    `files` are the datasets behind it: itself, or those of the red, (green,) blue bands. `is_file` marks a
    finished picture that is served as it is, never rendered.
    """

    name: str
    level: int
    target: str
    instrument: str | None
    detector: str | None
    aperture: str | None
    elements: tuple[str, ...]
    exposures: int | None
    exptime_s: float | None
    start: datetime | None
    propid: int | None
    visit: str | None
    pi_name: str | None
    mode: str | None
    created: datetime | None
    source: str
    wavelength: str | None
    released: datetime | None
    title: str
    grid: Grid
    files: tuple[str, ...]
    polygons: tuple[Polygon, ...]
    is_file: bool = False


@dataclass(frozen=True)
class Plane:
    """Pixels of one band: float32 (ny, nx), e-/s, row 0 south, NaN where no chip was; and its exposure in s."""

    pixels: FloatArray
    grid: Grid
    exptime_s: float


@dataclass(frozen=True)
class Original:
    """A picture that exists as a file: its bytes, its media type, and a name for saving it."""

    data: bytes
    media_type: str
    filename: str


@dataclass(frozen=True)
class Truth:
    """What is known of a product: `label` good, partial or bad; its kind; the dataset it repeats; its field.

    Products of one `field` show the same sky, whether or not they are duplicates.
    """

    dataset: str
    label: str
    kind: str
    duplicate_of: str | None
    field: str


class Archive(Protocol):
    """Datasets in the order of the search, and what each holds."""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """All products, sorted as HLA sorts them."""

    @property
    def truth(self) -> Sequence[Truth]:
        """What is known of the products; empty for real pictures."""

    def plane(self, name: str) -> Plane:
        """Pixels of a single-band dataset. Raises KeyError where there is none of that name."""

    def original(self, name: str) -> Original | None:
        """The file of a dataset that is one, else None."""
