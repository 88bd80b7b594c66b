"""Crawling a site of pictures: its lists page by page, each picture's own page, then the best file that page offers.

The steps are functions of their own, small enough to be a scheduler's tasks, and keep all state in the ledger:
`ask_pages`, then `open_products` and `fetch_batch` of `scrapers.crawl` with the gallery's `describe`. Pages of lists
are the ledger's tiles. `crawl_gallery` does all of it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.tables import tiles
from scrapers import ledger
from scrapers.attempts import noted_attempts
from scrapers.claims import claimed, keeping
from scrapers.crawl import fetch_open
from scrapers.fetch import MIN_SIZE_PX, PAGE, Described
from scrapers.http import HttpError, PoliteClient, Reply, now_utc
from scrapers.plans import Plan
from scrapers.products import Product, Tile
from scrapers.revalidation import UnchangedError
from scrapers.tally import CrawlSummary, OnProgress, Tally
from scrapers.validators import if_changed, remember
from scrapers.versions import MEDIA_TYPES, Limits, Version, in_order

_FAILURES_IN_A_ROW = 2


@dataclass(frozen=True)
class ListPage:
    """One page of a list: its pictures, and whether the list goes on."""

    products: tuple[Product, ...]
    more: bool


@dataclass(frozen=True)
class PicturePage:
    """What a picture's page says: the product without a file, its files, and the type of picture where given."""

    product: Product
    versions: tuple[Version, ...]
    type: str | None = None


class Gallery(Protocol):
    """What a crawl needs to know of a site of pictures. `lists` are walked one after another."""

    name: str
    client: PoliteClient
    lists: tuple[str, ...]

    def page(self, name: str, number: int) -> Tile:
        """The question for a page of a list, counted from 1."""
        ...

    def ask(self, tile: Tile) -> ListPage:
        """What a page lists."""
        ...

    def describe(self, product: Product) -> Described:
        """What a picture's own page says of it.

        Raises:
            HttpError: it cannot be had, or says that the picture is none of those wanted.
        """
        ...


def ask_pages(
    gallery: Gallery,
    *,
    engine: Engine,
    limit: int | None = None,
    refresh: bool = False,
    on_page: Callable[[HttpError | None], None] | None = None,
) -> Plan:
    """Walk the lists and write down what they offer, until `limit` pictures are known.

    Pages that were answered before are not asked again unless `refresh`. `on_page` is told of every page, with the
    error where it failed; a single page that fails is passed over, and asked by the next run.

    Raises:
        HttpError: not one page could be asked.
    """
    gallery.client.share_pace(engine)
    with keeping(engine):
        return _walk(gallery, engine, limit, refresh, on_page)


def _walk(
    gallery: Gallery,
    engine: Engine,
    limit: int | None,
    refresh: bool,
    on_page: Callable[[HttpError | None], None] | None,
) -> Plan:
    walked: list[Tile] = []
    found: set[str] = set()
    answered, last_error, since = 0, None, now_utc()
    for name in gallery.lists:
        seen: set[str] = set()
        failures = 0
        for number, tile in _chain(gallery, name, engine):
            walked.append(tile)
            error = None
            # each page says whether there is a next: one that another worker asks is waited for
            with claimed(engine, tiles, tile.tile_id, wait=True):
                known = ledger.asked_since(engine, tile, since) or not (refresh or ledger.unasked(engine, [tile]))
                if not known:
                    error = _ask_page(gallery, tile, number, gallery.page(name, number + 1), seen, engine=engine)
            if on_page:
                on_page(error)
            if error is None:
                answered, failures = answered + 1, 0
                seen |= {line.product_id for line in ledger.scope(engine, [tile])}
            else:
                last_error, failures = error, failures + 1
                # a list has no page after one that is gone, and a site that is down need not be asked for all
                if error.kind != "transient" or failures == _FAILURES_IN_A_ROW:
                    break
                ledger.plan(engine, [gallery.page(name, number + 1)])
            if limit is not None and len(found | seen) >= limit:
                return Plan(tuple(walked), None)
        found |= seen
    if last_error is not None and not answered:
        raise last_error
    return Plan(tuple(walked), None)


def _chain(gallery: Gallery, name: str, engine: Engine) -> Iterator[tuple[int, Tile]]:
    """The first page of a list, then each that is planned: a page plans the next where it says that there is one."""
    ledger.plan(engine, [gallery.page(name, 1)])
    yield from enumerate(known_pages(gallery, name, engine), start=1)


def known_pages(gallery: Gallery, name: str, engine: Engine) -> Iterator[Tile]:
    """The first page of a list and those that are known to follow, looked up one by one."""
    number, tile = 1, gallery.page(name, 1)
    while number == 1 or ledger.is_planned(engine, tile):
        yield tile
        number += 1
        tile = gallery.page(name, number)


def _ask_page(
    gallery: Gallery, tile: Tile, number: int, following: Tile, seen: set[str], *, engine: Engine
) -> HttpError | None:
    with noted_attempts() as attempts, if_changed(engine, tile) as asked:
        try:
            page = _page(gallery, tile, number)
        except UnchangedError:
            ledger.tile_done(engine, tile, attempts)
            return None
        except HttpError as error:
            ledger.tile_failed(engine, tile, str(error), attempts)
            return error
    ledger.add_products(engine, tile, page.products)
    # a site that answers every number with the same page would be walked for ever
    if page.more and any(product.product_id not in seen for product in page.products):
        ledger.plan(engine, [following])
    ledger.tile_done(engine, tile, attempts)
    remember(engine, tile, asked)
    return None


