"""Cutting a region into questions that an archive can answer: cones of about a degree.

The sky is cut into the cells of HEALPix (Gorski et al. 2005, ApJ 622, 759): equal in area, as good at the poles as
at RA 0. Each cell is asked by the smallest cone that holds it. Cells lie where they lie whatever the region, so that
regions share them in the ledger.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import astropy_healpix
import numpy as np
from astropy import units

from manifests.errors import UsageError
from scrapers import mocs, sphere
from scrapers.regions import Area, Polygon, Region, WholeSky
from scrapers.sky import Cone

LARGEST_CONE_DEG = 1.0
# The coarsest order whose cells, 0.84 square degrees each, fit into cones of a degree: those have 0.65 to 0.95.
DEFAULT_ORDER = 6
FINEST_ORDER = 12
MOST_PIECES = 200_000
_SIDE = 8  # points along each side of a cell: what its border strays from the arcs between them is in _MARGIN
_MARGIN = 1.001
_AT_ONCE = 4096  # cells measured in one go, 3 MB of their borders
_GRID_ORDER = 9  # coarse enough for 64,800 coverages, fine enough that they leave no gap between them
_RIM = 16  # the coverage of a cone is short of its radius by at most one part in so many
_DIGITS = 6


@dataclass(frozen=True)
class Tiling:
    """How a region is cut: into HEALPix cells of an order, or into cones of one degree on the degrees of RA and Dec.

    Without an order, a region that fits into one cone of a degree is asked whole, and any other by cells of order 6.
    The grid overlaps heavily, most of all at the poles; it is what earlier collections were made with.

    Raises:
        UsageError: both are given, or the order is none from 0 to 12.
    """

    order: int | None = None
    grid: bool = False

    def __post_init__(self) -> None:
        if self.grid and self.order is not None:
            raise UsageError("Give either --order or --grid: the grid of degrees has no HEALPix order.")
        if self.order is not None and not 0 <= self.order <= FINEST_ORDER:
            raise UsageError(f"There is no order {self.order} to cut by: give a number from 0 to {FINEST_ORDER}.")


class Piece(NamedTuple):
    """One question's cone, and the sky it answers for as a MOC in ASCII form; None for a single point."""

    cone: Cone
    coverage: str | None


def cut(region: Region, tiling: Tiling) -> list[Piece]:
    """Pieces that together cover a region, in an order that does not change.

    Raises:
        UsageError: they would be too many.
    """
    if tiling.grid:
        return _grid(region)
    one = _whole(region) if tiling.order is None else None
    if one is not None:
        return [Piece(one, _cone_coverage(one))]
    return _cells(region, DEFAULT_ORDER if tiling.order is None else tiling.order)


def _whole(region: Region) -> Cone | None:
    """The cone that asks for a small region at once."""
    if isinstance(region, Cone):
        return region if region.radius <= LARGEST_CONE_DEG else None
    if isinstance(region, Polygon):
        where = region.bounds
        # wider by the rim that its coverage is short of, so that the polygon is covered
        radius = where.radius * _RIM / (_RIM - 1)
        if radius <= LARGEST_CONE_DEG:
            return _rounded(where.ra, where.dec, radius)
    return None


def _cells(region: Region, order: int) -> list[Piece]:
    if isinstance(region, WholeSky):
        _check_number(12 * 4**order, order)
        candidates = np.arange(12 * 4**order)
    elif isinstance(region, Area):
        _check_number(region.moc.sky_fraction * 12 * 4**order, order)
        candidates = region.moc.to_order(order).flatten().astype(np.int64)
    else:
        candidates = _near(region.bounds, order)
    surely = isinstance(region, WholeSky | Area)
    pieces = []
    for part in np.split(candidates, range(_AT_ONCE, len(candidates), _AT_ONCE)):
        borders = _borders(part, order)
        for cell, border, cone in zip(part.tolist(), borders, _smallest_cones(borders), strict=True):
            if surely or _reaches(region, cone, border):
                pieces.append(Piece(cone, f"{order}/{cell}"))
    return pieces


def _near(bounds: Cone, order: int) -> np.ndarray:
    """Numbers of the cells of an order that may touch a cone, found by halving the sides of coarser ones."""
    cells = np.arange(12)
    for depth in range(order + 1):
        if depth:
            cells = (4 * cells[:, None] + np.arange(4)).ravel()
        centres = _vectors(*astropy_healpix.healpix_to_lonlat(cells, 2**depth, order="nested"))
        cells = cells[sphere.angles(centres, bounds.vector) <= bounds.radius + mocs.widest_cell_deg(depth)]
        _check_number(len(cells), order)
    return cells


