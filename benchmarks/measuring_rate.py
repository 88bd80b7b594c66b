"""How fast frames are measured and hashed, and with how much memory, beside CleanVision plus imagededup.

    python benchmarks/measuring_rate.py [--files N] [--memory N]

JPEGs of the synthetic sky, 1024 x 768 pixels, are measured as `deepfield curate` does it, with one process per core:
decoding, the no-data mask, all measurements and all fingerprints, which is what the peers' work is like; then once more
with the local features by which crops are found. The peers get the same files and as many processes: CleanVision's
checks, imagededup's PHash and its search. Seconds are of the wall clock and of CPU, all processes together; where other
work shares the machine, only the latter can be compared.
Then the same number of frames once more and four times as many, each in a process of its own: the peak memory of any of
its processes must not grow with the frames. The peers are `pip install -e '.[peers]'`; without one of them their line
is left out.
"""

import argparse
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from measure_blobs import timed
from PIL import Image

from manifests.blobs import BlobStore
from scrapers.replica.catalogue import COLOR
from scrapers.replica.exchange import Request
from scrapers.replica.fitscut import PictureService
from scrapers.replica.sky import synthetic_sky

SIZE = (1024, 768)
PEERS = ("cleanvision", "imagededup")
SKIES = 40


def main() -> None:
    """Print the rates and the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=400, help="JPEGs for the rates")
    parser.add_argument("--memory", type=int, default=500, help="JPEGs for the memory; then four times as many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if options.files:
            print_rates(Path(place), options.files)
        if options.memory:
            print_memory(Path(place), options.memory)


def print_rates(place: Path, number: int) -> None:
    """Frames a second, ours and the peers', on the same files."""
    files = place / "files"
    write_files(files, number)
    print(f"{number} JPEGs of {SIZE[0]}x{SIZE[1]}, {os.cpu_count()} cores")
    in_own_process(files.with_name("first"), files, 8)  # compiled code is kept on disk from here on
    hashed = in_own_process(files.with_name("hashed"), files, number, "--no-features")
    print_rate("Deepfield, measurements and hashes", number, hashed["wall_s"], hashed["cpu_s"])
    described = in_own_process(files.with_name("described"), files, number)
    print_rate("Deepfield with local features", number, described["wall_s"], described["cpu_s"])
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        print(f"{' and '.join(missing)} not installed: no peer to compare with")
        return
    wall, cpu = timed(lambda: peers(files))
    print_rate("CleanVision plus imagededup", number, wall, cpu)
    for what, ours in (("measurements and hashes", hashed), ("with local features", described)):
        print(f"{what} over the peers: {wall / ours['wall_s']:.2f} by the clock, {cpu / ours['cpu_s']:.2f} by CPU")


def print_memory(place: Path, number: int) -> None:
    """Peak memory for some frames and for four times as many."""
    files = place / "many"
    write_files(files, 4 * number)
    for count in (number, 4 * number):
        used = in_own_process(place / f"memory-{count}", files, count)
        print(f"{count} frames: peak {used['parent_mb']:.0f} MB, of a worker {used['worker_mb']:.0f} MB")


def write_files(folder: Path, number: int) -> None:
    """JPEGs of one size, cut from frames of the synthetic sky, no two alike."""
    folder.mkdir()
    sky = synthetic_sky(2, visits=SKIES, sides_px=(1100, 1400))
    service = PictureService(sky)
    datasets = [one for one in sky.datasets if one.level == COLOR][:SKIES]
    pictures = []
    for dataset in datasets:
        reply = service.preview(Request("", f"dataset={dataset.name}&output_size=1400", ""))
        pictures.append(Image.open(io.BytesIO(reply.body)).convert("RGB"))
    rng = np.random.default_rng(0)
    for index in range(number):
        picture = pictures[index % len(pictures)]
        share = rng.uniform(0.6, 0.95)
        side = share * picture.width, share * picture.height
        left, top = (rng.uniform(0, whole - part) for whole, part in zip(picture.size, side, strict=True))
        cut = picture.resize(SIZE, Image.Resampling.LANCZOS, (left, top, left + side[0], top + side[1]))
        cut.save(folder / f"{index:05d}.jpg", quality=90)


def in_own_process(home: Path, files: Path, number: int, *options: str) -> dict[str, float]:
    """Measure the first files in a new process, whose memory and CPU are its own."""
    blobs = BlobStore(home / "blobs")
    for path in sorted(files.iterdir())[:number]:
        blobs.put(path.read_bytes())
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("measure_blobs.py")), str(home), *options],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def peers(files: Path) -> None:
    """CleanVision's default checks, then imagededup's hashes and search, as their manuals run them."""
    from cleanvision import Imagelab  # noqa: PLC0415
    from imagededup.methods import PHash  # noqa: PLC0415

    workers = os.cpu_count() or 1
    # both chat on standard output
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        Imagelab(data_path=str(files)).find_issues(n_jobs=workers, verbose=False)
        hasher = PHash(verbose=False)
        hasher.find_duplicates(encoding_map=hasher.encode_images(image_dir=str(files), num_enc_workers=workers))


def print_rate(tool: str, number: int, wall: float, cpu: float) -> None:
    """One line of the table."""
    print(f"{tool}: {number / wall:.1f} frames/s ({wall:.1f} s), {1000 * cpu / number:.0f} ms of CPU a frame")


if __name__ == "__main__":
    main()
