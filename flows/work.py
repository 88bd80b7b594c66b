"""What every flow opens first: settings, catalogue, blob store; and how a batch is sized."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings, load_settings

# Prefect's own database stalls after about a thousand task runs, so a task does many products.
BATCH = 100


@dataclass(frozen=True)
class Workplace:
    """The places work is done in."""

    settings: Settings
    engine: Engine
    blobs: BlobStore


@contextmanager
def workplace(settings: Settings | None = None) -> Iterator[Workplace]:
    """Open the catalogue and the blob store of the settings, those of the environment by default."""
    settings = settings or load_settings()
    engine = open_database(settings.database)
    try:
        yield Workplace(settings, engine, BlobStore(settings.blobs_dir))
    finally:
        engine.dispose()


def batches(items: Sequence[str], size: int = BATCH) -> list[list[str]]:
    """The items in order, `size` at a time."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
