"""From a product to its bytes: fetched, looked at, stored, and written down, in that order."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from manifests.blobs import BlobStore, StoredBlob
from manifests.errors import DeepfieldError
from manifests.fitsfile import UndecodableError, check_science
from manifests.frames import decode
from manifests.media import describe, sniff
from scrapers.attempts import Attempt, HttpError, Kind
from scrapers.avm import annotate
from scrapers.fitsheader import read_header
from scrapers.http import PoliteClient, Reply, now_utc
from scrapers.ledger import Outcome, Status, came_from, record_outcome
from scrapers.products import Product

MIN_SIZE_PX = 256
FITS = "image/fits"
PAGE = "text/html"  # `access_format` of a product that is known by its page only

# A frame of HLA's largest size takes some hundred megabytes while it is decoded, however many connections there are.
_DECODING = threading.BoundedSemaphore(2)
_STATUS: dict[Kind, Status] = {"transient": "failed", "permanent": "gone", "refused": "refused"}
_PERHAPS_LATER = ("an HTML page", "an XML document", "text", "an empty reply", "the first bytes of a picture")


@dataclass(frozen=True)
class Described:
    """What a product's page says: the product as each of the files it may be fetched as, the best first."""

    choices: tuple[Product, ...]
    attempts: tuple[Attempt, ...]


Describe = Callable[[Product], Described]


@dataclass(frozen=True)
class Fetched:
    """What came of a product, for counting: `size_bytes` is 0 where no picture came."""

    product_id: str
    status: Status
    size_bytes: int
    reason: str | None
    error: str | None


def fetch(
    client: PoliteClient,
    product: Product,
    *,
    engine: Engine,
    blobs: BlobStore,
    max_pixels: int,
    min_size: int,
    describe: Describe | None = None,
) -> Fetched:
    """Bring one product in: first the bytes into the blob store, then the line into the ledger.

    A product that is known by its page only is described first; a file that another product brought from the same
    address (two sites and collections show the same pictures) is not fetched again. Killed between bytes and line, the
    product is fetched once more; its bytes are then found to be here.
    """
    earlier: tuple[Attempt, ...] = ()
    try:
        choices: Sequence[Product] = (product,)
        if describe is not None and product.access_format == PAGE:
            described = describe(product)
            choices, earlier = described.choices, described.attempts
        kept = partial(_kept, engine=engine, blobs=blobs) if earlier else _nothing_kept
        chosen, reply, failed = _first_good(client, choices, max_pixels, min_size, kept)
    except HttpError as error:
        status = "refused" if _stays_corrupt(error) else _STATUS[error.kind]
        attempts = earlier + error.attempts
        # what the network says names a host at most
        sentence = str(error) if product.source_name in str(error) else f"{product.source_name}: {error}"
        record_outcome(engine, Outcome(product, status, attempts, reason=error.reason, error=sentence))
        return Fetched(product.product_id, status, 0, error.reason, sentence)
    blob = store(blobs, reply.body)
    arrived = chosen.arrived(access_format=reply.value, size_bytes=blob.size, fetched_at=now_utc())
    arrived = arrived.filled(read_header(reply.body)) if reply.value == FITS else annotate(arrived, reply.body)
    record_outcome(engine, Outcome(arrived, "got", earlier + failed + reply.attempts, sha256=blob.sha256))
    return Fetched(product.product_id, "got", blob.size if reply.attempts else 0, None, None)


def _kept(url: str, *, engine: Engine, blobs: BlobStore) -> bytes | None:
    """What came from an address before, where it is still whole."""
    sha256 = came_from(engine, url)
    return blobs.read(sha256) if sha256 is not None and blobs.intact(sha256) else None


def _nothing_kept(url: str) -> None:
    """Archives on the sky have an address of its own for every product."""


