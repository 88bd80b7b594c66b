import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from broken import broken
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from manifests.footprints import overlapping, parse_region
from scrapers.avm import annotate, bands, place_at, place_of, read_avm
from scrapers.products import Product

RECORDED = Path(__file__).parents[3] / "shared" / "reference" / "recorded" / "sites" / "avm"
PRODUCT = Product("esahubble", "esahubble:x", "x", "x", s_ra=150.0, s_dec=-30.01, credit="the page's")

PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:avm="http://www.communicatingastronomy.org/avm/1.0/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:Credit="the file's" {attributes}
 avm:Spatial.CoordinateFrame="ICRS" avm:Spatial.Equinox="J2000" avm:Spatial.CoordsystemProjection="TAN"
 avm:Spatial.Rotation="{rotation}">{lists}</rdf:Description></rdf:RDF></x:xmpmeta>"""


def packet(attributes: str = "", rotation: float = 0.0, **lists: list[object]) -> bytes:
    values = {"ReferenceValue": [150.0, -30.0], "ReferenceDimension": [4000, 3000], "ReferencePixel": [2000.5, 1500.5],
              "Scale": [-1e-5, 1e-5]} | lists  # fmt: skip
    text = "".join(
        f"<avm:Spatial.{name}><rdf:Seq>"
        + "".join(f"<rdf:li>{one}</rdf:li>" for one in numbers)
        + f"</rdf:Seq></avm:Spatial.{name}>"
        for name, numbers in values.items()
        if numbers
    )
    return PACKET.format(attributes=attributes, rotation=rotation, lists=text).encode()


def jpeg(xmp: bytes, size: tuple[int, int] = (400, 300)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (9, 5, 3)).save(out, "JPEG")
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    return out.getvalue()[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + out.getvalue()[2:]


def test_a_smaller_copy_has_the_originals_footprint_at_a_coarser_scale() -> None:
    for size, scale in (((4000, 3000), 0.036), ((1280, 960), 0.1125), ((400, 300), 0.36)):
        found = annotate(PRODUCT, jpeg(packet(), size))
        assert found.s_resolution == pytest.approx(scale, rel=1e-4)
        assert found.s_fov == pytest.approx(0.04, rel=1e-4)
        assert (found.s_ra, found.s_dec) == pytest.approx((150.0, -30.0), abs=1e-6)
        (corners,) = parse_region(found.s_region)
        assert np.ptp(corners[:, 1]) == pytest.approx(0.03, rel=1e-3)
        assert np.ptp(corners[:, 0]) * np.cos(np.radians(30)) == pytest.approx(0.04, rel=1e-3)
    assert found.credit == "the page's"


def test_a_crop_keeps_what_the_page_said() -> None:
    found = annotate(PRODUCT, jpeg(packet(), (1024, 1024)))
    assert (found.s_ra, found.s_dec, found.s_region) == (150.0, -30.01, None)


def test_a_page_and_a_file_that_mean_different_skies_leave_no_position() -> None:
    elsewhere = replace(PRODUCT, s_ra=10.0, s_dec=41.0, s_fov=0.04, s_region="POLYGON ICRS 0 0 1 0 1 1")
    found = annotate(elsewhere, jpeg(packet()))
    assert (found.s_ra, found.s_dec, found.s_fov, found.s_region, found.s_resolution) == (None,) * 5
    # a page that lost the sign of Dec -0.5 still means the same sky, and the file knows the sign
    unsigned = replace(PRODUCT, s_ra=150.0, s_dec=0.5)
    assert annotate(unsigned, jpeg(packet(ReferenceValue=[150.0, -0.5]))).s_dec == pytest.approx(-0.5, abs=1e-6)


def test_the_type_of_picture_is_kept() -> None:
    assert annotate(PRODUCT, jpeg(packet('avm:Type="Observation"'))).image_type == "Observation"
    assert annotate(replace(PRODUCT, image_type="Artwork"), jpeg(packet('avm:Type="Chart"'))).image_type == "Artwork"


def test_the_reference_need_not_be_the_middle() -> None:
    off_centre = place_of(read_avm(packet(ReferencePixel=[1, 1])), (4000, 3000))
    assert off_centre is not None
    assert off_centre.s_dec == pytest.approx(-30.0 + 1500 * 1e-5, abs=1e-5)
    assert off_centre.s_ra < 150.0  # east is left


@pytest.mark.parametrize("turn", [0.0, 37.0, 110.16, -90.0])
def test_rotation_turns_the_footprint_about_its_middle(turn: float) -> None:
    upright, turned = place_of(read_avm(packet())), place_of(read_avm(packet(rotation=turn)))
    assert upright and turned
    assert (turned.s_ra, turned.s_dec) == pytest.approx((upright.s_ra, upright.s_dec), abs=1e-6)
    assert overlapping([upright.s_region, turned.s_region]) == [(0, 1)]
    (corners,) = parse_region(turned.s_region)
    # the middle of the top edge lies where north is turned to: left of the vertical for a positive angle
    x = (corners[2:4, 0].mean() - 150.0) * np.cos(np.radians(30))
    y = corners[2:4, 1].mean() + 30.0
    assert (-x, y) == pytest.approx((0.015 * np.sin(np.radians(turn)), 0.015 * np.cos(np.radians(turn))), abs=2e-5)


def test_odd_metadata() -> None:
    for attributes in ('avm:Type="Collection"', 'avm:Spatial.Quality="Perhaps"'):
        assert place_of(read_avm(packet(attributes))) is not None, "one bad word must not cost the position"
    assert place_of(read_avm(packet(Scale=[1e-5]))) is not None
    assert place_of(read_avm(packet(Scale=[0, 0]))) is None
    assert place_of(read_avm(packet(ReferenceValue=[10, 120]))) is None
    assert place_of(read_avm(packet(ReferenceValue=["nan", 1]))) is None
    assert place_of(read_avm(packet(ReferenceDimension=[0, 0]))) is None
    assert place_of(read_avm(packet(Scale=[1, 1]))) is None, "a picture of the whole sky is a number gone wrong"
    for attributes in ('avm:Spatial.Quality="Position"', 'avm:Spatial.Quality="Position" avm:Type="Collection"'):
        assert place_of(read_avm(packet(attributes))) is None
        rough = annotate(replace(PRODUCT, s_ra=None, s_dec=None), jpeg(packet(attributes)))
        assert (rough.s_ra, rough.s_dec, rough.s_region) == (150.0, -30.0, None)
    assert read_avm(b"no packet") is None
    assert read_avm(packet().replace(b"<rdf:RDF", b"<!DOCTYPE x><rdf:RDF")) is None


def test_bands_go_from_red_to_blue() -> None:
    assert bands(["B", "I", "V"], [435, 814, 606]) == {"filters": "I/V/B", "em_min": 4.35e-7, "em_max": 8.14e-7}
    assert bands(["F656N"], []) == {"filters": "F656N"}
    assert bands([], [None, "x"]) == {}  # type: ignore[list-item]


@settings(max_examples=150, deadline=None)
@given(broken(jpeg(packet('avm:Type="Observation"'))))
def test_any_damage_leaves_a_product(data: bytes) -> None:
    found = annotate(PRODUCT, data)
    assert replace(found, s_ra=None).archive == "esahubble"
    assert found.s_dec is None or -90 <= found.s_dec <= 90


@settings(deadline=None)
@given(
    st.tuples(st.floats(0, 360), st.floats(-90, 90)),
    st.tuples(st.integers(1, 30000), st.integers(1, 30000)),
    st.floats(1e-7, 1e-4),
    st.floats(-360, 360),
)
@example((1.0, 0.0), (1, 101), 1e-7, 0.0)
def test_places_are_on_the_sky(
    reference: tuple[float, float], dimension: tuple[int, int], scale: float, turn: float
) -> None:
    place = place_at(reference, dimension=dimension, scale_deg=scale, rotation_deg=turn, size=dimension)
    assert place is not None
    assert 0 <= place.s_ra <= 360 and -90 <= place.s_dec <= 90
    assert place.s_resolution == pytest.approx(scale * 3600, rel=0.05)
    # a footprint narrower than its digits has no area
    assert len(parse_region(place.s_region)) == 1 or min(dimension) * scale < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "ra", "dec"), [("heic0515a", 83.6355, 22.0152), ("opo0613a", 13.2655, 56.6448), ("heic0409a", None, None)]
)
def test_recorded_packets(name: str, ra: float | None, dec: float | None) -> None:
    path = RECORDED / f"{name}.avm.xml"
    if not path.exists():
        pytest.skip("the recorded replies are not here")
    avm = read_avm(path.read_bytes())
    assert avm is not None
    place = place_of(avm)
    if ra is None:
        assert place is None
    else:
        assert place is not None
        assert (place.s_ra, place.s_dec) == pytest.approx((ra, dec), abs=1e-3)
