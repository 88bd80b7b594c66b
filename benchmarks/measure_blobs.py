"""Measures all blobs of a folder as `deepfield curate` does, and says how long it took and with how much memory.

    python benchmarks/measure_blobs.py FOLDER [--no-features]

With --no-features the local features, by which crops are found, are left out: what is left are measurements and hashes.
A script of its own, which imports no more than it needs: each process that measures imports it again, as it does
the `deepfield` program, which imports what a command needs when it is asked for.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from curation import measured
from manifests.blobs import BlobStore

with_features = measured.measured


def main() -> None:
    """Print seconds and megabytes as one line of JSON."""
    from curation import measuring  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, metavar="FOLDER", help="holds a blob store, and gets the measurements")
    parser.add_argument("--no-features", action="store_true", help="leave local features out")
    options = parser.parse_args()
    home = options.home
    if options.no_features:
        measuring.measured = without_features
    blobs = BlobStore(home / "blobs")
    ids = [path.name for path in blobs.root.glob("??/??/*")]
    places = {"blobs_dir": blobs.root, "measures_dir": home / "measures"}
    wall, cpu = timed(lambda: measuring.measure_all(ids, **places, max_pixels=10**8))
    worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "parent_mb": own_peak_mb(), "worker_mb": worker_mb}))


def without_features(image_ids: Sequence[str], blobs_dir: Path, max_pixels: int) -> measured.Measured:
    """What a process measures of a batch, but for the local features."""
    measured.describe = lambda frame: None
    return with_features(image_ids, blobs_dir, max_pixels)


def own_peak_mb() -> float:
    """Peak memory of this process; its ru_maxrss would begin with that of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the wall clock and of CPU, ended child processes included."""
    start, before = time.perf_counter(), cpu_s()
    work()
    return time.perf_counter() - start, cpu_s() - before


def cpu_s() -> float:
    """Seconds of CPU so far, ended child processes included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