def _first_good(
    client: PoliteClient,
    choices: Sequence[Product],
    max_pixels: int,
    min_size: int,
    kept: Callable[[str], bytes | None],
) -> tuple[Product, Reply[str], tuple[Attempt, ...]]:
    """The first choice that the archive has and that is of use, its reply, and the attempts on those before it.

    What fails for now is not replaced by a lesser file: the next run may get it.
    """
    failed: tuple[Attempt, ...] = ()
    for number, choice in enumerate(choices, start=1):
        try:
            _refuse_stated_size(choice, client.max_bytes)
            check = partial(inspect, product=choice, max_pixels=max_pixels, min_size=min_size)
            body = kept(choice.access_url)
            if body is None:
                reply = client.get(choice.access_url, check)
            else:
                reply = Reply(choice.access_url, body, check(body), ())
        except HttpError as error:
            failed += error.attempts
            if error.kind == "transient" or number == len(choices):
                error.attempts = failed
                raise
        else:
            return choice, reply, failed
    raise ValueError("no choice was given")


def store(blobs: BlobStore, data: bytes) -> StoredBlob:
    """Put bytes into the blob store.

    Raises:
        DeepfieldError: the disk does not take them.
    """
    try:
        return blobs.put(data)
    except OSError as error:
        raise DeepfieldError(f"Nothing can be written to {blobs.root}: {error.strerror}.") from error


def inspect(body: bytes, product: Product, max_pixels: int, min_size: int) -> str:
    """Media type of a picture that is whole and of use; a check for `PoliteClient.get`.

    Of a FITS file the structure and the science image are checked, and nothing is rendered.

    Raises:
        HttpError: transient where an error page or a part of a picture came, for the archive may do better the
            next time; refused where the picture is of another kind, too large, too small, grey where colour was
            promised, or no FITS file where that was.
    """
    media_type = sniff(body[:16])
    if media_type is None:
        what = describe(body[:256])
        kind: Kind = "transient" if what in _PERHAPS_LATER else "refused"
        raise HttpError(kind, "not_a_picture", f"{product.source_name}: the archive sent {what} instead of a picture.")
    try:
        with _DECODING:
            if media_type == FITS:
                shape = check_science(body, max_pixels)
                height, width, channels = *shape[-2:], 3 if len(shape) == 3 else 1
            else:
                frame = decode(body, max_pixels)
                media_type, height, width, channels = frame.media_type, frame.height, frame.width, frame.channels
    except UndecodableError as error:
        kind = "transient" if error.reason == "corrupt" else "refused"
        raise HttpError(kind, error.reason, f"{product.source_name}: {error}") from error
    _refuse_unfit(media_type, (width, height), channels, product, min_size)
    return media_type


def _refuse_stated_size(product: Product, max_bytes: int) -> None:
    """What an archive says is too large is not asked for: half of it would have come before we knew."""
    if product.access_estsize is not None and product.access_estsize * 1000 > max_bytes:
        raise HttpError(
            "refused",
            "too_large",
            f"{product.source_name} has {product.access_estsize / 1000:.1f} MB, more than the limit of "
            f"{max_bytes / 1e6:.1f} MB (DEEPFIELD_MAX_BYTES).",
        )


def _refuse_unfit(media_type: str, size: tuple[int, int], channels: int, product: Product, min_size: int) -> None:
    if product.access_format == FITS and media_type != FITS:
        raise HttpError(
            "refused", "not_fits", f"{product.source_name} came as {media_type} where a FITS file was promised."
        )
    if min(size) < min_size:
        raise HttpError(
            "refused",
            "too_small",
            f"{product.source_name} is {size[0]}x{size[1]} pixels, less than {min_size} on a side.",
        )
    if product.expects_colour and channels != 3:
        raise HttpError(
            "refused", "not_rgb", f"{product.source_name} came in grey where a colour picture was promised."
        )


def _stays_corrupt(error: HttpError) -> bool:
    """Whether the same damaged bytes came every time: then the archive has no better ones."""
    came = {(attempt.size_bytes, attempt.error) for attempt in error.attempts}
    return error.reason == "corrupt" and len(error.attempts) > 1 and len(came) == 1
