"""What `deepfield evaluate` leaves to look at: figures as CSV and JSON, curves, contact sheets, and one page of all."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.guided import GuidedUNet
from training import page
from training.config import degradation_of
from training.curves import Series, svg
from training.evaluate import Measured, Metric, left_out, main_score, measure, summary
from training.files import write_text
from training.gallery import contact_sheet
from training.guided_makers import guided_by_own
from training.inception import InceptionFeatures
from training.makers import FAITHFUL, Maker, model_makers
from training.pack import Pack, PackedFrame
from training.scores import scale_in

if TYPE_CHECKING:
    from training.registry import LoadedModel

_SHOWN, _WORST = 8, 10
_COLUMNS = ("strength 1", "strength 0")
_COLUMN_NOTES = {
    "guided": "guided: strength 0, shown the palette of the frame itself. It says how far a right palette leads.",
    "consistent": "consistent: strength 0, corrected so that its area means are the input again.",
}


def assess(
    model: "LoadedModel",
    pack: Pack,
    split: str,
    out: Path,
    *,
    log: Path | None,
    inception: InceptionFeatures | None,
    device: torch.device,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Measured, list[Metric]]:
    """Measure a model on a split and leave everything that there is to see in the folder `out`.

    Raises:
        DeepfieldError: the split holds no frame that can be scored.
    """
    measured = measure(model, pack, split, device=device, inception=inception, on_progress=on_progress)
    metrics = summary(measured)
    write_evaluation(out, model, pack, split, measured, metrics, log=log, device=device)
    return measured, metrics


def write_evaluation(
    folder: Path,
    model: "LoadedModel",
    pack: Pack,
    split: str,
    measured: Measured,
    metrics: Sequence[Metric],
    *,
    log: Path | None,
    device: torch.device,
) -> Path:
    """Fill a folder, and return its page.

    `metrics.csv`, `metrics.json`, `frames.csv` (every score of every frame), `samples.png` and `worst.png` (the ten
    frames on which strength 0 does worst), the curves from the training `log` where there is one, `index.html`.
    """
    write_text(folder / "metrics.json", metrics_json(split, metrics))
    write_text(folder / "metrics.csv", metricscsv_text(metrics))
    write_text(folder / "frames.csv", _framescsv_text(measured))
    name, _, higher = main_score(list(measured.rows[0]))
    order = np.argsort([row[f"{name}{FAITHFUL}"] for row in measured.rows])
    worst = [int(place) for place in (order if higher else order[::-1])[:_WORST]]
    evenly = np.unique(np.linspace(0, len(measured.frames) - 1, _SHOWN).round().astype(int))
    for file, places in (("samples.png", evenly.tolist()), ("worst.png", worst)):
        write_sheet(folder / file, model, pack, [measured.frames[place] for place in places], measured, device)
    curves = loss_curves(log) if log else []
    for title, drawn in curves:
        write_text(folder / f"{title.replace(' ', '_')}.svg", drawn)
    title = f"{model.reference} on the {split} split of {pack.snapshot_id}"
    protocol = (
        f"{len(measured.frames)} frames in {len(set(measured.groups))} field groups, longer side at most "
        f"{pack.max_side_px} px; no-data masked; means over frames, 95 % intervals by bootstrap over groups."
    )
    parts = [page.paragraph(protocol), *(page.paragraph(note) for note in left_out(measured))]
    others = [maker.removeprefix("_") for maker in measured.makers if maker not in ("", FAITHFUL)]
    parts += [page.paragraph(_COLUMN_NOTES[other]) for other in others if other in _COLUMN_NOTES]
    parts += [page.table(*score_table(metrics, others))]
    parts += [page.heading("Evenly chosen frames"), page.picture("samples.png", "input, outputs, truth, difference")]
    parts += [page.heading("The worst ten, at strength 0"), page.picture("worst.png", "the frames that came out worst")]
    if curves:
        parts += [page.heading("Training"), f'<div class="curves">{"".join(drawn for _, drawn in curves)}</div>']
    parts += [page.heading("All figures"), page.table(*_all_figures(metrics))]
    write_text(folder / "index.html", page.page(title, parts))
    return folder / "index.html"


def write_sheet(
    path: Path,
    model: "LoadedModel",
    pack: Pack,
    frames: Sequence[PackedFrame],
    measured: Measured,
    device: torch.device,
) -> None:
    """A contact sheet of frames as both ends of a model make them, the main score of both under each.

    Of a colouriser that can be guided also as it paints them when it is shown their own palettes.
    """
    ends = model_makers(model, device)
    shown: dict[str, Maker] = {"strength 1": ends[""], "strength 0": ends[FAITHFUL]}
    network = model.network(0.0, device)
    if isinstance(network, GuidedUNet):
        shown["shown its palette"] = guided_by_own(network, int(model.meta["frame_px"]))
    name, _, _ = main_score(list(measured.rows[0]))
    row_of = dict(zip((frame.image_id for frame in measured.frames), measured.rows, strict=True))
    captions = [
        f"{frame.source_name or frame.image_id[:12]}: {name} {row_of[frame.image_id][name]:.2f} at strength 1, "
        f"{row_of[frame.image_id][f'{name}_faithful']:.2f} at strength 0"
        for frame in frames
    ]
    contact_sheet(
        path,
        model.task,
        pack,
        frames,
        shown,
        captions,
        error_of="strength 0",
        scale=scale_in(model.config),
        degradation=degradation_of(model.meta),
        device=device,
    )


def loss_curves(log: Path) -> list[tuple[str, str]]:
    """Losses and the held-out score by step, from a run's metrics.csv, as SVG texts by title."""
    with log.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    names = [name for name in (rows[0] if rows else ()) if name not in ("step", "phase", "seconds")]
    series = {
        name: Series(name, tuple((float(row["step"]), float(row[name])) for row in rows if row[name])) for name in names
    }
    start = [float(row["step"]) for row in rows if row["phase"] == "adversarial"][:1]
    marks = [(step, "adversarial") for step in start]
    losses = [one for name, one in series.items() if name.startswith(("g_", "d_")) and one.points]
    lines = [one for one in series.values() if len(one.points) > 1]
    answers_for_spurious = any(one.name == "g_spurious" for one in losses)
    charts = {
        # decibels beside the others would make lines without a shape of both
        "losses by step": ("losses", [one for one in losses if one.name != "g_psnr"]),
        "loss in dB by step": ("loss in dB", [one for one in losses if one.name == "g_psnr"]),
        "held-out scores by step": ("held-out", [one for one in lines if one.name.startswith(("mae_ab", "psnr_y"))]),
        "held-out spurious share by step": (
            "held-out share of spurious sources",
            [one for one in lines if answers_for_spurious and one.name == "spurious"],
        ),
    }
    return [(title, svg(head, curves, "step", marks)) for title, (head, curves) in charts.items() if curves]


