"""Hubble Heritage (heritage.stsci.edu, 1998 to about 2020): one index of all releases, each with a page of files.

The site is closed and its pictures live on in a collection of HubbleSite, which `open_heritage` can ask instead. Only
the selectors of a scraper of 2019 are known of its pages, so that what is read of them is little.
"""

import json
from collections import Counter
from dataclasses import replace
from urllib.parse import urlsplit

from bs4 import Tag

from manifests.settings import Settings
from scrapers.fetch import Described
from scrapers.gallery import Gallery, ListPage, located, offered
from scrapers.http import HttpError, PoliteClient, shared_client
from scrapers.hubblesite import PUBLIC as HUBBLESITE_HOSTS
from scrapers.hubblesite import HubbleSite, HubbleSiteQuery
from scrapers.hubblesite_page import CARDS, as_product, image_name, read_picture
from scrapers.products import Product, Tile
from scrapers.releases import publisher_name, stsci_release
from scrapers.text import markup, path_of, plain_text, words
from scrapers.versions import Limits

NAME = "heritage"
COLLECTION = "Hubble Heritage"
_CREDIT = "NASA and The Hubble Heritage Team (AURA/STScI)"
_LINK = "high-resolution images"
_HOST = "heritage.stsci.edu"
_PUBLIC = frozenset({_HOST}) | HUBBLESITE_HOSTS
_INSTEAD = "The site closed about 2020; its pictures are in HubbleSite's collection: add --collection."


class Heritage:
    """One Hubble Heritage: the real site, or any server that speaks as it did."""

    name = NAME
    lists: tuple[str, ...] = ("gallery",)

    def __init__(self, client: PoliteClient, limits: Limits) -> None:
        self.client = client
        self._limits = limits

    def page(self, name: str, number: int) -> Tile:
        """The question for the index, which has one page only."""
        return Tile(self.name, json.dumps({"url": f"{self.client.base}/{name}/galindex.html", "page": number}))

    def ask(self, tile: Tile) -> ListPage:
        """The releases of the index.

        Raises:
            HttpError: it cannot be had, or is none.
        """
        url = json.loads(tile.request)["url"]
        try:
            reply = self.client.get(url, read_index)
        except HttpError as error:
            if error.reason in ("unreachable", "gone") and urlsplit(self.client.base).hostname == _HOST:
                raise HttpError(error.kind, error.reason, f"{error} {_INSTEAD}", error.status) from error
            raise
        # no page of the site is known that says it; what a server on this machine serves is not the team's
        credit = _CREDIT if urlsplit(self.client.base).hostname in _PUBLIC else None
        found = (replace(product, credit=credit) for product in reply.value)
        return ListPage(located(found, reply.url, self.client.base, _PUBLIC), more=False)

    def describe(self, product: Product) -> Described:
        """What the page of a release says, once for each file that may be fetched.

        Raises:
            HttpError: it cannot be had; or it is refused because no file is of use.
        """
        reply = self.client.get(product.access_url, lambda body: read_picture(body, product, any_link=True))
        return offered(reply, self.client.base, _PUBLIC, self._limits)


def open_heritage(
    settings: Settings, limits: Limits, *, collection: bool = False, archive_url: str | None = None
) -> Gallery:
    """The Heritage site at its usual address or at another, which then counts as its own; or HubbleSite's collection.

    Raises:
        UsageError: the address is none.
    """
    friends = _PUBLIC if archive_url is None else frozenset[str]()
    if not collection:
        return Heritage(shared_client(archive_url or settings.heritage_url, settings, friends), limits)
    client = shared_client(archive_url or settings.hubblesite_url, settings, friends)
    return HubbleSite(client, limits, HubbleSiteQuery(collection=COLLECTION), NAME, COLLECTION)


def read_index(body: bytes) -> list[Product]:
    """The releases of the gallery's index, by their pages as they are linked; a check for `PoliteClient.get`.

    Raises:
        HttpError: transient: this is no index; permanent: it is HubbleSite's list, where the site has moved.
    """
    soup = markup(body, "The gallery's index")
    links = [link for link in soup.select("em a[href]") if plain_text(words(link)).lower() == _LINK]
    if not links and soup.select_one(CARDS):
        raise HttpError("permanent", "moved", f"The gallery's index is no longer here. {_INSTEAD}")
    if not links:
        raise HttpError("transient", "not_a_list", "Hubble Heritage sent something else than its gallery's index.")
    shared = Counter(id(parent) for link in links for parent in link.parents)
    found: dict[str, Product] = {}
    for link in links:
        url, (title, entry) = str(link["href"]).strip(), _entry(link, shared)
        path = path_of(url)
        release = stsci_release(path) or stsci_release(entry)
        name = _own_name(release) if release else image_name(path) or path.strip("/")
        if not name or any(product.access_url == url for product in found.values()):
            continue
        while name in found:
            name += "-more"
        found[name] = as_product(NAME, COLLECTION, name, path if stsci_release(path) else entry, title, url)
    return list(found.values())


def _own_name(release: str) -> str:
    """What Heritage calls a release: `2003-28`."""
    return (publisher_name(release) or release).removeprefix("STScI-PRC")


def _entry(link: Tag, shared: Counter[int]) -> tuple[str, str]:
    """Title of the entry a link stands in, and the entry's addresses and words.

    The entry is the largest part of the page without another such link; `shared` counts them in each part.
    """
    entry = link
    for parent in link.parents:
        if shared[id(parent)] > 1:
            break
        entry = parent
    addresses = " ".join(str(other["href"]) for other in entry.select("a[href]"))
    parts = (part for part in entry.select("h2, h3, h4, b, strong, a") if part.find_parent("em") is None)
    return next((text for text in map(words, parts) if text.strip()), ""), f"{addresses} {words(entry)}"
