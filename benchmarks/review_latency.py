"""How long a reviewer waits between a key and the next frame, with a long queue, in a real Chromium.

The server is `deepfield review serve` in a process of its own over 50,000 doubtful frames, all of which point to some
hundred pictures of 1600 x 1200 pixels; the time is taken by the page from the key's event to the frame after the one
in which the next picture is painted. Keys come as by a quick person (three a second), then as fast as frames appear.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "review"))
from manifest_rows import frames
from served import Served, pictures, write_home

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers.browser import system_chromium


def filled_home(home: Path, queue: int) -> pd.DataFrame:
    """A snapshot of so many doubtful frames. Each has bytes of its own: a drawn picture and its number at the end."""
    drawn = pictures(home, 100, 1200, 1600)
    blobs = BlobStore(Settings(home=home).blobs_dir)
    data = [blobs.read(image_id) for image_id in drawn]
    doubt = np.random.default_rng(1).random(queue)
    rows = frames(queue, doubt=doubt, noise_sigma_dn=10 + 10 * doubt, width_px=1600, height_px=1200)
    # only the first in the queue are ever seen; bytes behind the end of a JPEG do not change its picture
    seen = rows.nlargest(2000, "doubt").index
    ids = {at: blobs.put(data[at % 100] + b"%d" % at).sha256 for at in seen}
    rows["image_id"] = [ids.get(at, name) for at, name in enumerate(rows["image_id"])]
    rows["phash256"] = [os.urandom(32).hex() for _ in range(queue)]
    return rows


def press(page: Page, keys: int, pause_s: float) -> list[float]:
    """Decide on so many frames; returns the milliseconds from each key to the next frame."""
    page.evaluate("() => performance.clearMeasures()")
    for number in range(keys):
        before = page.locator("body").get_attribute("data-shown")
        page.keyboard.press("a" if number % 3 else "s")
        page.wait_for_selector(f'body[data-shown]:not([data-shown="{before}"])', state="attached")
        time.sleep(pause_s)
    return page.evaluate("() => performance.getEntriesByName('key-to-frame').map((one) => one.duration)")


def told(name: str, times: list[float]) -> None:
    """Print the percentiles."""
    half, most, worst = np.percentile(times, [50, 95, 100])
    print(f"{name}: {len(times)} keys, median {half:.0f} ms, 95th percentile {most:.0f} ms, worst {worst:.0f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue", type=int, default=50_000)
    parser.add_argument("--keys", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder) / "home"
        write_home(home, filled_home(home, options.queue), audit=0.02, second=0.05)
        begun = time.perf_counter()
        server = Served(home)
        print(f"server with {options.queue} frames in the queue: up in {time.perf_counter() - begun:.1f} s")
        arguments = ["--no-proxy-server", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=system_chromium(None), args=arguments)
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(server.url)
            page.get_by_label("Your name goes with every decision").fill("bench")
            page.keyboard.press("Enter")
            page.wait_for_selector('body[data-shown]:not([data-shown=""])')
            time.sleep(2.0)
            told("three keys a second", press(page, options.keys, 0.33))
            told("without a pause", press(page, options.keys, 0.0))
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
