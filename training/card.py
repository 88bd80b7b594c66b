"""The model card: what a model is, what it was made from, how good it is, and what it must not be taken for."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.config import degradation_of
from training.evaluate import Metric

_USE = {
    "colorizer": "`deepfield colorize IN -o OUT --model NAME [--strength 0..1]`, for grayscale pictures of the sky",
    "superres": "`deepfield upscale IN -o OUT --model NAME [--strength 0..1]`, for pictures of the sky",
}
_LIMITS = {
    "colorizer": (
        "The colours are a plausible guess, not photometry: lightness is the input's, a*b* is invented. Filters, "
        "redshift and chemistry cannot be read from them."
    ),
    "superres": (
        "Detail finer than the input's is a plausible guess, not photometry or astrometry: faint sources may be "
        "invented, merged or lost. It was trained on display pictures, stretched and clipped, not on counts."
    ),
}


_LOSS = {"l1": "L1", "psnr": "PSNR"}

# what the card shows; metrics.json holds everything
_SHOWN = (
    "mae_ab", "ciede2000", "within_5_", "colourfulness", "psnr_", "ssim_", "completeness", "purity", "flux_",
    "lr_consistency", "invented_per_mpx", "kid_", "fid_",
)  # fmt: skip


def card(
    title: str,
    meta: Mapping[str, Any],
    metrics: Sequence[Metric],
    split: str,
    notes: Sequence[str],
    *,
    frames: int,
    parameters: int,
) -> str:
    """The card as Markdown. `frames` is how many the pack held that it learnt from, `parameters` the weights.

    `notes` are sentences on what is not among the metrics.
    """
    training = meta["training"]
    # runs of earlier versions do not name it
    loss = _LOSS[training.get("pretrain_loss", "l1")]
    if training.get("spurious_weight"):
        loss += f" (and {training['spurious_weight']:g} dB for sources that the truth does not show)"
    licences = "\n".join(f"- {licence}" for licence in meta["licences"]) or "- none stated by the archive"
    shown = [metric for metric in metrics if metric.name.startswith(_SHOWN)]
    rows = "\n".join(f"| {m.name} | {m.value:.4g} | {m.low:.4g} .. {m.high:.4g} | {m.n} |" for m in shown)
    scores = f"| metric | value | 95 % interval | frames |\n|---|---|---|---|\n{rows}" if rows else "Not evaluated."
    missing = "".join(f"\n{note}\n" for note in notes)
    return f"""# {title}

A {meta["task"]} network ({meta["network"]["network"]}, {parameters / 1e6:.2f} million weights).

- Use: {_USE[meta["task"]]}
- Recipe: {meta["recipe"]} ({meta["source"]})
- Snapshot: {meta["snapshot_id"]}, a pack of {frames} frames, longer side at most {meta["frame_px"]} px; {_seen(meta)}
- Training: at most {training["pretrain"]["steps"]} steps of {loss}, {training["adversarial"]["steps"]} adversarial,
  batches of {training["data"]["batch"]} crops of {training["data"]["crop_px"]} px, seed {training["seed"]}
- Made with {", ".join(f"{key} {value}" for key, value in meta["environment"].items())}

## Limits

{_LIMITS[meta["task"]]}
It knows the pictures of its snapshot: those of other instruments, filters and stretches may come out worse.
{_seen_before(meta)}
## Scores

On the {split} split, whose field groups share no sky with the training's, beside baselines that use no network. Plain
names are strength 1 (vivid), `_faithful` is strength 0. Intervals by bootstrap over field groups. metrics.json has all.

{scores}
{missing}
## Licence of the data it learnt from

{licences}
"""


def _seen_before(meta: Mapping[str, Any]) -> str:
    """A warning where the weights that it began with had learnt from another snapshot, whose splits are others."""
    start = meta["environment"].get("start", "")
    if not start or start.endswith(meta["snapshot_id"]):
        return ""
    return f"It began with the weights of {start}: scores flatter it on frames that were in that one's training.\n"


def _seen(meta: Mapping[str, Any]) -> str:
    """What the network was given to see."""
    if meta["task"] == "colorizer":
        return "it saw their lightness"
    how = degradation_of(meta)
    blur = f", after a blur of {how.psf_sigma_px:g} px" if how.psf_sigma_px else ""
    noise = f", with noise of {how.noise_dn:g} of 255" if how.noise_dn else ""
    return f"it saw them {meta['network']['scale']} times smaller by {how.kind} means{blur}{noise}"
