"""How right the curation policy is on labelled frames, and how many known twins are found.

    python benchmarks/curation_rates.py FOLDER [--policy FILE] [--wrong]

FOLDER has an `index.csv` with the columns `file` and `label` (good, partial, bad, non_observation; others are left
out), and may have a `pairs.csv` with the columns `a` and `b`. Everything goes through the pipeline itself, in a
temporary home. Intervals are Wilson's at 95 %.
"""

import argparse
import hashlib
import math
import tempfile
from pathlib import Path

import pandas as pd

from curation.curate import curate
from curation.policy import DEFAULT_POLICY, Policy, load_policy, rule_on
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from manifests.snapshots import read_snapshot
from scrapers.folder import scrape_folder

KEEP = ("good", "partial")
DROP = ("bad", "non_observation")
VERDICTS = ("accept", "review", "reject")


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    if not total:
        return 0.0, 1.0
    share, spread = hits / total, z * z / total
    centre = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return (centre - half) / (1 + spread), (centre + half) / (1 + spread)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--policy", type=Path, default=DEFAULT_POLICY)
    parser.add_argument("--wrong", action="store_true", help="name the frames that are judged wrongly")
    options = parser.parse_args()
    policy = load_policy(options.policy)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
        scrape_folder(options.folder, engine=engine, blobs=blobs, settings=settings)
        curate(settings=settings, engine=engine, blobs=blobs, policy=policy)
        rows = read_snapshot(settings.manifest_dir)
    index = pd.read_csv(options.folder / "index.csv")
    index["image_id"] = [_sha256(options.folder / name) for name in index["file"]]
    frames = index[index["label"].isin(KEEP + DROP)].merge(rows, on="image_id")
    rulings = [rule_on(policy, row) for row in frames.to_dict("records")]
    frames["ruled"] = [ruling.verdict for ruling in rulings]
    frames["why"] = [ruling.values for ruling in rulings]
    print_verdicts(frames)
    print_rules(frames, policy)
    if (options.folder / "pairs.csv").exists():
        print_pairs(options.folder, rows)
    if options.wrong:
        wrong = frames[
            (frames["label"].isin(DROP) & (frames["ruled"] == "accept"))
            | (frames["label"].isin(KEEP) & (frames["ruled"] == "reject"))
        ]
        for row in wrong.itertuples():
            print(f"{row.ruled:7} {row.label:16} {row.file}  {row.why}")


def print_verdicts(frames: pd.DataFrame) -> None:
    """Verdicts of the rules by label; duplicates count as any other frame."""
    print(f"{'label':16}{'n':>5}" + "".join(f"{verdict:>24}" for verdict in VERDICTS))
    groups = [(label, frames["label"] == label) for label in KEEP + DROP]
    groups += [("to drop", frames["label"].isin(DROP)), ("all", frames["label"].notna())]
    for name, chosen in groups:
        total = int(chosen.sum())
        cells = []
        for verdict in VERDICTS:
            hits = int((chosen & (frames["ruled"] == verdict)).sum())
            low, high = wilson(hits, total)
            cells.append(f"{hits:5} {hits / max(1, total):6.1%} [{low:5.1%}, {high:5.1%}]")
        print(f"{name:16}{total:5}" + "".join(f"{cell:>24}" for cell in cells))


def print_rules(frames: pd.DataFrame, policy: Policy) -> None:
    """Precision and recall of each threshold alone, for frames to drop."""
    drop = frames["label"].isin(DROP)
    print(f"\n{'reason':15}{'measure':26}{'threshold':>18}{'precision':>11}{'recall':>8}")
    for rule in policy.rules:
        for name, threshold in (("review", rule.review), ("reject", rule.reject)):
            if threshold is None:
                continue
            values = frames[rule.measure].astype(float)
            hit = values > threshold if rule.side == "above" else values < threshold
            precision = f"{(hit & drop).sum() / hit.sum():.2f}" if hit.any() else "-"
            recall = (hit & drop).sum() / drop.sum()
            sign = ">" if rule.side == "above" else "<"
            print(f"{rule.reason:15}{rule.measure:26}{name:>8} {sign} {threshold:7g}{precision:>11}{recall:8.2f}")


def print_pairs(folder: Path, rows: pd.DataFrame) -> None:
    """Known twins that ended as one picture, and whether any picture was lost."""
    pairs = pd.read_csv(folder / "pairs.csv")
    kept = dict(zip(rows["image_id"], rows["duplicate_of"].fillna(rows["image_id"]), strict=True))
    found = sum(
        kept[_sha256(folder / a)] == kept[_sha256(folder / b)] for a, b in zip(pairs["a"], pairs["b"], strict=True)
    )
    low, high = wilson(found, len(pairs))
    lost = sum(kept[of] != of for of in kept.values())
    print(f"\ntwins found: {found} of {len(pairs)} ({found / len(pairs):.0%} [{low:.0%}, {high:.0%}])")
    print(f"dropped as duplicates: {int(rows['duplicate_of'].notna().sum())}; pictures lost: {lost}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
