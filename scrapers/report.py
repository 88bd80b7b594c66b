"""Telling a person how a crawl stands: a bar on a terminal, elsewhere a line a minute, at the end one sentence."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from scrapers.tally import CrawlSummary, Progress

_A_MINUTE_S = 60.0


class Reporter:
    """Called with the progress of a crawl, shows it on stderr while its block lasts.

    `doing` is what is done to the products, in one word.
    """

    def __init__(self, what: str, doing: str = "fetching") -> None:
        self._what, self._doing = what, doing
        self._next_line = time.monotonic() + _A_MINUTE_S
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            self._bar = Bar(TextColumn("{task.description}"), *columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(what, total=None, rate="")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how it stands."""
        if self._bar:
            asking = _asking(progress)
            only = asking and not progress.fetching_seconds
            what = f"{progress.listed} listed" if only else f"{progress.failed} failed; {_rate(progress)}"
            work = "asking" if only else f"asking and {self._doing}" if asking else self._doing
            self._bar.update(
                self._task,
                description=f"{self._what}: {work}",
                total=progress.tiles if asking else progress.found,
                completed=progress.tiles_asked if asking else progress.done,
                rate=f"{what}{_time_left(progress)}",
            )
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _A_MINUTE_S
            sys.stderr.write(f"{self._what}: {describe(progress)}{_time_left(progress)}\n")
            sys.stderr.flush()


def describe(progress: Progress) -> str:
    """A progress in words: "24 products: 20 fetched, 3 known before, 1 refused, 0 failed; 4.2 MB, 4.0 products/s"."""
    asked = f"{progress.tiles_asked} of {progress.tiles} parts asked, " if progress.tiles > 1 else ""
    if _asking(progress) and not progress.fetching_seconds:
        return f"{asked}{progress.listed} products listed"
    elsewhere = f"{progress.elsewhere} being fetched by another worker, " if progress.elsewhere else ""
    return (
        f"{asked}{progress.found} products: {progress.got} fetched, {progress.skipped - progress.elsewhere} known "
        f"before, {elsewhere}{progress.refused} refused, {progress.failed} failed; {_rate(progress)}"
    )


def sentence(what: str, summary: CrawlSummary) -> str:
    """What a crawl came to, with the reasons why products did not come in."""
    why = ", ".join(f"{number} {reason}" for reason, number in summary.reasons.items())
    line = f"{what}: {describe(summary.progress)} in {duration(summary.progress.seconds)}."
    return f"{line} Not taken: {why}." if why else line


def duration(seconds: float) -> str:
    """A length of time as a person says it: "40 s", "12 min", "3.5 h", "12 days"."""
    for unit, length, longest, digits in (("s", 1.0, 90, 0), ("min", 60.0, 90, 0), ("h", 3600.0, 48, 1)):
        if seconds < longest * length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds / 86400.0:.0f} days"


def _asking(progress: Progress) -> bool:
    """Whether parts of the region are to be asked still, so that not all products are known."""
    return progress.tiles_asked < progress.tiles


def _rate(progress: Progress) -> str:
    words = f"{progress.bytes / 1e6:.1f} MB"
    if not progress.fetching_seconds:
        return words
    megabytes = progress.bytes / 1e6 / progress.fetching_seconds
    return f"{words}, {progress.fetched / progress.fetching_seconds:.1f} products/s, {megabytes:.1f} MB/s"


def _time_left(progress: Progress) -> str:
    """How long the rest takes at the pace so far; of the parts while they are asked, then of the products."""
    if _asking(progress):
        done, left, seconds = progress.tiles_replied, progress.tiles - progress.tiles_asked, progress.seconds
    else:
        done, left, seconds = progress.fetched, progress.found - progress.done, progress.fetching_seconds
    return f", about {duration(left * seconds / done)} left" if done and left else ""
