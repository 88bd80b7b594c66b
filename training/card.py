"""The model card: what a model is, what it was made from, how good it is, and what it must not be taken for."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluate import Metric

_LIMITS = {
    "colorizer": (
        "The colours are a plausible guess, not photometry: lightness is the input's, a*b* is invented. Filters, "
        "redshift and chemistry cannot be read from them."
    ),
    "superres": (
        "Detail finer than the input's is a plausible guess, not photometry or astrometry: faint sources may be "
        "invented, merged or lost. It was trained on area means of display pictures, not on counts."
    ),
}


def card(title: str, meta: Mapping[str, Any], metrics: Sequence[Metric], split: str) -> str:
    """The card as Markdown."""
    licences = "\n".join(f"- {licence}" for licence in meta["licences"]) or "- none stated by the archive"
    rows = "\n".join(f"| {m.name} | {m.value:.4g} | {m.low:.4g} .. {m.high:.4g} | {m.n} |" for m in metrics)
    scores = f"| metric | value | 95 % interval | frames |\n|---|---|---|---|\n{rows}" if rows else "Not evaluated."
    return f"""# {title}

A {meta["task"]} network ({meta["network"]["network"]}).

- Recipe: {meta["recipe"]} ({meta["source"]})
- Snapshot: {meta["snapshot_id"]}, longer side of the frames at most {meta["frame_px"]} px
- Trained with torch {meta["environment"]["torch"]} on {meta["environment"]["device"]}

## Limits

{_LIMITS[meta["task"]]}

## Scores

On the {split} split, beside baselines that use no network. Intervals by bootstrap over field groups.

{scores}

## Licence of the data it learnt from

{licences}
"""
