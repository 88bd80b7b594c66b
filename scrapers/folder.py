"""One's own frames as one more archive: every JPEG, PNG, TIFF and FITS below a folder, whatever its name."""

import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.frames import UndecodableError, decode
from manifests.media import sniff
from manifests.settings import Settings
from scrapers import ledger
from scrapers.avm import annotate
from scrapers.fetch import Fetched, store
from scrapers.fitsheader import read_header
from scrapers.http import Attempt, now_utc
from scrapers.ledger import Outcome
from scrapers.products import Product, Tile, product_id, release_of
from scrapers.tally import CrawlSummary, OnProgress, Tally

NAME = "folder"

_STEP = 256
_NAMED = 3  # of the files that are passed over
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".fits", ".fit", ".fits.gz", ".fit.gz")


def scrape_folder(
    folder: Path,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    limit: int | None = None,
    on_progress: OnProgress | None = None,
    tell: Callable[[str], None] | None = None,
) -> CrawlSummary:
    """Bring in the pictures below a folder. Run again, it takes in only what is new; the files are never changed.

    `tell` is given a sentence on the files that are passed over, if there are any.

    Raises:
        UsageError: there is no such folder.
        DeepfieldError: it holds no picture, or none that can be used.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}: give the folder that holds your frames.")
    paths: list[Path] = []
    others: list[Path] = []
    for path in sorted(_files(folder, settings.home.resolve())):
        (paths if _is_picture(path) else others).append(path)
    paths = paths[:limit]
    if others and tell:
        tell(_passed_over([_text(path.relative_to(folder)) for path in others]))
    if not paths:
        raise DeepfieldError(f"The folder {folder} holds no JPEG, PNG, TIFF or FITS file.")
    tally = Tally(on_progress)
    tally.begin_fetching(len(paths), 0)
    tile = Tile(NAME, _text(folder.resolve()))
    ledger.plan(engine, [tile])

    def take_in(path: Path) -> Fetched | None:
        return _take_in(path, folder, tile, engine=engine, blobs=blobs, settings=settings)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # in steps, because the pool takes in at once whatever it is given
        for start in range(0, len(paths), _STEP):
            step = paths[start : start + _STEP]
            for fetched in pool.map(take_in, step):
                tally.add(fetched)
    ledger.tile_done(engine, tile)
    summary = tally.summary()
    if not summary.progress.got and not summary.progress.skipped:
        raise DeepfieldError(f"None of the {len(paths)} pictures in {folder} can be used. {summary.errors[0]}")
    return summary


def _files(folder: Path, home: Path) -> Iterator[Path]:
    """Files below a folder, without hidden ones, linked folders (which may lead in circles) and our own data."""

    def unreadable(error: OSError) -> None:
        raise DeepfieldError(f"The folder {error.filename} cannot be read: {error.strerror}.")

    for where, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(where)
        folders[:] = [name for name in folders if not name.startswith(".") and (here / name).resolve() != home]
        yield from (here / name for name in names if not name.startswith(".") and (here / name).is_file())


def _passed_over(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    why = f"{'1 file is' if len(names) == 1 else f'{len(names)} files are'} no JPEG, PNG, TIFF or FITS"
    return f"Passed over, as {why}: {shown}. Save pictures among them as PNG to bring them in."


def _is_picture(path: Path) -> bool:
    """Whether a file is a picture by its bytes, or claims to be by its name."""
    if path.name.lower().endswith(_SUFFIXES):
        return True
    try:
        with path.open("rb") as handle:
            kind = sniff(handle.read(16))
        if kind != "application/gzip":
            return kind is not None
        with gzip.open(path) as handle:
            return sniff(handle.read(16)) == "image/fits"
    except (OSError, EOFError, zlib.error):
        return False


def _take_in(
    path: Path, folder: Path, tile: Tile, *, engine: Engine, blobs: BlobStore, settings: Settings
) -> Fetched | None:
    """Bring in one file; None where it is here already."""
    started_at, start = now_utc(), time.monotonic()
    data, reason, error = _read(path, settings)
    product = _product(path, folder, data)
    known = ledger.entries(engine, [product.product_id])
    if known and known[0].line.here(blobs):
        return None
    media_type = ""
    if error is None:
        try:
            media_type = decode(data, settings.max_pixels).media_type
        except UndecodableError as damage:
            reason, error = damage.reason, f"{path}: {damage}"
    if media_type == "image/fits":
        product = replace(product, **read_header(data))
    elif error is None:
        product = annotate(product, data)
    ledger.add_products(engine, tile, [product])
    attempt = Attempt(product.access_url, started_at, time.monotonic() - start, None, len(data), error)
    if error is not None:
        ledger.record_outcome(engine, Outcome(product, "refused", (attempt,), reason=reason, error=error))
        return Fetched(product.product_id, "refused", 0, reason, error)
    blob = store(blobs, data)
    arrived = product.arrived(access_format=media_type, size_bytes=blob.size, fetched_at=now_utc())
    ledger.record_outcome(engine, Outcome(arrived, "got", (attempt,), sha256=blob.sha256))
    return Fetched(product.product_id, "got", blob.size, None, None)


def _read(path: Path, settings: Settings) -> tuple[bytes, str | None, str | None]:
    """A file's bytes, or none with a word and a sentence why not."""
    try:
        if path.stat().st_size > settings.max_bytes:
            limit = f"the limit of {settings.max_bytes} bytes (DEEPFIELD_MAX_BYTES)"
            return b"", "too_large", f"{path} is larger than {limit}."
        return path.read_bytes(), None, None
    except OSError as error:
        return b"", "unreadable", f"{path} cannot be read: {error.strerror}."


def _product(path: Path, folder: Path, data: bytes) -> Product:
    """The product of a file. Its id carries the content: the same name in another folder is another picture."""
    name, stem = _text(path.relative_to(folder)), _text(path.with_suffix("").name)
    return Product(
        archive=NAME,
        product_id=product_id(NAME, f"{name}#{hashlib.sha256(data).hexdigest()[:12]}"),
        source_name=_text(path.name),
        release_id=release_of(stem) or f"{NAME}:{name}",
        obs_collection=NAME,
        obs_id=stem,
        access_url=path.absolute().as_uri(),
    )


def _text(path: Path | str) -> str:
    """A path as text that any database takes; names on disk may be no text at all."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
