"""A visit of the telescope: where it pointed, through which filters, and the datasets the archive makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from scrapers.replica.catalogue import COLOR, COMBINED, Dataset
from scrapers.replica.geometry import Grid, Polygon, rotated
from scrapers.replica.instruments import DETECTORS, FILTERS, Detector, Filter, Rectangle


@dataclass(frozen=True)
class Visit:
    """One visit of the synthetic telescope.

    `scene` names the recipe of the sky it saw, `scene_seed` fixes that sky, `plate_px` its size, `offset_px`
    the pointing within it. `side_px` is the side of the square the chips lie in, turned by `roll_deg`
    counter-clockwise in the north-up picture. `brightness` multiplies all the light. `chips` replaces the
    detector's own where part of the visit was lost; `lost` are filters of which only the chips given were kept.
    """

    propid: int
    number: str
    detector: str
    filters: tuple[str, ...]
    grid: Grid
    roll_deg: float
    side_px: float
    scene: str
    scene_seed: int
    plate_px: int
    field: str
    label: str
    kind: str
    target: str
    start: datetime
    exposures: int
    exptime_s: float
    offset_px: tuple[int, int] = (0, 0)
    brightness: float = 1.0
    chips: tuple[Rectangle, ...] | None = None
    lost: tuple[tuple[str, tuple[Rectangle, ...]], ...] = ()
    old_name: bool = False
    reprocessing: "Reprocessing | None" = None

    @property
    def camera(self) -> Detector:
        """The detector's description."""
        return DETECTORS[self.detector]

    @property
    def bands(self) -> tuple[Filter, ...]:
        """Its filters, blue to red."""
        return tuple(sorted((FILTERS[name] for name in self.filters), key=lambda band: band.wavelength_a))

    @property
    def program(self) -> str:
        """Proposal and visit as titles give them: the proposal is padded in new names only."""
        return f"{self.propid}_{self.number}" if self.old_name else f"{self.propid:05d}_{self.number}"

    def dataset(self, *elements: str) -> str:
        """Name of a dataset of this visit; older releases are in upper case but for visit and `total`."""
        if self.old_name:
            head = f"HST_{self.program}_{self.camera.code.upper()}"
            return "_".join((head, *elements)) + self.camera.suffix.upper()
        return f"hst_{self.program}_{self.camera.code}_{'_'.join(elements).lower()}{self.camera.suffix}"

    @property
    def color_elements(self) -> tuple[str, ...]:
        """Filters shown as red, (green,) blue; of more than three the green one is the lower median, as in HAP."""
        names = [band.name for band in self.bands]
        if len(names) < 3:
            return tuple(reversed(names))
        return names[-1], names[(len(names) - 1) // 2], names[0]

    @property
    def product(self) -> str:
        """The dataset that stands for the visit: its colour product, or its only filter."""
        return self.dataset(*self.color_elements)

    def covered(self, element: str = "") -> tuple[Rectangle, ...]:
        """The chips of a filter, or of the visit, on the unit square; three or more exposures step across their gap."""
        step = 0.008 if self.exposures >= 3 else 0.0
        chips = dict(self.lost).get(element) or self.chips or self.camera.chips
        return tuple((x0, max(y0 - step, -0.5), x1, min(y1 + step, 0.5)) for x0, y0, x1, y1 in chips)

    def polygons(self, element: str = "") -> tuple[Polygon, ...]:
        """Footprints of the chips; for WFPC2 also a line without area, as its real footprints have."""
        centre_x, centre_y = self.grid.crpix[0] - 0.5, self.grid.crpix[1] - 0.5
        found: list[Polygon] = []
        for x0, y0, x1, y1 in self.covered(element):
            corners = (rotated(x, y, self.roll_deg) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
            found.append(
                tuple(self.grid.to_sky(centre_x + self.side_px * x, centre_y + self.side_px * y) for x, y in corners)
            )
        if self.camera.name == "WFPC2":
            found.append(found[0][:2])
        return tuple(found)


@dataclass(frozen=True)
class Reprocessing:
    """A later release of a visit: the first one, and what changed in pixel scale, registration and calibration."""

    of: Visit
    zoom: float = 1.0
    shift_px: float = 0.0
    gain: float = 1.0


def datasets(visit: Visit) -> Iterator[Dataset]:
    """Products of a visit in the archive's order: filters, white-light detection, colour if there are two filters."""
    bands = visit.bands
    polygons = visit.polygons()
    first = Dataset(
        name="",
        level=COMBINED,
        target=visit.target,
        instrument=visit.camera.instrument,
        detector=visit.camera.name,
        aperture=visit.camera.aperture,
        elements=(),
        exposures=visit.exposures,
        exptime_s=visit.exptime_s,
        start=visit.start,
        propid=visit.propid,
        visit=visit.number,
        pi_name="Replica",
        mode=visit.camera.mode,
        created=datetime(2010, 2, 5, 21, 57, 30, tzinfo=UTC)
        if visit.old_name
        else datetime(2014, 11, 5, 15, 34, 23, tzinfo=UTC),
        source=visit.camera.source,
        wavelength=None,
        released=visit.start + timedelta(days=365),
        title="",
        grid=visit.grid,
        files=(),
        polygons=polygons,
    )
    for order, band in enumerate(bands):
        name = visit.dataset(band.name)
        yield replace(
            first,
            name=name,
            elements=(band.name,),
            start=visit.start + timedelta(seconds=order * (visit.exptime_s + 300)),
            wavelength=str(band.wavelength_a),
            title=f"{visit.program} {visit.camera.name} {band.name} (combined) {visit.target}",
            files=(name,),
            polygons=visit.polygons(band.name),
        )
    total = visit.dataset("total")
    all_bands = replace(first, exposures=visit.exposures * len(bands), exptime_s=visit.exptime_s * len(bands))
    yield replace(
        all_bands,
        name=total,
        elements=("detection",),
        title=f"{visit.program} {visit.camera.name} detection (combined) {visit.target}",
        files=(total,),
        polygons=tuple(reversed(polygons)),
    )
    if len(bands) < 2:
        return
    elements = visit.color_elements
    mean = sum(FILTERS[name].wavelength_a for name in elements) / len(elements)
    yield replace(
        all_bands,
        name=visit.product,
        level=COLOR,
        elements=elements,
        wavelength=f"{mean:.0f}.0",
        title=f"{visit.program} {visit.camera.name} {'/'.join(elements)} (color) {visit.target}",
        files=tuple(visit.dataset(name) for name in elements),
    )
