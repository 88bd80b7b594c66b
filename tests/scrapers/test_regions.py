from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC

from manifests.errors import UsageError
from manifests.footprints import unit_vectors
from manifests.settings import Settings
from scrapers.region_cli import region_from_options
from scrapers.regions import Area, Polygon, WholeSky, area, polygon
from scrapers.sky import Cone

SQUARE = Polygon(((10.0, 20.0), (11.0, 20.0), (11.0, 21.0), (10.0, 21.0)))


@pytest.mark.parametrize(
    "text",
    [
        "POLYGON ICRS 10 20 11 20 11 21 10 21",
        "Polygon J2000  10.0 20.0   11 20 11 21 1e1 21 10 20",
        "polygon fk5 (10, 20, 11, 20, 11, 21, 10, 21)",
        "10,20 11,20 11,21 10,21",
        "10 20 10 20 11 20 11 21 10 21 10 20",
    ],
)
def test_polygons_as_people_write_them(text: str) -> None:
    assert polygon(text) == SQUARE


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "at least three"),
        ("POLYGON ICRS", "at least three"),
        ("10 20 11 20", "at least three"),
        ("10 20 11 20 10 20", "at least three"),
        ("10 20 11 20 11", "5 numbers"),
        ("POLYGON GALACTIC 10 20 11 20 11 21", "at 'GALACTIC'"),
        ("CIRCLE ICRS 10 20 1", "at 'CIRCLE'"),
        ("10 20 11 20 11 nan", "at 'nan'"),
        ("POLYGON 10 20 11 20 11 21 POLYGON 10 20 11 20 11 21", "at 'POLYGON'"),
        ("10 20 11 20 11 91", "corner 11 91"),
        ("-1 20 11 20 11 21", "corner -1 20"),
        ("10 20 11 21 11 20 10 21", "cross each other"),
        ("10 0 11 0 12 0", "no area"),
        ("0 0 120 0 240 0", "too large"),
        ("0 -80 120 80 240 0", "too large"),
    ],
)
def test_what_is_no_polygon_is_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        polygon(text)


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789.,-+e() PolygnICRSJ", max_size=60))
def test_any_text_is_a_polygon_or_one_sentence(text: str) -> None:
    try:
        assert len(polygon(text).corners) >= 3
    except UsageError as error:
        assert str(error).endswith(".")


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 359.999), st.floats(-90, 90), st.booleans())
def test_a_polygon_knows_what_touches_it_anywhere_and_in_either_winding(ra: float, dec: float, turned: bool) -> None:
    here = Cone(ra, dec, 0.0).vector
    east = np.cross([0.0, 0.0, 1.0] if abs(dec) < 80 else [1.0, 0.0, 0.0], here)
    east /= np.linalg.norm(east)
    north = np.cross(here, east)

    def place(x: float, y: float) -> tuple[float, float]:
        vector = here + x * east + y * north
        vector /= np.linalg.norm(vector)
        right = np.degrees(np.arctan2(vector[1], vector[0])) % 360.0
        return float(right), float(np.degrees(np.arcsin(vector[2])))

    corners = [place(-0.02, -0.02), place(0.02, -0.02), place(0.02, 0.02), place(-0.02, 0.02)]
    region = Polygon(tuple(corners[::-1] if turned else corners))
    inside, outside = place(0.015, 0.015), place(0.021, 0.0)
    assert [region.side(Cone(*inside, radius)) for radius in (0.0, 0.1, 0.5, 5)] == ["in", "in", "edge", "edge"]
    assert [region.side(Cone(*outside, radius)) for radius in (0.0, 0.01, 0.1)] == ["out", "out", "edge"]
    assert region.side(Cone((ra + 180) % 360, -dec, 1.0)) == "out"
    small = [place(0.01 + x, y) for x, y in ((0, 0), (0.001, 0), (0, 0.001))]
    across = [place(x, y) for x, y in ((-0.05, -0.001), (0.05, -0.001), (0.0, 0.001))]
    apart = [place(0.03 + x, y) for x, y in ((0, 0), (0.001, 0), (0, 0.001))]
    assert [region.touches_polygon(unit_vectors(np.array(one))) for one in (small, across, apart)] == [
        True,
        True,
        False,
    ]
    around = [place(3 * x, 3 * y) for x, y in ((-0.02, -0.02), (0.02, -0.02), (0.02, 0.02), (-0.02, 0.02))]
    assert region.touches_polygon(unit_vectors(np.array(around)))


@pytest.mark.parametrize("kind", ["fits", "json", "ascii"])
def test_a_moc_is_read_by_its_bytes(tmp_path: Path, kind: str) -> None:
    moc = MOC.from_string("6/100 7/3-5")
    moc.save(tmp_path / "field", format=kind)
    region = area(tmp_path / "field")
    assert region == Area("field", "6/100 7/3-5") and region.moc == moc
    centre = moc.barycenter()
    ra, dec = float(centre.ra.deg), float(centre.dec.deg)
    assert region.side(Cone(ra, dec, 5.0)) == "edge"
    assert region.side(Cone((ra + 180) % 360, -dec, 1.0)) == "out"


@pytest.mark.parametrize("data", [b"", b"hello", b"<html>", b'{"a": 3', b'{"a": [3]}', b"6/900000", b"6/", b"SIMPLE"])
def test_what_is_no_moc_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "field").write_bytes(data)
    with pytest.raises(UsageError, match=r"MOC .*field c(annot be read|overs no part)"):
        area(tmp_path / "field")
    with pytest.raises(UsageError, match="No such file"):
        area(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "Say where to look"),
        ({"polygon": "10 20 11 20 11 21", "sky": "all"}, "--polygon and --sky cannot be combined"),
        ({"target": "M101", "sky": "all"}, "--target and --sky cannot be combined"),
        ({"polygon": "10 20 11 20 11 21", "radius": 0.1}, "--radius goes with --target"),
        ({"sky": "half"}, "only --sky all"),
        ({"ra": "10"}, "both --ra and --dec"),
    ],
)
def test_a_region_is_named_in_exactly_one_way(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        region_from_options(Settings(), **options)  # type: ignore[arg-type]


def test_regions_of_options() -> None:
    settings = Settings()
    assert region_from_options(settings, ra="10", dec="-20") == Cone(10, -20, 0.2)
    assert region_from_options(settings, target="M101", radius=0).bounds.radius == 0
    assert region_from_options(settings, polygon="10 20 11 20 11 21 10 21") == SQUARE
    assert region_from_options(settings, sky="all") == WholeSky()
