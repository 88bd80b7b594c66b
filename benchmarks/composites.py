"""Time and memory of colour composites of three frames of ACS's size: python -m benchmarks.composites [SIDE_PX]"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from astropy.io import fits

from manifests.settings import load_settings
from scrapers.bands import header_of, open_stack
from scrapers.composite import METHODS, Method, compose, encode
from scrapers.products import Product
from scrapers.xmp import packet

SIDE_PX = 5700
FILTERS = ("F814W", "F555W", "F435W")
T = TypeVar("T")


def main() -> None:
    """Write three files, render them in a process of its own each way, and print what that took."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE_PX
    with tempfile.TemporaryDirectory() as folder:
        # in processes of their own: a process begins with the peak of the one that started it
        paths = [_alone(_write, Path(folder) / f"{name}.fits", side, seed) for seed, name in enumerate(FILTERS)]
        print(f"three files of {side}x{side} pixels: {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB")
        for method in METHODS:
            seconds, resting, peak, size = _alone(_render, paths, method)
            print(f"{method}: {seconds:.1f} s, {peak:.0f} MB at most ({resting:.0f} MB before), PNG of {size:.0f} MB")


def _alone(work: Callable[..., T], *arguments: object) -> T:
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _render(paths: list[Path], method: Method) -> tuple[float, float, float, float]:
    """Seconds, MB of memory before and at most, MB of the file."""
    resting, start = _peak_mb(), time.monotonic()
    product = Product("hla", "hla:x", "x", "x", filters="/".join(FILTERS), instrument_name="ACS/WFC")
    with open_stack(paths, load_settings().max_pixels) as stack:
        composite = compose(stack.bands, method)
    data = encode(composite, packet(product, stack.wcs, stack.shape), header_of(stack.wcs).tostring(sep="\n"))
    return time.monotonic() - start, resting, _peak_mb(), len(data) / 1e6


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write(path: Path, side: int, seed: int) -> Path:
    """Sky and stars on a square turned by 30 degrees, weight 0 around it, as a drizzled file has it."""
    rng = np.random.default_rng(seed)
    counts = rng.normal(0.0, 0.01, (side, side)).astype(np.float32)
    counts[rng.integers(0, side, 20_000), rng.integers(0, side, 20_000)] += rng.pareto(1.5, 20_000).astype(np.float32)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    weight = np.maximum(np.abs(0.866 * x + 0.5 * y), np.abs(0.866 * y - 0.5 * x)) < 0.366
    header = fits.Header()
    for key, value in (("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CRVAL1", 210.8), ("CRVAL2", 54.35)):
        header[key] = value
    for axis, scale in ((1, -1.38889e-5), (2, 1.38889e-5)):
        header[f"CRPIX{axis}"], header[f"CD{axis}_{axis}"] = side / 2, scale
    parts = [fits.PrimaryHDU(), fits.ImageHDU(counts, header, name="SCI")]
    fits.HDUList([*parts, fits.ImageHDU(weight.astype(np.float32), name="WHT")]).writeto(path)
    return path


if __name__ == "__main__":
    main()
