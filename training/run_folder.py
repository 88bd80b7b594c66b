"""A run's folder: which files it holds, what it says of itself, and whether it is still the same run."""

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import torch

from manifests.errors import DeepfieldError, UsageError
from training.config import TrainConfig, from_dict, to_dict
from training.files import write_text
from training.pack import Pack
from training.palettes import FILE as PALETTES
from training.processes import Place

# the file that keeps a phase's best generator
WEIGHTS = {"pretrain": "faithful.safetensors", "adversarial": "vivid.safetensors"}
SAMPLES = "samples"
_DESCRIPTION = "config.json"
# what tells packs apart
_IN_WORDS = {"snapshot_id": "snapshot {}", "max_side_px": "at most {} px", "frames": "{} frames"}


def last_checkpoint(folder: Path) -> Path:
    """The state that a run goes on from."""
    return folder / "checkpoints" / "last.pt"


def good_checkpoint(folder: Path) -> Path:
    """The last state without a sign of collapse, there as long as there are signs."""
    return folder / "checkpoints" / "good.pt"


def make_way(folder: Path) -> None:
    """Clear away what is left of a run that was stopped before it had anything to keep.

    Raises:
        UsageError: the folder holds a run that has.
        DeepfieldError: it holds something else.
    """
    if not (folder / _DESCRIPTION).exists():
        return
    read_run(folder)
    if last_checkpoint(folder).exists():
        raise UsageError(f"{folder} holds a run already: resume it, or choose another --run name.")
    if any((folder / name).exists() for name in WEIGHTS.values()):
        raise UsageError(
            f"{folder} holds the weights of a run, but not its checkpoint to go on from: choose another --run name, "
            "or delete the folder."
        )
    shutil.rmtree(folder / SAMPLES, ignore_errors=True)
    (folder / PALETTES).unlink(missing_ok=True)


def describe(config: TrainConfig, pack: Pack, folder: Path, place: Place, chosen: dict[str, str]) -> None:
    """Write what the run is, before its first step; `chosen` is what it settled itself."""
    described = {
        "config": to_dict(config),
        "pack": _identity(pack),
        "licences": sorted({frame.licence for frame in pack.frames if frame.licence}),
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else "cpu",
            "processes": place.world,
            "threads": torch.get_num_threads(),
            **chosen,
        },
    }
    write_text(folder / _DESCRIPTION, json.dumps(described, indent=1) + "\n")


def _identity(pack: Pack) -> dict[str, Any]:
    return {"snapshot_id": pack.snapshot_id, "max_side_px": pack.max_side_px, "frames": len(pack.frames)}


def read_run(folder: Path) -> dict[str, Any]:
    """What a run's config.json says: `config` (a TrainConfig), `pack`, `licences`, `environment`.

    Raises:
        DeepfieldError: the folder holds no run, or its description is damaged.
    """
    path = folder / _DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeepfieldError(f"{folder} holds no training run: config.json is missing.") from None
    except ValueError as error:
        raise DeepfieldError(f"{path} is damaged ({error}): delete the folder and start the run anew.") from None
    if not isinstance(described, dict) or not {"config", "pack", "licences", "environment"} <= described.keys():
        raise DeepfieldError(f"{path} does not describe a training run.")
    return described | {"config": from_dict(described["config"])}


def check_same(config: TrainConfig, pack: Pack, folder: Path) -> dict[str, str]:
    """Refuse other data or settings, which would be another run under an old name; returns what it had settled.

    Raises:
        UsageError: they are others.
        DeepfieldError: the folder holds no run, or its description is damaged.
    """
    described = read_run(folder)
    known, given = described["pack"], _identity(pack)
    apart = [key for key in given if known[key] != given[key]]
    if apart:
        theirs, ours = (", ".join(_IN_WORDS[key].format(one[key]) for key in apart) for one in (known, given))
        raise UsageError(
            f"The run {folder.name} learnt from a pack of {theirs}, this one is of {ours}: resume it with its own, by "
            "leaving --snapshot out or naming it as --pack."
        )
    if to_dict(described["config"]) != to_dict(config):
        raise UsageError(f"The settings differ from those that the run {folder.name} began with: resume it as it was.")
    return described["environment"]
