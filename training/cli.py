"""`deepfield train`, `evaluate` and `models`: training on a snapshot, its figures, and the registry."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from manifests.settings import Settings
    from training.config import Task
    from training.evaluate import Metric
    from training.pack import Pack

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train a network on the accepted frames of a snapshot, score it on held-out ones and register it.",
)
models_app = typer.Typer(no_args_is_help=True, help="The registered models: which there are and which is in use.")

RecipeOption = Annotated[str | None, typer.Option(help="Recipe; the small one for two CPU cores by default.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file with changes to the recipe, such as `deepfield train settings` prints."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change one setting: key=value; `deepfield train settings` prints the keys. May be repeated."
    ),
]
SnapshotOption = Annotated[str | None, typer.Option(help="Snapshot id or its beginning; the newest by default.")]
RunOption = Annotated[str | None, typer.Option("--run", help="Name of the run's folder; made from the time if absent.")]
ResumeOption = Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run.")]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="MODEL", help="Start from this model's weights; its network must be the recipe's."),
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, help="Seed of weights, crops and order; the recipe's if absent.")
]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu or cuda; the recipe's if absent.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Name in the registry; the task's by default.")]
InceptionOption = Annotated[
    Path | None,
    typer.Option(
        envvar="DEEPFIELD_INCEPTION",
        help="Weights of Inception v3, for FID and KID: torchvision's, or the port of the network of 2015.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]


@train_app.command()
def colorizer(
    snapshot: SnapshotOption = None,
    recipe: RecipeOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    run: RunOption = None,
    resume: ResumeOption = None,
    start: FromOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    name: NameOption = None,
) -> None:
    """Train a network that colours grayscale frames.

    Under torchrun it uses every process: torchrun --nproc-per-node 2 -m flows.cli train colorizer --run NAME
    """
    _train("colorizer", snapshot, recipe, config, _with_options(settings, seed, device), run, resume, start, name)


@train_app.command()
def superres(
    snapshot: SnapshotOption = None,
    recipe: RecipeOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    run: RunOption = None,
    resume: ResumeOption = None,
    start: FromOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    name: NameOption = None,
) -> None:
    """Train a network that enlarges frames."""
    _train("superres", snapshot, recipe, config, _with_options(settings, seed, device), run, resume, start, name)


@train_app.command()
def recipes() -> None:
    """List the recipes and where each comes from."""
    from training.recipes import RECIPES

    width = max(map(len, RECIPES))
    for name, make in RECIPES.items():
        made = make()
        typer.echo(f"{name:{width}} {made.task:10} {made.source}")


@train_app.command("settings")
def print_settings(
    recipe: Annotated[str, typer.Option(help="Recipe whose settings to print.")] = "demo_colorizer",
    settings: SetOption = None,
) -> None:
    """Print every setting of a recipe: its key for --set, its value, what it means and what it may be.

    The whole is a file for --config. Another network by --set, as generator.network=nafnet, has settings of its own.
    """
    from training.settings import as_toml
    from training.study_recipes import config_named

    typer.echo(as_toml(config_named(recipe, settings or [])), nl=False)


def evaluate(
    model: Annotated[str, typer.Argument(help="Model: name, name@version, folder, checkpoint or exported file.")],
    snapshot: SnapshotOption = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Folder to fill; with the model's own files by default.")] = None,
    inception: InceptionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a model on a split of a snapshot, beside baselines, with 95 % bootstrap intervals.

    Leaves a page with all figures, loss curves, contact sheets and the worst ten frames.
    """
    from manifests.settings import load_settings
    from training.evaluate import left_out
    from training.evaluation_folder import assess
    from training.inception import features_by
    from training.pack import check_split
    from training.processes import best_device
    from training.registry import evaluations_of, folder_of, load_model, training_log

    check_split(split)
    places, device = load_settings(), best_device()
    features = features_by(inception, device)
    loaded = load_model(places.models_dir, model)
    folder = folder_of(places.models_dir, model)
    pack = _packed(places, snapshot, int(loaded.meta["frame_px"]))
    target = out or evaluations_of(folder, model, places.models_dir) / f"{pack.snapshot_id}-{split}"
    with bar("Scoring") as advance:
        measured, metrics = assess(
            loaded,
            pack,
            split,
            target,
            log=training_log(folder),
            inception=features,
            device=device,
            on_progress=lambda done, total: advance(done, total, split),
        )
    _print_metrics(metrics, as_json)
    for note in left_out(measured):
        typer.echo(note, err=True)
    if not as_json:
        typer.echo(f"page     {target / 'index.html'}")


