"""Known twins among real pictures: how many are found, what else is removed, and whether any picture is lost."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from curation.rates import Share
from manifests.files import file_sha256


@dataclass(frozen=True)
class Twins:
    """What became of the pairs of a `pairs.csv`, and of all that was removed as a repetition.

    `right` counts removed pictures that the pairs, taken together, bind to the one that is kept instead. `unlisted` are
    the removed ones of which the pairs say neither yes nor no: their names, those of the kept ones, the relations.
    """

    found: Share
    right: Share
    lost: int
    unlisted: tuple[tuple[str, str, str], ...]


def count_twins(folder: Path, rows: pd.DataFrame) -> Twins:
    """Hold the rows of a snapshot of the folder's pictures against its `pairs.csv` with the columns `a` and `b`."""
    pairs = [
        (file_sha256(folder / a), file_sha256(folder / b))
        for a, b in pd.read_csv(folder / "pairs.csv")[["a", "b"]].itertuples(index=False)
    ]
    kept = dict(zip(rows["image_id"], rows["duplicate_of"].fillna(rows["image_id"]), strict=True))
    names = dict(zip(rows["image_id"], rows["source_name"], strict=True))
    picture = {image_id: image_id for image_id in kept}  # the first of those that pairs bind together
    for a, b in pairs:
        one, other = sorted((picture[a], picture[b]))
        picture = {image_id: one if first == other else first for image_id, first in picture.items()}
    removed = [(image_id, of) for image_id, of in sorted(kept.items()) if image_id != of]
    kind = dict(zip(rows["image_id"], rows["duplicate_kind"], strict=True))
    unlisted = tuple(
        (names[image_id], names[of], kind[image_id]) for image_id, of in removed if picture[image_id] != picture[of]
    )
    return Twins(
        Share(sum(kept[a] == kept[b] for a, b in pairs), len(pairs)),
        Share(len(removed) - len(unlisted), len(removed)),
        sum(kept[of] != of for of in kept.values()),
        unlisted,
    )
