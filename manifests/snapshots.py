"""Snapshots: immutable, named versions of the manifest as Parquet parts, with their history and digests."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from manifests.errors import DeepfieldError
from manifests.files import file_sha256, sync_folder, write_atomic
from manifests.parquet import read_parquet, write_parquet
from manifests.schema import SCHEMA_VERSION, complete, conform

_ROWS_PER_PART = 100_000


@dataclass(frozen=True)
class Part:
    """One Parquet file of a snapshot."""

    name: str
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class SnapshotInfo:
    """What `snapshot.json` says of a snapshot; `info_sha256` is the digest of all its other fields."""

    snapshot_id: str
    parent: str | None
    created_at: str
    schema_version: int
    content_sha256: str
    policy_digest: str
    note: str
    rows: int
    verdicts: dict[str, int]
    parts: tuple[Part, ...]
    info_sha256: str = ""  # those written before there was one have none


def head(manifest_dir: Path) -> str | None:
    """Id of the newest snapshot, or None where there is none yet.

    Raises:
        DeepfieldError: `HEAD` names no snapshot that is there.
    """
    path = manifest_dir / "HEAD"
    if not path.exists():
        return None
    name = path.read_bytes().decode(errors="replace").removesuffix("\n")
    if name not in list_snapshots(manifest_dir):
        raise DeepfieldError(
            f"{path} names the snapshot {name!r}, which is not there: write the id of the newest one into it, the "
            f"last name in {path.parent / 'snapshots'}."
        )
    return name


def write_snapshot(
    rows: pd.DataFrame, *, manifest_dir: Path, policy_digest: str, note: str = "", now: datetime | None = None
) -> SnapshotInfo:
    """Write the rows as a new snapshot and point `HEAD` at it.

    Rows are put in the order of `image_id`. Where they equal those of `HEAD`, nothing is written and that snapshot
    is returned. Each part is read back and compared before the snapshot gets its name.

    Raises:
        DeepfieldError: the rows do not fit the schema, or the disk gave back something else than was written.
    """
    rows = conform(rows).sort_values("image_id", ignore_index=True)
    content = _content_digest(rows)
    parent = head(manifest_dir)
    if parent is not None:
        newest = read_info(manifest_dir, parent)
        if newest.content_sha256 == content and newest.policy_digest == policy_digest:
            return newest
    created = now or datetime.now(UTC)
    snapshot_id = _name(created, parent, policy_digest, content)
    folder = manifest_dir / "snapshots" / snapshot_id
    if folder.exists():
        raise DeepfieldError(f"Snapshot {snapshot_id} exists already: wait a second and try again.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=folder.parent, prefix=".draft-"))
    try:
        parts = tuple(_write_part(piece, draft, number) for number, piece in enumerate(_pieces(rows)))
        info = SnapshotInfo(
            snapshot_id=snapshot_id,
            parent=parent,
            created_at=created.isoformat(timespec="seconds"),
            schema_version=SCHEMA_VERSION,
            content_sha256=content,
            policy_digest=policy_digest,
            note=note,
            rows=len(rows),
            verdicts={str(k): int(v) for k, v in sorted(rows["verdict"].value_counts().items())},
            parts=parts,
        )
        info = replace(info, info_sha256=_info_digest(info))
        write_atomic(draft / "snapshot.json", _info_text(info))
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    write_atomic(manifest_dir / "HEAD", snapshot_id + "\n")
    return info


def read_info(manifest_dir: Path, snapshot_id: str) -> SnapshotInfo:
    """Return what is known of a snapshot, by its id or an unambiguous beginning of it.

    Raises:
        DeepfieldError: there is no such snapshot, several begin so, or its description is damaged.
    """
    path = manifest_dir / "snapshots" / resolve(manifest_dir, snapshot_id) / "snapshot.json"
    try:
        fields = json.loads(path.read_text())
        return SnapshotInfo(**{**fields, "parts": tuple(Part(**part) for part in fields["parts"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DeepfieldError(f"{path} is damaged ({error}): restore the folder from a copy.") from error


def resolve(manifest_dir: Path, snapshot_id: str | None) -> str:
    """Full id of a snapshot given by id, beginning of an id, `HEAD` or None (also HEAD).

    Raises:
        DeepfieldError: there is none, or several begin so.
    """
    if snapshot_id in (None, "HEAD"):
        newest = head(manifest_dir)
        if newest is None:
            raise DeepfieldError(f"There is no snapshot in {manifest_dir} yet: run `deepfield curate` first.")
        return newest
    assert snapshot_id is not None
    names = list_snapshots(manifest_dir)
    matches = [name for name in names if name == snapshot_id] or [n for n in names if n.startswith(snapshot_id)]
    if not snapshot_id or not matches:
        raise DeepfieldError(
            f"There is no snapshot {snapshot_id!r} in {manifest_dir}: `deepfield manifest log` lists them."
        )
    if len(matches) > 1:
        raise DeepfieldError(f"Several snapshots begin with {snapshot_id!r}: {', '.join(matches[:5])}.")
    return matches[0]


def list_snapshots(manifest_dir: Path) -> list[str]:
    """Ids of all snapshots, oldest first."""
    folder = manifest_dir / "snapshots"
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []


def history(manifest_dir: Path) -> list[SnapshotInfo]:
    """The snapshots from `HEAD` back to the first, newest first."""
    infos: list[SnapshotInfo] = []
    current = head(manifest_dir)
    while current is not None:
        infos.append(read_info(manifest_dir, current))
        current = infos[-1].parent
    return infos


def read_snapshot(manifest_dir: Path, snapshot_id: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
    """Rows of a snapshot (the newest by default), in the order of `image_id`.

    Columns that the version which wrote it did not have yet are null.

    Raises:
        DeepfieldError: there is no such snapshot, or a part is missing or damaged.
    """
    info = read_info(manifest_dir, resolve(manifest_dir, snapshot_id))
    if info.schema_version == SCHEMA_VERSION:
        return _read_parts(manifest_dir, info, columns)
    rows = complete(_read_parts(manifest_dir, info), columns)
    return rows if columns is None else rows[columns]


def verify(manifest_dir: Path, snapshot_id: str | None = None, *, rows: bool = True) -> list[str]:
    """Check `HEAD`, and the description, parts and rows of a snapshot against their digests.

    Returns one sentence per fault, none when all is well. Without `rows` the parts are hashed and not read.

    Raises:
        DeepfieldError: there is no such snapshot, or its description cannot be read at all.
    """
    faults = []
    name = resolve(manifest_dir, snapshot_id)
    try:
        head(manifest_dir)
    except DeepfieldError as error:
        faults.append(str(error))
    info = read_info(manifest_dir, name)
    folder = manifest_dir / "snapshots" / name
    if not _describes(info, folder):
        return [*faults, f"{folder / 'snapshot.json'} has changed since it was written: restore it from a copy."]
    for part in info.parts:
        path = folder / part.name
        if not path.exists():
            faults.append(f"{path} is missing.")
        elif file_sha256(path) != part.sha256:
            faults.append(f"{path} has changed since it was written: restore it from a copy.")
    # whoever reads the folder as a whole would read these too
    known = {"snapshot.json", *(part.name for part in info.parts)}
    faults += [f"{path} is no part of the snapshot: remove it." for path in folder.iterdir() if path.name not in known]
    if rows and not faults and _content_digest(_read_parts(manifest_dir, info)) != info.content_sha256:
        faults.append(f"The rows of snapshot {name} are not those that were written.")
    return faults


def _describes(info: SnapshotInfo, folder: Path) -> bool:
    """Whether a description is the one that was written, as far as it can be told."""
    sealed = not info.info_sha256 or (
        info.info_sha256 == _info_digest(info) and (folder / "snapshot.json").read_text() == _info_text(info)
    )
    try:
        created = datetime.fromisoformat(info.created_at)
    except ValueError:
        return False
    return sealed and folder.name == info.snapshot_id == _name(
        created, info.parent, info.policy_digest, info.content_sha256
    )


def _name(created: datetime, parent: str | None, policy_digest: str, content: str) -> str:
    # the parent too: going back to earlier rows within a second is another snapshot all the same
    digest = hashlib.sha256(f"{parent}:{policy_digest}:{content}".encode()).hexdigest()
    return f"{created:%Y%m%dT%H%M%SZ}-{digest[:8]}"


def _info_text(info: SnapshotInfo) -> str:
    return json.dumps(asdict(info), indent=2) + "\n"


def _info_digest(info: SnapshotInfo) -> str:
    return hashlib.sha256(_info_text(replace(info, info_sha256="")).encode()).hexdigest()


def _read_parts(manifest_dir: Path, info: SnapshotInfo, columns: list[str] | None = None) -> pd.DataFrame:
    """The rows as they were written."""
    folder = manifest_dir / "snapshots" / info.snapshot_id
    return pd.concat([read_parquet(folder / part.name, columns) for part in info.parts], ignore_index=True)


def _pieces(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, max(1, len(rows)), _ROWS_PER_PART):
        yield rows.iloc[start : start + _ROWS_PER_PART].reset_index(drop=True)


def _write_part(rows: pd.DataFrame, folder: Path, number: int) -> Part:
    path = folder / f"part-{number:05d}.parquet"
    write_parquet(rows, path)
    return Part(path.name, len(rows), path.stat().st_size, file_sha256(path))


def _content_digest(rows: pd.DataFrame) -> str:
    digest = hashlib.sha256(",".join(rows.columns).encode())
    for piece in _pieces(rows):
        digest.update(piece.to_csv(index=False, header=False).encode())
    return digest.hexdigest()
