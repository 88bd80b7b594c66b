import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UsageError
from scrapers.sky import Cone, cone, pieces, separation

RA = st.floats(0, 359.999)
DEC = st.floats(-90, 90)


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        ("210.8", "54.35", (210.8, 54.35)),
        (0, -90, (0.0, -90.0)),
        ("14:03:12.6", "+54:20:57", (210.8025, 54.349167)),
        ("14h03m12.6s", "-0d30m00s", (210.8025, -0.5)),
        ("14 03 12.6", "-00 30", (210.8025, -0.5)),
        ("1e2", ".5", (100.0, 0.5)),
    ],
)
def test_positions_as_people_write_them(ra: str, dec: str, expected: tuple[float, float]) -> None:
    region = cone(ra, dec, 0.1)
    assert (region.ra, region.dec) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("ra", "dec", "radius", "complaint"),
    [
        ("400", "0", 1, "RA 400"),
        ("360", "0", 1, "RA 360"),
        ("-1", "0", 1, "RA -1"),
        ("25:00:00", "0", 1, "RA 25:00:00"),
        ("10", "90.1", 1, "Dec 90.1"),
        ("10", "-91", 1, "Dec -91"),
        ("ten", "0", 1, "RA 'ten'"),
        ("nan", "0", 1, "RA 'nan'"),
        ("10", "5:61:00", 1, "Dec '5:61:00'"),
        ("10", "0", -0.1, "radius of -0.1"),
        ("10", "0", 181, "radius of 181"),
        ("10", "0", math.nan, "radius of nan"),
    ],
)
def test_what_is_not_on_the_sky_is_one_sentence(ra: str, dec: str, radius: float, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        cone(ra, dec, radius)


def test_separation_by_known_angles() -> None:
    assert separation(0, 0, 90, 0) == pytest.approx(90)
    assert separation(10, 90, 200, -90) == pytest.approx(180)
    assert separation(359.5, 0, 0.5, 0) == pytest.approx(1)
    assert separation(0, 89.5, 180, 89.5) == pytest.approx(1)
    assert separation(10, 20, 10, 20 + 1e-9) == pytest.approx(1e-9, rel=1e-4)


def test_a_small_cone_is_asked_as_it_is() -> None:
    for radius in (0.0, 0.2, 1.0):
        region = Cone(10, 20, radius)
        assert list(pieces(region)) == [region]


@settings(max_examples=60, deadline=None)
@given(RA, DEC, st.floats(1.01, 6), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 360)), min_size=5, max_size=20))
def test_pieces_cover_the_region(ra: float, dec: float, radius: float, points: list[tuple[float, float]]) -> None:
    parts = list(pieces(Cone(ra, dec, radius)))
    assert all(part.radius == 1.0 and 0 <= part.ra < 360 and -90 <= part.dec <= 90 for part in parts)
    for share, bearing in points:
        there = _point(ra, dec, radius * share, bearing)
        assert any(separation(part.ra, part.dec, *there) <= part.radius for part in parts)


def test_pieces_cover_the_poles_and_the_whole_sky() -> None:
    for region in (Cone(123, 90, 2), Cone(0, -90, 3), Cone(0.1, 0, 2), Cone(40, 10, 180)):
        parts = list(pieces(region, largest=max(1.0, region.radius / 9)))
        assert any(separation(part.ra, part.dec, region.ra, region.dec) <= part.radius for part in parts)
    everything = list(pieces(Cone(0, 0, 180), largest=10))
    for dec in range(-90, 91, 3):
        for ra in range(0, 360, 3):
            assert any(separation(part.ra, part.dec, ra, dec) <= 10 for part in everything)
    # a sky of cells as large as fits into the cones, not many times that
    assert len(everything) < 2.5 * 41_253 / (math.pi * 10**2)


def test_regions_share_their_pieces() -> None:
    one, two = set(pieces(Cone(100, 30, 3))), set(pieces(Cone(102, 30, 3)))
    assert len(one & two) > len(one) // 4


def _point(ra: float, dec: float, distance: float, bearing: float) -> tuple[float, float]:
    d0, d, b = math.radians(dec), math.radians(distance), math.radians(bearing)
    sine = math.sin(d0) * math.cos(d) + math.cos(d0) * math.sin(d) * math.cos(b)
    north = math.asin(max(-1.0, min(1.0, sine)))
    east = math.atan2(math.sin(b) * math.sin(d) * math.cos(d0), math.cos(d) - math.sin(d0) * sine)
    return (ra + math.degrees(east)) % 360.0, math.degrees(north)
