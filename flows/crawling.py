"""How a crawl shows in Prefect: its progress while it runs, and at its end tables of what came and what did not."""

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from manifests.errors import DeepfieldError
from scrapers.ledger import Entry
from scrapers.report import describe, sentence
from scrapers.tally import CrawlSummary, Progress

_UPDATE_S, _LINE_S = 10.0, 60.0
_MOST_ROWS = 200  # an artifact is for looking at; the ledger and the manifest have all


class Shown:
    """Called with the progress of a crawl, shows it in the run that called it."""

    def __init__(self, archive: str, what: str) -> None:
        self._key, self._what = f"scrape-{archive}", what
        made = create_progress_artifact(0.0, key=self._key, description=what)
        assert isinstance(made, UUID)  # a coroutine only in an async flow
        self._artifact = made
        self._logger = get_run_logger()
        self._next_update = self._next_line = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show how it stands, from time to time."""
        now = time.monotonic()
        if now >= self._next_update:
            self._next_update = now + _UPDATE_S
            update_progress_artifact(self._artifact, _percent(progress), description=describe(progress))
        if now >= self._next_line:
            self._next_line = now + _LINE_S
            self._logger.info("%s: %s", self._what, describe(progress))

    def finish(self, summary: CrawlSummary, entries: Iterable[Entry], since: str) -> dict[str, int]:
        """Show what came in since the crawl began and what did not; numbers of products by what came of them.

        Raises:
            DeepfieldError: the archive was to be left alone, or parts could not be asked; a later run goes on there.
        """
        progress = summary.progress
        said = sentence(self._what, summary)
        update_progress_artifact(self._artifact, _percent(progress), description=said)
        came, missing = _tables(entries, since)
        create_table_artifact(came, key=f"{self._key}-came-in", description=said)
        create_table_artifact(missing, key=f"{self._key}-missing", description="What did not come, and why")
        self._logger.info(said)
        if summary.stopped:
            raise DeepfieldError(summary.stopped)
        if summary.tiles_failed:
            raise DeepfieldError(
                f"{summary.tiles_failed} of {progress.tiles} parts could not be asked; run it again. "
                f"{summary.errors[0]}"
            )
        return {
            "found": progress.found,
            "got": progress.got,
            "skipped": progress.skipped,
            "refused": progress.refused,
            "failed": progress.failed,
        }


def _percent(progress: Progress) -> float:
    """Half for the questions, half for the pictures: how many of these there will be is not known before."""
    asked = progress.tiles_asked / progress.tiles if progress.tiles else 1.0
    brought = progress.done / progress.found if progress.found else asked
    return 50.0 * min(1.0, asked) + 50.0 * min(1.0, asked * brought)


def _tables(entries: Iterable[Entry], since: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    came: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for entry in entries:
        product, line = entry.product, entry.line
        row = {"product": product.product_id, "title": product.obs_title, "target": product.target_name}
        if line.status == "got" and (product.fetched_at or "") >= since and len(came) < _MOST_ROWS:
            kilobytes = {"kB": product.access_estsize, "image_id": line.sha256, "access_url": product.access_url}
            came.append(row | {"filters": product.filters, **kilobytes})
        elif line.status in ("failed", "refused", "gone") and len(missing) < _MOST_ROWS:
            missing.append(row | {"status": line.status, "access_url": product.access_url})
    return came, missing
