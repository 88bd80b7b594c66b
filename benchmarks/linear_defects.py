"""A labelled folder of FITS files: real and synthetic ones, and the good of them with defects of known size.

    python benchmarks/linear_defects.py FITS OUT

FITS holds real images, and maps whose names end on `_var`, `_rms` or `_mask`. OUT becomes a folder for `deepfield
curate calibrate LABELLED --counts OUT`, which rates the rules on counts: the images and maps, good and bad visits of
the synthetic sky, one filter of each, and four copies of each good image: with 2 % of hot pixels, with a satellite's
trail, out of focus by 8 px, and burnt out on a sixth of it. `index.csv` says which is which, and keeps what was made of
one image in one group.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from astropy.io import fits

from manifests.frames import decode
from scrapers.replica.sky import synthetic_sky

SEED = 20261129
MAPS = ("_var", "_rms", "_mask")
# of the synthetic sky, what one filter alone can tell
BAD_KINDS = ("noise", "saturated", "cosmic_rays")
GOOD_VISITS = 60

Defect = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fits", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    rng = np.random.default_rng(SEED)
    rows = []

    def write(name: str, counts: np.ndarray, label: str, why: str, group: str) -> None:
        fits.PrimaryHDU(counts.astype(np.float32)).writeto(options.out / f"{name}.fits")
        rows.append({"file": f"{name}.fits", "label": label, "why": why, "group": group})

    for name, counts, why in [*real(options.fits), *synthetic()]:
        write(name, counts, "bad" if why else "good", why, name)
        if not why:
            for kind, spoil in DEFECTS.items():
                write(f"{name}_{kind}", spoil(counts, spread(counts), rng), "bad", kind, name)
    with (options.out / "index.csv").open("w", newline="") as handle:
        table = csv.DictWriter(handle, ["file", "label", "why", "group"])
        table.writeheader()
        table.writerows(rows)
    good = sum(row["label"] == "good" for row in rows)
    print(f"{len(rows)} files in {options.out}: {good} good, {len(rows) - good} bad")


def real(folder: Path) -> list[tuple[str, np.ndarray, str]]:
    """Name and counts of each file, and why it is bad: a map, or nothing."""
    found = []
    for path in sorted(folder.iterdir()):
        name = path.name.split(".fits")[0]
        counts = decode(path).linear
        assert counts is not None
        found.append((name, counts[::-1], "map" if name.endswith(MAPS) else ""))
    return found


def synthetic() -> list[tuple[str, np.ndarray, str]]:
    """The same of one filter each of the good and of the bad visits of a synthetic sky."""
    sky = synthetic_sky(SEED)
    good = [visit for visit in sky.visits if visit.label == "good" and visit.reprocessing is None][:GOOD_VISITS]
    bad = [visit for visit in sky.visits if visit.kind in BAD_KINDS]
    return [
        (f"synthetic_{number}_{visit.kind}", sky.plane(visit.dataset(visit.bands[0].name)).pixels, why)
        for number, (visit, why) in enumerate([*((v, "") for v in good), *((v, v.kind) for v in bad)])
    ]


def spread(counts: np.ndarray) -> float:
    """Noise of counts: the deviation of neighbours, by their median."""
    steps = np.abs(np.diff(counts, axis=1))
    return float(np.nanmedian(steps)) / 0.9539


def with_hot_pixels(counts: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """2 % of the pixels higher by 20 to 2,000 times the noise."""
    out = counts.copy()
    places = rng.choice(out.size, out.size // 50, replace=False)
    out.ravel()[places] += sigma * 10 ** rng.uniform(1.3, 3.3, places.size)
    return out


def with_a_trail(counts: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """A streak from side to side, 3 px wide and 10 to 100 times the noise high."""
    height, width = counts.shape
    left, right = (int(height * share) for share in rng.uniform(0.1, 0.9, 2))
    streak = np.zeros((height, width), np.float32)
    cv2.line(streak, (0, left), (width - 1, right), 1.0, 3)
    return counts + streak * sigma * 10 ** rng.uniform(1, 2)


def out_of_focus(counts: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian blur of 8 px of what is there, with noise as before."""
    known = np.isfinite(counts)
    light = cv2.GaussianBlur(np.where(known, counts, 0).astype(np.float32), (0, 0), 8)
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 8)
    return np.where(known, light / np.maximum(share, 1e-6) + rng.normal(0, sigma, counts.shape), np.nan)


def burnt_out(counts: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """The brightest sixth of a smoothed copy at one level, above all else."""
    known = np.isfinite(counts)
    smooth = cv2.GaussianBlur(np.where(known, counts, np.nanmin(counts)).astype(np.float32), (0, 0), 6)
    burnt = known & (smooth > np.quantile(smooth[known], 5 / 6))
    return np.where(burnt, np.nanmax(counts) + 100 * sigma, counts)


DEFECTS: dict[str, Defect] = {
    "hot": with_hot_pixels,
    "trail": with_a_trail,
    "blurred": out_of_focus,
    "burnt": burnt_out,
}


if __name__ == "__main__":
    main()
