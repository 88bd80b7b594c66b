"""Footprints: reading STC-S and finding overlaps anywhere on the sphere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.footprints import overlapping, parse_region


def square(ra, dec, half, roll=0.0):
    """A square of `half` degrees about a point, in the tangent plane there, as STC-S."""
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    x, y = np.radians(corners @ turn.T).T
    d0, r0 = np.radians(dec), np.radians(ra)
    z = np.sin(d0) + y * np.cos(d0)
    u = np.cos(d0) - y * np.sin(d0)
    out_ra = np.degrees(r0 + np.arctan2(x, u)) % 360
    out_dec = np.degrees(np.arctan2(z, np.hypot(u, x)))
    return "POLYGON ICRS " + " ".join(f"{a:.8f} {b:.8f}" for a, b in zip(out_ra, out_dec, strict=True))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "91", "x"])
def test_corners_that_are_not_on_the_sphere_give_no_polygon(number):
    assert parse_region(f"POLYGON ICRS 10 20 11 20 11 {number}") == []
    assert parse_region(f"POLYGON ICRS 10 20 11 20 {number} 21") == [] or number == "91"
    assert parse_region(f"CIRCLE ICRS {number} 20 0.1") == [] or number == "91"


def test_a_polygon_without_area_is_none():
    assert parse_region("Polygon J2000 10 20 10 20 10 20 10 20 Polygon J2000 10 20 11 20 10 20 11 20") == []


def test_a_small_footprint_keeps_its_corners():
    text = "Polygon J2000 210.0875 54.8494 210.0874 54.8496 210.0892 54.8498 210.0893 54.8496"
    (polygon,) = parse_region(text)
    assert len(polygon) == 4
    (closed,) = parse_region(f"{text} 210.0875 54.8494")
    assert closed.tolist() == polygon.tolist()


def test_numbers_may_have_exponents():
    (polygon,) = parse_region("POLYGON ICRS 1.0e1 2E-5 11 -1e-05 11 +1e0")
    assert polygon.tolist() == [[10, 2e-5], [11, -1e-5], [11, 1]]
    assert len(parse_region("Polygon J2000 1 2 3 4 5e0 6 Circle FK5 1 2 1e-1")) == 2


@given(
    ra=st.floats(0, 360, exclude_max=True),
    dec=st.sampled_from([-90, -89.95, -60, 0, 41, 89.9, 90]),
    roll=st.floats(0, 6.2),
    gap=st.floats(0.01, 0.3),
)
def test_overlap_does_not_depend_on_where_on_the_sky(ra, dec, roll, gap):
    base = square(ra, dec, 0.1, roll)
    inside = square(ra, dec, 0.01, roll + 1)
    step = gap if dec <= 0 else -gap
    shifted_dec = dec + step
    apart = square(ra, shifted_dec, 0.001)
    found = overlapping([base, inside, apart])
    assert (0, 1) in found
    # within the inscribed circle it must touch, beyond the circumscribed circle it must not
    if gap < 0.09:
        assert (0, 2) in found
    if gap > 0.15:
        assert (0, 2) not in found


def test_ra_wraps_at_zero():
    west, east = square(359.99, 5, 0.05), square(0.02, 5, 0.05)
    assert overlapping([west, east, square(180, 5, 0.05)]) == [(0, 1)]


def test_concave_neighbours_that_do_not_touch_are_apart():
    ell = "POLYGON ICRS 10 10 10.3 10 10.3 10.1 10.1 10.1 10.1 10.3 10 10.3"
    notch = "POLYGON ICRS 10.2 10.2 10.28 10.2 10.28 10.28 10.2 10.28"
    assert overlapping([ell, notch]) == []


def test_several_polygons_slivers_and_circles():
    text = (
        "Polygon J2000 210.1 54.1 210.2 54.1 210.2 54.2 210.1 54.2"
        " Polygon J2000  210.5 54.1 210.6 54.2 Polygon J2000  210.7 54.1 210.8 54.1 210.8 54.2"
    )
    assert [len(p) for p in parse_region(text)] == [4, 3]
    closed = parse_region("POLYGON ICRS (1 1 2 1 2 2 1 1")
    assert closed[0].tolist() == [[1, 1], [2, 1], [2, 2]]
    circle = parse_region("CIRCLE ICRS 150 2 0.5")
    assert np.allclose(circle[0][:, 1].max(), 2.5, atol=0.01)


@pytest.mark.parametrize("text", [None, "", "nothing", "POLYGON", "POLYGON ICRS x y", "CIRCLE 1 2", "POLYGON 1 2 3"])
def test_what_cannot_be_read_gives_no_polygon(text):
    assert parse_region(text) == []


@given(st.text(max_size=80))
def test_any_text_is_survived(text):
    for polygon in parse_region("POLYGON ICRS " + text):
        assert polygon.shape[1] == 2
