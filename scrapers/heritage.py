"""Hubble Heritage (heritage.stsci.edu, 1998 to about 2020): releases with a page of files each, and where they are now.

The site itself is closed, so that asking it would cost a minute of waiting and bring nothing. Its pictures were moved
into a collection of HubbleSite; HubbleSite in its turn moved into science.nasa.gov in 2025, whose pages are not read
here. `open_heritage` therefore asks HubbleSite's collection first, and where that has moved away ESA/Hubble, which has
the same releases under the names of STScI's (opo0328a): those whose credit line names the Heritage team. A user who
types `deepfield scrape heritage` so gets pictures in any of these years, and is told from where.

The index of the former site is read where a server still speaks it. Only the selectors of a scraper of 2019 are known
of its pages, so that what is read of them is little.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from bs4 import Tag

from manifests.settings import Settings
from scrapers.esahubble import PUBLIC as ESAHUBBLE_HOSTS
from scrapers.esahubble import EsaHubble
from scrapers.fetch import Described
from scrapers.gallery import Gallery, ListPage, located, offered
from scrapers.http import HttpError, PoliteClient, shared_client
from scrapers.hubblesite import FOLDERS, HubbleSite, HubbleSiteQuery
from scrapers.hubblesite import PUBLIC as HUBBLESITE_HOSTS
from scrapers.hubblesite_page import CARDS, PICTURES, as_product, image_name, read_picture
from scrapers.products import Product, Tile, product_id
from scrapers.releases import publisher_name, stsci_release
from scrapers.text import date, markup, path_of, plain_text, words
from scrapers.versions import Limits

NAME = "heritage"
COLLECTION = "Hubble Heritage"
_CREDIT = "NASA and The Hubble Heritage Team (AURA/STScI)"
_TEAM = "Heritage Team"
_LINK = "high-resolution images"
_HOST = "heritage.stsci.edu"
_PUBLIC = frozenset({_HOST}) | HUBBLESITE_HOSTS
_FINAL = ("elsewhere", "gone", "status", "moved", "not_a_list", "changed", "redirects")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Index:
    """What the address of the index answers with: its releases; none and `moved` where it leads to HubbleSite."""

    products: tuple[Product, ...]
    moved: bool = False


class HeritageIndex:
    """The former site, or any server that speaks as it did; its list goes on at HubbleSite where it leads there."""

    name = NAME
    lists: tuple[str, ...] = ("gallery",)

    def __init__(self, client: PoliteClient, limits: Limits, collection: Callable[[str], HubbleSite]) -> None:
        self.client = client
        self._limits = limits
        self._collection = collection
        self._moved: HubbleSite | None = None

    def page(self, name: str, number: int) -> Tile:
        """The question for the index, which has one page only; any further one is HubbleSite's."""
        return Tile(self.name, json.dumps({"url": f"{self.client.base}/{name}/galindex.html", "page": number}))

    def ask(self, tile: Tile) -> ListPage:
        """The releases of the index, or those of the collection that it leads to.

        Raises:
            HttpError: it cannot be had, or is none.
        """
        question = json.loads(tile.request)
        if question["page"] > 1 and self._moved is None:
            # a list that was begun by an earlier run goes on where its first page led
            self.ask(self.page(self.lists[0], 1))
        if self._moved is not None:
            return self._moved.ask(self._moved.page(COLLECTION, question["page"]))
        reply = self.client.get(question["url"], _index)
        if reply.value.moved:
            where = reply.url.partition("?")[0]
            for folder in FOLDERS:
                where = where.removesuffix(folder)
            self._moved = self._collection(where)
            return self._moved.ask(self._moved.page(COLLECTION, question["page"]))
        if question["page"] > 1:
            return ListPage((), more=False)
        # no page of the site is known that says it; what a server on this machine serves is not the team's
        credit = _CREDIT if urlsplit(self.client.base).hostname in _PUBLIC else None
        found = (replace(product, credit=credit) for product in reply.value.products)
        return ListPage(located(found, reply.url, self.client.base, _PUBLIC), more=False)

    def describe(self, product: Product) -> Described:
        """What the page of a release says, once for each file that may be fetched.

        Raises:
            HttpError: it cannot be had; or it is refused because no file is of use.
        """
        where, of_collection, _ = product.access_url.partition(PICTURES)
        if of_collection:
            return self._collection(where).describe(product)
        reply = self.client.get(product.access_url, lambda body: read_picture(body, product, any_link=True))
        return offered(reply, self.client.base, _PUBLIC, self._limits)


class EsaHeritage(EsaHubble):
    """The pictures of ESA/Hubble that the Heritage team made: those whose credit line says so."""

    name = NAME

    def ask(self, tile: Tile) -> ListPage:
        """The pictures on a page of the search, as Heritage's.

        Raises:
            HttpError: as ESA/Hubble's.
        """
        page = super().ask(tile)
        return replace(page, products=tuple(_as_heritage(one) for one in page.products))

    def describe(self, product: Product) -> Described:
        """What the page of a picture says, once for each file that may be fetched.

        Raises:
            HttpError: as ESA/Hubble's; and refused where the team did not make the picture.
        """
        described = super().describe(product)
        credit = described.choices[0].credit or ""
        if "heritage" not in credit.lower():
            name = product.source_name
            raise HttpError("refused", "other_team", f"{name} is not wanted: its credit line names no Heritage team.")
        return described


