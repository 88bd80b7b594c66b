import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC

from manifests.errors import UsageError
from manifests.footprints import unit_vectors
from scrapers import mocs, sphere
from scrapers.regions import Area, Polygon, Region, WholeSky, polygon
from scrapers.sky import Cone, separation
from scrapers.tiling import LARGEST_CONE_DEG, Piece, Tiling, cut

RA = st.floats(0, 359.999)
DEC = st.floats(-90, 90)
SHARES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 360)), min_size=5, max_size=20)


def place(ra: float, dec: float, distance: float, bearing: float) -> tuple[float, float]:
    """The point at a distance from another, in a direction east of north; degrees."""
    d0, d, b = math.radians(dec), math.radians(distance), math.radians(bearing)
    sine = math.sin(d0) * math.cos(d) + math.cos(d0) * math.sin(d) * math.cos(b)
    north = math.asin(max(-1.0, min(1.0, sine)))
    east = math.atan2(math.sin(b) * math.sin(d) * math.cos(d0), math.cos(d) - math.sin(d0) * sine)
    return (ra + math.degrees(east)) % 360.0, math.degrees(north)


def assert_answered(pieces: list[Piece], points: list[tuple[float, float]]) -> None:
    """Every point lies in a piece's cone, and in what the pieces cover."""
    covered = mocs.union(piece.coverage for piece in pieces if piece.coverage)
    for ra, dec in points:
        assert any(separation(ra, dec, cone.ra, cone.dec) <= cone.radius for cone, _ in pieces)
        assert covered.contains_lonlat(mocs.Longitude(ra, "deg"), mocs.Latitude(dec, "deg"))[0]


def test_a_small_region_is_asked_in_one_cone() -> None:
    for radius in (0.0, 0.2, 1.0):
        region = Cone(10, 20, radius)
        (piece,) = cut(region, Tiling())
        assert piece.cone == region
        assert (piece.coverage is None) == (radius == 0)
    region = polygon("10 20 11 20 11 21 10 21")
    ((cone, coverage),) = cut(region, Tiling())
    assert coverage and mocs.of_polygon(region.vectors, 12).difference(mocs.union([coverage])).empty()
    assert all(separation(cone.ra, cone.dec, *corner) <= cone.radius <= LARGEST_CONE_DEG for corner in region.corners)
    assert len(cut(Cone(10, 20, 0.2), Tiling(order=8))) > 3


@settings(max_examples=60, deadline=None)
@given(RA, DEC, st.floats(1e-4, 1.0), SHARES)
def test_a_cone_covers_no_more_than_itself_and_nearly_all_of_it(
    ra: float, dec: float, radius: float, points: list[tuple[float, float]]
) -> None:
    ((cone, coverage),) = cut(Cone(ra, dec, radius), Tiling())
    assert cone.radius == radius and coverage is not None
    covered = mocs.union([coverage])
    assert 0.8 < covered.sky_fraction / ((1 - math.cos(math.radians(radius))) / 2) <= 1.0
    for share, bearing in points:
        beyond = place(ra, dec, radius * (1.0001 + share), bearing)
        assert not covered.contains_lonlat(*_lonlat(*beyond))[0]
        within = place(ra, dec, radius * 0.93 * share, bearing)
        assert covered.contains_lonlat(*_lonlat(*within))[0]


@settings(max_examples=40, deadline=None)
@given(RA, st.sampled_from([-90.0, -89.3, -41.8, 0.0, 41.8, 66.0, 90.0]) | DEC, st.floats(1.01, 5), SHARES)
def test_cells_cover_a_cone(ra: float, dec: float, radius: float, points: list[tuple[float, float]]) -> None:
    pieces = cut(Cone(ra, dec, radius), Tiling())
    assert all(0.6 < cone.radius < LARGEST_CONE_DEG and 0 <= cone.ra < 360 for cone, _ in pieces)
    assert_answered(pieces, [place(ra, dec, radius * share, bearing) for share, bearing in points])
    # none is asked in vain: every one reaches into the region
    assert all(separation(cone.ra, cone.dec, ra, dec) <= radius + cone.radius for cone, _ in pieces)


@settings(max_examples=40, deadline=None)
@given(
    RA,
    st.sampled_from([-90.0, 0.0, 89.5]) | DEC,
    st.lists(st.floats(0.5, 4), min_size=3, max_size=7),
    st.booleans(),
    SHARES,
)
def test_cells_cover_a_polygon(
    ra: float, dec: float, reaches: list[float], turned: bool, points: list[tuple[float, float]]
) -> None:
    corners = [place(ra, dec, reach, 360 * n / len(reaches)) for n, reach in enumerate(reaches)]
    region = Polygon(tuple(corners[::-1] if turned else corners))
    inside = [place(ra, dec, 4 * share, bearing) for share, bearing in points]
    known = sphere.inside(unit_vectors(np.array(inside)), region.vectors)
    pieces = cut(region, Tiling(order=6))
    assert_answered(pieces, [point for point, is_in in zip(inside, known, strict=True) if is_in])
    other = cut(Polygon(region.corners[::-1]), Tiling(order=6))
    assert pieces == other


