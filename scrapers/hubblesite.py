"""HubbleSite (hubblesite.org): the lists of 2020 to 2024 and of 2017 to 2020, and the API of the older years.

Which of them a server speaks is found out by asking, the newest first. The site moved into science.nasa.gov in 2025,
whose pages are not read here; whoever is sent there is told where the releases are to be had.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.fetch import Described
from scrapers.gallery import ListPage, PicturePage, located, offered
from scrapers.http import HttpError, PoliteClient, shared_client
from scrapers.hubblesite_page import as_product, of_release, read_cards, read_picture, type_by_title
from scrapers.products import Product, Tile
from scrapers.releases import release_of_files, stsci_release
from scrapers.text import json_value, path_of, plain_text
from scrapers.versions import Limits, Version, version_of

NAME = "hubblesite"
Era = Literal["auto", "2023", "2020", "2017", "api"]

# In the order in which they are tried; the folder of the list, where it is one of pages with cards.
_FOLDERS: dict[str, str] = {"2023": "/images", "2020": "/resource-gallery/images"}
FOLDERS = (_FOLDERS["2020"], _FOLDERS["2023"])  # the longer one first
_TRIED: tuple[Era, ...] = ("2023", "2020", "2017", "api")
_ITEMS_PER_PAGE = 100
PUBLIC = frozenset(
    {
        "hubblesite.org",
        "www.hubblesite.org",
        "stsci-opo.org",
        "media.stsci.edu",
        "imgsrc.hubblesite.org",
    }
)
_MOVED = (
    "HubbleSite has moved into science.nasa.gov, whose pages Deepfield does not read. ESA/Hubble has the same "
    "releases, named opo...: deepfield scrape esahubble."
)
_TOPIC = re.compile(r"\d+-[\w-]+")  # 105-galaxies; anything else is a tag


@dataclass(frozen=True)
class HubbleSiteQuery:
    """Which pictures: type, collection and category by the site's own words, None for all; and the era of the site."""

    type: str | None = "Observations"
    category: str | None = None
    collection: str | None = None
    era: Era = "auto"


