"""How many repeated pictures are found, and how fast near hashes are, beside imagededup and FAISS.

    python benchmarks/duplicates.py [--frames N] [--hashes N] [--pairs FOLDER]

Three parts. Copies of pictures of the synthetic sky, changed in ten ways, go through `scrape folder` and `curate`; the
same files go to imagededup's PHash. All pairs of random 64-bit hashes within 8 bits, two in a hundred of them planted
and one in a hundred equal; 256-bit hashes under the eight symmetries. With FOLDER, which has an `index.csv` and a
`pairs.csv` with the columns `a` and `b`: real pairs among all its pictures. What is removed besides is unlisted, which
is not wrong: the pairs are some that are known, and one has to look. imagededup and faiss-cpu are the peers:
`pip install -e '.[peers]'`; without them their lines are left out. Intervals are Wilson's at 95 %.
"""

import argparse
import importlib.util
import io
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from measure_blobs import cpu_s
from PIL import Image
from twins import count_twins

from curation.curate import curate
from curation.hamming import distinct, near_across, near_pairs
from curation.neighbours import MAX_DISTANCE_256
from curation.policy import RULES_ONLY, load_policy
from curation.rates import Share
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.files import file_sha256
from manifests.settings import Settings
from manifests.snapshots import read_snapshot
from scrapers.folder import scrape_folder
from scrapers.replica.catalogue import COLOR
from scrapers.replica.exchange import Request
from scrapers.replica.fitscut import PictureService
from scrapers.replica.sky import synthetic_sky

LONGEST_PX = 512
PEER = "imagededup"


