"""Our own colour pictures of visits whose single filters are here as FITS: found in the ledger, made, written down.

A composite is a product like any other, with the bytes we made in the blob store. It is made again only where its
files or its method changed; a visit waits as long as one of its filters may still come.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.fitsfile import UndecodableError
from manifests.settings import Settings
from scrapers import ledger
from scrapers.bands import NoCompositeError, Stack, colour_order, header_of, open_stack
from scrapers.composite import VERSIONS, Composite, Method, compose, encode
from scrapers.fetch import FITS, Fetched, store
from scrapers.fitsheader import place
from scrapers.hla import NAME
from scrapers.hstnames import colour_name, parse_name
from scrapers.http import now_utc
from scrapers.ledger import Entry, Outcome
from scrapers.products import Product, Tile, product_id
from scrapers.tally import CrawlSummary, OnProgress, Tally
from scrapers.xmp import packet

_STEP = 100  # visits whose composites are looked up at once


class _Filter(NamedTuple):
    """A FITS file of one filter; `image_id` is None while it is not here."""

    name: str
    dataset: str
    product_id: str
    instrument: str | None
    image_id: str | None
    may_come: bool


@dataclass(frozen=True)
class Visit:
    """What is combined: the files of two or three filters, in the order red, (green,) blue."""

    name: str
    dataset: str
    product_ids: tuple[str, ...]
    image_ids: tuple[str, ...]


@dataclass(frozen=True)
class Compositing:
    """What there is to do: visits to be made into pictures, and how many wait for filters that are not here yet."""

    visits: tuple[Visit, ...]
    waiting: int


def visits_of(entries: Iterable[Entry], blobs: BlobStore) -> Compositing:
    """The visits that have two filters or more among products of HLA, by their datasets' names.

    Only what HLA drizzled together is combined: one visit, one detector, one release of the archive, and no single
    exposures.
    """
    groups: dict[str, dict[str, _Filter]] = defaultdict(dict)
    for entry in entries:
        found = _filter_of(entry, blobs)
        if found is not None:
            name, one = found
            groups[name][one.name] = one
    ready, waiting = [], 0
    for name, filters in sorted(groups.items()):
        here = {one.name: one for one in filters.values() if one.image_id is not None}
        if len(filters) > 1 and any(one.may_come for one in filters.values()):
            waiting += 1
            continue
        instrument = next((one.instrument for one in here.values()), None)
        chosen = [here[one] for one in colour_order(instrument, sorted(here))]
        if len(chosen) > 1:
            datasets = [one.dataset for one in chosen]
            image_ids = tuple(one.image_id for one in chosen if one.image_id is not None)
            ids = tuple(one.product_id for one in chosen)
            ready.append(Visit(name, colour_name(datasets), ids, image_ids))
    return Compositing(tuple(ready), waiting)


def compose_visits(
    visits: Sequence[Visit],
    method: Method,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    on_progress: OnProgress | None = None,
) -> CrawlSummary:
    """Make the composites that are missing or out of date, one after the other; each is written down when it is made.

    The counts of the summary are visits; `refused` ones make no picture, and `errors` say why.
    """
    tally = Tally(on_progress)
    tally.begin_fetching(len(visits), 0)
    tile = Tile(NAME, json.dumps({"composite": method}))
    ledger.plan(engine, [tile])
    ledger.tile_done(engine, tile)
    for visit, known in _with_known(visits, method, engine):
        if known is not None and known.line.here(blobs) and _current(known.product, visit, method):
            tally.add(None)
            continue
        tally.add(_make(visit, method, tile, engine=engine, blobs=blobs, settings=settings))
    return tally.summary()


def composite_ids(visits: Sequence[Visit], method: Method) -> list[str]:
    """The names of the visits' composites in the ledger."""
    return [product_id(NAME, f"composite-{method}:{visit.name}") for visit in visits]


