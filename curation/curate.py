"""From what was scraped to a snapshot: measure what is new, find duplicates, decide, split, write."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from curation.clusters import against_kept, remembered
from curation.duplicates import RANK, Candidate, Duplicate, resolve
from curation.features import Features, extract
from curation.intake import got_images, provenance
from curation.judge import Judgement
from curation.measures import MEASURE_VERSION
from curation.measuring import (
    BATCH,
    BatchResult,
    Progress,
    fingerprints_of,
    measure_all,
    read_descriptors,
    read_measures,
    settled,
)
from curation.neighbours import Found, alike, near_hashes, together, united
from curation.pairs import Pair, Sided, best_known, judge_all, read_judgements
from curation.policy import Policy, Ruling, rule_on
from curation.relations import relations_of
from curation.review.decisions import Decision, effective, history
from manifests import schema
from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError
from manifests.frames import decode
from manifests.settings import Settings
from manifests.snapshots import head, read_snapshot, write_snapshot
from manifests.splits import (
    Assignment,
    Bond,
    alias_bonds,
    assign_splits,
    bonds_by,
    derived_edges,
    field_edges,
    target_bonds,
)

_LETTERS = 8  # of 300 real pictures without captions, one seems to have as many
_NAMED_PAIRS = 30  # pictures of one release, or of one name, are compared with each other up to this number


@dataclass(frozen=True)
class CurateSummary:
    """What a curation run came to. `snapshot_id` is that of an older snapshot where nothing changed (`new` False)."""

    snapshot_id: str
    new: bool
    images: int
    measured: int
    missing: int
    verdicts: dict[str, int]
    reasons: dict[str, dict[str, int]]
    duplicates: dict[str, int]
    groups: int
    splits: dict[str, int]
    decided: int
    policy: str


@dataclass(frozen=True)
class Change:
    """A verdict that another policy would change."""

    image_id: str
    source_name: str
    before: str
    after: str
    reasons: str
    rule_values: str


@dataclass(frozen=True)
class DryRun:
    """What a policy would change against the newest snapshot; `unmeasured` images are not looked at."""

    snapshot_id: str
    images: int
    unmeasured: int
    changes: tuple[Change, ...]


_Judge = Callable[[Found], dict[Pair, Judgement]]
"""Looks at pairs, or recalls what was found of them."""


@dataclass(frozen=True)
class _Relations:
    """Verified pairs of pixel hashes, by what they mean."""

    same_rendering: Mapping[Pair, Judgement]
    same_sky: tuple[Pair, ...]


def curate(
    *,
    settings: Settings,
    engine: Engine,
    blobs: BlobStore,
    policy: Policy,
    on_progress: Progress | None = None,
    batch: int = BATCH,
) -> CurateSummary:
    """Curate everything that was scraped and write a snapshot. Run again without news, it changes nothing.

    Frames are measured on this machine, or on the Dask cluster that the settings name.

    Raises:
        DeepfieldError: nothing was scraped yet, or nothing of it can be found.
    """
    result = measure_all(
        pending_images(settings=settings, engine=engine),
        blobs_dir=blobs.root,
        measures_dir=settings.measures_dir,
        max_pixels=settings.max_pixels,
        batch=batch,
        cluster=settings.dask_address,
        on_progress=on_progress,
    )
    return build_snapshot(
        settings=settings, engine=engine, blobs=blobs, policy=policy, measured=result, on_progress=on_progress
    )


def pending_images(*, settings: Settings, engine: Engine) -> list[str]:
    """Images that arrived and are not measured under the present version, in order.

    Raises:
        DeepfieldError: nothing was scraped yet.
    """
    arrived = got_images(engine)
    if not arrived:
        raise DeepfieldError("Nothing was scraped yet: run `deepfield scrape` first.")
    done = settled(read_measures(settings.measures_dir))
    return [image_id for image_id in arrived if image_id not in done]


def build_snapshot(
    *,
    settings: Settings,
    engine: Engine,
    blobs: BlobStore,
    policy: Policy,
    measured: BatchResult | None = None,
    on_progress: Progress | None = None,
) -> CurateSummary:
    """Make a snapshot of all measured images: duplicates, verdicts, decisions, splits.

    Raises:
        DeepfieldError: no image was measured.
    """
    measured = measured or BatchResult(0, 0, 0)
    frames = _frames(engine, settings.measures_dir)
    if frames.empty:
        raise DeepfieldError("No scraped image is in the blob store: scrape again or restore the folder blobs.")
    known = read_judgements(settings.measures_dir)
    wanted = _pairs_to_judge(frames, settings.measures_dir, known)
    paths = {row.pixel_sha256: blobs.path(row.image_id) for row in frames[::-1].itertuples() if row.pixel_sha256}

    def load(pixels: str, mirrored: bool) -> Features | None:
        return extract(decode(paths[pixels], settings.max_pixels), mirrored)

    def judge(pairs: Found) -> dict[Pair, Judgement]:
        return judge_all(pairs, known, load, measures_dir=settings.measures_dir, on_progress=on_progress)

    decisions = effective(history(engine))
    rows = _rows(frames, policy, wanted, judge, decisions, _previous(settings.manifest_dir))
    before = head(settings.manifest_dir)
    info = write_snapshot(
        rows, manifest_dir=settings.manifest_dir, policy_digest=policy.digest, note=f"policy {policy.name}"
    )
    return _summary(rows, info.snapshot_id, before, measured, policy)


def dry_run(*, settings: Settings, engine: Engine, policy: Policy) -> DryRun:
    """Say what a policy would change against the newest snapshot, from stored measurements alone.

    Raises:
        DeepfieldError: there is no snapshot yet, or nothing is measured under the present version.
    """
    newest = head(settings.manifest_dir)
    if newest is None:
        raise DeepfieldError(
            "There is no snapshot to compare with yet: run `deepfield curate` without --dry-run first."
        )
    old = read_snapshot(settings.manifest_dir, newest)
    frames = _frames(engine, settings.measures_dir)
    if frames.empty:
        raise DeepfieldError(
            "No frame is measured by this version of Deepfield yet, so there is nothing to try the policy on: run "
            "`deepfield curate` without --dry-run first."
        )
    known = read_judgements(settings.measures_dir)
    wanted = _pairs_to_judge(frames, settings.measures_dir, known)

    def recall(pairs: Found) -> dict[Pair, Judgement]:
        return best_known(pairs, known)

    rows = _rows(frames, policy, wanted, recall, effective(history(engine)), _previous(settings.manifest_dir))
    both = rows.merge(old[["image_id", "verdict"]], on="image_id", suffixes=("", "_before"))
    changed = both[both["verdict"] != both["verdict_before"]].sort_values("image_id")
    changes = tuple(
        Change(r.image_id, r.source_name, r.verdict_before, r.verdict, r.reasons or "", r.rule_values or "")
        for r in changed.itertuples()
    )
    unmeasured = len(set(got_images(engine)) - set(frames["image_id"]))
    return DryRun(newest, len(both), unmeasured, changes)


def _frames(engine: Engine, measures_dir: Path) -> pd.DataFrame:
    """Measured images with their provenance, in the order of `image_id`."""
    measures = read_measures(measures_dir)
    known = provenance(engine).drop(columns=["access_format"])
    return known.merge(measures, on="image_id", how="inner").sort_values("image_id", ignore_index=True)


def _pairs_to_judge(frames: pd.DataFrame, measures_dir: Path, known: Mapping[Sided, Judgement]) -> Found:
    """Candidate pairs of pixel hashes: near hashes, features in common, overlapping footprints, one release or name of
    an archive, and what is known to be related."""
    decoded = frames[frames["pixel_sha256"].notna()]
    pixels = dict(zip(decoded["image_id"], decoded["pixel_sha256"], strict=True))
    prints = {row.pixel_sha256: fingerprints_of(row) for row in decoded.itertuples()}
    described = {name: one for name, one in read_descriptors(measures_dir).items() if name in prints}
    groups = [[pixels[a], pixels[b]] for a, b in field_edges(decoded)]
    named = [*bonds_by(decoded, "release_id"), *alias_bonds(decoded)]
    groups += [[pixels[image_id] for image_id in ids] for ids in named if len(ids) <= _NAMED_PAIRS]
    return united(near_hashes(prints), alike(described), together(groups), remembered(known, prints))


def _relations(judged: Mapping[Pair, Judgement], frames: pd.DataFrame) -> _Relations:
    """The verified pairs, by what they mean.

    Counts of two filters look alike once they are stretched, and so do counts and a picture of them, but neither
    replaces the other: they show the same sky.
    """
    shown = {
        row.pixel_sha256: (row.domain, row.filters if row.domain == "linear" else None)
        for row in frames[frames["pixel_sha256"].notna()].itertuples()
    }
    same_rendering: dict[Pair, Judgement] = {}
    same_sky: list[Pair] = []
    for pair, judgement in sorted(judged.items()):
        one, two = (shown.get(pixels) for pixels in pair)
        if judgement.relation == "same_rendering" and one == two:
            same_rendering[pair] = judgement
        elif judgement.relation != "none":
            same_sky.append(pair)
    return _Relations(same_rendering, tuple(same_sky))


def _rows(
    frames: pd.DataFrame,
    policy: Policy,
    wanted: Found,
    judge: _Judge,
    decisions: Mapping[str, Decision],
    previous: Mapping[str, Assignment],
) -> pd.DataFrame:
    """Manifest rows: what was known and measured, with verdict, duplicates, decision, group and split."""
    rulings = {row["image_id"]: _ruling(row, policy) for row in frames.to_dict("records")}
    pixels = dict(zip(frames["image_id"], frames["pixel_sha256"], strict=True))
    while True:
        relations = _relations(judge(wanted), frames)
        bound = _bound(frames, relations)
        splits = assign_splits(frames["image_id"], _bonds(frames, bound), previous)
        unused = {image_id for image_id, assigned in splits.items() if assigned.split == "none"}
        duplicates = _duplicates(frames, rulings, decisions, relations, unused)
        kept = {digest for image_id, digest in pixels.items() if image_id not in duplicates}
        more = united(wanted, against_kept(relations.same_rendering.keys(), kept))
        if more == wanted:
            break
        wanted = more
    rulings |= {
        image_id: _repetition(found, pixels[image_id], pixels[found.of], relations)
        for image_id, found in duplicates.items()
    }
    related = relations_of(bound)
    columns = {
        "phash64": lambda i, row: row.phash64.split(",")[0] if row.phash64 else None,
        "phash256": lambda i, row: row.phash256.split(",")[0] if row.phash256 else None,
    }
    out = frames.drop(columns=["problem", "problem_text"]).copy()
    for name, make in columns.items():
        out[name] = [make(row.image_id, row) for row in frames.itertuples()]
    ids = frames["image_id"].tolist()
    out["duplicate_of"] = [duplicates[i].of if i in duplicates else None for i in ids]
    out["duplicate_kind"] = [duplicates[i].kind if i in duplicates else None for i in ids]
    out["relations"] = [related.get(i) for i in ids]
    out["group_id"] = [splits[i].group_id for i in ids]
    out["split"] = [splits[i].split for i in ids]
    out["verdict"] = [rulings[i].verdict for i in ids]
    out["reasons"] = [",".join(rulings[i].reasons) or None for i in ids]
    out["rule_values"] = [rulings[i].values or None for i in ids]
    out["doubt"] = [rulings[i].doubt for i in ids]
    for column, field in (("decision", "action"), ("decided_by", "reviewer"), ("decided_at", "decided_at")):
        out[column] = [getattr(decisions[i], field) if i in decisions else None for i in ids]
    out["policy_digest"] = policy.digest
    out["measure_version"] = MEASURE_VERSION
    return schema.conform(out)


def _ruling(row: Mapping[Any, Any], policy: Policy) -> Ruling:
    problem = row["problem"]
    if isinstance(problem, str):
        return Ruling("reject", (problem,), f"{row['problem_text']} ({problem})", 0.0)
    return rule_on(policy, row)


def _duplicates(
    frames: pd.DataFrame,
    rulings: Mapping[str, Ruling],
    decisions: Mapping[str, Decision],
    relations: _Relations,
    unused: Collection[str],
) -> dict[str, Duplicate]:
    decoded = frames[frames["pixel_sha256"].notna()]
    annotated, clean = _annotated(relations.same_rendering)
    of_counts = {row.obs_id: rulings[row.image_id].verdict for row in decoded.itertuples() if row.rendering is not None}
    found = []
    for row in decoded.itertuples():
        said = decisions.get(row.image_id)
        ruled = rulings[row.image_id].verdict
        if row.obs_id in of_counts:
            # a picture of the same filters does not know what only some of them saw, and may please for that
            ruled = max(ruled, of_counts[row.obs_id], key=RANK.__getitem__)
        # what is seen beside a twin says more than letters that one seems to have
        lettered = row.pixel_sha256 in annotated or (row.text_letters >= _LETTERS and row.pixel_sha256 not in clean)
        # a person's word is heard: what was accepted with its letters may stay
        lettered &= not (said and said.action == "accept")
        found.append(
            Candidate(
                row.image_id,
                said.action if said else ruled,
                round(row.width_px * row.height_px * row.coverage),
                row.rendering is not None,
                None if pd.isna(row.jpeg_quality) else float(row.jpeg_quality),
                bool(lettered),
                _pipeline(row.rendering),
                row.image_id in unused,
                None if pd.isna(row.edge_sharpness) else float(row.edge_sharpness),
                int(row.width_px * row.height_px),
            )
        )
    pixels_of = dict(zip(decoded["image_id"], decoded["pixel_sha256"], strict=True))
    scales = {pair: judgement.magnification for pair, judgement in relations.same_rendering.items()}
    return resolve(found, pixels_of, scales)


def _annotated(same_rendering: Mapping[Pair, Judgement]) -> tuple[set[str], set[str]]:
    """Pixel hashes of the pictures that bear marks which a twin lacks, and of those twins."""
    sides = [
        pair if judgement.annotated == "a" else pair[::-1]
        for pair, judgement in same_rendering.items()
        if judgement.annotated != "none"
    ]
    return {annotated for annotated, _ in sides}, {clean for _, clean in sides}


def _repetition(found: Duplicate, pixels: str, kept_pixels: str, relations: _Relations) -> Ruling:
    """The ruling on a frame that repeats another, with what the judge measured."""
    why = "the same pixels"
    if found.kind == "same_rendering":
        first, second = sorted((pixels, kept_pixels))
        why = relations.same_rendering[first, second].describe()
    return Ruling("reject", ("duplicate",), f"{found.kind} of {found.of[:12]}: {why} (duplicate)", 0.0)


def _pipeline(rendering: str | None) -> int:
    """The version of a rendering such as lupton-2; 0 where the picture came as it is."""
    version = (rendering or "").rpartition("-")[2]
    return int(version) if version.isdigit() else 0


def _bound(frames: pd.DataFrame, relations: _Relations) -> dict[str, list[Bond]]:
    """The images that each relation binds; of each picture all its copies, as any one of them may be out of use."""
    copies: dict[str, list[str]] = {}
    for row in frames.itertuples():
        if row.pixel_sha256:
            copies.setdefault(row.pixel_sha256, []).append(row.image_id)

    def across(pairs: Iterable[Pair]) -> list[Bond]:
        return [(one, other) for a, b in pairs for one in copies[a] for other in copies[b]]

    return {
        "exact": bonds_by(frames, "pixel_sha256"),
        "same_rendering": across(relations.same_rendering),
        "same_sky": [*across(relations.same_sky), *field_edges(frames)],
        "same_object": [*alias_bonds(frames), *target_bonds(frames)],
    }


def _bonds(frames: pd.DataFrame, bound: Mapping[str, Iterable[Bond]]) -> list[Bond]:
    """Everything that binds images to one split."""
    related = [bond for bonds in bound.values() for bond in bonds]
    return [*related, *bonds_by(frames, "release_id"), *derived_edges(frames)]


def _previous(manifest_dir: Path) -> dict[str, Assignment]:
    if head(manifest_dir) is None:
        return {}
    rows = read_snapshot(manifest_dir, None, ["image_id", "group_id", "split"])
    return {row.image_id: Assignment(row.group_id, row.split) for row in rows.itertuples()}


def _summary(
    rows: pd.DataFrame, snapshot_id: str, before: str | None, measured: BatchResult, policy: Policy
) -> CurateSummary:
    reasons: dict[str, Counter[str]] = {}
    for row in rows.itertuples():
        for reason in (row.reasons or "").split(","):
            if reason:
                reasons.setdefault(row.verdict, Counter())[reason] += 1
    return CurateSummary(
        snapshot_id=snapshot_id,
        new=snapshot_id != before,
        images=len(rows),
        measured=measured.measured + measured.undecodable,
        missing=measured.missing,
        verdicts=_counts(rows["verdict"]),
        reasons={verdict: dict(sorted(counts.items())) for verdict, counts in sorted(reasons.items())},
        duplicates=_counts(rows["duplicate_kind"].dropna()),
        groups=int(rows["group_id"].nunique()),
        splits=_counts(rows["split"]),
        decided=int(rows["decision"].notna().sum()),
        policy=policy.name,
    )


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in sorted(values.value_counts().items())}
