"""ESA/Hubble (esahubble.org, once spacetelescope.org): its lists of pictures, or its feed of all of them.

A list page holds its pictures in a script (`var images = [...]`), which is read and never run; each picture has a page
of its own. The feed (`d2d`, JSON) describes a hundred pictures in one reply, but cannot be asked for a category.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlsplit

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.avm import place_at
from scrapers.esahubble_page import as_product, read_list, read_page
from scrapers.fetch import Described
from scrapers.gallery import ListPage, PicturePage, address, choose, located, offered
from scrapers.http import HttpError, PoliteClient, shared_client
from scrapers.products import Product, Tile
from scrapers.text import json_value, plain_text
from scrapers.versions import Limits, Version, version_of

NAME = "esahubble"
OBSERVATION = "observation"
CATEGORIES = (
    *("anniversary", "blackholes", "cosmology", "exoplanets", "galaxies", "illustrations", "jwst", "misc", "mission"),
    *("nebulae", "solarsystem", "spacecraft", "starclusters", "stars"),
)
_LISTS = {OBSERVATION: "/archive/observation", "top100": "/archive/top100", "all": ""} | {
    slug: f"/archive/category/{slug}" for slug in CATEGORIES
}
_FEED = "d2d"
_SEARCH = "search"
PUBLIC = frozenset(
    f"{name}{domain}"
    for domain in ("esahubble.org", "spacetelescope.org")
    for name in ("", "www.", "cdn.", "cdn2.")
)  # fmt: skip


class EsaHubble:
    """One ESA/Hubble: the real site, or any server that speaks as it does."""

    name = NAME

    def __init__(
        self,
        client: PoliteClient,
        limits: Limits,
        lists: tuple[str, ...] = (OBSERVATION,),
        types: frozenset[str] = frozenset({OBSERVATION}),
        search: str | None = None,
    ) -> None:
        self.client = client
        self.lists = lists
        self._limits = limits
        self._types = types
        self._search = search

    def page(self, name: str, number: int) -> Tile:
        """The question for a page of a list."""
        if name == _FEED:
            return Tile(self.name, json.dumps({"url": f"{self.client.base}/images/d2d/", "page": str(number)}))
        paging = "" if number == 1 else f"page/{number}/"
        if name == _SEARCH:
            return Tile(self.name, json.dumps({"url": f"{self.client.base}/images/{paging}", "search": self._search}))
        return Tile(self.name, json.dumps({"url": f"{self.client.base}/images{_LISTS[name]}/{paging}"}))

    def ask(self, tile: Tile) -> ListPage:
        """The pictures of a list page, as far as it tells.

        Raises:
            HttpError: the page cannot be had, or is none.
        """
        question = json.loads(tile.request)
        url = question.pop("url")
        if "page" in question:
            pages, more = self.client.get(url, self._read_feed, question).value
            return ListPage(tuple(pages), more)
        reply = self.client.get(url, lambda body: read_list(body, url), question)
        rows, more = reply.value
        found = [product for product in map(as_product, rows) if product]
        return ListPage(located(found, reply.url, self.client.base, PUBLIC), more)

    def describe(self, product: Product) -> Described:
        """What the page of a picture says, once for each file that may be fetched.

        Raises:
            HttpError: it cannot be had; or it is refused, for its type or because no file is within the limits.
        """
        reply = self.client.get(product.access_url, lambda body: read_page(body, product))
        return offered(reply, self.client.base, PUBLIC, self._limits, self._types)

    def _read_feed(self, body: bytes) -> tuple[list[Product], bool]:
        """The pictures on a page of the feed that are of a type that is wanted, and whether it goes on.

        One that offers no file within the limits here is known by its page, which may offer more.
        """
        feed = json_value(body, "ESA/Hubble's feed")
        if not isinstance(feed, dict) or not isinstance(feed.get("Collections"), list):
            raise HttpError("transient", "not_a_list", "ESA/Hubble's feed lists no pictures.")
        pages = [page for page in (_of_feed(one, self.client.base) for one in _dicts(feed["Collections"])) if page]
        if feed["Collections"] and not pages:
            raise HttpError(
                "transient",
                "changed",
                f"ESA/Hubble's feed has {len(feed['Collections'])} entries, and none of them is a picture with an ID.",
            )
        wanted = [page for page in pages if page.type or not self._types]
        return [self._of_page(page) for page in wanted], bool(feed.get("Next"))

    def _of_page(self, page: PicturePage) -> Product:
        try:
            return choose(page, self._limits)[0]
        except HttpError:
            return page.product


def open_esahubble(
    settings: Settings,
    limits: Limits,
    *,
    categories: str | None = None,
    types: str | None = None,
    feed: bool = False,
    search: str | None = None,
    archive_url: str | None = None,
) -> EsaHubble:
    """ESA/Hubble at its usual address, or at another; that host then counts as the site's own.

    `categories` and `types` are comma-separated; by default the list of real observations, and of any other list
    the observations. The type `all` is every type. `search` is a list of its own: pictures that have these words in
    their name, title, text or credit.

    Raises:
        UsageError: the address is none, a category does not exist, or more than one kind of list is asked for.
    """
    names = _words(categories) or (OBSERVATION,)
    wrong = sorted(set(names) - set(_LISTS))
    if wrong:
        raise UsageError(f"ESA/Hubble has no category {', '.join(wrong)}: choose from {', '.join(_LISTS)}.")
    if sum(map(bool, (feed, categories, search))) > 1:
        raise UsageError("The feed and a search know no categories: give one of --category, --search and --feed.")
    wanted = frozenset(_words(types) or (OBSERVATION,))
    friends = PUBLIC if archive_url is None else frozenset()
    client = shared_client(archive_url or settings.esahubble_url, settings, friends)
    lists = (_FEED,) if feed else (_SEARCH,) if search else names
    return EsaHubble(client, limits, lists, frozenset() if "all" in wanted else wanted, search)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().lower() for word in (text or "").split(",") if word.strip()))


def _of_feed(item: Mapping[str, Any], base: str) -> PicturePage | None:
    """A picture of the feed, None where it has no name; only observations carry observation data."""
    name = item.get("ID")
    asset = next((a for a in _dicts(item.get("Assets")) if a.get("MediaType") == "Image"), {})
    versions = tuple(v for v in (_version(r, base) for r in _dicts(asset.get("Resources"))) if v)
    page_url = address(_string(item.get("ReferenceURL")) or f"{base}/images/{name}/", base, base, PUBLIC)
    row = {"id": name, "title": item.get("Title"), "url": page_url}
    product = as_product(row)
    if product is None:
        return None
    observed = asset.get("ObservationData")
    observed = observed if isinstance(observed, dict) else {}
    subject = item.get("Subject")
    names = subject.get("Name") if isinstance(subject, dict) else None
    credit = _string(item.get("Credit"))
    product = replace(
        product,
        target_name=", ".join(n for n in names if isinstance(n, str)) or None if isinstance(names, list) else None,
        obs_release_date=_string(item.get("PublicationDate")),
        credit=credit,
        obs_creator_name=credit,
        licence=_string(item.get("Rights")) or product.licence,
        facility_name=_string(observed.get("Facility")),
        instrument_name=_string(observed.get("Instrument")),
    )
    placed = _placed(product, observed.get("Spatial"))
    return PicturePage(placed, versions, OBSERVATION.title() if observed else None)


def _version(resource: Mapping[str, Any], base: str) -> Version | None:
    if resource.get("ResourceType") not in ("Original", "Large", "Medium"):
        return None  # smaller ones are for menus, and cut at times
    version = version_of(address(str(resource.get("URL", "")), base, base, PUBLIC), "")
    if version is None or not urlsplit(version.url).scheme:
        return None
    size = _floats(resource.get("Dimensions"), 2)
    length = _floats([resource.get("FileSize")], 1)
    return replace(
        version,
        width=int(size[0]) if size else None,
        height=int(size[1]) if size else None,
        size_bytes=length[0] if length else None,
    )


def _placed(product: Product, spatial: object) -> Product:
    if not isinstance(spatial, dict):
        return product
    value, scale = _floats(spatial.get("ReferenceValue"), 2), _floats(spatial.get("Scale"), 1)
    dimension, pixel = _floats(spatial.get("ReferenceDimension"), 2), _floats(spatial.get("ReferencePixel"), 2)
    turn = _floats([spatial.get("Rotation")], 1)
    if not value or value[:2] == [0.0, 0.0]:  # where nobody has looked yet
        return product
    if not scale or not dimension:
        return replace(product, s_ra=value[0] % 360, s_dec=value[1]) if abs(value[1]) <= 90 else product
    place = place_at(
        (value[0], value[1]),
        dimension=(dimension[0], dimension[1]),
        scale_deg=abs(scale[0]),
        rotation_deg=turn[0] if turn else 0.0,
        pixel=(pixel[0], pixel[1]) if pixel else None,
    )
    return replace(product, **asdict(place)) if place else product


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _string(value: object) -> str | None:
    if isinstance(value, list):
        value = ", ".join(dict.fromkeys(one for one in value if isinstance(one, str)))
    return plain_text(value) or None if isinstance(value, str) else None


def _floats(value: object, least: int) -> list[float] | None:
    """A list of at least so many finite numbers; the feed writes some as text."""
    if not isinstance(value, list):
        return None
    try:
        numbers = [float(one) for one in value]
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if len(numbers) >= least and all(map(math.isfinite, numbers)) else None
