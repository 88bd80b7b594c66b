"""The pictures and tables that an evaluation leaves."""

import csv
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_config

from training.curves import Series, svg
from training.degradation import DegradationConfig
from training.evaluate import Metric
from training.evaluation_folder import assess, score_table
from training.gallery import contact_sheet
from training.loop import train
from training.registry import load_run

PANEL, STEP = 256, 262


def panels(path, row_px, count):
    """The panels of the first row of a sheet, each (row_px, row_px, 3)."""
    sheet = np.asarray(Image.open(path))
    return [sheet[28 : 28 + row_px, 6 + STEP * place : 6 + STEP * place + row_px] for place in range(count)]


def test_a_sheet_shows_input_outputs_truth_and_the_error_of_the_maker_that_is_named(pack, tmp_path):
    frame = pack.frames[0]
    black, perfect = (lambda rgb, _: torch.zeros_like(rgb)), (lambda rgb, _: rgb)
    for error_of in ("black", "perfect"):
        contact_sheet(
            tmp_path / f"{error_of}.png",
            "colorizer",
            pack,
            [frame],
            {"black": black, "perfect": perfect},
            ["a frame"],
            error_of=error_of,
            scale=1,
            degradation=DegradationConfig(),
            device=torch.device("cpu"),
        )
    gray, first, second, truth, error = panels(tmp_path / "black.png", 80, 5)
    assert np.ptp(gray.astype(int), axis=2)[pack.valid(frame)].max() <= 1
    assert not first.any()
    assert np.array_equal(second, truth)
    assert np.array_equal(truth, pack.rgb(frame))
    valid = pack.valid(frame)
    # black is far off where there is data, and nothing is where there is none
    assert error[valid].sum(axis=1).min() > 300
    assert error[~valid].max() <= 5
    assert panels(tmp_path / "perfect.png", 80, 5)[4].max() <= 5


@pytest.mark.parametrize("task", ["colorizer", "superres"])
def test_the_worst_come_first_and_the_page_shows_all(pack, tmp_path, task, monkeypatch):
    sheets = {}
    monkeypatch.setattr(
        "training.evaluation_folder.contact_sheet",
        lambda path, *rest, **how: sheets.update({path.name: rest[2]}) or contact_sheet(path, *rest, **how),
    )
    run = train(tiny_config(task), pack, tmp_path / "run").run_dir
    out = tmp_path / "out"
    assess(load_run(run), pack, "test", out, log=run / "metrics.csv", inception=None, device=torch.device("cpu"))
    with (out / "frames.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    name = "mae_ab_faithful" if task == "colorizer" else "psnr_y_crop2_faithful"
    ranked = sorted(rows, key=lambda row: float(row[name]), reverse=task == "colorizer")
    assert [frame.image_id for frame in sheets["worst.png"]] == [row["image_id"] for row in ranked]
    page = (out / "index.html").read_text()
    for file in ("samples.png", "worst.png"):
        assert f'src="{file}"' in page
        assert Image.open(out / file).height > 3 * 80
    assert page.count("<svg") == 2
    assert "no-data masked" in page
    assert ("consistent: strength 0" in page) == (task == "superres")


def test_tables_show_no_more_digits_than_mean_something():
    def metric(name, value):
        return Metric(name, value, value / 2, value * 2, 5)

    found = [metric("bias_l", -7.45e-7), metric("bias_l_faithful", 5.2e-5), metric("mae_ab", 7.456)]
    _, rows = score_table([*found, metric("mae_ab_faithful", 6.77)])
    assert rows == [["bias_l", "0 [0, 0]", "0.0001 [0, 0.0001]"], ["mae_ab", "7.46 [3.73, 14.9]", "6.77 [3.38, 13.5]"]]


@pytest.mark.parametrize("mark", [10, 50, 99])
def test_the_name_of_a_mark_stays_inside_the_drawing(mark):
    text = svg("losses", [Series("g", ((0.0, 1.0), (100.0, 2.0)))], "step", [(mark, "adversarial")])
    found = next(e for e in ElementTree.fromstring(text).iter() if e.text == "adversarial")
    width = 7 * len("adversarial")
    left = float(found.attrib["x"]) - (width if found.attrib["text-anchor"] == "end" else 0)
    assert 0 <= left <= left + width <= 460