class HubbleSite:
    """One HubbleSite: the real one, or any server that speaks as it did. `name` is the archive the pictures go by."""

    def __init__(
        self,
        client: PoliteClient,
        limits: Limits,
        query: HubbleSiteQuery,
        name: str = NAME,
        title: str = "HubbleSite",
        public: frozenset[str] = PUBLIC,
    ) -> None:
        self.name = name
        self.client = client
        self.lists: tuple[str, ...] = (query.collection or query.category or "images",)
        self._limits = limits
        self._query = query
        self._title = title
        self._public = public
        self._era: Era = query.era

    def page(self, name: str, number: int) -> Tile:
        """The question for a page of the list; it does not tell the era, which only the reply does."""
        query = self._query
        wanted = {"Type": query.type, "Category": query.category, "Collection": query.collection, "Era": query.era}
        question = {"url": self.client.base, "page": number, **{k: v for k, v in wanted.items() if v}}
        return Tile(self.name, json.dumps(question))

    def ask(self, tile: Tile) -> ListPage:
        """The pictures of a list page.

        Raises:
            HttpError: the page cannot be had, or is none.
        """
        number = json.loads(tile.request)["page"]
        if self._era == "auto" and number > 1:
            # a list that was begun by an earlier run goes on in the era of its first page
            self.ask(self.page(self.lists[0], 1))
        if self._era != "auto":
            return self._ask(self._era, number)
        failed: HttpError | None = None
        answered = False
        for era in _TRIED:
            try:
                page = self._ask(era, number)
            except HttpError as error:
                if error.reason not in ("gone", "not_a_list", "not_json"):
                    raise
                failed = failed or error
                continue
            answered = True
            if page.products:
                self._era = era
                return page
        if failed is not None and not answered:
            raise failed
        return ListPage((), more=False)

    def describe(self, product: Product) -> Described:
        """What the page of a picture says, once for each file that may be fetched.

        Raises:
            HttpError: it cannot be had; or it is refused because no file is of use.
        """
        url = product.access_url
        by_api = "/api/v3/image/" in url

        def read(body: bytes) -> PicturePage:
            page = self._read_api_picture(body, product) if by_api else read_picture(body, product)
            # the lists of 2017 to 2020 hold pictures of all types
            older = by_api or "/image/" in url
            return replace(page, type=type_by_title(page.product.obs_title or "")) if older else page

        reply = self.client.get(url, read)
        wanted = frozenset({self._query.type.lower()}) if self._query.type else frozenset[str]()
        return offered(reply, self.client.base, self._public, self._limits, wanted)

    def _ask(self, era: Era, number: int) -> ListPage:
        if era == "api":
            return self._ask_api(number)
        query = self._query
        parameters: dict[str, str] = {}
        if era == "2017":
            folder = f"/{query.category}" if query.category else ""
            url = f"{self.client.base}/images/gallery{folder}/page/{number}"
        else:
            url = f"{self.client.base}{_FOLDERS[era]}"
            parameters = {"page": str(number), "itemsPerPage": str(_ITEMS_PER_PAGE)}
            facets = {"Type": query.type, "Collection": query.collection}
            if query.category:
                facets["Topic" if _TOPIC.fullmatch(query.category) else "Tag"] = query.category
            parameters |= {name: value for name, value in facets.items() if value}

        try:
            reply = self.client.get(url, lambda body: read_cards(body, url, self._title, self.name), parameters)
        except HttpError as error:
            if error.reason == "elsewhere" and urlsplit(self.client.base).hostname in self._public:
                moved = HttpError(error.kind, error.reason, f"{error} {_MOVED}", error.status)
                moved.attempts = error.attempts
                raise moved from error
            sizes = [one.size_bytes for one in error.attempts]
            if number > 1 and error.reason == "not_a_list" and len(sizes) > 1 and len(set(sizes)) == 1:
                return ListPage((), more=False)  # what a page after the last looks like is not known of every era
            raise
        listed = reply.value if era == "2017" else (replace(one, image_type=query.type) for one in reply.value)
        found = located(listed, reply.url, self.client.base, self._public)
        return ListPage(found, more=bool(found))

    def _ask_api(self, number: int) -> ListPage:
        url = f"{self.client.base}/api/v3/images"
        parameters = {"page": str(number)} | ({"collection_name": self._query.category} if self._query.category else {})
        rows = self.client.get(url, lambda body: _json_list(body, url), parameters).value
        found = []
        for row in rows:
            name, release = f"{row['id']}-Image", str(row.get("news_name", ""))
            picture = f"{self.client.base}/api/v3/image/{row['id']}"
            found.append(as_product(self.name, self._title, name, release, str(row.get("name", "")), picture))
        return ListPage(tuple(found), more=bool(rows))

    def _read_api_picture(self, body: bytes, product: Product) -> PicturePage:
        told = json_value(body, f"What HubbleSite's API says of {product.source_name}")
        if not isinstance(told, dict) or not isinstance(told.get("image_files"), list):
            raise HttpError("transient", "not_a_page", f"HubbleSite's API says nothing of {product.source_name}.")
        found = [_api_version(row) for row in told["image_files"] if isinstance(row, dict)]
        credit = plain_text(str(told.get("credits") or "")).removeprefix("Credit:").strip() or None
        files = [path_of(version.url).rsplit("/", 1)[-1] for version in found if version]
        release = stsci_release(str(told.get("news_name") or "")) or release_of_files(files)
        versions = tuple(version for version in found if version)
        if release:
            product = of_release(product, release, files)
        product = replace(
            product,
            obs_title=plain_text(str(told.get("name") or "")) or product.obs_title,
            credit=credit,
            obs_creator_name=credit,
        )
        return PicturePage(product, versions)


def open_hubblesite(
    settings: Settings, limits: Limits, query: HubbleSiteQuery, *, archive_url: str | None = None
) -> HubbleSite:
    """HubbleSite at its usual address, or at another; that host then counts as the site's own.

    Raises:
        UsageError: the address or the era is none.
    """
    if query.era not in get_args(Era):
        raise UsageError(f"HubbleSite has no era {query.era!r}: choose from {', '.join(get_args(Era))}.")
    friends = PUBLIC if archive_url is None else frozenset[str]()
    return HubbleSite(shared_client(archive_url or settings.hubblesite_url, settings, friends), limits, query)


def _json_list(body: bytes, url: str) -> list[dict[str, Any]]:
    rows = json_value(body, "The list of HubbleSite's API")
    if not isinstance(rows, list):
        raise HttpError("transient", "not_a_list", f"{url} sent no list of pictures.")
    named = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), int)]
    if rows and not named:
        raise HttpError("transient", "changed", f"{url} lists {len(rows)} pictures, and none of them has an id.")
    return named


def _api_version(row: dict[str, Any]) -> Version | None:
    version = version_of(str(row.get("file_url") or ""), "")
    if version is None:
        return None
    size, width, height = (
        value if isinstance(value := row.get(name), int) and value > 0 else None
        for name in ("file_size", "width", "height")
    )
    return replace(version, size_bytes=size, width=width or version.width, height=height or version.height)
