"""Training, evaluation and studies from a pack alone, on a machine with PyTorch and little else.

`python -m training.bare` needs torch, torchvision, numpy, pillow and safetensors. Sources are scored where sep and
SciPy are there too, and TensorBoard's events are written where it is.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from manifests.errors import DeepfieldError
from training.budget import Budget
from training.evaluate import left_out
from training.evaluation_folder import assess
from training.forecast import tell_full_length
from training.inception import features_by
from training.loop import TrainingInterrupted, train
from training.pack import open_pack
from training.pack_resize import at_size
from training.pack_travel import unpack
from training.processes import best_device, is_first
from training.registry import evaluations_of, folder_of, load_model, start_from, training_log
from training.study import run_study
from training.study_page import write_study
from training.study_recipes import config_named, recipes_at_hand

_LINE_EVERY_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. What a user can act on becomes one sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except DeepfieldError as error:
        sys.stderr.write(f"training.bare: {error}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.bare", description=__doc__)
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("pack", help="turn a pack that travelled as JPEGs into one that is trained from")
    one.add_argument("source", type=Path, help="tar file or folder that `deepfield pack --jpeg` wrote")
    one.add_argument("--out", type=Path, required=True, help="folder of the pack")
    one.set_defaults(command=_pack)

    one = commands.add_parser(
        "train",
        help="train a recipe; under torchrun on several GPUs",
        description="Frames larger than the recipe learns from are shrunk, once, into a pack beside that of --pack.",
    )
    _common(one)
    one.add_argument("--recipe", required=True, help="name of the recipe")
    one.add_argument("--out", type=Path, required=True, help="folder of the run")
    one.add_argument("--resume", action="store_true", help="go on with the run in --out")
    one.add_argument("--from", dest="start", type=Path, help="run, model or exported file whose weights to start from")
    one.set_defaults(command=_train)

    one = commands.add_parser("evaluate", help="score a run or a model")
    one.add_argument("model", type=Path, help="folder of a run or registered model, checkpoint or exported file")
    one.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    one.add_argument("--split", default="test", help="train, val or test")
    one.add_argument("--out", type=Path, help="folder for figures and pictures; with the model's files by default")
    one.add_argument("--inception", type=Path, help="weights of Inception v3, for FID and KID")
    one.set_defaults(command=_evaluate)

    one = commands.add_parser("study", help="train and score a list of recipes into one table")
    _common(one)
    one.add_argument("--recipes", default="paper", help="paper, or names with commas")
    one.add_argument("--steps", type=int, help="steps of each recipe; without this and --minutes its full schedule")
    one.add_argument("--minutes", type=float, help="minutes of training for each recipe, instead")
    one.add_argument("--folds", type=int, help="cross-validate: train each so many times, and score all frames")
    one.add_argument("--out", type=Path, required=True, help="folder of the study")
    one.add_argument("--inception", type=Path, help="weights of Inception v3, for FID and KID")
    one.set_defaults(command=_study)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="change one setting"
    )


def _pack(options: argparse.Namespace) -> None:
    say = _teller()
    print(unpack(options.source, options.out, lambda done, total: say(done, total, "unpacking")))


def _train(options: argparse.Namespace) -> None:
    config = config_named(options.recipe, options.settings)
    start = start_from(Path("models"), options.start, config.task) if options.start and not options.resume else None
    given, size, say = open_pack(options.pack.resolve()), config.data.frame_px, _teller()
    pack = at_size(given, size, given.folder.with_name(f"{given.folder.name}-{size}px"))
    try:
        trained = train(config, pack, options.out, resume=options.resume, start=start, on_progress=say)
    except TrainingInterrupted as stopped:
        raise TrainingInterrupted(f"{stopped} Go on with the same command and --resume.") from None
    if is_first():
        print(f"{trained.steps} steps in {trained.seconds:.0f} s: {options.out}")


def _evaluate(options: argparse.Namespace) -> None:
    device = best_device()
    features = features_by(options.inception, device)
    model, pack = load_model(Path("models"), options.model), open_pack(options.pack)
    folder = folder_of(Path("models"), options.model)
    say = _teller()
    measured, metrics = assess(
        model,
        pack,
        options.split,
        options.out or evaluations_of(folder, options.model, Path()) / f"{pack.snapshot_id}-{options.split}",
        log=training_log(folder),
        inception=features,
        device=device,
        on_progress=lambda done, total: say(done, total, "scoring"),
    )
    for metric in metrics:
        print(json.dumps(asdict(metric)))
    sys.stderr.writelines(f"{note}\n" for note in left_out(measured))


def _study(options: argparse.Namespace) -> None:
    device = best_device()
    features = features_by(options.inception, device)
    pack, budget, say = open_pack(options.pack), Budget(options.steps, options.minutes), _teller()
    names, left_out = recipes_at_hand(options.recipes, options.settings)
    sys.stderr.writelines(f"{sentence}\n" for sentence in left_out)
    if budget.full:
        tell_full_length(
            options.out,
            pack,
            names,
            options.settings,
            lambda line: sys.stderr.write(f"{line}\n"),
            say,
            folds=options.folds,
        )
    results = run_study(
        options.out,
        pack,
        names,
        options.settings,
        budget,
        folds=options.folds,
        inception=features,
        device=device,
        on_progress=say,
    )
    print(write_study(options.out, f"Study on {pack.snapshot_id}", results))


def _teller() -> Callable[[int, int, str], None]:
    """Tells on stderr how far things are, once a minute."""
    next_line = time.monotonic() + _LINE_EVERY_S

    def tell(done: int, total: int, what: str) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line += _LINE_EVERY_S
            sys.stderr.write(f"{what}: {done} of {total}\n")

    return tell


if __name__ == "__main__":
    sys.exit(main())
