"""`deepfield pack` and `deepfield study`: data that can travel, and many recipes in one table."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli import InceptionOption, SnapshotOption, bar

SizeOption = Annotated[int, typer.Option("--size", min=32, help="Longer side in pixels above which frames are shrunk.")]


def pack(
    snapshot: SnapshotOption = None,
    size: SizeOption = 1024,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the pack, or with --jpeg a folder or a file ending in .tar.")
    ] = None,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Write JPEGs (quality 95, 4:4:4), to be carried away.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Unpack what --jpeg wrote, instead of packing a snapshot.")
    ] = None,
) -> None:
    """Pack the accepted frames of a snapshot for training, here or on a machine that has nothing but PyTorch.

    Training shrinks what is larger than its recipe learns from (at most 1024 px), and refuses what is smaller. A pack
    whose building was cut off is gone on with. On a bare machine: python -m training.bare --help
    """
    from manifests.errors import UsageError
    from manifests.settings import load_settings
    from training.pack import open_pack
    from training.pack_build import pack_for_snapshot
    from training.pack_travel import unpack, write_travelling

    if source and (jpeg or snapshot):
        raise UsageError("--from unpacks what is there: leave out --jpeg and --snapshot.")
    if (source or jpeg) and not out:
        raise UsageError("Say with --out where to write.")
    with bar("Packing") as advance:
        if source and out:
            typer.echo(unpack(source, out, lambda done, total: advance(done, total, "frames")))
            return
        built = pack_for_snapshot(
            load_settings(),
            snapshot,
            size,
            folder=None if jpeg else out,
            on_progress=lambda done, total: advance(done, total, "frames"),
        )
        if jpeg and out:
            built = write_travelling(open_pack(built), out, lambda done, total: advance(done, total, "JPEGs"))
    typer.echo(built)


def study(
    recipes: Annotated[str, typer.Option(help="paper, or names of recipes with commas.")] = "paper",
    snapshot: SnapshotOption = None,
    size: SizeOption = 512,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Steps of each recipe. Without this and --minutes its full schedule: on a CPU days, or weeks."
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes of training for each recipe, instead.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of all recipes, key=value, or of one, recipe:key=value."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Train each recipe so many times, each time without other groups of frames, and score all frames: "
            "narrower intervals for as many times the time. The snapshot's own splits are not used.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the study; runs/study-<snapshot> by default, with --folds N -folds-N after it."),
    ] = None,
    inception: InceptionOption = None,
) -> None:
    """Train a list of recipes and score them on the same frames: one table, with intervals and paired differences.

    Run again it goes on where it stopped; with --inception it then scores anew what was scored without. The published
    figures of the study that this repeats stand beside ours. `--recipes paper --minutes 10` is a study of two hours;
    without --minutes or --steps it first says how long the full schedules take here.
    """
    from manifests.settings import load_settings
    from training.budget import Budget
    from training.forecast import tell_full_length
    from training.inception import features_by
    from training.pack import open_pack
    from training.pack_build import pack_for_snapshot
    from training.processes import best_device
    from training.study import run_study
    from training.study_page import write_study
    from training.study_recipes import recipes_at_hand

    places, budget, device = load_settings(), Budget(steps, minutes), best_device()
    features = features_by(inception, device)
    names, left_out = recipes_at_hand(recipes, settings or [])
    for sentence in left_out:
        typer.echo(sentence, err=True)
    with bar("Packing") as advance:
        packed = pack_for_snapshot(
            places, snapshot, size, on_progress=lambda done, total: advance(done, total, "frames")
        )
    data = open_pack(packed)
    folder = out or places.runs_dir / f"study-{data.snapshot_id}{f'-folds-{folds}' if folds else ''}"
    if budget.full:
        with bar("Timing") as advance:
            tell_full_length(
                folder, data, names, settings or [], lambda line: typer.echo(line, err=True), advance, folds=folds
            )
    with bar("Study") as advance:
        results = run_study(
            folder,
            data,
            names,
            settings or [],
            budget,
            folds=folds,
            inception=features,
            device=device,
            on_progress=advance,
        )
    typer.echo(write_study(folder, f"Study on {data.snapshot_id}", results))
    typer.echo(f"\npage     {folder / 'index.html'}")
