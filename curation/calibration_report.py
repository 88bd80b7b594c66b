"""The report of a calibration: one HTML file that holds its pictures, with every figure from held-out frames."""

import base64
import io
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from curation.calibrate import Calibrated
from curation.policy import VERDICTS
from curation.rates import Share
from manifests import schema
from manifests.files import write_atomic
from manifests.frames import UndecodableError, decode

_THUMB_PX = 180
_SHEET_FRAMES = 48
_BINS = 10
_UNITS = {column.name: column.unit for column in schema.MEASURES}


def write_report(done: Calibrated, out: Path, max_pixels: int) -> None:
    """Write the page to `out`, whole or not at all."""
    environment = Environment(
        loader=PackageLoader("curation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("calibration.html").render(
        policy=done.policy,
        frames=done.labelled.name,
        total=len(done.labelled.frames),
        trials=len(done.trials),
        aims=done.aims,
        tiles=_tiles(done),
        verdicts=VERDICTS,
        confusion=_confusion(done),
        precisions=_precisions(done),
        # our own SVG of numbers only
        reliability=Markup(_reliability_svg(reliability(done))),
        usual=_usual(done),
        sheets=[
            _sheet(done, "drop", "accept", "Frames to drop that were accepted", max_pixels),
            _sheet(done, "keep", "reject", "Good frames that were rejected", max_pixels),
            _sheet(done, "keep", "review", "Good frames that were sent to review", max_pixels),
        ],
    )
    write_atomic(out, page)


def reliability(done: Calibrated) -> list[tuple[float, float, int]]:
    """Mean score, share of frames to drop and number of frames, for each tenth of the score that has any.

    Of held-out frames over all trials; spared ones count for neither.
    """
    judged = (done.labelled.frames["label"] != "spare").to_numpy()
    drop = np.tile((done.labelled.frames["label"] == "drop").to_numpy()[judged], len(done.trials))
    score = np.concatenate([trial.score[judged] for trial in done.trials])
    place = np.minimum((score * _BINS).astype(int), _BINS - 1)
    return [
        (float(score[place == n].mean()), float(drop[place == n].mean()), int((place == n).sum()))
        for n in range(_BINS)
        if (place == n).any()
    ]


def _tiles(done: Calibrated) -> list[dict[str, object]]:
    aims = done.aims
    rows: list[tuple[str, Share, float | None]] = [
        ("of frames to drop are accepted", done.share("accept", label="drop"), aims.false_accepts),
        ("of good frames are rejected", done.share("reject", label="keep"), aims.false_rejects),
        ("of all frames go to review", done.share("review"), None),
    ]
    return [
        {
            "value": f"{100 * share.value:.1f} %",
            "interval": str(share),
            "label": label,
            "kind": "" if aim is None else "accept" if share.value <= aim else "reject",
        }
        for label, share, aim in rows
    ]


def _confusion(done: Calibrated) -> list[dict[str, object]]:
    frames = done.labelled.frames
    given = frames.groupby(["label", "given"]).size()
    rows = [(f"{name} ({number})", {"given": name}) for (_, name), number in sorted(given.items())]
    rows += [
        (f"all {text} ({int((frames['label'] == label).sum())})", {"label": label})
        for label, text in (("keep", "good"), ("drop", "to drop"))
    ]
    rows.append((f"all ({len(frames)})", {}))
    return [{"name": name, "cells": [done.share(verdict, **which) for verdict in VERDICTS]} for name, which in rows]


def _precisions(done: Calibrated) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "precision": done.precision(verdict, label),
            "recall": done.share(verdict, label=label),
        }
        for name, verdict, label in (
            ("accept, for good frames", "accept", "keep"),
            ("reject, for others", "reject", "drop"),
        )
    ]


def _usual(done: Calibrated) -> list[dict[str, str]]:
    assert done.policy.classifier is not None
    forest = done.policy.classifier.forest
    uses = np.bincount(
        [measure for tree in forest.trees for measure in tree.measure if measure >= 0], minlength=len(forest.measures)
    )
    order = np.argsort(-uses, kind="stable")
    return [
        {
            "name": forest.measures[i],
            "range": f"{forest.usual[i].low:.3g} to {forest.usual[i].high:.3g} {_UNITS[forest.measures[i]]}".strip(),
            "share": f"{100 * uses[i] / uses.sum():.1f} %",
        }
        for i in order
    ]


def _sheet(done: Calibrated, label: str, verdict: str, title: str, max_pixels: int) -> dict[str, object]:
    """Frames that got this verdict in most trials, those that the score is surest of first."""
    frames = done.labelled.frames
    votes = sum((trial.verdict == verdict).astype(int) for trial in done.trials)
    ruled_so = np.flatnonzero((2 * votes > len(done.trials)) & (frames["label"] == label).to_numpy())
    score = np.mean([trial.score for trial in done.trials], axis=0)
    chosen = sorted(ruled_so, key=lambda n: score[n] if label == "drop" else -score[n])
    thumbs = []
    for n in chosen[:_SHEET_FRAMES]:
        why = next(trial.values[n] for trial in done.trials if trial.verdict[n] == verdict)
        row = frames.iloc[n]
        uri = _thumb(row["path"], max_pixels)
        thumbs.append({"uri": uri, "name": f"{row['source']} ({row['given']})", "why": why})
    return {"title": f"{title}: {len(chosen)}", "thumbs": thumbs}


def _thumb(path: Path, max_pixels: int) -> str:
    try:
        picture = Image.fromarray(decode(path, max_pixels).rgb)
    except (OSError, UndecodableError):
        # the frame went away since it was measured, and an empty square shows it
        picture = Image.new("RGB", (_THUMB_PX, _THUMB_PX))
    picture.thumbnail((_THUMB_PX, _THUMB_PX))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _reliability_svg(points: list[tuple[float, float, int]]) -> str:
    side, margin = 300, 44

    def at(x: float, y: float) -> tuple[float, float]:
        return margin + x * side, margin / 2 + (1 - y) * side

    most = max(number for *_, number in points)
    parts = [
        f'<svg viewBox="0 0 {side + 2 * margin} {side + 2 * margin}" role="img" aria-label="reliability curve" '
        'xmlns="http://www.w3.org/2000/svg" font-size="12" fill="#a9b3c3">',
        '<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="#6b7789" stroke-dasharray="4 4"/>'.format(*at(0, 0), *at(1, 1)),
    ]
    for tick in (0.0, 0.5, 1.0):
        x, y = at(tick, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{tick:g}</text>')
        x, y = at(0, tick)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{side}" stroke="#2a3240"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    line = " ".join("{:.1f},{:.1f}".format(*at(score, share)) for score, share, _ in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#7fb0ee" stroke-width="1.6"/>')
    for score, share, number in points:
        x, y = at(score, share)
        radius = 3 + 7 * (number / most) ** 0.5
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#7fb0ee" fill-opacity="0.6"/>')
    x, y = at(0.5, 0)
    parts.append(f'<text x="{x:.1f}" y="{y + 34:.1f}" text-anchor="middle">score</text>')
    return "\n".join([*parts, "</svg>"])
