"""How right the curation policy is on labelled frames, and how many known twins are found.

    python benchmarks/curation_rates.py FOLDER [--policy FILE] [--wrong]

FOLDER has an `index.csv` with the columns `file` and `label` (good, partial, bad, non_observation; others are left
out) and maybe `group`, and may have a `pairs.csv` with the columns `a` and `b`. Everything goes through the pipeline
itself, in a temporary home. First come verdicts on frames held out, of policies that `deepfield curate calibrate`
learns from the others, beside gradient boosting on plain pixel statistics (the means of three partitions); then those
of the policy itself, which may have been learnt from these very frames. Intervals are Wilson's at 95 %.
"""

import argparse
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from plain_statistics import statistics, verdicts
from twins import count_twins

from curation.calibrate import REPEATS, calibrate
from curation.curate import curate
from curation.labelled import Labelled, Words, from_folder
from curation.learning import Aims
from curation.policy import DEFAULT_POLICY, VERDICTS, Policy, load_policy, rule_on
from curation.rates import Share
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.files import file_sha256
from manifests.settings import Settings
from manifests.snapshots import read_snapshot
from scrapers.folder import scrape_folder

KEEP = ("good", "partial")
DROP = ("bad", "non_observation")


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
        print_held_out(from_folder(options.folder, Words(), (), settings), policy)
    index = pd.read_csv(options.folder / "index.csv")
    index["image_id"] = [file_sha256(options.folder / name) for name in index["file"]]
    frames = index[index["label"].isin(KEEP + DROP)].merge(rows, on="image_id")
    rulings = [rule_on(policy, row) for row in frames.to_dict("records")]
    frames["ruled"] = [ruling.verdict for ruling in rulings]
    frames["why"] = [ruling.values for ruling in rulings]
    print(f"\nthe policy {policy.name} itself")
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


def print_held_out(labelled: Labelled, policy: Policy) -> None:
    """Verdicts on frames whose group was not learnt from: ours, and those of boosting on plain statistics."""
    aims, frames = Aims(), labelled.frames
    done = calibrate(labelled, policy, aims, name="tried", model="tried.json", on=date.today())
    print("Deepfield, calibrated on the other groups")
    print_trials(frames, [trial.verdict for trial in done.trials])
    values = np.array([statistics(path) for path in frames["path"]])
    print("\ngradient boosting on 45 plain pixel statistics, likewise")
    print_trials(frames, [verdicts(values, frames, aims, seed) for seed in range(REPEATS)])


def print_trials(frames: pd.DataFrame, trials: list[np.ndarray]) -> None:
    """Mean verdicts by label, and by meaning."""
    print(f"{'label':16}{'n':>5}" + "".join(f"{verdict:>24}" for verdict in VERDICTS))
    groups = [(label, (frames["given"] == label).to_numpy()) for label in KEEP + DROP]
    groups += [("to drop", (frames["label"] == "drop").to_numpy()), ("all", np.ones(len(frames), bool))]
    for name, chosen in groups:
        hits = [np.mean([((trial == verdict) & chosen).sum() for trial in trials]) for verdict in VERDICTS]
        cells = [f"{Share(round(float(hit)), int(chosen.sum()))}" for hit in hits]
        print(f"{name:16}{chosen.sum():5}" + "".join(f"{cell:>24}" for cell in cells))
    spread = [np.mean(trial == "review") for trial in trials]
    print("review in each partition: " + ", ".join(f"{100 * share:.1f} %" for share in spread))


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
            cells.append(str(Share(hits, total)))
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
    twins = count_twins(folder, rows)
    print(f"\ntwins found: {twins.found.hits} of {twins.found.total}, {twins.found}; pictures lost: {twins.lost}")
    print(
        f"dropped as duplicates and bound by the known pairs: {twins.right.hits} of {twins.right.total}, {twins.right}"
    )


if __name__ == "__main__":
    main()
