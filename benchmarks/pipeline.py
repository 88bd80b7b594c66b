"""The whole pipeline on the synthetic sky: how long it takes, and what its networks reach beside doing without."""

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
    deepfield = str(Path(sys.executable).with_name("deepfield"))
    with tempfile.TemporaryDirectory() as home:
        start = time.monotonic()
        subprocess.run(
            [deepfield, "demo"],
            env={**os.environ, "DEEPFIELD_HOME": home},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        print(f"whole pipeline on {os.cpu_count()} cores: {time.monotonic() - start:.0f} s")
        for task, names in SHOWN.items():
            scores = json.loads((Path(home) / "demo/sky/models" / task / "v1/metrics.json").read_text())
            metrics = {metric["name"]: metric for metric in scores["metrics"]}
            print(f"{task}, {scores['split']} split")
            for name in names:
                metric = metrics[name]
                print(
                    f"  {name:24} {metric['value']:7.2f}  [{metric['low']:.2f}, {metric['high']:.2f}]"
                    f"  {metric['n']} frames"
                )


if __name__ == "__main__":
    main()
