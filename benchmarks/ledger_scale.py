"""How a crawl of many products fits into memory, and how soon it goes on after a stop.

The command is `deepfield scrape hla` as a user types it, asking a local archive on loopback about a region of 10
degrees: first until all products are in the ledger; then, with half of the pictures here, again until the first picture
is asked for. Beside that: the command's start alone, and what SQLite needs to name the
products.
"""

import argparse
import hashlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from threading import Event

import numpy as np
from PIL import Image
from sqlalchemy import create_engine, select, update

from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.tables import products
from scrapers.replica.catalogue import COLOR, Dataset, Original, Plane, Truth
from scrapers.replica.exchange import Reply, Request
from scrapers.replica.geometry import Grid
from scrapers.replica.hla import hla_routes
from scrapers.replica.server import ReplicaServer

RA, DEC, RADIUS = 150.0, 2.0, 10.0
SIDE_PX, SCALE_DEG = 4000, 0.05 / 3600
TAKEN = datetime(2003, 8, 27, 12, tzinfo=UTC)


class ManyFrames:
    """An archive of so many colour products, evenly spread over the region, that all show the same small picture."""

    truth: tuple[Truth, ...] = ()

    def __init__(self, number: int) -> None:
        out = BytesIO()
        noise = np.random.default_rng(1).integers(0, 255, (280, 300, 3), dtype=np.uint8)
        Image.fromarray(noise).save(out, "JPEG")
        self._picture = Original(out.getvalue(), "image/jpeg", "picture.jpg")
        self.datasets = tuple(_dataset(index, number) for index in range(number))

    def plane(self, name: str) -> Plane:
        """There are no counts."""
        raise KeyError(name)

    def original(self, name: str) -> Original:
        """The one picture."""
        return self._picture


def _dataset(index: int, number: int) -> Dataset:
    # a sunflower's seeds: as dense everywhere
    reach, turn = RADIUS * np.sqrt((index + 0.5) / number), 2.399963 * index
    dec = DEC + reach * np.sin(turn)
    grid = Grid(
        float(RA + reach * np.cos(turn) / np.cos(np.radians(dec))) % 360, float(dec), SIDE_PX, SIDE_PX, SCALE_DEG
    )
    corners = tuple(grid.to_sky(x, y) for x, y in ((0, 0), (SIDE_PX, 0), (SIDE_PX, SIDE_PX), (0, SIDE_PX)))
    name = f"hst_{10_000 + index // 90:05d}_{index % 90:02d}_acs_wfc_f814w_f606w_f435w"
    return Dataset(
        name=name,
        level=COLOR,
        target=f"FIELD-{index}",
        instrument="ACS",
        detector="ACS/WFC",
        aperture="WFC",
        elements=("F814W", "F606W", "F435W"),
        exposures=4,
        exptime_s=2340.0,
        start=TAKEN,
        propid=10_000 + index // 90,
        visit=f"{index % 90:02d}",
        pi_name="Hubble",
        mode="IMAGE",
        created=TAKEN,
        source="HLA",
        wavelength="OPTICAL",
        released=TAKEN,
        title="A benchmark",
        grid=grid,
        files=(name,),
        polygons=(corners,),
        is_file=True,
    )


@dataclass
class Run:
    """What a command took: seconds on the clock and of the processors, and its peak memory in MB."""

    seconds: float
    cpu_s: float
    megabytes: float


def run(home: Path, url: str, *options: str, until: Event | None = None) -> Run:
    """Run the command; up to an event, where one is given, at which it is ended."""
    command = [str(Path(sys.executable).with_name("deepfield")), "scrape", "hla", "--archive-url", url]
    command += ["--ra", str(RA), "--dec", str(DEC), "--radius", str(RADIUS), *options]
    pace = {"DEEPFIELD_REQUESTS_PER_SECOND": "10000", "DEEPFIELD_CONNECTIONS": "8"}
    start = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **pace, "DEEPFIELD_HOME": str(home)})
    seen = Run(0.0, 0.0, 0.0)
    while process.poll() is None and not (until is not None and until.is_set()):
        seen = _look(process.pid, start) or seen
        time.sleep(0.01)
    seen.seconds = time.perf_counter() - start
    if until is not None:
        process.terminate()
    elif process.wait():
        raise SystemExit(f"The crawl ended with {process.returncode}.")
    process.wait()
    return seen


def _look(process: int, start: float) -> Run | None:
    """What a process has taken so far; None where it has just ended.

    The memory is the kernel's own peak (proc_pid_status(5), VmHWM). That of getrusage(2) would be at least ours, for
    a process keeps it from before it became the command.
    """
    try:
        peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
        times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return None
    cpu_s = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return Run(time.perf_counter() - start, cpu_s, int(peak[1]) / 1024) if peak else None


def bring_in_half(settings: Settings) -> int:
    """Write every second product down as got, with a small blob each; how many."""
    blobs, engine = BlobStore(settings.blobs_dir), create_engine(settings.database)
    with engine.begin() as connection:
        names = list(connection.scalars(select(products.c.product_id).order_by(products.c.product_id)))[::2]
        for name in names:
            data = name.encode()
            sha256 = hashlib.sha256(data).hexdigest()
            path = blobs.path(sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            change = update(products).where(products.c.product_id == name)
            connection.execute(change.values(status="got", sha256=sha256, attempts=1))
    engine.dispose()
    return len(names)


def _words(one: Run) -> str:
    return f"{one.seconds:.2f} s ({one.cpu_s:.2f} s of processor), at most {one.megabytes:.0f} MB of memory"


def main() -> None:
    """Print what was measured, one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    number = parser.parse_args().products
    asked = Event()
    routes = hla_routes(ManyFrames(number))
    fitscut = "/cgi-bin/fitscut.cgi"
    picture = routes[fitscut]

    def answer(request: Request) -> Reply:
        asked.set()
        return picture(request)

    routes |= {fitscut: answer, "/robots.txt": lambda request: Reply(b"User-agent: *\nDisallow:\n", "text/plain")}
    with tempfile.TemporaryDirectory() as folder, ReplicaServer(routes) as server:
        home = Path(folder)
        settings = Settings(home=home, database_url=None)
        # with this limit all questions are asked before the first picture is
        first = run(home, server.url, "--limit", str(number), until=asked)
        database = home / "catalog.db"
        known = sqlite3.connect(database).execute("SELECT count(*) FROM products").fetchone()[0]
        print(f"{known} products asked for and written down: {_words(first)}")
        print(f"the ledger on disk: {database.stat().st_size / 1e6:.0f} MB")
        here = bring_in_half(settings)
        for which in ("at first", "again"):
            asked.clear()
            again = run(home, server.url, until=asked)
            print(f"resumed with {here} here, {which}: first picture asked for after {_words(again)}")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "flows.cli", "scrape", "hla", "--help"], stdout=subprocess.DEVNULL, check=True
        )
        print(f"the command's start alone (--help): {time.perf_counter() - start:.2f} s")
        start = time.perf_counter()
        sqlite3.connect(database).execute(
            "SELECT product_id, status, sha256 FROM products ORDER BY product_id"
        ).fetchall()
        print(f"SQLite naming the products: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
