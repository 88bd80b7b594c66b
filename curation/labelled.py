"""Labelled frames to learn a policy from: a folder with an index, or what reviewers decided."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from sqlalchemy import Engine

from curation.measures import MEASURE_VERSION
from curation.measuring import measure_all, read_measures, settled
from curation.review.decisions import effective, history
from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.files import file_sha256
from manifests.settings import Settings
from manifests.snapshots import read_snapshot, resolve

FEWEST = 20  # of each kind, and groups of each: below, five parts cannot each have some
FEWEST_COUNTS = 10  # FITS files of each kind: below, rates say nothing


@dataclass(frozen=True)
class Words:
    """Which labels mean that a frame is good, that it is to be dropped, and that it may be either but not rejected."""

    keep: tuple[str, ...] = ("good", "accept")
    drop: tuple[str, ...] = ("bad", "non_observation", "reject")
    spare: tuple[str, ...] = ("partial",)

    def meaning(self, label: str) -> str | None:
        """keep, drop or spare; None for a label that is to be left out."""
        for name, words in (("keep", self.keep), ("drop", self.drop), ("spare", self.spare)):
            if label in words:
                return name
        return None


@dataclass(frozen=True)
class Labelled:
    """Measured frames: the manifest columns of Frame and Measurements, and `source`, `path`, `given`, `label`, `group`.

    `given` is the label as it was given, `label` its meaning: keep, spare or drop. Frames of one group show the same
    thing and never stand on both sides of a trial. These are stretched pictures; `counts` are FITS that were labelled
    too, where there are enough of them to rate the rules on counts.
    """

    name: str
    frames: pd.DataFrame
    counts: "Labelled | None" = None


def from_folder(
    folder: Path,
    words: Words,
    asked: tuple[str, ...],
    settings: Settings,
    on_progress: Callable[[str, int, int], None] | None = None,
    *,
    counts: Path | None = None,
) -> Labelled:
    """Read `index.csv` (file, label, and `group` where there is one) and measure the frames it names.

    Measurements are kept with those of the dataset, so that a frame is measured once. `asked` are labels that must
    occur. The FITS that rate the rules on counts are those of the folder `counts`, by default of the same.

    Raises:
        UsageError: the index is missing, lacks a column or a label, or names a file that is not there.
        DeepfieldError: there are too few frames of a kind.
    """
    frames = _measured(folder, words, asked, settings, on_progress)
    if counts is None:
        return _checked(folder.resolve().name, frames)
    rated = _counts(counts.resolve().name, _measured(counts, words, (), settings, on_progress))
    if rated is None:
        raise DeepfieldError(
            f"Rating the rules on counts needs at least {FEWEST_COUNTS} good FITS files and as many to drop, and "
            f"{counts} has fewer: label more."
        )
    return replace(_checked(folder.resolve().name, frames), counts=rated)


def from_decisions(settings: Settings, engine: Engine) -> Labelled:
    """What reviewers accepted and rejected, with the measurements of the newest snapshot; duplicates are left out.

    Raises:
        DeepfieldError: there is no snapshot, it was measured by another version, or too little was decided.
    """
    rows = read_snapshot(settings.manifest_dir, resolve(settings.manifest_dir, None))
    said = effective(history(engine))
    rows = rows[rows["image_id"].isin(list(said)) & rows["duplicate_of"].isna()].copy()
    if (rows["measure_version"] != MEASURE_VERSION).any():
        raise DeepfieldError(
            "The newest snapshot was measured by another version of Deepfield: run `deepfield curate` first."
        )
    rows["given"] = [said[image_id].action for image_id in rows["image_id"]]
    rows["label"] = [Words().meaning(label) for label in rows["given"]]
    rows["source"], rows["group"] = rows["source_name"], rows["group_id"]
    blobs = BlobStore(settings.blobs_dir)
    rows["path"] = [blobs.path(image_id) for image_id in rows["image_id"]]
    return _checked("decisions", rows)


def _measured(
    folder: Path,
    words: Words,
    asked: tuple[str, ...],
    settings: Settings,
    on_progress: Callable[[str, int, int], None] | None,
) -> pd.DataFrame:
    index = _read_index(folder / "index.csv", asked)
    index["label"] = [words.meaning(label) for label in index["given"]]
    index = index[index["label"].notna()]
    absent = [name for name in index["file"] if not (folder / name).is_file()]
    if absent:
        raise UsageError(f"{folder / 'index.csv'} names {absent[0]}, which is not in {folder}: correct the list.")
    index["path"] = [folder / name for name in index["file"]]
    index["image_id"] = [file_sha256(path) for path in index["path"]]
    index = index.drop_duplicates("image_id").rename(columns={"file": "source"})
    with TemporaryDirectory() as links:
        for row in index.itertuples():
            link = BlobStore(Path(links)).path(row.image_id)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(row.path.absolute())
        known = settled(read_measures(settings.measures_dir))
        measure_all(
            [image_id for image_id in index["image_id"] if image_id not in known],
            blobs_dir=Path(links),
            measures_dir=settings.measures_dir,
            max_pixels=settings.max_pixels,
            on_progress=on_progress,
        )
    return index.merge(read_measures(settings.measures_dir), on="image_id")


def _read_index(path: Path, asked: tuple[str, ...]) -> pd.DataFrame:
    try:
        index = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): a labelled folder has an index.csv with the columns file and "
            "label."
        ) from error
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise UsageError(f"{path} is not a table: write it as CSV with the columns file and label.") from None
    for column in ("file", "label"):
        if column not in index:
            raise UsageError(f"{path} has no column {column!r}: it needs file and label, and may have group.")
    there = sorted(set(index["label"]))
    for label in asked:
        if label not in there:
            raise UsageError(f"No frame in {path} has the label {label!r}; there are {', '.join(map(repr, there))}.")
    index = index.rename(columns={"label": "given"})
    # a frame without a group is one of its own
    group = index["group"] if "group" in index else pd.Series("", index=index.index)
    index["group"] = group.where(group != "", index["file"])
    return index[["file", "given", "group"]]


def _checked(name: str, frames: pd.DataFrame) -> Labelled:
    """The stretched frames that have valid pixels, and the FITS; their name says how many these are."""
    usable = frames[(frames["domain"] == "stretched") & frames["median_level_dn"].notna()].reset_index(drop=True)
    for label, what in (("keep", "good frames"), ("drop", "frames to drop")):
        chosen = usable[usable["label"] == label]
        if len(chosen) < FEWEST or chosen["group"].nunique() < FEWEST:
            raise DeepfieldError(
                f"Calibration needs at least {FEWEST} {what} of {FEWEST} groups among the stretched pictures, and "
                f"there are {len(chosen)} of {chosen['group'].nunique()}: label more, or look at your labels' names."
            )
    return Labelled(f"{name}-{len(usable)}", usable, _counts(name, frames))


def _counts(name: str, frames: pd.DataFrame) -> Labelled | None:
    """The FITS that have valid pixels, where they are enough."""
    usable = frames[(frames["domain"] == "linear") & frames["median_level_dn"].notna()].reset_index(drop=True)
    kinds = usable["label"].value_counts()
    if min(kinds.get("keep", 0), kinds.get("drop", 0)) < FEWEST_COUNTS:
        return None
    return Labelled(f"{name}-fits-{len(usable)}", usable)
