"""From a question in the ledger back to the archive it was asked of, so that it can be asked again."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs

from manifests.settings import Settings
from scrapers import esahubble, folder, heritage, hla, hubblesite, mast
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery
from scrapers.heritage import open_heritage
from scrapers.hla import Hla, HlaQuery, open_hla
from scrapers.hlaview import HlaView, open_hlaview
from scrapers.hosts import HostList
from scrapers.hubblesite import Era, HubbleSiteQuery, open_hubblesite
from scrapers.mast import Mast, MastQuery, open_mast
from scrapers.products import Tile
from scrapers.versions import Limits

_HLA_PAGE = "/hlaview.html#"
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

    Of a folder `base` is its path, and there is no query. `browser` says that HLA was asked through its page.
    """

    archive: str
    base: str | None
    query: Query | None
    browser: bool = False


def asked_of(tile: Tile) -> Asked | None:
    """Whom a tile was asked of; None where it stands for something that was made here, and nobody was asked."""
    if tile.archive == folder.NAME:
        return Asked(tile.archive, tile.request, None)
    question = json.loads(tile.request)
    if tile.archive == hla.NAME and "url" not in question:
        return None
    base, query = _READ[tile.archive](question)
    return Asked(tile.archive, base, query, _HLA_PAGE in question.get("url", ""))


def _of_hla(question: dict[str, Any]) -> tuple[str | None, Query]:
    base, page, state = question["url"].partition(_HLA_PAGE)
    if page:
        # all of the page's state is behind the hash, the form in its third part
        form = parse_qs(state.split("|")[2])
        kinds, inst, filters = form["imagetype"][0], form["inst"], form.get("spectral_elt", [""])[0]
        return base, HlaQuery(tuple(kinds.split(",")), tuple(inst), _words(filters))
    filters = question.get("spectral_elt") or question.get("filter", "").upper()
    fits = question["format"] == "image/fits"
    kinds, inst = question["imagetype"], question["inst"]
    return base.partition("/cgi-bin/")[0], HlaQuery(_words(kinds), _words(inst), _words(filters), fits)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


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


@contextmanager
def reopen(
    asked: Asked, settings: Settings, archive_url: str | None = None, *, for_tiles: bool = True
) -> Iterator[Hla | HlaView | Mast | Gallery]:
    """The archive as it was asked, or another server that speaks as it does. No browser is started but for tiles.

    Sites are opened for all types of picture: what is in the ledger was listed for the types wanted then.

    Raises:
        UsageError: the address is none.
        DeepfieldError: a browser is needed, and does not start.
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
    if isinstance(query, HlaQuery) and asked.browser and for_tiles:
        with open_hlaview(settings, query, archive_url) as view:
            yield view
    elif isinstance(query, HlaQuery):
        yield open_hla(settings, query, archive_url)
    elif isinstance(query, MastQuery):
        yield open_mast(settings, query, archive_url)
    elif isinstance(query, HubbleSiteQuery):
        yield open_hubblesite(settings, limits, query, archive_url=archive_url)
    elif isinstance(query, HeritageQuery):
        yield open_heritage(settings, limits, collection=query.collection, archive_url=archive_url)
    elif query is not None:  # of a folder nothing is requested
        yield open_esahubble(
            settings,
            limits,
            categories=query.categories,
            types="all",
            feed=query.feed,
            search=query.search,
            archive_url=archive_url,
        )
