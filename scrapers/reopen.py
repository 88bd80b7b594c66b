"""From a question in the ledger back to the archive it was asked of, so that it can be asked again."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from manifests.settings import Settings
from scrapers import esahubble, folder, heritage, hla, hubblesite, mast
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery
from scrapers.heritage import open_heritage
from scrapers.hla import Hla, HlaQuery, open_hla
from scrapers.hosts import HostList
from scrapers.hubblesite import Era, HubbleSiteQuery, open_hubblesite
from scrapers.mast import Mast, MastQuery, open_mast
from scrapers.products import Tile
from scrapers.versions import Limits

_HLA_PAGES = re.compile(r"/(cgi-bin/|hlaview\.html).*")
_ESAHUBBLE_PAGES = re.compile(r"/images/(?P<list>.*?)(page/\d+/)?$")


@dataclass(frozen=True)
class EsaHubbleQuery:
    """Which list of ESA/Hubble: categories, or the feed, or a search."""

    categories: str | None = None
    feed: bool = False
    search: str | None = None


@dataclass(frozen=True)
class HeritageQuery:
    """Where Hubble Heritage was looked for: in HubbleSite's collection only, or wherever it is."""

    collection: bool = False


Query = HlaQuery | MastQuery | EsaHubbleQuery | HubbleSiteQuery | HeritageQuery


@dataclass(frozen=True)
class Asked:
    """Of whom a tile was asked, and for what, all but the place or page. `base` is None for the usual address.

    Of a folder `base` is its path, and there is no query.
    """

    archive: str
    base: str | None
    query: Query | None


def asked_of(tile: Tile) -> Asked:
    """Whom a tile was asked of."""
    if tile.archive == folder.NAME:
        return Asked(tile.archive, tile.request, None)
    base, query = _READ[tile.archive](json.loads(tile.request))
    return Asked(tile.archive, base, query)


def _of_hla(question: dict[str, Any]) -> tuple[str | None, Query]:
    base = _HLA_PAGES.sub("", question["url"])
    if "imagetype" not in question:  # a page of hlaview.html
        return base, HlaQuery()
    filters = question.get("spectral_elt") or question.get("filter", "").upper()
    return base, HlaQuery(
        tuple(question["imagetype"].split(",")),
        tuple(question["inst"].split(",")),
        tuple(name for name in filters.split(",") if name),
        question["format"] == "image/fits",
    )


def _of_mast(question: dict[str, Any]) -> tuple[str | None, Query]:
    return question["url"], MastQuery(tuple(question["collections"]), tuple(question["kinds"]))


def _of_esahubble(question: dict[str, Any]) -> tuple[str | None, Query]:
    found = _ESAHUBBLE_PAGES.search(question["url"])
    base, place = _ESAHUBBLE_PAGES.sub("", question["url"]), found["list"].strip("/") if found else ""
    if "search" in question:
        return base, EsaHubbleQuery(search=question["search"])
    if "page" in question:
        return base, EsaHubbleQuery(feed=True)
    return base, EsaHubbleQuery(categories=place.rpartition("/")[2] or "all")


def _of_hubblesite(question: dict[str, Any]) -> tuple[str | None, Query]:
    type_, category, collection = (question.get(name) for name in ("Type", "Category", "Collection"))
    return question["url"], HubbleSiteQuery(type_, category, collection, cast(Era, question["Era"]))


def _of_heritage(question: dict[str, Any]) -> tuple[str | None, Query]:
    if "Collection" in question:
        return question["url"], HeritageQuery(collection=True)
    return question.get("url", "").rpartition("/gallery/")[0] or None, HeritageQuery()


_READ: dict[str, Callable[[dict[str, Any]], tuple[str | None, Query]]] = {
    hla.NAME: _of_hla,
    mast.NAME: _of_mast,
    esahubble.NAME: _of_esahubble,
    hubblesite.NAME: _of_hubblesite,
    heritage.NAME: _of_heritage,
}


def reopen(asked: Asked, settings: Settings, archive_url: str | None = None) -> Hla | Mast | Gallery:
    """The archive as it was asked, or another server that speaks as it does.

    Sites are opened for all types of picture: what is in the ledger was listed for the types wanted then.

    Raises:
        UsageError: the address is none.
    """
    query, limits = asked.query, Limits(settings.max_bytes, settings.max_pixels)
    usual = {
        hla.NAME: settings.hla_url,
        mast.NAME: settings.mast_url,
        esahubble.NAME: settings.esahubble_url,
        hubblesite.NAME: settings.hubblesite_url,
        heritage.NAME: settings.heritage_url,
    }[asked.archive]
    if isinstance(query, HeritageQuery) and query.collection:
        usual = settings.hubblesite_url
    if archive_url is None and asked.base is not None and asked.base != HostList(usual).base:
        archive_url = asked.base
    if isinstance(query, HlaQuery):
        return open_hla(settings, query, archive_url)
    if isinstance(query, MastQuery):
        return open_mast(settings, query, archive_url)
    if isinstance(query, HubbleSiteQuery):
        return open_hubblesite(settings, limits, query, archive_url=archive_url)
    if isinstance(query, HeritageQuery):
        return open_heritage(settings, limits, collection=query.collection, archive_url=archive_url)
    assert query is not None  # of a folder nothing is requested
    return open_esahubble(
        settings,
        limits,
        categories=query.categories,
        types="all",
        feed=query.feed,
        search=query.search,
        archive_url=archive_url,
    )
