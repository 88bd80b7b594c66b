"""Measures all blobs of a folder as `deepfield curate` does, and says how long it took and with how much memory.

    python benchmarks/measure_blobs.py FOLDER

A script of its own, which imports no more than it needs: each process that measures imports it again, as it does
the `deepfield` program, which imports what a command needs when it is asked for.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from manifests.blobs import BlobStore


def main(home: Path) -> None:
    """Print seconds and megabytes as one line of JSON."""
    from curation.measuring import measure_all  # noqa: PLC0415

    blobs = BlobStore(home / "blobs")
    ids = [path.name for path in blobs.root.glob("??/??/*")]
    wall, cpu = timed(lambda: measure_all(ids, blobs_dir=blobs.root, measures_dir=home / "measures", max_pixels=10**8))
    worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "parent_mb": own_peak_mb(), "worker_mb": worker_mb}))


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
    main(Path(sys.argv[1]))
