"""Reading ESA/Hubble's pages: the list in its script, and the page of a picture, before and since July 2024."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qs

from bs4 import BeautifulSoup, Tag

from scrapers.avm import bands, place_at
from scrapers.entities import unescape
from scrapers.fetch import PAGE
from scrapers.gallery import PicturePage
from scrapers.http import HttpError
from scrapers.jsliteral import read_variable
from scrapers.products import Product, product_id, release_of
from scrapers.releases import names_elsewhere, publisher_name
from scrapers.text import angle, date, markup, path_of, plain_text, words
from scrapers.versions import Version, stated_bytes, version_of

LICENCE = "CC BY 4.0"

# Renditions of the whole picture by the folder they lie in, the smallest first; wallpapers are crops.
_RENDITIONS = ("screen", "publicationjpg", "large", "publicationtiff", "publicationtiff10k", "publicationtiff25k")
_TITLES = {
    "fullsize original": "original",
    "large jpeg": "large",
    "publication jpeg": "publicationjpg",
    "screensize jpeg": "screen",
}
_ORIGINAL = len(_RENDITIONS) + 1
_WAVELENGTH = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>nm|[µμ]m|microns?|mm|cm)")
_IN_NM = {"nm": 1.0, "mm": 1e6, "cm": 1e7}  # any other unit is micrometres
_FIELD = re.compile(r"(?P<width>\d+(?:\.\d+)?)\s*x\s*(?P<height>\d+(?:\.\d+)?)\s*(?P<unit>arcsec|arcmin|deg)")
_IN_DEG = {"arcsec": 1 / 3600, "arcmin": 1 / 60, "deg": 1.0}
_PIXELS = re.compile(r"(?<!\d)(\d{1,7})\s*x\s*(\d{1,7})\s*px")
_SHOWING = re.compile(r"Showing\s+\d+\s+to\s+(?P<last>\d{1,9})\s+of\s+(?P<all>\d{1,9})(?!\d)")
_ROTATION = re.compile(r"\bspatial_rotation\s*=\s*(-?\d+(?:\.\d+)?)")
_ORIENTATION = re.compile(r"North is (?P<angle>\d+(?:\.\d+)?)\D{0,9}(?P<side>left|right) of vertical")
_HUBBLE = "hubble space telescope"
_SCREEN_WIDTH_PX = 1280.0


def read_list(body: bytes, page: str = "The page") -> tuple[list[dict[str, Any]], bool]:
    """The entries of a list page's script, and whether the list goes on; a check for `PoliteClient.get`.

    Raises:
        HttpError: transient: this is no list page, not a whole one, or one whose entries cannot be read.
    """
    text = body.decode("utf-8", "replace")
    try:
        images = read_variable(text, "images")
    except KeyError:
        if "No images were found" in text:
            return [], False
        raise HttpError(
            "transient", "not_a_list", f"{page} is without a list of pictures: no script on it sets `images`."
        ) from None
    except ValueError as error:
        raise HttpError(
            "transient", "not_a_list", f"The list of pictures on {page} cannot be read: {error}."
        ) from error
    if not isinstance(images, list):
        raise HttpError("transient", "not_a_list", f"The list of pictures on {page} is no list.")
    rows = [row for row in images if isinstance(row, dict)]
    if images and not any(map(as_product, rows)):
        raise HttpError(
            "transient", "changed", f"{page} lists {len(images)} pictures, and none of them has an id and a url."
        )
    return rows, _goes_on(markup(body, page))


def _goes_on(soup: BeautifulSoup) -> bool:
    """Whether a list has a next page: by what its foot says, and where it says nothing the next page will."""
    shown = _SHOWING.search(words(soup))
    if shown is not None:
        return int(shown["last"]) < int(shown["all"])
    if soup.select_one(".prev-next, .pagination") is None:
        return True
    return soup.select_one(".prev-next a:-soup-contains('Next'), .pagination .active + li a[href*='page']") is not None


def as_product(row: Mapping[str, Any]) -> Product | None:
    """The product of a list's entry, known by its page (as it is linked) so far; None where it has no name or page."""
    name, url, title = row.get("id"), row.get("url"), row.get("title")
    if not isinstance(name, str) or not isinstance(url, str) or not plain_text(name) or not url.strip():
        return None
    name = plain_text(name)
    return Product(
        archive="esahubble",
        product_id=product_id("esahubble", name),
        source_name=name,
        release_id=release_of(name) or name,
        obs_collection="ESA/Hubble",
        obs_id=name,
        obs_title=plain_text(title) or None if isinstance(title, str) else None,
        obs_publisher_did=publisher_name(name),
        aliases=names_elsewhere(name, "esahubble"),
        access_url=url.strip(),
        access_format=PAGE,
        licence=LICENCE,
    )