def _page(gallery: Gallery, tile: Tile, number: int) -> ListPage:
    """A page of a list; the one after the last is gone on some sites, and empty on others."""
    try:
        return gallery.ask(tile)
    except HttpError as error:
        if error.reason == "gone" and number > 1:
            return ListPage((), more=False)
        raise


def crawl_gallery(
    gallery: Gallery,
    *,
    engine: Engine,
    blobs: BlobStore,
    settings: Settings,
    limit: int | None = None,
    min_size: int = MIN_SIZE_PX,
    refresh: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[Plan, CrawlSummary]:
    """Bring in a site's pictures; the pages that were walked, and what it came to.

    Run again, it asks and fetches only what is missing. The limits of `settings` are those of the pictures, whose pages
    may be longer.

    Raises:
        HttpError: not one page could be asked.
    """
    tally = Tally(on_progress)

    def count(error: HttpError | None) -> None:
        tally.tiles += 1
        tally.add_tile(error)

    plan = ask_pages(gallery, engine=engine, limit=limit, refresh=refresh, on_page=count)
    summary = fetch_open(
        gallery.client.within(settings.max_bytes),
        plan,
        engine=engine,
        blobs=blobs,
        settings=settings,
        limit=limit,
        min_size=min_size,
        refresh=refresh,
        tally=tally,
        describe=gallery.describe,
    )
    return plan, summary


def look_through(gallery: Gallery, limit: int | None = None) -> Iterator[Product | HttpError]:
    """The pictures of the lists, described, without writing anything down; an error for each that is not to be had.

    Raises:
        HttpError: a page of a list cannot be asked.
    """
    found: dict[str, Product] = {}
    for name in gallery.lists:
        seen: set[str] = set()
        number, more = 1, True
        while more and (limit is None or len(found) < limit):
            page = _page(gallery, gallery.page(name, number), number)
            fresh = {product.product_id: product for product in page.products if product.product_id not in seen}
            seen |= set(fresh)
            found |= fresh
            number, more = number + 1, page.more and bool(fresh)
    for key in sorted(found)[:limit]:
        product = found[key]
        try:
            yield gallery.describe(product).choices[0] if product.access_format == PAGE else product
        except HttpError as error:
            yield error


def choose(page: PicturePage, limits: Limits, types: frozenset[str] = frozenset()) -> tuple[Product, ...]:
    """The product as each of its files that may be fetched, the best first; `types`, lower case, are those wanted.

    Raises:
        HttpError: refused where the picture is of another type, or none of its files is of use and within the
            limits.
    """
    name = page.product.source_name
    page = replace(page, product=replace(page.product, image_type=page.type or page.product.image_type))
    if types and page.type and page.type.lower() not in types:
        raise HttpError("refused", "other_type", f"{name} is not wanted: its type is {page.type}.")
    chosen = in_order(page.versions, limits)
    if not chosen and in_order(page.versions, Limits(sys.maxsize, sys.maxsize, originals=limits.originals)):
        raise HttpError(
            "refused",
            "too_large",
            f"Every file of {name} is larger than the limits (--max-mb or DEEPFIELD_MAX_BYTES, --max-pixels or "
            "DEEPFIELD_MAX_PIXELS).",
        )
    if not chosen:
        kinds = "JPEG, PNG or TIFF" if limits.originals else "JPEG or PNG"
        raise HttpError("refused", "no_file", f"The page of {name} offers no {kinds} file.")
    return tuple(
        replace(
            page.product,
            access_url=version.url,
            access_format=MEDIA_TYPES[version.format],
            access_estsize=round(version.size_bytes / 1000, 3) if version.size_bytes else None,
            s_resolution=page.product.s_resolution or _scale_arcsec(page.product, version),
        )
        for version in chosen
    )


def _scale_arcsec(product: Product, version: Version) -> float | None:
    """Arcsec per pixel of a file of the whole picture; the file's own metadata may know it better."""
    if product.s_fov is None or product.s_region is None or not version.width or not version.height:
        return None
    return product.s_fov * 3600.0 / max(version.width, version.height)


def offered(
    reply: Reply[PicturePage],
    base: str,
    public: frozenset[str],
    limits: Limits,
    types: frozenset[str] = frozenset(),
) -> Described:
    """What the page that came says, once for each file that may be fetched; links count from where it came from.

    Raises:
        HttpError: as `choose` does.
    """
    versions = tuple(replace(v, url=address(v.url, reply.url, base, public)) for v in reply.value.versions)
    try:
        return Described(choose(replace(reply.value, versions=versions), limits, types), reply.attempts)
    except HttpError as error:
        error.attempts = reply.attempts
        raise


def located(found: Iterable[Product], page_url: str, base: str, public: frozenset[str]) -> tuple[Product, ...]:
    """The products of a list page with the full addresses of their pages."""
    return tuple(replace(one, access_url=address(one.access_url, page_url, base, public)) for one in found)


def address(href: str, page_url: str, base: str, public: frozenset[str]) -> str:
    """A link of a page as a full address.

    A mirror may repeat the links of the site it mirrors: what lies on the `public` hosts is looked for on the mirror,
    and a path from the root below the mirror's own path. Where the page came by https, so does what it links to.
    """
    try:
        url = urljoin(page_url, href.strip())
        linked, here, there = urlsplit(href.strip()), urlsplit(url), urlsplit(base)
    except ValueError:
        return href
    mirrored = here.hostname in public and there.hostname not in public
    rootless = not linked.netloc and linked.path.startswith("/") and not linked.path.startswith(f"{there.path}/")
    if mirrored or (rootless and here.netloc == there.netloc):
        return f"{base}{here.path}" + (f"?{here.query}" if here.query else "")
    if here.scheme == "http" and there.scheme == "https":
        return "https" + url.removeprefix("http")
    return url
