"""The whole pipeline on a local archive, in minutes and without the internet: what `make run` shows."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.policy import DEFAULT_POLICY, RULES_ONLY
from flows.local import own_api
from manifests.settings import Settings, load_settings
from scrapers.replica.catalogue import Archive
from scrapers.replica.frames import FrameFolder
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky

_TARGET, _RADIUS_DEG = "M101", 1.5

# Our own archive on this machine needs no courtesy.
_LOCAL_PACE = {"DEEPFIELD_REQUESTS_PER_SECOND": "500", "DEEPFIELD_CONNECTIONS": "8"}

_SYNTHETIC_NOTE = (
    "The frames are drawn from a seed by Deepfield's own synthetic sky, which knows the truth about each: stars, "
    "galaxies and nebulae in one to four filters, among them frames that are bad on purpose. This is not Hubble data."
)
_FRAMES_NOTE = (
    "The frames are real pictures of a folder, served as products at made-up positions and marked as such. Their "
    "licences and credits are their makers'; keep this report to yourself unless you may pass them on."
)


@dataclass
class _Clock:
    """Says what is done and remembers how long it took."""

    say: Callable[[str], None]
    laps: list[tuple[str, float]]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.say(f"== {name}")
        start = time.monotonic()
        yield
        self.laps.append((name, time.monotonic() - start))


def run_demo(settings: Settings, *, frames: Path | None, seed: int, say: Callable[[str], None]) -> Path:
    """Walk the pipeline and return the path of its report, `<home>/demo/report.html`.

    Its data has a home of its own, `<home>/demo/sky` or `<home>/demo/frames`, so that made-up frames never mix
    with real ones. Run again, it goes on where it was.

    Raises:
        DeepfieldError: a step failed, in one sentence.
    """
    archive: Archive = synthetic_sky(seed) if frames is None else FrameFolder(frames)
    home = settings.home / "demo" / ("sky" if frames is None else "frames")
    os.environ.update({"DEEPFIELD_HOME": str(home.absolute()), **_LOCAL_PACE})
    load_settings.cache_clear()
    clock = _Clock(say, [])
    with serve(archive) as server, own_api(load_settings()):
        say(f"Serving {'the synthetic sky' if frames is None else frames} at {server.url}")
        # the classifier knows real frames, and drawn ones are unlike them
        results = _walk(server.url, seed, clock, RULES_ONLY if frames is None else DEFAULT_POLICY)
    from flows.demo_report import report_demo  # noqa: PLC0415  # torch takes seconds to import

    with clock.stage("report"):
        report = report_demo(
            load_settings(),
            results,
            out=settings.home / "demo" / "report.html",
            source="the synthetic sky, seed " + str(seed) if frames is None else f"the pictures in {frames}",
            note=_SYNTHETIC_NOTE if frames is None else _FRAMES_NOTE,
            laps=clock.laps,
        )
    say(f"\nDone in {sum(seconds for _, seconds in clock.laps):.0f} s. Look around in the data with, for example:")
    say(f"  export DEEPFIELD_HOME={home}\n  .venv/bin/deepfield manifest show\n  .venv/bin/deepfield review list\n")
    say("The report:")
    return report


def _walk(url: str, seed: int, clock: _Clock, policy: Path) -> dict[str, dict[str, Any]]:
    with clock.stage("start Prefect"):
        from flows.curate import curate_flow  # noqa: PLC0415  # Prefect and torch take seconds to import
        from flows.scrape import scrape_hla  # noqa: PLC0415
        from flows.train import train_colorizer, train_superres  # noqa: PLC0415
    with clock.stage("scrape"):
        scraped = scrape_hla(target=_TARGET, radius=_RADIUS_DEG, archive_url=url)
    with clock.stage("curate"):
        curated = curate_flow(policy=str(policy))
    with clock.stage("train the colouriser"):
        colour = train_colorizer(settings=[f"seed={seed}"])
    with clock.stage("train the super-resolution network"):
        superres = train_superres(settings=[f"seed={seed}"])
    return {"scrape": scraped, "curate": curated, "colorizer": colour, "superres": superres}