def _reaches(region: Region, cone: Cone, border: np.ndarray) -> bool:
    side = region.side(cone)
    return side == "in" or (side == "edge" and region.touches_polygon(border, cone.radius * (_MARGIN - 1)))


def _check_number(number: float, order: int) -> None:
    if number > MOST_PIECES:
        raise UsageError(
            f"The region has more than {MOST_PIECES:,} cells of order {order}: give a smaller --order or region."
        )


def _borders(cells: np.ndarray, order: int) -> np.ndarray:
    """Points along the borders of cells as unit vectors (n, 4 * _SIDE, 3), every _SIDE-th of them a corner."""
    return _vectors(*astropy_healpix.boundaries_lonlat(cells, _SIDE, 2**order, order="nested"))


def _smallest_cones(borders: np.ndarray) -> list[Cone]:
    """The smallest cone about each cell: the best of those through two or three of its corners."""
    corners = borders[:, ::_SIDE]
    axes = [corners[:, a] + corners[:, b] for a, b in itertools.combinations(range(4), 2)]
    for a, b, c in itertools.combinations(range(4), 3):
        axis = np.cross(corners[:, b] - corners[:, a], corners[:, c] - corners[:, a])
        axes.append(axis * np.sign((axis * corners[:, a]).sum(axis=1, keepdims=True)))
    centres, radii = np.zeros((len(borders), 3)), np.full(len(borders), np.inf)
    for axis in axes:
        centre = axis / np.linalg.norm(axis, axis=1, keepdims=True)
        reach = sphere.angles(borders, centre[:, None, :]).max(axis=1)
        better = reach < radii
        centres[better], radii[better] = centre[better], reach[better]
    ra = np.degrees(np.arctan2(centres[:, 1], centres[:, 0]))
    dec = np.degrees(np.arcsin(np.clip(centres[:, 2], -1.0, 1.0)))
    return [_rounded(*values) for values in zip(ra.tolist(), dec.tolist(), (radii * _MARGIN).tolist(), strict=True)]


def _rounded(ra: float, dec: float, radius: float) -> Cone:
    """A cone in the digits of a question, which on every machine are the same, and no smaller than it was."""
    return Cone(round(ra % 360.0, _DIGITS) % 360.0, round(dec, _DIGITS), round(radius + 2e-6, _DIGITS))


def _grid(region: Region) -> list[Piece]:
    ra, dec = (axis.ravel() for axis in np.meshgrid(np.arange(360.0), np.arange(-90.0, 90.0), indexing="ij"))
    # the cones about Dec 89 only just touch the pole
    ra, dec = np.append(ra, 0.0), np.append(dec, 90.0)
    near = _near_points(ra, dec, region)
    chosen = [
        Cone(right, north, 1.0)
        for right, north in zip(ra[near].tolist(), dec[near].tolist(), strict=True)
        if region.side(Cone(right, north, 1.0)) != "out"
    ]
    ra, dec = (np.array([getattr(cone, axis) for cone in chosen]) for axis in ("ra", "dec"))
    covered = mocs.within_circles(ra, dec, 1.0, _GRID_ORDER)
    return [Piece(cone, moc.to_string()) for cone, moc in zip(chosen, covered, strict=True)]


def _near_points(ra: np.ndarray, dec: np.ndarray, region: Region) -> np.ndarray:
    """Which of the points may lie within a degree of a region."""
    if isinstance(region, Area):
        # the cells around those of order 4, 3.7 degrees wide, are wider than a degree everywhere
        around = region.moc.to_order(4).add_neighbours()
        return around.contains_lonlat(ra * units.deg, dec * units.deg)
    bounds = region.bounds
    return sphere.angles(_vectors(ra * units.deg, dec * units.deg), bounds.vector) <= bounds.radius + 1.0


def _cone_coverage(cone: Cone) -> str | None:
    """The cells that lie wholly within a cone, fine enough that little of it is left out."""
    order = next((k for k in range(mocs.DEEPEST + 1) if mocs.widest_cell_deg(k) <= cone.radius / _RIM), None)
    if order is None:
        return None
    found = mocs.within_circles(np.array([cone.ra]), np.array([cone.dec]), cone.radius, order)
    return str(found[0].to_string())


def _vectors(lon: units.Quantity, lat: units.Quantity) -> np.ndarray:
    right, north = lon.to_value(units.rad), lat.to_value(units.rad)
    return np.stack([np.cos(north) * np.cos(right), np.cos(north) * np.sin(right), np.sin(north)], axis=-1)
