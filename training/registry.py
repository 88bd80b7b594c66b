"""Registered models: networks with their config, scores and card, by name and version, and which one is in use.

`<models>/<name>/<version>/` holds `weights.safetensors` (the vivid end), `weights_faithful.safetensors` (the end of
L1 pretraining), `config.json`, `metrics.json` and `card.md`, and `palettes.json` where it can be guided.
`<models>/<name>/champion` names the version in use. Where a name has none, the model of that name that came with the
package is found, whose version is `built-in`, else the newest version.
"""

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from manifests.errors import DeepfieldError, UsageError
from models import catalogue
from models.catalogue import NetworkConfig
from training import checkpoints, shipped
from training.card import card
from training.config import TASKS, Task, TrainConfig, to_dict
from training.evaluate import Metric
from training.files import write_text
from training.loop import Start
from training.palettes import FILE as PALETTES
from training.palettes import load_palettes, parse_palettes, save_palettes
from training.run_folder import WEIGHTS, read_run
from training.scores import scale_in

FORMAT = 1
LOG = "training.csv"
_VIVID, _FAITHFUL = "weights.safetensors", "weights_faithful.safetensors"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"v[1-9][0-9]*")


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, on the CPU. `meta` has snapshot_id, recipe, frame_px, licences and what else was noted.

    `palettes` are the presets of a colouriser that can be guided, by name (see `models.palette`). `strength` is that
    at which an exported model's weights were fixed, else None.
    """

    name: str
    version: str
    task: Task
    config: NetworkConfig
    vivid: dict[str, Tensor]
    faithful: dict[str, Tensor]
    meta: dict[str, Any]
    palettes: dict[str, Tensor] = field(default_factory=dict)
    strength: float | None = None

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    def network(self, strength: float = 1.0, device: torch.device | str = "cpu") -> nn.Module:
        """The network, ready for inference; `strength` 0 is faithful (L1), 1 vivid (adversarial).

        Between them the weights are interpolated (Wang et al. 2018, arXiv 1809.00219).

        Raises:
            UsageError: `strength` is outside 0 to 1.
        """
        if not 0.0 <= strength <= 1.0:
            raise UsageError(f"Strength {strength} is outside 0 (faithful) to 1 (vivid).")
        network = catalogue.build(self.config)
        network.load_state_dict(
            {key: torch.lerp(self.faithful[key], value, strength) for key, value in self.vivid.items()}
        )
        return network.to(device).eval().requires_grad_(False)


@dataclass(frozen=True)
class Registered:
    """One line of the list of models."""

    name: str
    version: str
    task: str
    recipe: str
    snapshot_id: str
    champion: bool

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


def register(
    run_dir: Path,
    models_dir: Path,
    name: str,
    metrics: Sequence[Metric] = (),
    split: str = "test",
    notes: Sequence[str] = (),
) -> str:
    """Copy a finished run into the registry under the next version of `name`, and return that version.

    The card shows the `metrics` on the `split`, and the `notes`, sentences on what was left out of them.
    The first version of a name becomes its champion where the package brought nothing that does as much, later ones
    only by `promote`. Nothing half-written is seen: the folder is made under another name and renamed.

    Raises:
        UsageError: the name cannot be one, or belongs to models of another task.
        DeepfieldError: the run has no weights yet.
    """
    described = read_run(run_dir)
    config: TrainConfig = described["config"]
    check_name(models_dir, name, config.task)
    model = load_run(run_dir)
    meta = {"format": FORMAT, "task": config.task, "network": catalogue.to_dict(config.generator), **model.meta}
    parameters = sum(value.numel() for value in model.vivid.values())

    def describe(version: str) -> str:
        frames = described["pack"]["frames"]
        return card(f"{name}@{version}", meta, metrics, split, notes, frames=frames, parameters=parameters)

    (models_dir / name).mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=".draft-", dir=models_dir / name))
    try:
        save_file(model.vivid, str(draft / _VIVID))
        save_file(model.faithful, str(draft / _FAITHFUL))
        if model.palettes:
            save_palettes(draft / PALETTES, model.palettes)
        write_text(draft / "config.json", json.dumps(meta, indent=1) + "\n")
        scores = {"split": split, "metrics": [asdict(metric) for metric in metrics]}
        write_text(draft / "metrics.json", json.dumps(scores, indent=1) + "\n")
        shutil.copyfile(run_dir / "metrics.csv", draft / LOG)
        draft.chmod(0o755)
        version = _take_version(draft, models_dir / name, describe)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    brought = {name, f"{name}_x{scale_in(config.generator)}"} & shipped.shipped().keys()
    if champion(models_dir, name) is None and not brought:
        promote(models_dir, name, version)
    return version


def check_name(models_dir: Path, name: str, task: Task) -> None:
    """Say so where a model of this task cannot be registered under a name.

    Raises:
        UsageError: the name cannot be one, or belongs to models of another task.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a model: use lower-case letters, digits, dot, dash and underscore.")
    known = _versions(models_dir / name)
    if known and (other := _read_config(models_dir / name / known[-1])["task"]) != task:
        raise UsageError(f"{name} is the name of a {other} model; choose another name for this {task}.")