def test_a_polygon_across_ra_zero_is_small() -> None:
    pieces = cut(polygon("POLYGON ICRS 358.5 -1 1.5 -1 1.5 1 358.5 1"), Tiling())
    assert 8 < len(pieces) < 25
    assert all(cone.ra < 3 or cone.ra > 357 for cone, _ in pieces)


@pytest.mark.parametrize("order", [0, 1, 4])
def test_the_whole_sky_is_all_cells_of_equal_area(order: int) -> None:
    pieces = cut(WholeSky(), Tiling(order=order))
    assert [coverage for _, coverage in pieces] == [f"{order}/{cell}" for cell in range(12 * 4**order)]
    assert mocs.union(coverage for _, coverage in pieces if coverage).sky_fraction == 1.0
    shares = {mocs.union([coverage]).sky_fraction for _, coverage in pieces if coverage}
    assert len(shares) == 1
    assert cut(Cone(12, 34, 180), Tiling(order=order)) == pieces


def test_a_cone_is_the_smallest_that_holds_its_cell() -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    pieces = cut(WholeSky(), Tiling(order=2))
    held = {coverage: mocs.union([coverage]) for _, coverage in pieces if coverage}
    for cone, coverage in pieces:
        assert coverage is not None
        inside = held[coverage].contains_lonlat(ra * mocs.units.deg, dec * mocs.units.deg)
        distances = sphere.angles(unit_vectors(np.stack([ra, dec], 1))[inside], cone.vector)
        assert distances.max() <= cone.radius
        # a cell 14.7 degrees wide if it were a square: its corners are no farther than in the most drawn-out ones
        assert 10.3 < cone.radius < 14.0


def test_the_area_of_a_moc() -> None:
    text = "4/100 6/20000-20003 8/7"
    pieces = cut(Area("field", text), Tiling())
    assert {coverage for _, coverage in pieces} == {f"6/{n}" for n in (*range(1600, 1616), *range(20000, 20004), 0)}
    covered = mocs.union(coverage for _, coverage in pieces if coverage)
    assert MOC.from_string(text).difference(covered).empty()


def test_regions_share_their_cells() -> None:
    one, two = set(cut(Cone(100, 30, 3), Tiling())), set(cut(Cone(102, 30, 3), Tiling()))
    sky = set(cut(WholeSky(), Tiling()))
    assert len(one & two) > len(one) // 4
    assert len(sky) == 49_152 and one | two <= sky
    assert set(cut(polygon("98 28 102 28 102 32 98 32"), Tiling())) <= sky


@pytest.mark.parametrize(
    ("region", "points"),
    [
        (Cone(210.8, 54.35, 0.2), [(210.8, 54.35), (210.6, 54.4)]),
        (Cone(0.1, -0.1, 1.5), [(0.1, -0.1), (359.2, 0.9)]),
        (Cone(77, 90, 0.3), [(77, 90), (200, 89.8)]),
        (Cone(77, -90, 0.3), [(77, -90), (200, -89.8)]),
        (polygon("359 -1 1 -1 1 1 359 1"), [(0.9, 0.9), (359.1, -0.9)]),
        (Area("field", "6/20000"), [(270, 0)]),
    ],
)
def test_the_grid_of_degrees(region: Region, points: list[tuple[float, float]]) -> None:
    pieces = cut(region, Tiling(grid=True))
    assert all(cone.radius == 1.0 and cone.ra == int(cone.ra) and cone.dec == int(cone.dec) for cone, _ in pieces)
    assert all(region.side(cone) != "out" for cone, _ in pieces)
    if isinstance(region, Area):
        assert region.moc.difference(mocs.union(text for _, text in pieces if text)).empty()
    else:
        assert_answered(pieces, points)


def test_what_cannot_be_cut_is_one_sentence() -> None:
    for order, complaint in ((-1, "no order -1"), (13, "no order 13")):
        with pytest.raises(UsageError, match=complaint):
            Tiling(order=order)
    with pytest.raises(UsageError, match="either --order or --grid"):
        Tiling(order=6, grid=True)
    for region in (WholeSky(), Cone(0, 0, 90), Area("half", "0/0-5")):
        with pytest.raises(UsageError, match="more than 200,000 cells of order 9"):
            cut(region, Tiling(order=9))


def test_mocs_as_text() -> None:
    assert mocs.union([]).empty()
    found = mocs.union(["6/1023", "6/1020-1022", "5/3, 5 7/"])
    assert found.symmetric_difference(MOC.from_string("5/3 5 255")).empty()
    with pytest.raises(ValueError, match="not a MOC"):
        mocs.union(["6/a"])


def _lonlat(ra: float, dec: float) -> tuple[mocs.Longitude, mocs.Latitude]:
    return mocs.Longitude([ra], "deg"), mocs.Latitude([dec], "deg")
