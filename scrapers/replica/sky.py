"""The synthetic sky: which visits there are, where, of what, and what is wrong with some of them.

The sky is fixed by its seed. Visits come in cycles of the same mix; the first cycle lies within one degree of
M101, later ones spread outward, so that a larger sky holds the smaller one unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import sqrt

import numpy as np

from scrapers.replica.cache import Cache
from scrapers.replica.catalogue import Dataset, Plane, Truth
from scrapers.replica.geometry import Grid, Point
from scrapers.replica.instruments import DETECTORS
from scrapers.replica.render import build_scene, expose
from scrapers.replica.scene import Scene
from scrapers.replica.visits import Reprocessing, Visit, datasets

M101: Point = (210.80227, 54.34895)
GOLDEN_ANGLE_DEG = 137.50776

_BROAD = (
    ("ACS/WFC", ("F435W", "F555W", "F814W")),
    ("ACS/WFC", ("F475W", "F606W", "F814W")),
    ("WFC3/UVIS", ("F438W", "F555W", "F814W")),
    ("ACS/WFC", ("F435W", "F606W", "F775W", "F850LP")),
)
_RED = (
    ("ACS/WFC", ("F435W", "F555W", "F625W")),
    ("WFPC2", ("F439W", "F555W", "F675W")),
)
_WITH_HYDROGEN = (("ACS/WFC", ("F435W", "F555W", "F658N")),)
# The usual triple for nebulae: sulphur red, hydrogen green, oxygen blue, the "Hubble palette".
_NARROW = (("WFC3/UVIS", ("F502N", "F656N", "F673N")), ("WFPC2", ("F502N", "F656N", "F673N")))
_TWO = (("ACS/WFC", ("F606W", "F814W")), ("WFPC2", ("F450W", "F814W")))
_ALIKE = (("ACS/WFC", ("F555W", "F606W")), ("WFC3/UVIS", ("F555W", "F606W")))
_SINGLE = (("ACS/WFC", ("F814W",)), ("WFPC2", ("F606W",)))

_Cameras = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class _Entry:
    """A line of the plan: how many visits of a kind a cycle has, what they see, through what, how deep."""

    kind: str
    count: int
    scenes: tuple[str, ...]
    cameras: _Cameras
    label: str = "good"
    brightness: float = 1.0
    exposures: tuple[int, int] = (2, 6)
    exptime_s: tuple[float, float] = (900.0, 2400.0)


_PLAN = (
    _Entry("spiral", 38, ("spiral",), _BROAD + _RED + _BROAD[:1] + _RED + _TWO),
    _Entry("edge_on", 12, ("edge_on",), _BROAD + _RED),
    _Entry("elliptical", 10, ("elliptical",), _BROAD[:3]),
    _Entry("galaxy_cluster", 6, ("galaxy_cluster",), _BROAD),
    _Entry("deep_field", 4, ("deep_field",), _BROAD, exptime_s=(6000.0, 12000.0), exposures=(6, 12)),
    _Entry("emission_nebula", 9, ("emission_nebula",), _NARROW),
    _Entry("planetary_nebula", 6, ("planetary_nebula",), _NARROW),
    _Entry("supernova_remnant", 2, ("supernova_remnant",), _NARROW),
    _Entry("reflection_nebula", 6, ("reflection_nebula",), _BROAD[:3] + _WITH_HYDROGEN),
    _Entry("globular_cluster", 3, ("globular_cluster",), _BROAD[:3]),
    _Entry("open_cluster", 3, ("open_cluster",), _BROAD[:3]),
    _Entry("star_field", 3, ("star_field",), _BROAD[:3] + _TWO),
    _Entry("noise", 4, ("blank",), _BROAD + _TWO, "bad", exposures=(2, 2), exptime_s=(30.0, 120.0)),
    _Entry("saturated", 4, ("bright_stars",), _BROAD, "bad"),
    _Entry("nearly_empty", 4, ("few_stars",), _BROAD, "bad"),
    _Entry("cosmic_rays", 3, ("deep_field", "spiral", "edge_on"), _BROAD, "bad", 0.12, (1, 1), (1100.0, 1500.0)),
    _Entry("gray", 2, ("elliptical", "spiral"), _ALIKE, "bad"),
    _Entry("partial", 3, ("spiral", "emission_nebula", "galaxy_cluster"), _BROAD, "partial"),
    _Entry("single_filter", 3, ("spiral", "deep_field", "globular_cluster"), _SINGLE, "bad"),
)
_WIDE_KINDS = ("spiral", "emission_nebula", "galaxy_cluster", "deep_field", "star_field")
_SLIVERS = (((-0.5, -0.5, 0.5, -0.33),), ((-0.5, -0.5, -0.26, -0.02),), ((0.3, -0.5, 0.5, 0.5),))
_OVERLAPS = 6
_RELEASES: tuple[dict[str, float], ...] = (
    {},
    {"zoom": 1.25},
    {"shift_px": 0.4, "gain": 1.03},
    {"zoom": 0.8, "gain": 0.97},
    {"zoom": 1.1, "shift_px": 0.3},
    {"shift_px": 1.5},
    {"zoom": 0.9},
    {"gain": 1.1},
)
CYCLE = sum(entry.count for entry in _PLAN) + _OVERLAPS + len(_RELEASES)

# Targets away from M101: a second city of galaxies, both poles, and both sides of the meridian.
_ELSEWHERE: tuple[tuple[str, Point, str], ...] = (
    ("NGC5194", (202.46960, 47.19520), "spiral"),
    ("NGC5195", (202.49500, 47.26600), "elliptical"),
    ("MERIDIAN-WEST", (359.99950, -0.82000), "open_cluster"),
    ("MERIDIAN-EAST", (0.01200, -0.82000), "galaxy_cluster"),
    ("POLARIS-B", (37.95000, 89.99900), "planetary_nebula"),
    ("NORTH-POLE", (130.00000, 89.96000), "spiral"),
    ("SOUTH-POLE", (211.00000, -89.97000), "deep_field"),
    ("NGC3603", (168.78900, -61.26100), "emission_nebula"),
)
_LOST_CHIP: tuple[str, Point] = ("NGC4038", (180.47100, -18.86800))


class SyntheticSky:
    """An archive of visits whose pictures are rendered when asked for and kept while memory allows."""

    def __init__(self, visits: Sequence[Visit], cache_bytes: int = 400 * 2**20) -> None:
        self.visits = tuple(visits)
        self._visit_of: dict[str, tuple[Visit, str]] = {}
        for visit in self.visits:
            for element in (*visit.filters, "total"):
                self._visit_of[visit.dataset(element)] = visit, element
        self._planes: Cache[str, Plane] = Cache(cache_bytes, lambda plane: plane.pixels.nbytes)
        self._scenes: Cache[tuple[str, int, int], Scene] = Cache(4, lambda scene: 1)

    @cached_property
    def datasets(self) -> tuple[Dataset, ...]:
        """All products, visits in the text order of their names."""
        ordered = sorted(self.visits, key=lambda visit: visit.dataset("").lower())
        return tuple(dataset for visit in ordered for dataset in datasets(visit))

    @cached_property
    def truth(self) -> tuple[Truth, ...]:
        """One row per visit, under the name of its colour product (its only filter where it has one)."""
        return tuple(
            Truth(
                visit.product,
                visit.label,
                visit.kind,
                None if visit.reprocessing is None else visit.reprocessing.of.product,
                visit.field,
            )
            for visit in sorted(self.visits, key=lambda visit: visit.product)
        )

    def plane(self, name: str) -> Plane:
        """Pixels of a filter or of the white-light sum of a visit. Raises KeyError for any other name."""
        visit, element = self._visit_of[name]
        return self._planes.get(name, lambda: self._render(visit, element))

    def original(self, name: str) -> None:
        """No product of this sky is a file."""

    def _render(self, visit: Visit, element: str) -> Plane:
        if element == "total":
            planes = [self.plane(visit.dataset(band.name)) for band in visit.bands]
            stack = np.stack([plane.pixels for plane in planes])
            seen = np.isfinite(stack).sum(axis=0)
            mean = np.where(seen > 0, np.nansum(stack, axis=0) / np.maximum(seen, 1), np.nan)
            return replace(planes[0], pixels=mean.astype(np.float32), exptime_s=visit.exptime_s * len(planes))
        shown = visit if visit.reprocessing is None else visit.reprocessing.of
        scene = self._scenes.get((shown.scene, shown.scene_seed, shown.plate_px), lambda: build_scene(shown))
        band = next(band for band in visit.bands if band.name == element)
        return expose(visit, scene, band)


def synthetic_sky(seed: int = 1, visits: int = CYCLE, sides_px: tuple[int, int] = (384, 448)) -> SyntheticSky:
    """The sky of a seed: `visits` of them about M101, and nine elsewhere.

    Pictures are between `sides_px` wide and high; the chips within are turned at any angle. The first visit is
    a spiral centred on M101.
    """
    made: list[Visit] = []
    for index in range(visits):
        if index % CYCLE == 0:
            plan = _cycle(np.random.default_rng([seed, index // CYCLE]))
        slot = plan[index % CYCLE]
        rng = np.random.default_rng([seed, 7, index])
        partner = None if slot.partner is None else made[index - index % CYCLE + slot.partner]
        if partner is None:
            made.append(_fresh(rng, slot, index, sides_px))
        elif slot.release is None:
            made.append(_overlapping(rng, partner, index))
        else:
            made.append(_released_again(partner, **slot.release))
    made += [_elsewhere(seed, number, sides_px) for number in range(len(_ELSEWHERE))]
    made.append(_with_a_lost_chip(seed, sides_px))
    return SyntheticSky(made)


@dataclass(frozen=True)
class _Slot:
    """One visit of a cycle: a fresh field, or one that repeats or overlaps an earlier slot (`partner`)."""

    entry: _Entry
    number: int
    partner: int | None = None
    release: dict[str, float] | None = None
    shared: bool = False


def _cycle(rng: np.random.Generator) -> list[_Slot]:
    """Mix the plan; a spiral comes first, and each repetition follows what it repeats within about twenty visits."""
    slots = [_Slot(entry, number) for entry in _PLAN for number in range(entry.count)]
    slots = [slots[0], *(slots[1 + place] for place in rng.permutation(len(slots) - 1))]
    good = [place for place, slot in enumerate(slots) if slot.entry.label == "good"]
    wide = [place for place in good if slots[place].entry.kind in _WIDE_KINDS]
    overlapped = rng.choice(wide, _OVERLAPS, replace=False).tolist()
    repeated = rng.choice([place for place in good if place not in overlapped], len(_RELEASES), replace=False).tolist()
    for place in overlapped:
        slots[place] = replace(slots[place], shared=True)
    again = [replace(slots[place], partner=place) for place in overlapped]
    again += [replace(slots[place], partner=place, release=how) for place, how in zip(repeated, _RELEASES, strict=True)]
    keys = [float(place) for place in range(len(slots))]
    keys += [slot.partner + rng.uniform(0.5, 20) for slot in again if slot.partner is not None]
    order = np.argsort(keys).tolist()
    found = {place: position for position, place in enumerate(order)}
    mixed = [(slots + again)[place] for place in order]
    return [slot if slot.partner is None else replace(slot, partner=found[slot.partner]) for slot in mixed]


def _fresh(rng: np.random.Generator, slot: _Slot, index: int, sides_px: tuple[int, int]) -> Visit:
    entry = slot.entry
    detector, filters = entry.cameras[int(rng.integers(len(entry.cameras)))] if index else entry.cameras[0]
    longest = max(sides_px)
    plate = _plate_px(longest) + (2 * _plate_step(longest) if slot.shared else 0)
    side, roll = _square(rng, sides_px)
    exposures = int(rng.integers(entry.exposures[0], entry.exposures[1] + 1))
    return Visit(
        propid=8591 + 211 * (index // 12),
        number=f"{index % 12 + 1:02d}",
        detector=detector,
        filters=filters,
        grid=_grid(_position(index), side, roll, detector),
        roll_deg=roll,
        side_px=side,
        scene=entry.scenes[slot.number % len(entry.scenes)],
        scene_seed=int(rng.integers(2**31)),
        plate_px=plate,
        field=f"field-{index:04d}",
        label=entry.label,
        kind=entry.kind,
        target="NGC5457" if index == 0 else f"NGC5457-{index}",
        start=datetime(2002, 11, 13, 17, 20, 48, tzinfo=UTC)
        + timedelta(days=3 * (index % 1500), seconds=int(rng.integers(80000))),
        exposures=exposures,
        exptime_s=float(round(rng.uniform(*entry.exptime_s))),
        offset_px=(-_plate_step(longest), -_plate_step(longest) // 2) if slot.shared else (0, 0),
        brightness=entry.brightness * rng.uniform(0.8, 1.3),
        chips=_SLIVERS[slot.number % len(_SLIVERS)] if entry.kind == "partial" else None,
        old_name=bool(rng.random() < 0.3),
    )


def _overlapping(rng: np.random.Generator, first: Visit, index: int) -> Visit:
    """Another visit to the same field: beside the first one, at another roll, with the same camera."""
    shift = -2 * first.offset_px[0], -2 * first.offset_px[1]
    centre = first.grid.crpix[0] - 1, first.grid.crpix[1] - 1
    place = first.grid.to_sky(centre[0] + shift[0], centre[1] + shift[1])
    low, high = first.grid.nx - 1, first.grid.nx
    side, roll = _square(rng, (low, high))
    return replace(
        first,
        propid=8591 + 211 * (index // 12),
        number=f"{index % 12 + 1:02d}",
        grid=_grid(place, side, roll, first.detector),
        side_px=side,
        roll_deg=roll,
        offset_px=(-first.offset_px[0], -first.offset_px[1]),
        start=first.start + timedelta(days=200),
        target=f"{first.target}-B",
    )


def _released_again(first: Visit, zoom: float = 1.0, shift_px: float = 0.0, gain: float = 1.0) -> Visit:
    """The same exposures in the other release of the archive: other naming, at times another grid or calibration."""
    nx, ny = round(first.grid.nx * zoom), round(first.grid.ny * zoom)
    grid = replace(first.grid, nx=nx, ny=ny, scale_deg=first.grid.scale_deg / zoom)
    return replace(
        first,
        grid=grid,
        side_px=first.side_px * zoom,
        old_name=not first.old_name,
        reprocessing=Reprocessing(first, zoom, shift_px, gain),
    )


def _elsewhere(seed: int, number: int, sides_px: tuple[int, int]) -> Visit:
    target, place, kind = _ELSEWHERE[number]
    entry = next(entry for entry in _PLAN if entry.kind == kind)
    rng = np.random.default_rng([seed, 11, number])
    visit = _fresh(rng, _Slot(entry, 0), 0, sides_px)
    return replace(
        visit,
        propid=7909,
        number=f"{number + 1:02d}",
        grid=replace(visit.grid, ra=place[0], dec=place[1]),
        field=f"field-{target.lower()}",
        target=target,
    )


def _with_a_lost_chip(seed: int, sides_px: tuple[int, int]) -> Visit:
    """A visit whose bluest filter has one chip only: half of its picture is what two filters saw."""
    target, place = _LOST_CHIP
    entry = next(entry for entry in _PLAN if entry.kind == "spiral")
    visit = _fresh(np.random.default_rng([seed, 13]), _Slot(entry, 0), 0, sides_px)
    return replace(
        visit,
        # by this name the last one of the archive
        propid=9999,
        old_name=True,
        grid=replace(visit.grid, ra=place[0], dec=place[1]),
        field=f"field-{target.lower()}",
        label="partial",
        kind="lost_chip",
        target=target,
        lost=((visit.bands[0].name, visit.camera.chips[1:]),),
    )


def _position(index: int) -> Point:
    """Places on a spiral about M101: the first cycle within a degree and crowded to the middle, then evenly outward."""
    reach = 0.98 / CYCLE
    # a twentieth of a step off, so that the gap between the chips of the first visit does not hide M101 itself
    radius = reach * (index + 0.05) if index < CYCLE else 0.98 * sqrt(index / CYCLE)
    angle = np.radians(GOLDEN_ANGLE_DEG * index)
    plane = Grid(*M101, 2, 2, 1.0)
    ra, dec = plane.to_sky(radius * np.cos(angle), radius * np.sin(angle))
    return round(ra, 6), round(dec, 6)


def _square(rng: np.random.Generator, sides_px: tuple[int, int]) -> tuple[float, float]:
    """Side in px and roll in degrees of a square whose upright box is as wide as asked; two in five nearly upright."""
    roll = float(rng.uniform(-12, 12) if rng.random() < 0.4 else rng.uniform(12, 78))
    turn = np.radians(roll)
    return float(rng.integers(sides_px[0], sides_px[1] + 1) - 4) / (abs(np.cos(turn)) + abs(np.sin(turn))), roll


def _grid(place: Point, side: float, roll: float, detector: str) -> Grid:
    turn = np.radians(roll)
    box = round(side * (abs(np.cos(turn)) + abs(np.sin(turn)))) + 4
    return Grid(*place, box, box, DETECTORS[detector].scale_deg)


def _plate_px(longest: int) -> int:
    """Side of a sky patch that holds a picture with room for the blur; a multiple of 64 for the Fourier transform."""
    return 64 * (-(-(longest + 48) // 64))


def _plate_step(longest: int) -> int:
    """How far the two pointings of an overlapping pair lie from the middle of their patch, in px."""
    return 32 * (longest // 6 // 32 + 1)
