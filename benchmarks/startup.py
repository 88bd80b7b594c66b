"""How quickly the command line answers: `deepfield --help`, beside the import of its heaviest libraries."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7


def seconds(command: list[str]) -> float:
    """Median wall time of a command over RUNS runs, after one that warms the disk cache."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Print one line per command."""
    deepfield = str(Path(sys.executable).with_name("deepfield"))
    rows = [
        ("deepfield --help", [deepfield, "--help"]),
        ("deepfield scrape hla --help", [deepfield, "scrape", "hla", "--help"]),
        ("prefect --help", [str(Path(sys.executable).with_name("prefect")), "--help"]),
        ("python -c 'import torch'", [sys.executable, "-c", "import torch"]),
        ("python -c 'pass'", [sys.executable, "-c", "pass"]),
    ]
    print(f"start-up, median of {RUNS} runs")
    for name, command in rows:
        print(f"{name:30} {seconds(command):6.2f} s")


if __name__ == "__main__":
    main()