@models_app.command("list")
def list_registered(as_json: JsonOption = False) -> None:
    """List the registered models, the champion of each name marked, and those that came with the package."""
    from dataclasses import asdict

    from manifests.settings import load_settings
    from training.registry import list_models, list_shipped

    models_dir = load_settings().models_dir
    found = list_models(models_dir) + list_shipped(models_dir)
    for model in found:
        if as_json:
            typer.echo(json.dumps(asdict(model)))
        else:
            mark = "champion" if model.champion else ""
            line = f"{model.reference:22} {model.task:10} {model.recipe:18} {model.snapshot_id}  {mark}"
            typer.echo(line.rstrip())
    if not found and not as_json:
        typer.echo("No model is registered yet: `deepfield train` makes one.", err=True)


@models_app.command()
def register(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, as training.bare leaves it.")],
    name: NameOption = None,
) -> None:
    """Score a run that was trained elsewhere on the frames held out here, and register its model.

    `deepfield train` does this at its end. The snapshot that the run learnt from must be one of this home's.
    """
    from manifests.errors import DeepfieldError
    from manifests.settings import load_settings
    from manifests.snapshots import list_snapshots
    from training.outcome import check_finished
    from training.registry import check_name
    from training.run_folder import read_run

    places, described = load_settings(), read_run(run)
    config, snapshot = described["config"], described["pack"]["snapshot_id"]
    check_name(places.models_dir, name or config.task, config.task)
    check_finished(run)
    if snapshot not in list_snapshots(places.manifest_dir):
        raise DeepfieldError(
            f"The run {run} learnt from snapshot {snapshot}, which is not in {places.manifest_dir}: set DEEPFIELD_HOME "
            "to where it is, as the run is to be scored on frames that it holds out."
        )
    _score_and_register(run, _packed(places, snapshot, config.data.frame_px), places, name or config.task)


@models_app.command()
def show(model: Annotated[str, typer.Argument(help="name or name@version.")]) -> None:
    """Show a model's card: what it is, its figures and limits."""
    from manifests.settings import load_settings
    from training.registry import locate

    typer.echo((locate(load_settings().models_dir, model) / "card.md").read_text(encoding="utf-8").rstrip())


@models_app.command()
def promote(model: Annotated[str, typer.Argument(help="name@version, or name@built-in.")]) -> None:
    """Make a version the champion: the one that is used where no version is named.

    With built-in as its version, what came with the package is used again.
    """
    from manifests.errors import UsageError
    from manifests.settings import load_settings
    from training.registry import promote as make_champion

    name, _, version = model.partition("@")
    if not version:
        raise UsageError(f"{model} names no version: write {model}@v2, for example.")
    make_champion(load_settings().models_dir, name, version)
    typer.echo(f"{name}@{version} is the champion")


@models_app.command()
def export(
    model: Annotated[str, typer.Argument(help="Model: name, name@version, or the folder of a run or model.")],
    out: Annotated[Path, typer.Argument(help="File to write, ending in .safetensors or .onnx.")],
    strength: Annotated[float, typer.Option(min=0, max=1, help="0 is faithful, 1 vivid.")] = 1.0,
) -> None:
    """Write a model as one file: weights with their config as safetensors, or a network for any ONNX runtime.

    A .safetensors file is taken by `--model`. An .onnx file takes and gives float32 in NCHW of any size: a colouriser
    L* in 0..100 to a*b*, a network that enlarges sRGB in 0..1 to the same. It is compared with PyTorch before it is
    kept. No palette guides an .onnx file: it chooses the colours by itself.
    """
    from manifests.errors import UsageError
    from manifests.settings import load_settings
    from models.guided import GuidedUNetConfig
    from training.export import write_onnx, write_safetensors
    from training.registry import load_model

    writers = {".safetensors": write_safetensors, ".onnx": write_onnx}
    if out.suffix not in writers:
        raise UsageError(f"{out} should end in .safetensors or .onnx.")
    loaded = load_model(load_settings().models_dir, model)
    writers[out.suffix](loaded, out, strength)
    typer.echo(str(out))
    if out.suffix == ".onnx" and isinstance(loaded.config, GuidedUNetConfig):
        typer.echo(
            f"No palette guides {out.name}: it chooses the colours by itself. --like and --palette work with {model}, "
            "and with its .safetensors file.",
            err=True,
        )


@models_app.command()
def palettes(
    model: Annotated[str, typer.Argument(help="Colouriser: name, name@version, or a folder.")] = "colorizer",
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture to write with a thumbnail of each (.png, .jpg).")
    ] = None,
) -> None:
    """List the palettes that `deepfield colorize --palette` knows with a model, and draw them."""
    from manifests.errors import UsageError
    from manifests.settings import load_settings
    from models.palette import hubble_palette
    from training.registry import load_model
    from training.swatches import swatch_sheet

    known = load_model(load_settings().models_dir, model, task="colorizer").palettes
    if not known:
        raise UsageError(f"{model} takes no palette: use a model of the recipe default_colorizer.")
    known = {**known, "hubble": hubble_palette()}
    for name in known:
        typer.echo(name)
    if out:
        if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise UsageError(f"{out} should end in .png or .jpg.")
        swatch_sheet(known).save(out)
        typer.echo(f"drawn in {out}", err=True)


