"""Loss curves drawn as SVG."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from training.curves import Series, svg
from training.evaluation_folder import loss_curves

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


def test_a_mark_beyond_the_curves_is_left_out():
    curve = Series("a", ((0, 1), (100, 2)))
    assert "adversarial" in svg("loss", [curve], "step", marks=[(100, "adversarial")])
    assert "adversarial" not in svg("loss", [curve], "step", marks=[(110, "adversarial")])


def test_the_last_step_is_written_within_the_frame():
    tree = ElementTree.fromstring(svg("loss", [Series("a", ((0, 1), (17_600, 2)))], "step"))
    (last,) = (text for text in tree.iter("{http://www.w3.org/2000/svg}text") if text.text == "17600")
    assert last.attrib["text-anchor"] == "end"
    assert float(last.attrib["x"]) <= 460


def test_a_run_that_logged_nothing_says_so():
    assert "nothing was logged" in svg("loss", [Series("a", ((1, float("nan")),))], "step")


def test_losses_of_other_units_have_a_drawing_each(tmp_path):
    log = tmp_path / "metrics.csv"
    log.write_text(
        "step,phase,seconds,g_l1,g_psnr,g_spurious,psnr_y_crop4,psnr_y_crop4_bicubic,spurious\n"
        "0,start,0,,,,34.1,33.8,0.01\n100,pretrain,9,0.02,-36.1,0.3,,,\n200,pretrain,18,0.02,-36.2,0.2,34.2,33.8,0.009\n"
    )
    drawn = dict(loss_curves(log))
    assert list(drawn) == [
        "losses by step",
        "loss in dB by step",
        "held-out scores by step",
        "held-out spurious share by step",
    ]
    names = {
        title: [name for name in ("g_l1", "g_psnr", "g_spurious") if name in text] for title, text in drawn.items()
    }
    assert names["losses by step"] == ["g_l1", "g_spurious"]
    assert names["loss in dB by step"] == ["g_psnr"]
    # runs of earlier versions have no such column, and those without a weight no figures in it
    log.write_text(
        "step,phase,seconds,g_l1,spurious\n0,start,0,,0.01\n100,pretrain,9,0.02,\n200,pretrain,18,0.02,0.01\n"
    )
    assert list(dict(loss_curves(log))) == ["losses by step"]
