"""Counting what a crawl brings, while it runs and at its end."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from scrapers.fetch import Fetched
from scrapers.http import HttpError

_ERRORS_KEPT = 5
_PAUSED = "paused"  # the archive is to be left alone for longer than a request can wait


@dataclass(frozen=True)
class Progress:
    """How a crawl stands: parts of the region asked, products found in it, how many came in and by what way.

    `skipped` products were here before, were given up in an earlier run, or are with other workers (`elsewhere` of
    them); `failed` includes those that the archive has no more. `bytes` and `seconds` are of this run, as are
    `tiles_replied`, the parts that were asked in it, `listed`, how many products they list (one that several have
    counts for each), and `fetching_seconds`, without those of the asking.
    """

    tiles: int = 0
    tiles_asked: int = 0
    found: int = 0
    got: int = 0
    skipped: int = 0
    refused: int = 0
    failed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    elsewhere: int = 0
    tiles_replied: int = 0
    listed: int = 0
    fetching_seconds: float = 0.0

    @property
    def fetched(self) -> int:
        """Products that were asked for in this run."""
        return self.done - self.skipped

    @property
    def done(self) -> int:
        """Products that need no more work in this run."""
        return self.got + self.skipped + self.refused + self.failed


@dataclass(frozen=True)
class CrawlSummary:
    """What a crawl came to. `reasons` counts why products did not come in, `errors` are some of the sentences.

    `tiles_failed` parts of the region could not be asked; `stopped` says why the crawl ended early, if it did.
    """

    progress: Progress
    tiles_failed: int
    reasons: dict[str, int]
    errors: tuple[str, ...]
    stopped: str | None


OnProgress = Callable[[Progress], None]


class Tally:
    """Counts of a crawl while it runs; used by one thread."""

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self.tiles = self.tiles_asked = self.tiles_failed = self.found = self.skipped = self.bytes = 0
        self.elsewhere = self.tiles_replied = self.listed = 0
        self.statuses: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.errors: list[str] = []
        self.last_tile_error: HttpError | None = None
        self.stopped: str | None = None
        self._start = time.monotonic()
        self._fetching_since: float | None = None
        self._on_progress = on_progress

    def add_tile(self, answer: HttpError | int | None) -> None:
        """Count a failure or an answer, which may be the number of products that it lists."""
        self.tiles_asked += 1
        self.tiles_replied += 1
        if isinstance(answer, HttpError):
            self.last_tile_error = answer
            self.tiles_failed += 1
            self._note(answer.reason, str(answer))
        else:
            self.listed += answer or 0
        self.report()

    def add(self, fetched: Fetched | None) -> None:
        """Count a product; None was here already."""
        if fetched is None:
            self.skipped += 1
        else:
            self.statuses[fetched.status] += 1
            self.bytes += fetched.size_bytes
            if fetched.reason and fetched.error:
                self.reasons[fetched.reason] += 1
                self._note(fetched.reason, fetched.error)
        self.report()

    def begin_fetching(self, found: int, skipped: int) -> None:
        """Count more products that are found, and how many of them need not be fetched."""
        self.found += found
        self.skipped += skipped
        if self._fetching_since is None:
            self._fetching_since = time.monotonic()
        self.report()

    def leave(self, number: int) -> None:
        """Count products that are left to other workers."""
        self.skipped += number
        self.elsewhere += number
        self.report()

    def report(self) -> None:
        """Tell how it stands."""
        if self._on_progress:
            self._on_progress(self.progress())

    def progress(self) -> Progress:
        """How it stands."""
        now = time.monotonic()
        return Progress(
            self.tiles,
            self.tiles_asked,
            self.found,
            self.statuses["got"],
            self.skipped,
            self.statuses["refused"],
            self.statuses["failed"] + self.statuses["gone"],
            self.bytes,
            now - self._start,
            self.elsewhere,
            self.tiles_replied,
            self.listed,
            0.0 if self._fetching_since is None else now - self._fetching_since,
        )

    def summary(self) -> CrawlSummary:
        """What it came to."""
        reasons = dict(sorted(self.reasons.items()))
        return CrawlSummary(self.progress(), self.tiles_failed, reasons, tuple(self.errors), self.stopped)

    def _note(self, reason: str, error: str) -> None:
        if reason == _PAUSED and self.stopped is None:
            self.stopped = f"{error} What is missing stays open."
        if len(self.errors) < _ERRORS_KEPT and error not in self.errors:
            self.errors.append(error)