def _take_version(draft: Path, folder: Path, describe: Any) -> str:
    number = 1 + max((int(version[1:]) for version in _versions(folder)), default=0)
    while True:
        version = f"v{number}"
        write_text(draft / "card.md", describe(version))
        try:
            draft.rename(folder / version)
        except OSError:
            # somebody registered this number meanwhile
            if not (folder / version).exists():
                raise
            number += 1
            continue
        return version


def promote(models_dir: Path, name: str, version: str) -> None:
    """Make a version the one in use, by one rename; `built-in` gives its place back to what the package brought.

    Raises:
        UsageError: there is no such model or version.
    """
    if version == shipped.VERSION and any(re.fullmatch(rf"{name}(_x[0-9]+)?", key) for key in shipped.shipped()):
        (models_dir / name / "champion").unlink(missing_ok=True)
        return
    if version not in _versions(models_dir / name):
        raise UsageError(f"There is no model {name}@{version}: `deepfield models list` shows what there is.")
    write_text(models_dir / name / "champion", version + "\n")


def champion(models_dir: Path, name: str) -> str | None:
    """The registered version of a name that is in use, None where there is none."""
    path = models_dir / name / "champion"
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def list_models(models_dir: Path) -> list[Registered]:
    """All registered models, by name and version."""
    found = []
    for folder in sorted(models_dir.iterdir()) if models_dir.exists() else []:
        in_use = champion(models_dir, folder.name)
        found += [_listed(folder / version, folder.name, version, version == in_use) for version in _versions(folder)]
    return found


def list_shipped(models_dir: Path) -> list[Registered]:
    """The models that came with the package; each is the champion of its name as long as no other is."""
    return [
        _listed(folder, name, shipped.VERSION, champion(models_dir, name) is None)
        for name, folder in shipped.shipped().items()
    ]


def _listed(folder: Path, name: str, version: str, in_use: bool) -> Registered:
    meta = _read_config(folder)
    return Registered(name, version, meta["task"], meta["recipe"], meta["snapshot_id"], in_use)


def locate(models_dir: Path, ref: str) -> Path:
    """The folder of `name` (its champion, else what came with the package, else its newest) or `name@version`.

    Raises:
        UsageError: there is no such model.
    """
    name, _, version = ref.partition("@")
    if _NAME.fullmatch(name):
        chosen = version or champion(models_dir, name)
        if chosen in _versions(models_dir / name):
            return models_dir / name / str(chosen)
        if chosen in (None, shipped.VERSION) and name in shipped.shipped():
            return shipped.shipped()[name]
        if chosen is None and (versions := _versions(models_dir / name)):
            return models_dir / name / versions[-1]
    names = sorted({model.name for model in list_models(models_dir) + list_shipped(models_dir)})
    known = f"there are {', '.join(names)}" if names else "none is registered yet, train one first"
    raise UsageError(f"There is no model {ref!r} in {models_dir}: {known}.")


