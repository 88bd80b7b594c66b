"""Cross-validation: the frames of a pack dealt anew to train, val and test, so that each is held out once."""

from dataclasses import replace

from manifests.errors import UsageError
from training.pack import Pack

# of the groups that are not tested, one in so many chooses the checkpoint
_VAL_EVERY = 8


def check_folds(pack: Pack, folds: int | None) -> None:
    """Say so where there are fewer folds than two, or more than groups of frames; None is no cross-validation.

    Raises:
        UsageError: there are.
    """
    if folds is None:
        return
    if folds < 2:
        raise UsageError(f"--folds must be 2 or more, not {folds}.")
    if (groups := len(_groups(pack))) < folds:
        raise UsageError(
            f"Snapshot {pack.snapshot_id} has {groups} groups of frames in its pack, too few for {folds} folds: choose "
            "fewer --folds, or scrape more."
        )


def dealt(pack: Pack, fold: int, folds: int) -> Pack:
    """The pack with every `folds`-th group, from number `fold` on, as its test split, and its own splits forgotten.

    Of the other groups every eighth is val, the rest train. Frames of a group stay together, and so the folds leak
    as little as the snapshot's splits; group ids are hashes, and their order says nothing of the frames.
    """
    groups = _groups(pack)
    tested = groups[fold::folds]
    others = [group for number, group in enumerate(groups) if number % folds != fold]
    splits = dict.fromkeys(groups, "train") | dict.fromkeys(others[::_VAL_EVERY], "val") | dict.fromkeys(tested, "test")
    return replace(pack, frames=tuple(replace(frame, split=splits[frame.group_id]) for frame in pack.frames))


def _groups(pack: Pack) -> list[str]:
    return sorted({frame.group_id for frame in pack.frames})
