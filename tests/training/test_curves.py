"""Loss curves drawn as SVG."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from training.curves import Series, svg

points = st.lists(st.tuples(st.floats(0, 1e5), st.floats()), max_size=30).map(tuple)


@given(st.lists(st.builds(Series, st.text(st.characters(codec="utf-8", categories=["L", "P"])), points), max_size=4))
def test_any_numbers_and_names_give_well_formed_drawings_inside_the_frame(series):
    text = svg("loss <of> a & b", series, "step", marks=[(10, "GAN")])
    tree = ElementTree.fromstring(text)
    for line in tree.iter("{http://www.w3.org/2000/svg}polyline"):
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= 460
            assert 0 <= y <= 260


def test_a_run_that_logged_nothing_says_so():
    assert "nothing was logged" in svg("loss", [Series("a", ((1, float("nan")),))], "step")