def _affine(rgb: np.ndarray, degrees: float) -> np.ndarray:
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(rgb, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _crop(rgb: np.ndarray, share: float) -> np.ndarray:
    height, width = rgb.shape[:2]
    dy, dx = round(height * share / 2), round(width * share / 2)
    return rgb[dy : height - dy, dx : width - dx]


def _stretch(rgb: np.ndarray) -> np.ndarray:
    return (255 * (rgb / 255.0) ** 0.55 + 0.5).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG quality 40": lambda rgb: rgb,
    "to 256 pixels": lambda rgb: cv2.resize(rgb, (256, round(256 * rgb.shape[0] / rgb.shape[1])), interpolation=3),
    "twice as large": lambda rgb: cv2.resize(rgb, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
    "gamma 0.55": _stretch,
    "crop 5 %": lambda rgb: _crop(rgb, 0.05),
    "crop 20 %": lambda rgb: _crop(rgb, 0.20),
    "turn 7 degrees": lambda rgb: _affine(rgb, 7.0),
    "turn 90 degrees": np.rot90,
    "turn 180 degrees": lambda rgb: np.rot90(rgb, 2),
    "mirror": lambda rgb: rgb[:, ::-1],
}


def main() -> None:
    """Print all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300, help="pictures of the synthetic sky")
    parser.add_argument("--hashes", type=int, default=1_000_000, help="64-bit hashes")
    parser.add_argument("--pairs", type=Path, metavar="FOLDER", help="a folder of real pictures with pairs.csv")
    options = parser.parse_args()
    if options.frames:
        with tempfile.TemporaryDirectory() as folder:
            print_copies(Path(folder), options.frames)
    if options.hashes:
        print_hashes(options.hashes)
    if options.pairs:
        print_real(options.pairs)


def print_copies(folder: Path, number: int) -> None:
    """Recall, precision and losses on changed copies."""
    files = folder / "files"
    truth = write_copies(files, number)
    print(f"{len(truth)} files, {number} of them originals of the synthetic sky, the others changed copies")
    start = time.perf_counter()
    rows = curated(files, folder / "home")
    seconds = time.perf_counter() - start
    ids = {name: file_sha256(files / name) for name in truth}
    kept = dict(zip(rows["image_id"], rows["duplicate_of"].fillna(rows["image_id"]), strict=True))
    _print_scores("Deepfield", truth, {name: kept[image_id] for name, image_id in ids.items()}, ids, seconds)
    if importlib.util.find_spec(PEER) is None:
        print(f"{PEER} is not installed")
        return
    from imagededup.methods import PHash  # noqa: PLC0415

    start = time.perf_counter()
    hasher = PHash(verbose=False)
    found = hasher.find_duplicates(image_dir=str(files), max_distance_threshold=10)
    remove = set(hasher.find_duplicates_to_remove(encoding_map=hasher.encode_images(image_dir=str(files))))
    seconds = time.perf_counter() - start
    # a file that it removes repeats the first file it is said to be like and that stays, if one stays
    stays = {name: next((other for other in sorted(found[name]) if other not in remove), "") for name in remove}
    _print_scores(PEER, truth, {name: stays.get(name, name) for name in truth}, {n: n for n in truth}, seconds)


def write_copies(files: Path, number: int) -> dict[str, tuple[str, str]]:
    """Write originals and, of every third, a changed copy; the picture and the change of each file."""
    files.mkdir()
    sky = synthetic_sky(1, visits=2 * number)
    repeats = {one.dataset for one in sky.truth if one.duplicate_of} | {one.duplicate_of for one in sky.truth}
    bad = {one.dataset for one in sky.truth if one.label == "bad"}
    service = PictureService(sky)
    wanted = [d for d in sky.datasets if d.level == COLOR and d.name not in repeats | bad][:number]
    truth = {}
    changes = list(CHANGES.items())
    for index, dataset in enumerate(wanted):
        reply = service.preview(Request("", f"dataset={dataset.name}&output_size={LONGEST_PX}", ""))
        name = f"{index:04d}.jpg"
        (files / name).write_bytes(reply.body)
        truth[name] = (dataset.name, "original")
        if index % 3 == 0:
            what, change = changes[index // 3 % len(changes)]
            rgb = np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGB"))
            changed = Image.fromarray(np.ascontiguousarray(change(rgb)))
            changed.save(files / f"copy-{name}", quality=40 if what.startswith("JPEG") else 92)
            truth[f"copy-{name}"] = (dataset.name, what)
    return truth


def curated(files: Path, home: Path) -> pd.DataFrame:
    """The rows of the snapshot that the pipeline makes of a folder."""
    settings = Settings(home=home)
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    scrape_folder(files, engine=engine, blobs=blobs, settings=settings)
    curate(settings=settings, engine=engine, blobs=blobs, policy=load_policy(RULES_ONLY))
    return read_snapshot(settings.manifest_dir)


def _print_scores(
    tool: str, truth: dict[str, tuple[str, str]], kept: dict[str, str], ids: dict[str, str], seconds: float
) -> None:
    """`kept` is what each file is a repetition of: its own id where it stays."""
    picture_of = {ids[name]: picture for name, (picture, _) in truth.items()}
    original = {picture: name for name, (picture, what) in truth.items() if what == "original"}
    hits, totals = Counter[str](), Counter[str]()
    for name, (picture, what) in truth.items():
        if what != "original":
            totals[what] += 1
            hits[what] += kept[name] == kept[original[picture]]
    removed = [name for name in truth if kept[name] != ids[name]]
    right = sum(picture_of.get(kept[name]) == truth[name][0] for name in removed)
    present = {truth[name][0] for name in truth if kept[name] == ids[name]}
    lost = len({picture for picture, _ in truth.values()} - present)
    print(
        f"{tool}: recall {_share(sum(hits.values()), sum(totals.values()))}, precision {_share(right, len(removed))}, "
    )
    print(f"    pictures lost entirely {lost}, {seconds:.1f} s")
    print("    " + ", ".join(f"{what} {hits[what]}/{total}" for what, total in totals.items()))
    for name in removed:
        if picture_of.get(kept[name]) != truth[name][0]:
            print(f"    {name} ({truth[name][0]}) is no repetition of {picture_of.get(kept[name])}")


def _share(hits: int, total: int) -> str:
    low, high = Share(hits, total).interval
    return f"{hits / max(1, total):.3f} [{low:.3f}, {high:.3f}] ({hits} of {total})"


def print_hashes(number: int) -> None:
    """All near pairs: ours at full size, the peers at sizes they can do."""
    near_pairs(planted(1000, 1, 8), 8)  # compile before the clock starts
    near_across(planted(1000, 4, 32), planted(1000, 4, 32), 32)
    hashes = planted(number, 1, 8)
    hashes[: number // 100] = hashes[0]
    before = _peak_mb()
    found, seconds = _timed(lambda: near_pairs(distinct(hashes), 8))
    print(
        f"{number} 64-bit hashes, 1 % equal, distance 8: {len(found.first)} pairs of different hashes in {seconds}, "
        f"peak {_peak_mb()} MB ({before} MB before)"
    )
    stored = planted(100_000, 4, 32)
    queries = np.concatenate([stored, *(planted(len(stored), 4, 32, seed=turn) for turn in range(1, 8))])
    # the second is the distance at which pictures are compared
    for distance in (32, MAX_DISTANCE_256):
        found, seconds = _timed(lambda distance=distance: near_across(queries, stored, distance))
        print(f"8 x 100000 256-bit hashes, distance {distance}: {len(found.first)} pairs in {seconds}")
    _print_peers(planted(10_000, 1, 8), planted(100_000, 1, 8))


def planted(number: int, words: int, distance: int, seed: int = 0) -> np.ndarray:
    """Random hashes, uint64 (number, words), two in a hundred near another one."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (number, words), dtype=np.uint64)
    for target in rng.choice(number, number // 50, replace=False):
        near = hashes[rng.integers(number)].copy()
        for bit in rng.choice(64 * words, rng.integers(1, distance + 1), replace=False):
            near[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        hashes[target] = near
    return hashes


def _print_peers(small: np.ndarray, large: np.ndarray) -> None:
    for hashes in (small, large):
        found, seconds = _timed(lambda hashes=hashes: near_pairs(distinct(hashes), 8))
        print(f"{len(hashes)} 64-bit hashes: {len(found.first)} pairs in {seconds}; ", end="")
        if importlib.util.find_spec("faiss") is None:
            print("faiss-cpu is not installed")
            continue
        import faiss  # noqa: PLC0415

        index = faiss.IndexBinaryFlat(64)
        index.add(hashes.view(np.uint8))
        found, seconds = _timed(lambda index=index, hashes=hashes: index.range_search(hashes.view(np.uint8), 9))
        print(f"flat FAISS scan {(int(found[0][-1]) - len(hashes)) // 2} in {seconds}")
    if importlib.util.find_spec(PEER) is None:
        print(f"{PEER} is not installed")
        return
    from imagededup.methods import PHash  # noqa: PLC0415

    names = {f"{number:05d}.jpg": f"{value:016x}" for number, (value,) in enumerate(small.tolist())}
    found, seconds = _timed(lambda: PHash(verbose=False).find_duplicates(encoding_map=names, max_distance_threshold=8))
    pairs = sum(len(others) for others in found.values()) // 2
    print(f"{len(names)} 64-bit hashes: {PEER} {pairs} in {seconds}")


def print_real(folder: Path) -> None:
    """Known pairs of a folder among all its pictures, and what was removed without being one."""
    with tempfile.TemporaryDirectory() as home:
        rows = curated(folder, Path(home))
    twins = count_twins(folder, rows)
    print(f"real pairs of {folder.name}: recall {twins.found}, pictures lost entirely {twins.lost}")
    print(
        f"removed as exact or the same rendering: {twins.right.total}; {twins.right.hits} of them are bound by those "
        f"pairs, {len(twins.unlisted)} are unlisted"
    )
    print(f"    precision {_share(twins.right.hits, twins.right.total)} if no unlisted one is a twin; 1 if all are:")
    for name, of, relation in twins.unlisted:
        print(f"    unlisted: {name}  {relation}  {of}")


def _timed(work: Callable[[], Any]) -> tuple[Any, str]:
    """What the work gives, and the seconds it took by the clock and of CPU, its processes included."""
    start, before = time.perf_counter(), cpu_s()
    found = work()
    return found, f"{time.perf_counter() - start:.2f} s ({cpu_s() - before:.2f} s of CPU)"


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