class Heritage:
    """Hubble Heritage wherever it is: the first of several places that has its list; `tell` hears which it is."""

    name = NAME
    lists: tuple[str, ...] = ("gallery",)

    def __init__(self, places: tuple[Gallery, ...], tell: Tell | None = None) -> None:
        self.client = places[0].client
        self._places = places
        self._tell = tell
        self._here: Gallery | None = None

    def page(self, name: str, number: int) -> Tile:
        """The question for a page of the list; it does not tell the place, which only the replies do."""
        places = [place.client.base for place in self._places]
        return Tile(self.name, json.dumps({"list": name, "places": places, "page": number}))

    def ask(self, tile: Tile) -> ListPage:
        """The pictures of a page of the list.

        Raises:
            HttpError: no place has it, or the one that had the first page fails.
        """
        number = json.loads(tile.request)["page"]
        if number > 1 and self._here is None:
            # a list that was begun by an earlier run goes on where its first page was
            self.ask(self.page(self.lists[0], 1))
        if self._here is not None:
            return self._here.ask(self._here.page(self._here.lists[0], number))
        failed: HttpError | None = None
        for place in self._places:
            try:
                page = place.ask(place.page(place.lists[0], number))
            except HttpError as error:
                # a place that is down for now is no reason to take the pictures from another, under other names
                if error.reason not in _FINAL:
                    raise
                failed = error
                continue
            if page.products:
                if self._tell and failed:
                    self._tell(f"{failed} Hubble Heritage's pictures are taken from {place.client.base} instead.")
                self._here = place
                return page
        if failed:
            raise failed
        return ListPage((), more=False)

    def describe(self, product: Product) -> Described:
        """What the page of a picture says, once for each file that may be fetched.

        Raises:
            HttpError: it cannot be had; or it is refused because no file is of use.
        """
        of_place = (place for place in self._places if product.access_url.startswith(f"{place.client.base}/"))
        return next(of_place, self._places[0]).describe(product)


def open_heritage(
    settings: Settings,
    limits: Limits,
    *,
    collection: bool = False,
    archive_url: str | None = None,
    tell: Tell | None = None,
) -> Gallery:
    """Hubble Heritage where it is today, or the former site at another address, which then counts as its own.

    With `collection` it is HubbleSite's collection and nothing else, at `archive_url` where that is given. A
    `heritage_url` in the settings that is not the closed site's is asked as `archive_url` is. `tell` is given a
    sentence where the pictures are not in the place that is asked first.

    Raises:
        UsageError: the address is none.
    """

    def at(url: str, friends: frozenset[str] = frozenset()) -> HubbleSite:
        return HubbleSite(
            shared_client(url, settings, friends), limits, HubbleSiteQuery(collection=COLLECTION), NAME, COLLECTION
        )

    if collection:
        return at(archive_url or settings.hubblesite_url, HUBBLESITE_HOSTS if archive_url is None else frozenset())
    former = archive_url or settings.heritage_url
    if archive_url or urlsplit(former).hostname != _HOST:
        return HeritageIndex(shared_client(former, settings), limits, at)
    # files of either place come through the client of the first
    friends = HUBBLESITE_HOSTS | ESAHUBBLE_HOSTS
    esa = EsaHeritage(shared_client(settings.esahubble_url, settings, friends), limits, ("search",), search=_TEAM)
    return Heritage((at(settings.hubblesite_url, friends), esa), tell)


def _as_heritage(product: Product) -> Product:
    names = f"{product.product_id},{product.aliases}" if product.aliases else product.product_id
    return replace(product, archive=NAME, product_id=product_id(NAME, product.source_name), aliases=names)


def _index(body: bytes) -> _Index:
    """A check for `PoliteClient.get`: the index, or HubbleSite's list where the site has moved there."""
    try:
        return _Index(tuple(read_index(body)))
    except HttpError:
        if markup(body, "The gallery's index").select_one(CARDS):
            return _Index((), moved=True)
        raise


def read_index(body: bytes) -> list[Product]:
    """The releases of the gallery's index, by their pages as they are linked; a check for `PoliteClient.get`.

    Raises:
        HttpError: transient: this is no index.
    """
    soup = markup(body, "The gallery's index")
    links = [link for link in soup.select("em a[href]") if plain_text(words(link)).lower() == _LINK]
    if not links:
        raise HttpError(
            "transient",
            "not_a_list",
            f"Hubble Heritage sent something else than its gallery's index: no link says {_LINK!r} in <em>.",
        )
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
        product = as_product(NAME, COLLECTION, name, path if stsci_release(path) else entry, title, url)
        found[name] = replace(product, obs_release_date=date(entry))
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