def _with_options(settings: list[str] | None, seed: int | None, device: str | None) -> list[str]:
    """The `--set` assignments, and the options that are settings too."""
    options = {"seed": seed, "device": device}
    return [*(settings or []), *(f"{key}={value}" for key, value in options.items() if value is not None)]


def _train(
    task: "Task",
    snapshot: str | None,
    recipe: str | None,
    config: Path | None,
    settings: Sequence[str],
    run: str | None,
    resume: str | None,
    start: str | None,
    name: str | None,
) -> None:
    from datetime import UTC, datetime

    from manifests.errors import UsageError
    from manifests.settings import load_settings
    from training.loop import TrainingInterrupted, train
    from training.processes import is_first, processes_expected
    from training.recipes import make_config
    from training.registry import check_name, start_from
    from training.run_folder import read_run

    places = load_settings()
    check_name(places.models_dir, name or task, task)
    begin = start_from(places.models_dir, start, task) if start else None
    if resume:
        if run or recipe or config or settings or start:
            raise UsageError(
                "--resume goes on with a run as it was: leave out --run, --recipe, --config, --set, --from, --seed, "
                "--device."
            )
        run_dir = places.runs_dir / resume
        described = read_run(run_dir)
        chosen = described["config"]
        snapshot = snapshot or described["pack"]["snapshot_id"]
        if chosen.task != task:
            raise UsageError(f"{resume} is a {chosen.task} run: use `deepfield train {chosen.task}`.")
    else:
        if not run and processes_expected() > 1:
            raise UsageError("Under torchrun name the run by --run, so that all processes write to the same folder.")
        if run and (Path(run).name != run or run == ".."):
            raise UsageError(f"--run {run} is no name for a folder in {places.runs_dir}: use a plain name.")
        chosen = make_config(task, recipe, config, settings)
        run_dir = places.runs_dir / (run or f"{task}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    pack = _packed(places, snapshot, chosen.data.frame_px)
    try:
        with bar(f"Training {run_dir.name}") as advance:
            train(chosen, pack, run_dir, resume=resume is not None, start=begin, on_progress=advance)
    except TrainingInterrupted as stopped:
        named = f" --name {name}" if name else ""
        raise TrainingInterrupted(
            f"{stopped} Go on with: deepfield train {task} --resume {run_dir.name}{named}"
        ) from None
    if is_first():
        _score_and_register(run_dir, pack, places, name or task)


def _packed(places: "Settings", snapshot: str | None, size: int) -> "Pack":
    """The pack of a snapshot, built if it is not there yet."""
    from training.pack import open_pack
    from training.pack_build import pack_for_snapshot

    with bar("Packing") as advance:
        return open_pack(
            pack_for_snapshot(places, snapshot, size, on_progress=lambda done, total: advance(done, total, "frames"))
        )


def _score_and_register(run_dir: Path, pack: "Pack", places: "Settings", name: str) -> None:
    from training.outcome import enter
    from training.registry import champion

    with bar("Scoring") as advance:
        came = enter(run_dir, pack, places.models_dir, name, lambda done, total: advance(done, total, name))
    _print_metrics(came.metrics, as_json=False)
    scored = f"scored on the {came.split} split of" if came.metrics else "not scored: no frame is held out in"
    typer.echo(f"run      {run_dir}")
    typer.echo(f"model    {came.name}@{came.version}, {scored} {pack.snapshot_id}")
    if (kept := champion(places.models_dir, came.name)) != came.version:
        other = f"{came.name}@{kept}" if kept else "what came with the package"
        typer.echo(f"in use   {other}, until you run: deepfield models promote {came.name}@{came.version}")


def _print_metrics(metrics: "Sequence[Metric]", as_json: bool) -> None:
    from dataclasses import asdict

    for metric in metrics:
        if as_json:
            typer.echo(json.dumps(asdict(metric)))
        else:
            typer.echo(f"{metric.name:44} {metric.value:9.4f}  [{metric.low:.4f}, {metric.high:.4f}]  n={metric.n}")


@contextmanager
def bar(what: str) -> "Iterator[Callable[[int, int, str], None]]":
    """A function that shows done, total and a word: as a bar on a terminal, elsewhere as a line a minute."""
    import sys
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None)
        next_line = time.monotonic() + 60.0

        def advance(done: int, total: int, word: str) -> None:
            nonlocal next_line
            bars.update(task, description=f"{what}: {word}", completed=done, total=total)
            if not console.is_terminal and time.monotonic() >= next_line:
                next_line += 60.0
                sys.stderr.write(f"{what}: {word}, {done} of {total}\n")

        yield advance
