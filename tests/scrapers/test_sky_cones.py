import math

import pytest

from manifests.errors import UsageError
from scrapers.sky import cone, separation


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