def read_page(body: bytes, product: Product) -> PicturePage:
    """What a picture's page says; a check for `PoliteClient.get`.

    Raises:
        HttpError: transient: this is no such page, it lists no files, or it asks for a login.
    """
    soup = markup(body, f"The page of {product.source_name}")
    facts = _facts(soup)
    versions = _versions(soup, facts.get(("image", "size"), ""))
    if ("image", "id") not in facts and soup.select_one("input[type=password]"):
        raise HttpError("transient", "login", f"{product.source_name} is not public yet: ESA/Hubble asks for a login.")
    if not versions and ("image", "id") not in facts:
        raise HttpError(
            "transient", "not_a_page", f"ESA/Hubble sent something else than the page of {product.source_name}."
        )
    if soup.select_one(".archive_download") is None:
        raise HttpError(
            "transient", "not_a_page", f"The page of {product.source_name} lists no files (.archive_download)."
        )
    title, credit = soup.select_one("h1"), soup.select_one(".credit")
    credited = plain_text(words(credit)) or None if credit else None
    product = replace(
        product,
        obs_title=(plain_text(words(title)) if title else None) or product.obs_title,
        obs_release_date=date(facts.get(("image", "release date"), "")),
        target_name=facts.get(("object", "name")),
        credit=credited,
        obs_creator_name=credited,
        **_position(soup, body.decode("utf-8", "replace"), facts),
        **_filters(soup),
    )
    return PicturePage(product, versions, facts.get(("image", "type")))


def _facts(soup: BeautifulSoup) -> dict[tuple[str, str], str]:
    """The tables beside a picture by section and label: both "About the Image" and "About the Object" have a Type.

    The cells are looked for one by one: where only a position is known, the page never ends its table.
    """
    facts: dict[tuple[str, str], str] = {}
    for label in soup.select(".object-info .title"):
        heading, value = label.find_previous("h3"), label.find_next_sibling("td")
        if isinstance(heading, Tag) and isinstance(value, Tag):
            section = plain_text(words(heading)).lower().removeprefix("about the ")
            text = plain_text(words(value))
            if text:
                facts.setdefault((section, plain_text(words(label)).rstrip(":").lower()), text)
    return facts


def _versions(soup: BeautifulSoup, size: str) -> tuple[Version, ...]:
    """The files of the whole picture; the stated size is that of the original and of the large JPEG."""
    stated = _PIXELS.search(size)
    found = []
    for entry in soup.select(".archive_download"):
        link, length = entry.select_one(".archive_dl_text a[href]"), entry.select_one(".archive_dl_size")
        if link is None:
            continue  # one real page offers a file without saying where it is
        href = str(link["href"])
        rendition, version = _rendition(href, plain_text(words(link))), version_of(href, "")
        if version is None or rendition is None:
            continue
        rank = _ORIGINAL if rendition == "original" else _RENDITIONS.index(rendition) + 1
        width, height = _pixels(rendition, stated)
        found.append(
            replace(
                version,
                width=width,
                height=height,
                size_bytes=stated_bytes(plain_text(words(length))) if length else None,
                rank=rank,
            )
        )
    return tuple(found)


def _pixels(rendition: str, stated: re.Match[str] | None) -> tuple[int | None, int | None]:
    """Size of a rendition by that of the original; that of the publication formats is not known for sure."""
    if stated is None or rendition not in ("original", "large", "screen"):
        return None, None
    width, height = int(stated[1]), int(stated[2])
    shrink = min(1.0, _SCREEN_WIDTH_PX / max(width, 1)) if rendition == "screen" else 1.0
    return round(width * shrink), round(height * shrink)


