"""The sphere: projections agree with astropy's, cones and footprints meet where they do, poles and RA 0 included."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapers.replica.encode import _wcs
from scrapers.replica.geometry import Grid, contains, separation, stcs, touches, unit

places = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


@given(places, st.floats(0, 400), st.floats(0, 300))
@settings(deadline=None)
def test_pixels_and_sky_agree_with_astropy(place, x, y):
    grid = Grid(*place, 400, 300, 1.4e-5)
    ra, dec = grid.to_sky(x, y)
    theirs = WCS(_wcs(grid)).pixel_to_world(x, y)
    assert SkyCoord(ra, dec, unit="deg").separation(theirs).deg < 1e-8
    back = grid.to_pixel(ra, dec)
    assert back is not None
    assert back == pytest.approx((x, y), abs=1e-3)


@given(places, st.floats(0.3, 5))
@settings(deadline=None)
def test_a_part_of_a_grid_shows_the_same_sky(place, shrink):
    whole = Grid(*place, 400, 300, 1.4e-5)
    part = whole.part((37, 11), (90, 80), shrink)
    # the middle of the part's px (4, 6) lies in the whole at corner + (px + 0.5) * shrink - 0.5
    expected = whole.to_sky(37 + 4.5 * shrink - 0.5, 11 + 6.5 * shrink - 0.5)
    assert separation(unit(*part.to_sky(4, 6)), unit(*expected)) < 1e-9


def square(ra: float, dec: float, side_deg: float) -> tuple:
    grid = Grid(ra, dec, 100, 100, side_deg / 100)
    return tuple(grid.to_sky(x, y) for x, y in ((-0.5, -0.5), (99.5, -0.5), (99.5, 99.5), (-0.5, 99.5)))


@given(places, st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
@settings(deadline=None)
def test_a_square_holds_what_its_grid_shows(place, u, v):
    side = 0.01
    grid = Grid(*place, 100, 100, side / 100)
    polygon = square(*place, side)
    inside = grid.to_sky(49.5 + 50 * u * 0.99, 49.5 + 50 * v * 0.99)
    assert contains(polygon, *inside)
    outside = grid.to_sky(49.5 + 50 * (2.2 + abs(u)), 49.5 + 50 * v)
    assert not contains(polygon, *outside)


@given(places, st.floats(0, 2 * np.pi), st.floats(0.001, 3))
@settings(deadline=None)
def test_a_cone_touches_a_footprint_by_its_nearest_edge(place, direction, gap):
    polygon = square(*place, 0.01)
    away = Grid(*place, 2, 2, 1.0).to_sky(np.cos(direction) * (gap + 0.02), np.sin(direction) * (gap + 0.02))
    edges = [
        separation(unit(*away), unit(*Grid(*place, 100, 100, 1e-4).to_sky(x, y)))
        for t in np.linspace(-0.5, 99.5, 201)
        for x, y in ((t, -0.5), (t, 99.5), (-0.5, t), (99.5, t))
    ]
    nearest = min(edges)
    assert touches([polygon], *away, nearest + 1e-6)
    assert not touches([polygon], *away, nearest - 5e-5)


def test_the_pole_lies_in_a_footprint_over_it():
    assert contains(square(130.0, 89.999, 0.01), 311.0, 90.0)
    assert touches([square(130.0, -89.97, 0.01)], 10.0, -90.0, 0.04)
    assert not touches([square(130.0, -89.97, 0.01)], 10.0, -90.0, 0.02)


def test_slivers_hold_no_point_but_can_be_touched():
    sliver = ((10.0, 20.0), (10.01, 20.0))
    assert not contains(sliver, 10.005, 20.0)
    assert touches([sliver], 10.005, 20.001, 0.002)
    assert not touches([sliver], 10.005, 20.001, 0.0)


def test_footprint_text_has_two_spaces_before_later_polygons():
    polygon = ((1.0, 2.0), (3.0, 4.0), (5.0, -6.0))
    one = "1.00000000 2.00000000 3.00000000 4.00000000 5.00000000 -6.00000000"
    assert stcs([polygon, polygon]) == f"Polygon J2000 {one} Polygon J2000  {one}"
