"""How long recipes train at their full length on this machine: told before a study begins them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from training.budget import seconds_a_step
from training.folds import check_folds
from training.pack import Pack
from training.study import OnProgress, learnt_from, parts_of
from training.study_recipes import config_named

# of each phase; a study at full length takes days, timing as much as a budget does would take an hour on a CPU
_TIMED_STEPS = 3


def tell_full_length(
    folder: Path,
    pack: Pack,
    names: Sequence[str],
    settings: Sequence[str],
    say: Callable[[str], object],
    on_progress: OnProgress,
    *,
    folds: int | None = None,
) -> None:
    """Say how many steps the recipes take that a study in `folder` has not begun, and by timing a few, how long.

    The arguments are those of `training.study.run_study`; `say` is given a line at a time.

    Raises:
        UsageError: there are too many folds, or too few.
    """
    check_folds(pack, folds)
    begun = {name for name in names if any(one.run_dir.exists() for one in parts_of(folder / name, name, folds))}
    configs = [config_named(name, settings) for name in names if name not in begun]
    if not configs:
        return
    times, each = (folds, f"{folds} times ") if folds else (1, "")
    steps = {config.recipe: config.pretrain.steps + config.adversarial.steps for config in configs}
    say(
        f"Without --minutes or --steps each recipe trains its full schedule, {times * sum(steps.values()):,} steps in "
        "all; --minutes 10 gives each ten minutes instead. Timing a few steps of each first."
    )
    together_s = 0.0
    for done, config in enumerate(configs):
        on_progress(done, len(configs), config.recipe)
        seconds = times * steps[config.recipe] * seconds_a_step(*learnt_from(folder, pack, config), _TIMED_STEPS)
        together_s += seconds
        say(f"{config.recipe}: {each}{steps[config.recipe]:,} steps, about {_in_words(seconds)}")
    say(f"Together about {_in_words(together_s)}, the scoring not counted; a recipe may stop early by itself.")


def _in_words(seconds: float) -> str:
    """Days, hours or minutes, whichever gives a number that one can imagine."""
    for unit, length_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} seconds"