def _rendition(href: str, title: str) -> str | None:
    """Which rendition a download is: by the folder it lies in, else by its title; None for crops and unknown ones."""
    folders = path_of(href).split("/")[:-1]
    if folders and folders[-1] in (*_RENDITIONS, "original"):
        return folders[-1]
    return _TITLES.get(title.lower())


def _position(soup: BeautifulSoup, text: str, facts: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Position and, where all of it is given, footprint.

    The page prints a declination between 0 and -1 degrees without its sign; the address of its WorldWide Telescope
    link has it right.
    """
    ra = angle(facts.get(("coordinates", "position (ra)"), ""), hours=True)
    dec = angle(facts.get(("coordinates", "position (dec)"), ""), hours=False)
    link = soup.select_one(".wwtlink a[href*='ra='][href*='dec=']")
    query = str(link["href"]).partition("?")[2] if link else ""
    telescope = {name: values[0] for name, values in parse_qs(query).items()}
    signed_ra, signed_dec = _number(telescope.get("ra")), _number(telescope.get("dec"))
    if signed_ra is not None and signed_dec is not None and abs(signed_dec) <= 90:
        ra, dec = signed_ra, signed_dec
    if ra is None or dec is None or ra == dec == 0.0:  # where nobody has looked yet
        return {}
    columns: dict[str, Any] = {"s_ra": round(ra % 360.0, 7), "s_dec": round(dec, 7)}
    field, size = _FIELD.search(facts.get(("coordinates", "field of view"), "")), facts.get(("image", "size"), "")
    pixels = _PIXELS.search(size)
    if field is None or pixels is None:
        return columns
    width, height = float(pixels[1]), float(pixels[2])
    columns["s_fov"] = max(float(field["width"]), float(field["height"])) * _IN_DEG[field["unit"]]
    turn = _rotation(text, facts.get(("coordinates", "orientation"), ""))
    centred = abs((_number(telescope.get("x")) or 0.0) / _SCREEN_WIDTH_PX - 0.5) < 0.01
    if turn is None or not centred or not width or not height:
        return columns
    scale = float(field["width"]) * _IN_DEG[field["unit"]] / width
    if not scale:
        return columns
    place = place_at((ra, dec), dimension=(width, height), scale_deg=scale, rotation_deg=turn)
    return asdict(place) if place else columns


def _rotation(text: str, orientation: str) -> float | None:
    """How far north is turned to the left, in degrees: precisely from the script, roughly from the table."""
    if exact := _ROTATION.search(text):
        return float(exact[1])
    rough = _ORIENTATION.search(orientation)
    return float(rough["angle"]) * (1 if rough["side"] == "left" else -1) if rough else None


def _filters(soup: BeautifulSoup) -> dict[str, Any]:
    """Filters, wavelengths, telescopes and instruments of the table of colours."""
    names: list[str] = []
    wavelengths: list[float | None] = []
    telescopes: list[str] = []
    instruments: list[str] = []
    for row in soup.select(".object-info tr"):
        cells = row.find_all("td")
        band = cells[0].select_one("[class^=band_]") if len(cells) == 3 else None
        if band is None:
            continue
        label = cells[0].select_one(".band_instrument")
        names.append(plain_text((label or band).get_text(" ")))
        wave = _WAVELENGTH.search(words(cells[1]))
        wavelengths.append(float(wave["number"]) * _IN_NM.get(wave["unit"], 1e3) if wave else None)
        instrument = cells[2].select_one(".band_instrument")
        if instrument is not None:
            instruments.append(plain_text(instrument.extract().get_text(" ")))
        telescope = plain_text(words(cells[2]))
        telescopes.append("HST" if telescope.lower() == _HUBBLE else telescope)
    columns = bands([name for name in names if name], wavelengths)
    for column, values in (("facility_name", telescopes), ("instrument_name", instruments)):
        columns[column] = ", ".join(dict.fromkeys(value for value in values if value)) or None
    return columns


def _number(text: str | None) -> float | None:
    try:
        number = float(unescape(text or ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