def score_table(metrics: Sequence[Metric], others: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """A row a score, a column a maker: the model's two ends and the baselines; head and rows."""
    by_name = {metric.name: metric for metric in metrics}
    kinds = ("all_gray", "mean_colour", "median_colour", "nearest", "bicubic", "lanczos")
    baselines = [kind for kind in kinds if any(name.endswith(f"_{kind}") for name in by_name)]
    plain = [name for name in by_name if f"{name}{FAITHFUL}" in by_name]
    suffixes = ["", FAITHFUL, *(f"_{name}" for name in (*others, *baselines))]
    rows = [[name, *(_with_interval(by_name.get(name + suffix)) for suffix in suffixes)] for name in plain]
    return ["score", *_COLUMNS, *others, *(name.replace("_", " ") for name in baselines)], rows


def metrics_json(split: str, metrics: Sequence[Metric]) -> str:
    """The figures as JSON."""
    return json.dumps({"split": split, "metrics": [asdict(metric) for metric in metrics]}, indent=1) + "\n"


def metricscsv_text(metrics: Sequence[Metric]) -> str:
    """The figures as CSV, a line a metric."""
    return csv_text(["name", "value", "low", "high", "n"], [list(asdict(metric).values()) for metric in metrics])


def _framescsv_text(measured: Measured) -> str:
    names = list(measured.rows[0])
    head = ["image_id", "source_name", "group_id", *names]
    return csv_text(
        head,
        [
            [frame.image_id, frame.source_name, frame.group_id, *(row[name] for name in names)]
            for frame, row in zip(measured.frames, measured.rows, strict=True)
        ],
    )


def csv_text(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as CSV, six digits a number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return out.getvalue()


def _all_figures(metrics: Sequence[Metric]) -> tuple[list[str], list[list[str]]]:
    rows = [[m.name, f"{m.value:.4g}", f"{m.low:.4g} .. {m.high:.4g}", str(m.n)] for m in metrics]
    return ["metric", "value", "95 % interval", "n"], rows


def _with_interval(metric: Metric | None) -> str:
    if metric is None:
        return ""
    value, low, high = (_short(number) for number in (metric.value, metric.low, metric.high))
    return f"{value} [{low}, {high}]"


def _short(number: float) -> str:
    """Three digits, but no more than four behind the point: what is smaller is nothing here."""
    return f"{round(number, 4) + 0.0:.3g}"