def read_meta(models_dir: Path, ref: str) -> dict[str, Any]:
    """What a registered model's config.json says, without its weights: snapshot_id, recipe, training and so on.

    Raises:
        UsageError: there is no such model.
        DeepfieldError: the file is damaged.
    """
    return _read_config(locate(models_dir, ref))


def read_metrics(models_dir: Path, ref: str) -> tuple[str, tuple[Metric, ...]]:
    """The split that a registered model was scored on, and its figures there.

    Raises:
        UsageError: there is no such model.
        DeepfieldError: the file is damaged.
    """
    path = locate(models_dir, ref) / "metrics.json"
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        return scores["split"], tuple(Metric(**metric) for metric in scores["metrics"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeepfieldError(f"The figures {path} cannot be read: {error}.") from None


def load_model(models_dir: Path, ref: str | Path, *, task: Task | None = None) -> LoadedModel:
    """Load `name`, `name@version`, a model folder, a run folder, a run's checkpoint file or an exported file.

    A text without a separator that names a model means that one, also where a folder of this name lies in the working
    directory: `./name` is the folder.

    Raises:
        UsageError: there is no such model, or it is not for `task`.
        DeepfieldError: its files are damaged, or another program's.
    """
    path = _meant(models_dir, ref)
    if path.is_file():
        model = _load_exported(path) if path.suffix == ".safetensors" else _load_checkpoint(path)
    elif (path / _VIVID).exists():
        model = _load_folder(path)
    else:
        model = load_run(path)
    if task is not None and model.task != task:
        raise UsageError(f"{ref} is a {model.task} model, and a {task} is needed: `deepfield models list` shows both.")
    return model


def _meant(models_dir: Path, ref: str | Path) -> Path:
    """The file or folder that a reference means (see `load_model`).

    Raises:
        UsageError: there is no such model.
    """
    path = Path(ref)
    if not path.exists():
        return locate(models_dir, str(ref))
    if isinstance(ref, str) and path.name == ref:
        with suppress(UsageError):
            return locate(models_dir, ref)
    return path


def start_from(models_dir: Path, ref: str | Path, task: Task) -> Start:
    """The weights of a model's faithful end, for another run to go on from.

    Raises:
        UsageError: there is no such model, or it is not for `task`.
        DeepfieldError: its files are damaged, or another program's.
    """
    model = load_model(models_dir, ref, task=task)
    meta = model.meta
    return Start(model.reference, meta["snapshot_id"], meta["recipe"], model.config, dict(model.faithful))


def folder_of(models_dir: Path, ref: str | Path) -> Path | None:
    """The folder of what `load_model` loads: of a registered version, a run, or a checkpoint's run.

    None for an exported file, which belongs to no folder of ours.

    Raises:
        UsageError: there is no such model.
    """
    path = _meant(models_dir, ref)
    if path.is_file():
        return None if path.suffix == ".safetensors" else path.parent.parent
    return path


def evaluations_of(folder: Path | None, ref: str | Path, elsewhere: Path) -> Path:
    """Where the evaluations of a model in `folder` are kept: in it, or beside an exported file.

    What came with the package is not ours to write to: its evaluations go to a folder in `elsewhere`.
    """
    if folder is None:
        return Path(ref).with_suffix(".evaluation")
    if folder.parent == shipped.FOLDER:
        return elsewhere / folder.name / shipped.VERSION / "evaluation"
    return folder / "evaluation"


def training_log(folder: Path | None) -> Path | None:
    """The metrics by step of a run or of a registered version, if they were kept."""
    if folder is None:
        return None
    return next((path for name in ("metrics.csv", LOG) if (path := folder / name).exists()), None)


def load_run(folder: Path) -> LoadedModel:
    """The best generators of a run so far. A run without one of the two phases has the other's at both ends.

    Raises:
        DeepfieldError: the folder holds no run, or the run has no weights yet.
    """
    described = read_run(folder)
    paths = [folder / WEIGHTS[phase] for phase in ("pretrain", "adversarial")]
    present = [path for path in paths if path.exists()]
    if not present:
        raise DeepfieldError(f"The run {folder} has no weights yet: resume it.")
    config: TrainConfig = described["config"]
    faithful, vivid = _weights(present[0], config.generator), _weights(present[-1], config.generator)
    palettes = load_palettes(folder / PALETTES)
    return LoadedModel(folder.name, "run", config.task, config.generator, vivid, faithful, _meta(described), palettes)


def _load_folder(folder: Path) -> LoadedModel:
    meta = _read_config(folder)
    try:
        config = catalogue.from_dict(meta["network"])
    except (KeyError, TypeError, ValueError) as error:
        raise DeepfieldError(f"{folder / 'config.json'} describes no network of this version: {error}.") from None
    vivid, faithful = (_weights(folder / file, config) for file in (_VIVID, _FAITHFUL))
    palettes = load_palettes(folder / PALETTES)
    built_in = folder.parent == shipped.FOLDER
    name, version = (folder.name, shipped.VERSION) if built_in else (folder.parent.name, folder.name)
    return LoadedModel(name, version, meta["task"], config, vivid, faithful, meta, palettes)


def _load_exported(path: Path) -> LoadedModel:
    try:
        with safe_open(path, "pt") as handle:
            noted = handle.metadata() or {}
        name, _, version = noted["model"].rpartition("@")
        task, strength, meta = noted["task"], float(noted["strength"]), json.loads(noted["meta"])
        config = catalogue.from_dict(json.loads(noted["network"]))
        palettes = parse_palettes(noted["palettes"], path)
    except (SafetensorError, OSError) as error:
        raise DeepfieldError(f"The weights {path} cannot be read: {error}.") from None
    except (KeyError, TypeError, ValueError):
        raise DeepfieldError(f"{path} was not written by `deepfield models export` of this version.") from None
    weights = _weights(path, config)
    return LoadedModel(name, version, task, config, weights, weights, meta, palettes, strength)


def _load_checkpoint(path: Path) -> LoadedModel:
    content = checkpoints.read(path, torch.device("cpu"))
    described = read_run(path.parent.parent)
    config: TrainConfig = described["config"]
    weights = _fitting(content["ema"], config.generator, path)
    return LoadedModel(path.stem, "checkpoint", config.task, config.generator, weights, weights, _meta(described))


def _meta(described: dict[str, Any]) -> dict[str, Any]:
    config: TrainConfig = described["config"]
    return {
        "recipe": config.recipe,
        "source": config.source,
        "snapshot_id": described["pack"]["snapshot_id"],
        "frame_px": config.data.frame_px,
        "licences": described["licences"],
        "environment": described["environment"],
        "training": to_dict(config),
    }


def _weights(path: Path, config: NetworkConfig) -> dict[str, Tensor]:
    try:
        return _fitting(load_file(path), config, path)
    except (SafetensorError, OSError) as error:
        raise DeepfieldError(f"The weights {path} cannot be read: {error}.") from None


def _fitting(weights: dict[str, Tensor], config: NetworkConfig, path: Path) -> dict[str, Tensor]:
    """The weights in single precision, if they are of a network of this config."""
    expected = {key: value.shape for key, value in catalogue.build(config).state_dict().items()}
    if {key: value.shape for key, value in weights.items()} != expected:
        raise DeepfieldError(
            f"{path} holds the weights of another network than the {catalogue.name_of(config)} that its config names."
        )
    return {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}


def _versions(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name)]
    return sorted(names, key=lambda version: int(version[1:]))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeepfieldError(f"The model's {path} cannot be read: {error}.") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or meta.get("task") not in TASKS:
        raise DeepfieldError(f"{path} does not describe a model that this version of Deepfield registered.")
    return meta
