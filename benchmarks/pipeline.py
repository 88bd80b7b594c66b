"""The whole pipeline on the synthetic sky: how long it takes, and what its networks reach beside doing without.

    python benchmarks/pipeline.py [FOLDER]

FOLDER, which must be empty or absent, keeps the data; a temporary one is used and removed otherwise.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHOWN = {
    "colorizer": ("mae_ab", "mae_ab_faithful", "mae_ab_all_gray", "mae_ab_mean_colour", "colourfulness"),
    "superres": ("psnr_y_crop4_faithful", "psnr_y_crop4", "psnr_y_crop4_bicubic", "psnr_y_crop4_lanczos"),
}


def main() -> None:
    """Run `deepfield demo` in an empty data folder and print its time and figures."""
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as home:
        measure(Path(home))


def measure(home: Path) -> None:
    """Run the demo with its data in `home`; print its time and figures."""
    if home.exists() and any(home.iterdir()):
        sys.exit(f"{home} is not empty: a run that goes on from an earlier one cannot be timed.")
    deepfield = str(Path(sys.executable).with_name("deepfield"))
    start = time.monotonic()
    subprocess.run(
        [deepfield, "demo"],
        env={**os.environ, "DEEPFIELD_HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    print(f"whole pipeline on {os.cpu_count()} cores: {time.monotonic() - start:.0f} s")
    for task, names in SHOWN.items():
        scores = json.loads((home / "demo/sky/models" / task / "v1/metrics.json").read_text())
        metrics = {metric["name"]: metric for metric in scores["metrics"]}
        print(f"{task}, {scores['split']} split")
        for name in names:
            metric = metrics[name]
            interval = f"[{metric['low']:.2f}, {metric['high']:.2f}]"
            print(f"  {name:24} {metric['value']:7.2f}  {interval}  {metric['n']} frames")


if __name__ == "__main__":
    main()
