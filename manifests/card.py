"""The dataset card: what a snapshot or an export of it holds, for people and for the Hugging Face hub.

Front matter by https://github.com/huggingface/hub-docs/blob/main/datasetcard.md; it is written as JSON values, which
YAML holds.
"""

import json
from importlib.metadata import version

import pandas as pd

from manifests.export import SPLIT_NAMES, effective_verdict, shard_sets
from manifests.snapshots import SnapshotInfo

_SIZES = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7))
_MOST_LINES = 30


def dataset_card(rows: pd.DataFrame, exported: pd.DataFrame, info: SnapshotInfo, kind: str | None = None) -> str:
    """The card as Markdown with YAML front matter.

    `rows` are all of the snapshot, `exported` those whose pictures go with the card; `kind` is the export format.
    """
    parts = [
        _front_matter(exported, kind),
        f"# Deepfield dataset, snapshot {info.snapshot_id}",
        f"{len(exported)} pictures, {_megapixels(exported)}, from the archives named below, measured, compared and "
        f"judged by Deepfield.",
        "## Counts",
        _counts(rows, exported),
        "## Sources",
        _table(("archive", "pictures"), exported["obs_collection"]),
        _table(("instrument", "pictures"), exported["instrument_name"]),
        _table(("filters", "pictures"), exported["filters"]),
        "## Licences and credits",
        "The pictures are not Deepfield's; each has the licence and the credit line that its archive gives, in the "
        "columns `licence` and `credit`, and in `credits.csv` beside the pictures. Print the credit with a picture.",
        _table(("licence", "pictures"), exported["licence"], "not stated by the archive"),
        _table(("credit", "pictures"), exported["credit"], "not stated by the archive"),
        "## How it was made",
        _provenance(info),
        "## Splits",
        "Frames that repeat each other, overlap on the sky or belong to one release form a group, and a hash of the "
        "group names its split. Later snapshots add frames and never move one; a frame that would join groups of "
        "different splits is in none of them. `deepfield manifest splits` checks this anew.",
        "## Limits",
        _limits(exported),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(exported: pd.DataFrame, kind: str | None) -> str:
    size = next((name for name, limit in _SIZES if len(exported) < limit), "n>10M")
    fields: dict[str, object] = {
        "pretty_name": "Deepfield dataset",
        "license": "other",
        "license_name": "per-picture",
        "size_categories": [size],
        "task_categories": ["image-to-image"],
        "tags": ["astronomy", "hubble", "colorization", "super-resolution"],
    }
    configs: dict[str, list[dict[str, str]]] = {}
    if kind == "imagefolder":
        splits = [SPLIT_NAMES[name] for name in SPLIT_NAMES if (exported["split"] == name).any()]
        configs["default"] = [{"split": name, "path": f"{name}/**"} for name in splits]
    if kind == "webdataset":
        for shards in shard_sets(exported):
            files = {"split": shards.split, "path": f"{shards.name}-*.tar"}
            configs.setdefault(shards.config, []).append(files)
    if configs:
        fields["configs"] = [{"config_name": name, "data_files": lists} for name, lists in configs.items()]
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _counts(rows: pd.DataFrame, exported: pd.DataFrame) -> str:
    holds = effective_verdict(rows)
    lines = ["| split | here | accepted | in review | rejected |", "|---|---|---|---|---|"]
    for split, name in SPLIT_NAMES.items():
        there = rows["split"] == split
        counts = [int((there & (holds == verdict)).sum()) for verdict in ("accept", "review", "reject")]
        lines.append(f"| {name} | {int((exported['split'] == split).sum())} | {' | '.join(map(str, counts))} |")
    repeats = int(rows["duplicate_of"].notna().sum())
    people = int(rows["decision"].notna().sum())
    told = (
        f"The snapshot has {len(rows)} frames, of which {repeats} repeat another one; people decided on {people}. "
        f"`here` are the pictures that this card goes with."
    )
    return "\n".join(lines) + "\n\n" + told


def _table(head: tuple[str, str], values: pd.Series, missing: str = "not known") -> str:
    counts = values.fillna(missing).value_counts()
    lines = [f"| {' | '.join(head)} |", "|---|---|"]
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], str(entry[0])))
    lines += [f"| {_cell(str(name))} | {count} |" for name, count in ordered[:_MOST_LINES]]
    if len(ordered) > _MOST_LINES:
        others = sum(count for _, count in ordered[_MOST_LINES:])
        lines.append(f"| {len(ordered) - _MOST_LINES} others | {others} |")
    return "\n".join(lines)


def _provenance(info: SnapshotInfo) -> str:
    facts = (
        ("snapshot", info.snapshot_id),
        ("made of snapshot", info.parent or "none, it is the first"),
        ("written", info.created_at),
        ("policy", f"{info.note.removeprefix('policy ') or 'not named'}, SHA-256 {info.policy_digest}"),
        ("rows", f"{info.rows}, SHA-256 {info.content_sha256}"),
        ("Deepfield", f"{version('deepfield')}, schema {info.schema_version}"),
    )
    lines = ["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in facts)]
    return "\n".join(lines) + (
        "\n\nEach frame was decoded once and measured over its valid area; rules over these measurements gave its "
        "verdict, people decided on doubtful ones, and of frames that repeat each other the best is kept. The "
        "columns `reasons` and `rule_values` say why, for each frame. The bytes are the archive's own."
    )


def _limits(exported: pd.DataFrame) -> str:
    made = int(exported["synthetic_position"].fillna(False).astype(bool).sum())
    green = int(exported["synthetic_green"].fillna(False).astype(bool).sum())
    placed = int(exported["s_region"].notna().sum())
    stretched = int((exported["domain"] == "stretched").sum())
    lines = [
        f"- {stretched} of {len(exported)} are display pictures, stretched and mostly lossy: no photometry.",
        f"- {placed} have a footprint on the sky. Two pictures without one share a group only if they were found to "
        f"show the same or come from one release.",
        f"- {green} are known to have a green channel made of two other filters; colours are those of the archive's "
        f"palette, not of the eye.",
        "- Automatic verdicts err; their measured error is in the policy's calibration report.",
    ]
    if made:
        lines.append(f"- {made} have a made-up position, as pictures of a local archive do.")
    return "\n".join(lines)


def _megapixels(exported: pd.DataFrame) -> str:
    if exported.empty:
        return "none yet"
    sizes = exported["width_px"] * exported["height_px"] / 1e6
    return f"{sizes.median():.2g} megapixels in the middle and {sizes.max():.2g} at most"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
