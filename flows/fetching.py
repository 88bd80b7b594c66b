"""Fetching what an archive offers, in batches with progress: the half that all scraping flows share."""

from collections import Counter
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.work import batches, workplace
from manifests.errors import DeepfieldError
from scrapers.crawl import Plan, fetch_batch, open_products
from scrapers.gallery import Gallery
from scrapers.hla import Hla

_STATES = ("found", "got", "skipped", "refused", "failed")


def fetch_planned(archive: Hla | Gallery, plan: Plan, *, what: str, limit: int | None, refresh: bool) -> dict[str, int]:
    """Fetch the products of a plan that are not here yet; numbers by what came of them.

    Raises:
        DeepfieldError: the archive stopped answering; what is missing stays open for a later run.
    """
    key = f"scrape-{archive.name}"
    with workplace() as here:
        todo = open_products(plan, engine=here.engine, blobs=here.blobs, limit=limit, refresh=refresh)
    total = Counter(found=len(todo.product_ids) + todo.skipped, skipped=todo.skipped)
    progress = create_progress_artifact(0.0, key=key, description=what)
    assert isinstance(progress, UUID)  # a coroutine only in an async flow
    waiting = batches(todo.product_ids)
    for number, batch in enumerate(waiting, start=1):
        counts, stopped = fetch_products(archive, batch)
        total.update(counts)
        update_progress_artifact(progress, 100.0 * number / len(waiting))
        if stopped:
            raise DeepfieldError(stopped)
    update_progress_artifact(progress, 100.0)
    summary = {state: total[state] for state in _STATES}
    create_table_artifact([summary], key=f"{key}-summary", description=what)
    words = ", ".join(f"{count} {state}" for state, count in summary.items())
    get_run_logger().info("%s: %s", what, words)
    return summary


@task(cache_policy=NO_CACHE, retries=1, retry_delay_seconds=10)
def fetch_products(archive: Hla | Gallery, product_ids: list[str]) -> tuple[dict[str, int], str | None]:
    """Fetch a batch of products, as many at once as the archive allows; counts, and why it stopped if it did."""
    with workplace() as here:
        done = fetch_batch(
            archive.client,
            product_ids,
            engine=here.engine,
            blobs=here.blobs,
            settings=here.settings,
            describe=None if isinstance(archive, Hla) else archive.describe,
        )
    counts = done.progress
    return (
        {"got": counts.got, "skipped": counts.skipped, "refused": counts.refused, "failed": counts.failed},
        done.stopped,
    )
