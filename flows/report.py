"""The report of a run: one HTML file that holds all its pictures, for opening anywhere."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from manifests.blobs import BlobStore
from manifests.files import write_atomic
from manifests.frames import UndecodableError, decode
from manifests.snapshots import SnapshotInfo
from training.evaluate import Metric
from training.pack_build import trainable

_THUMB_PX = 200
_SHEET_FRAMES = 24
_SHEETS = (
    ("accept", "Accepted", "These go into training unless they are in the validation or test split."),
    ("review", "Doubtful", "The policy is not sure of these: they wait in the review queue and are not trained on."),
    ("reject", "Rejected", "Dropped by a rule or as a duplicate of a better copy. Nothing is deleted."),
)


@dataclass(frozen=True)
class Panel:
    """One picture of a strip, uint8 (H, W, 3), with its caption; `pixelated` shows its pixels as squares."""

    caption: str
    rgb: np.ndarray
    pixelated: bool = False

    @property
    def uri(self) -> str:
        """The picture itself, inside the page."""
        return data_uri(self.rgb)


@dataclass(frozen=True)
class Strip:
    """Pictures that belong side by side."""

    name: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class MetricTable:
    """Figures of one network, and one sentence on whether it beats the baseline."""

    title: str
    metrics: Sequence[Metric]
    verdict: str
    better: bool


@dataclass(frozen=True)
class Curve:
    """A drawn curve as SVG text."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Report:
    """Everything the page shows. `facts` are pairs of a name and a text."""

    title: str
    source: str
    synthetic_note: str
    snapshot: SnapshotInfo
    rows: pd.DataFrame
    examples: tuple[Strip, ...]
    enhanced: tuple[Strip, ...]
    tables: tuple[MetricTable, ...]
    curves: tuple[Curve, ...]
    facts: tuple[tuple[str, str], ...]


def write_report(report: Report, blobs: BlobStore, out: Path) -> Path:
    """Write the page to `out`, whole or not at all."""
    environment = Environment(
        loader=PackageLoader("flows"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html").render(
        title=report.title,
        source=report.source,
        synthetic_note=report.synthetic_note,
        snapshot=report.snapshot,
        tiles=_tiles(report.rows),
        reasons=_reasons(report.rows),
        sheets=[_sheet(report.rows, blobs, *sheet) for sheet in _SHEETS],
        examples=report.examples,
        enhanced=report.enhanced,
        tables=report.tables,
        # our own SVG, its texts escaped when it was drawn
        curves=[{"caption": curve.caption, "svg": Markup(curve.svg)} for curve in report.curves],
        facts=report.facts,
    )
    write_atomic(out, page)
    return out


def data_uri(rgb: np.ndarray) -> str:
    """A picture, uint8 (H, W, 3), as a JPEG data address."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _tiles(rows: pd.DataFrame) -> list[dict[str, str]]:
    verdicts = rows["verdict"].value_counts()
    usable = trainable(rows)
    values = [
        ("", len(rows), "frames"),
        ("accept", int(verdicts.get("accept", 0)), "accepted"),
        ("review", int(verdicts.get("review", 0)), "doubtful"),
        ("reject", int(verdicts.get("reject", 0)), "rejected"),
        ("", int(rows["duplicate_of"].notna().sum()), "of them duplicates"),
        ("", int((usable["split"] == "train").sum()), "accepted for training"),
    ]
    return [{"kind": kind, "value": f"{value:,}", "label": label} for kind, value, label in values]


def _reasons(rows: pd.DataFrame) -> list[dict[str, object]]:
    counts: Counter[tuple[str, str]] = Counter()
    for verdict, reasons in zip(rows["verdict"], rows["reasons"].fillna(""), strict=True):
        counts.update((verdict, reason) for reason in reasons.split(",") if reason)
    names = {reason for _, reason in counts}
    totals = {name: counts["review", name] + counts["reject", name] for name in names}
    most = max(totals.values(), default=1)
    return [
        {
            "name": name,
            "review": counts["review", name],
            "reject": counts["reject", name],
            "width": round(240 * totals[name] / max(1, most)),
        }
        for name in sorted(names, key=lambda name: (-totals[name], name))
        if totals[name]
    ]


def _sheet(rows: pd.DataFrame, blobs: BlobStore, verdict: str, title: str, note: str) -> dict[str, object]:
    chosen = rows[rows["verdict"] == verdict].sort_values("image_id")
    thumbs = []
    for row in chosen.head(_SHEET_FRAMES).itertuples():
        why = row.rule_values or row.reasons or f"{row.split}, {row.width_px}x{row.height_px} px"
        thumbs.append({"uri": _thumb(blobs, row.image_id), "caption": f"{row.source_name}: {why}"})
    shown = f"The first {len(thumbs)} of {len(chosen)} by image_id." if len(chosen) > len(thumbs) else ""
    return {"title": f"{title}: {len(chosen)}", "note": f"{note} {shown}".strip(), "thumbs": thumbs}


def _thumb(blobs: BlobStore, image_id: str) -> str:
    try:
        image = Image.fromarray(decode(blobs.path(image_id)).rgb)
    except UndecodableError:
        # a damaged file is rejected for that reason, and an empty square shows it
        image = Image.new("RGB", (_THUMB_PX, _THUMB_PX))
    image.thumbnail((_THUMB_PX, _THUMB_PX))
    return data_uri(np.asarray(image))
