"""How near a crawl comes to what its politeness allows, on the local archive in a process of its own.

    python benchmarks/crawl_rate.py [--seconds N] [--runs N]

Three figures. The rate with 200 ms of latency and 8 connections, where 8 / 0.2 s = 40 requests a second are ideal: a
whole crawl (robots.txt, checks, ledger, blobs on disk) and, beside it on the same server, the plainest loop of
`requests` in 8 threads that keeps nothing. The rate with a limit of 2 requests a second: how near to it the crawl
comes, and the most requests that any second had. And the same for two processes that share a catalogue. All times
are those at which the server had the request.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from scrapers.crawl import crawl, look
from scrapers.hla import Hla, HlaQuery
from scrapers.http import PoliteClient
from scrapers.politeness import Gates
from scrapers.sky import Cone

LATENCY_S, CONNECTIONS = 0.2, 8
IDEAL = CONNECTIONS / LATENCY_S
LIMIT = 2.0
M101 = Cone(210.8, 54.35, 1.0)
SIDE_PX = 320
WINDOW_S = 1.0


@dataclass(frozen=True)
class Served:
    """A running archive: its address and the file of its access log."""

    url: str
    access_log: Path

    def moments(self, skip: int = 0) -> list[float]:
        """When pictures were asked for, in seconds, after the first `skip` of them."""
        lines = [json.loads(line) for line in self.access_log.read_text().splitlines()]
        times = sorted(datetime.fromisoformat(line["time"]).timestamp() for line in lines if "fitscut" in line["path"])
        return times[skip:]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long an ideal crawl takes")
    parser.add_argument("--runs", type=int, default=3, help="runs of the first figure, crawl and loop by turns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        number = round(IDEAL * options.seconds)
        make_pictures(root / "many", number)
        make_pictures(root / "few", round(LIMIT * options.seconds))
        print(f"{number} pictures of {SIDE_PX} px; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{LATENCY_S * 1000:.0f} ms, {CONNECTIONS} connections: ideal {IDEAL:.1f} requests a second")
        for run in range(options.runs):
            with serving(root / "many", root / f"{run}.log", LATENCY_S) as served:
                plain_loop(served)
                peer = served.moments()
                crawled(served, root / f"home{run}", Settings(requests_per_second=1000, connections=CONNECTIONS))
                print(f"  crawl {share(served.moments(len(peer)), IDEAL)}   plain loop {share(peer, IDEAL)}")
        with serving(root / "few", root / "slow.log", 0.0) as served:
            crawled(served, root / "slow", Settings(requests_per_second=LIMIT, connections=CONNECTIONS))
            moments = served.moments()
        print(f"limit of {LIMIT:g} requests a second")
        print(f"  crawl {share(moments, LIMIT)}   most in any second: {most_in_a_window(moments)}")
        with serving(root / "few", root / "shared.log", 0.0) as served:
            in_company(served, root / "shared", processes=2)
            moments = served.moments()
        print(f"  two processes {share(moments, LIMIT)}   most in any second: {most_in_a_window(moments)}")


def crawled(served: Served, home: Path, settings: Settings) -> None:
    """A whole crawl, into an empty home."""
    settings = settings.model_copy(update={"home": home})
    engine, blobs = open_database(settings.database), BlobStore(settings.blobs_dir)
    gates = Gates(settings.requests_per_second, settings.connections)
    archive = Hla(PoliteClient(served.url, settings, gates), HlaQuery())
    summary = crawl(archive, M101, engine=engine, blobs=blobs, settings=settings)
    engine.dispose()
    if summary.progress.got != summary.progress.found:
        sys.exit(f"Only {summary.progress.got} of {summary.progress.found} pictures came in: {summary.errors}")


def in_company(served: Served, home: Path, processes: int) -> None:
    """The same crawl by several processes at once, which share its home."""
    own = {"HOME": home, "REQUESTS_PER_SECOND": LIMIT, "CONNECTIONS": CONNECTIONS}
    environment = os.environ | {f"DEEPFIELD_{name}": str(value) for name, value in own.items()}
    deepfield = str(Path(sys.executable).with_name("deepfield"))
    region = ["--ra", str(M101.ra), "--dec", str(M101.dec), "--radius", str(M101.radius)]
    command = [deepfield, "scrape", "hla", *region, "--archive-url", served.url]
    running = []
    for _ in range(processes):
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while not served.moments() and running[-1].poll() is None:
            time.sleep(0.1)  # until the region was asked for: the others find its products known
    codes = [process.wait() for process in running]
    if any(codes):
        sys.exit(f"Of several processes some failed: {codes}")


def plain_loop(served: Served) -> None:
    """The same pictures by the plainest means: no robots.txt, no pace, no check, nothing kept."""
    settings = Settings(requests_per_second=1000, connections=CONNECTIONS)
    archive = Hla(PoliteClient(served.url, settings, Gates(1000, CONNECTIONS)), HlaQuery())
    own = threading.local()

    def fetch(url: str) -> int:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        return len(own.session.get(url, timeout=60).content)

    urls = [product.access_url for product in look(archive, M101)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        sizes = list(pool.map(fetch, urls))
    if not all(sizes):
        sys.exit("The plain loop got empty replies.")


def share(moments: Sequence[float], ideal: float) -> str:
    """The rate between the first request and the last, beside the ideal one."""
    rate = (len(moments) - 1) / (moments[-1] - moments[0])
    return f"{rate:5.2f}/s = {rate / ideal:6.1%}"


def most_in_a_window(moments: Sequence[float]) -> int:
    """The most requests in any window of a second, its end not included."""
    return max(sum(start <= moment < start + WINDOW_S for moment in moments) for start in moments)


def make_pictures(folder: Path, number: int) -> None:
    """Small colour JPEGs of smooth noise, no two alike."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index in range(number):
        coarse = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((SIDE_PX, SIDE_PX)).save(folder / f"{index:05}.jpg", quality=85)


@contextmanager
def serving(frames: Path, access_log: Path, latency_s: float) -> Iterator[Served]:
    """The local archive of a folder of pictures, in its own process."""
    deepfield = str(Path(sys.executable).with_name("deepfield"))
    options = ["--frames", str(frames), "--port", "0", "--access-log", str(access_log)]
    command = [deepfield, "replica", "serve", *options, "--latency-ms", str(latency_s * 1000)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(process.stdout.readline().strip(), access_log)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