def _filter_of(entry: Entry, blobs: BlobStore) -> tuple[str, _Filter] | None:
    """The visit that a file of one filter belongs to, and the file; None for any other product.

    The visit's name is the dataset's without the filter, as it is spelt: the archive's older and newer releases of
    one visit differ in that, and in their pixels.
    """
    product, line = entry.product, entry.line
    if product.access_format != FITS or product.archive != NAME:
        return None
    parts = parse_name(product.source_name)
    if parts is None or parts.is_exposure or len(parts.elements) != 1:
        return None
    element = parts.elements[0]
    before, _, after = product.source_name.upper().rpartition(f"_{element}")
    name = product.source_name[: len(before)] + (product.source_name[-len(after) :] if after else "")
    image_id = line.sha256 if line.here(blobs) else None
    may_come = image_id is None and line.status not in ("refused", "gone")
    return name, _Filter(element, product.source_name, product.product_id, product.instrument_name, image_id, may_come)


def _with_known(visits: Sequence[Visit], method: Method, engine: Engine) -> Iterator[tuple[Visit, Entry | None]]:
    for start in range(0, len(visits), _STEP):
        step = visits[start : start + _STEP]
        names = composite_ids(step, method)
        known = {entry.product.product_id: entry for entry in ledger.entries(engine, names)}
        for visit, name in zip(step, names, strict=True):
            yield visit, known.get(name)


def _current(product: Product, visit: Visit, method: Method) -> bool:
    return product.derived_from == ",".join(visit.image_ids) and product.rendering == _rendering(method)


def _rendering(method: Method) -> str:
    return f"{method}-{VERSIONS[method]}"


def _make(visit: Visit, method: Method, tile: Tile, *, engine: Engine, blobs: BlobStore, settings: Settings) -> Fetched:
    (name,) = composite_ids([visit], method)
    parents = [entry.product for entry in ledger.entries(engine, visit.product_ids)]
    try:
        paths = [blobs.path(image_id) for image_id in visit.image_ids]
        with open_stack(paths, settings.max_pixels) as stack:
            composite = compose(stack.bands, method)
        if not composite.seen:
            raise NoCompositeError("no_overlap", "No pixel was seen by all filters.")
    except (NoCompositeError, UndecodableError) as error:
        return Fetched(name, "refused", 0, error.reason, f"{visit.dataset}: {error}")
    product = _product(name, visit, method, parents, stack, composite)
    blob = store(blobs, encode(composite, packet(product, stack.wcs, stack.shape), _comment(stack)))
    arrived = product.arrived(access_format="image/png", size_bytes=blob.size, fetched_at=now_utc())
    ledger.add_products(engine, tile, [arrived])
    ledger.record_outcome(engine, Outcome(arrived, "got", (), sha256=blob.sha256))
    return Fetched(name, "got", blob.size, None, None)


def _product(
    name: str, visit: Visit, method: Method, parents: Sequence[Product], stack: Stack, composite: Composite
) -> Product:
    """The composite as a product: what its files have in common, and what they come to together."""
    red = parents[0]
    filters = "/".join(parent.filters or "" for parent in parents)
    regions = dict.fromkeys(parent.s_region for parent in parents if parent.s_region)
    title = red.obs_title and red.obs_title.replace(red.filters or "", filters, 1)
    sums = {
        "t_min": _of(min, [parent.t_min for parent in parents]),
        "t_max": _of(max, [parent.t_max for parent in parents]),
        "t_exptime": _of(sum, [parent.t_exptime for parent in parents]),
        "em_min": _of(min, [parent.em_min for parent in parents]),
        "em_max": _of(max, [parent.em_max for parent in parents]),
    }
    height, width = stack.shape
    return replace(
        red,
        product_id=name,
        source_name=f"{visit.dataset}_{method}.png",
        obs_id=visit.dataset,
        obs_title=title and title.replace("(combined)", f"({method} composite)"),
        obs_release_date=max(parent.obs_release_date or "" for parent in parents) or None,
        access_url="",
        access_estsize=None,
        expects_colour=True,
        filters=filters,
        synthetic_green=len(parents) == 2,
        partial_fraction=composite.partial_fraction,
        rendering=_rendering(method),
        derived_from=",".join(visit.image_ids),
        **(place(stack.wcs, width, height) | sums | ({"s_region": " ".join(regions)} if regions else {})),
    )


def _of(combine: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    """What known values come to; None where one is not known."""
    known = [value for value in values if value is not None]
    return combine(known) if known and len(known) == len(values) else None


def _comment(stack: Stack) -> str:
    """The picture's place on the sky as FITS keywords, a line each, as the archive's JPEGs have it."""
    return header_of(stack.wcs).tostring(sep="\n").rstrip()
