"""The report of the demo: what the walk through the pipeline brought, from the places where it is kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows import showcase
from flows.report import Report, write_report
from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.snapshots import read_info, read_snapshot, resolve
from serving.enhance import open_tool
from training.config import TASKS
from training.registry import read_meta, read_metrics


def report_demo(
    settings: Settings,
    results: dict[str, dict[str, Any]],
    *,
    out: Path,
    source: str,
    note: str,
    laps: Sequence[tuple[str, float]],
) -> Path:
    """Write the report of a walk from its snapshot, runs and models; returns `out`."""
    snapshot = read_info(settings.manifest_dir, resolve(settings.manifest_dir, None))
    rows = read_snapshot(settings.manifest_dir, snapshot.snapshot_id)
    blobs = BlobStore(settings.blobs_dir)
    references = {task: f"{results[task]['name']}@{results[task]['version']}" for task in TASKS}
    colorizer = open_tool(settings.models_dir, references["colorizer"], "colorizer", strength=1.0)
    superres = open_tool(settings.models_dir, references["superres"], "superres", strength=0.0)
    facts = [("archive", source)]
    facts += [("products", ", ".join(f"{count} {what}" for what, count in results["scrape"].items()))]
    facts += [("splits", ", ".join(f"{count} {split}" for split, count in results["curate"]["splits"].items()))]
    for task in TASKS:
        meta = read_meta(settings.models_dir, references[task])
        facts.append((task, f"{references[task]}, recipe {meta['recipe']} ({meta['source']})"))
    facts += [(f"seconds to {stage}", f"{seconds:.1f}") for stage, seconds in laps]
    report = Report(
        title="Deepfield: from an archive to a coloured, enlarged picture",
        source=source,
        synthetic_note=note,
        snapshot=snapshot,
        rows=rows,
        examples=showcase.coloured(rows, blobs, colorizer),
        enhanced=showcase.enhanced(rows, blobs, colorizer, superres),
        tables=tuple(
            showcase.metric_table(task, metrics, references[task])
            for task in TASKS
            if (metrics := read_metrics(settings.models_dir, references[task])[1])
        ),
        curves=tuple(
            curve for task in TASKS for curve in showcase.curves(settings.runs_dir / results[task]["run"], task)
        ),
        facts=tuple(facts),
    )
    return write_report(report, blobs, out)
