"""Reading HubbleSite's pages: lists and pictures of 2020 to 2024, and those of 2017 to 2020.

The pages of the older years are known by the selectors that scrapers of that time used, not by their markup: what is
read of them beyond these is what both sites may have in common.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag

from scrapers.avm import bands
from scrapers.epochs import exposure_dates
from scrapers.fetch import PAGE
from scrapers.gallery import PicturePage
from scrapers.http import HttpError
from scrapers.passbands import wavelengths_m
from scrapers.products import Product, product_id
from scrapers.releases import names_elsewhere, picture_of, publisher_name, release_of_files, stsci_release
from scrapers.text import BREAKS, angle, date, markup, path_of, plain_text, words
from scrapers.versions import version_of

LICENCE = "Public domain where not stated otherwise, credit NASA and STScI (contract NAS5-26555)"

# The links that offer a file: of 2020 to 2024, of 2017 to 2020.
_DOWNLOADS = ".media-library-links-list a[href], .display_image_sidebar_title_2 a[href]"
PICTURES = "/contents/media/images/"
CARDS = f".ad-research-box a[href*='{PICTURES}']"
_ROWS = ".images_row a[href*='/image/']"
_ENTRIES = ".ad-research-box, .images_row"
# What the title of a picture says of its type; the pages of 2017 to 2020 say it nowhere else.
_TYPES = {
    "Compass": r"compass",
    "Annotated Observations": r"annotated|labell?ed",
    "Artwork": r"illustrations?|artists?|artwork|animation|simulation|concept",
    "Infographics": r"infographic|diagram|charts?|graph|graphic|map",
    "Spectra": r"spectrum|spectra|spectrograph",
}
_FRAME = "#main-content, [class*='filter-bar'], [class*='images_row'], [class*='resource-gallery']"
_OLD_IMAGE = re.compile(r"/image/(?P<number>\d+)(?:/|$)")
_FILTER = re.compile(r"\bF(?P<number>\d{3,4})(?:[NMWX]|LP|QN)\b")
_CAMERA = re.compile(r"\b(ACS|WFC3|WFPC2|NICMOS|STIS|FOC|WFPC)\b")


def read_cards(body: bytes, url: str, collection: str, archive: str) -> list[Product]:
    """The pictures of a list page of either kind, by their pages as they are linked; a check for `PoliteClient.get`.

    Raises:
        HttpError: transient: this is no page of the site, or one whose entries lead to no picture.
    """
    soup = markup(body, url)
    found: dict[str, Product] = {}
    for card in soup.select(f"{CARDS}, {_ROWS}"):
        path = path_of(str(card["href"]))
        name = image_name(path)
        title, picture = card.select_one(".text-overlay__center"), card.select_one("img[alt]")
        caption = words(title) if title else str(picture["alt"]) if picture else words(card)
        if name:
            found.setdefault(name, as_product(archive, collection, name, path, caption, str(card["href"])))
    entries = len(soup.select(_ENTRIES))
    if not found and entries:
        raise HttpError(
            "transient",
            "changed",
            f"{url} has {entries} entries, and none links to a page of a picture (/contents/media/images/, /image/): "
            "the site's markup may have changed.",
        )
    if not found and soup.select_one(_FRAME) is None:
        raise HttpError(
            "transient",
            "not_a_list",
            f"{url} is no page of HubbleSite's list of pictures: neither .ad-research-box nor .images_row was found.",
        )
    return list(found.values())


def image_name(path: str) -> str | None:
    """What HubbleSite calls the picture of a page: `4668-Image` for `/image/4668/news` and `2020/22/4668-Image`.

    Newer pictures have a name of 26 letters and digits instead of a number.
    """
    if old := _OLD_IMAGE.search(path):
        return f"{old['number']}-Image"
    _, _, name = path.partition(PICTURES)
    return name.rstrip("/").removesuffix(".html").rsplit("/", 1)[-1] or None


def as_product(archive: str, collection: str, name: str, path: str, title: str, url: str) -> Product:
    """A picture known by its page; the release is told by the page's path where it has one."""
    release = stsci_release(path)
    product = Product(
        archive=archive,
        product_id=product_id(archive, name),
        source_name=name,
        release_id=f"stsci:{name}",
        obs_collection=collection,
        obs_id=name,
        obs_title=plain_text(title) or None,
        access_url=url,
        access_format=PAGE,
        licence=LICENCE,
    )
    return of_release(product, release, ()) if release else product


def of_release(product: Product, release: str, files: Sequence[str]) -> Product:
    """The product as one of a release (`opo0328`), with the picture's letter where the names of its files tell it."""
    picture = picture_of(release, files)
    return replace(
        product,
        release_id=release,
        obs_publisher_did=publisher_name(picture),
        aliases=names_elsewhere(picture, product.archive),
    )


def type_by_title(title: str) -> str | None:
    """The type of picture that a title names ("Compass Image for M 51"), in HubbleSite's words; None for none."""
    return next((name for name, word in _TYPES.items() if re.search(rf"\b(?:{word})\b", title, re.IGNORECASE)), None)


def read_picture(body: bytes, product: Product, *, any_link: bool = False) -> PicturePage:
    """What a picture's page says, files as they are linked; a check for `PoliteClient.get`.

    With `any_link` every link to a picture counts where there are none of the known kinds.

    Raises:
        HttpError: transient: this is no page of a picture, or one that lists no files.
    """
    soup = markup(body, f"The page of {product.source_name}")
    links = soup.select(_DOWNLOADS) or (soup.select("a[href]") if any_link else [])
    facts = _facts(soup)
    if not links:
        what = "a page without a list of files (Download Options)" if facts else "something else than the page"
        raise HttpError("transient", "not_a_page", f"The site sent {what} of {product.source_name}.")
    found = (version_of(str(link["href"]), plain_text(words(link))) for link in links)
    versions = tuple(version for version in found if version)
    title = soup.select_one("#page-title, .section-header__title, h1")
    released = plain_text(_after(soup, "Read the Release")) or facts.get("release id", "")
    files = [path_of(version.url).rsplit("/", 1)[-1] for version in versions]
    known = product.release_id if product.release_id.startswith("opo") else None
    release = stsci_release(released) or known or release_of_files(files)
    if release:
        product = of_release(product, release, files)
    exposed = exposure_dates(facts.get("exposure dates") or facts.get("exposure date(s)", ""))
    credit = plain_text(_after(soup, "Credits")) or facts.get("image credit") or product.credit
    product = replace(
        product,
        obs_title=(plain_text(words(title)) if title else None) or product.obs_title,
        obs_release_date=date(_after(soup, "Release Date") or facts.get("release date", ""))
        or product.obs_release_date,
        credit=credit,
        obs_creator_name=credit,
        target_name=facts.get("object name"),
        t_min=exposed[0] if exposed else None,
        t_max=exposed[1] if exposed else None,
        **_position(facts),
        **_instruments(facts),
    )
    return PicturePage(product, versions)


def _facts(soup: BeautifulSoup) -> dict[str, str]:
    """The pairs of the fast facts; a second table explains the same labels and is not read."""
    for table in soup.select("table"):
        pairs = [cells for cells in (row.find_all("td") for row in table.select("tr")) if len(cells) == 2]
        facts = {plain_text(words(a)).rstrip(":").lower(): plain_text(words(b)) for a, b in pairs}
        if facts:
            return facts
    return {}


def _after(soup: BeautifulSoup, heading: str) -> str:
    """The text that follows a heading, up to the next one; on some pages the heading lies in the paragraph itself."""
    found = next((h for h in soup.select("h2, h3, h4") if plain_text(words(h)).rstrip(":") == heading), None)
    parts: list[str] = []
    for following in found.next_siblings if found else ():
        if isinstance(following, Tag):
            if following.name in ("h2", "h3", "h4", "ul", "div", "table"):
                break
            parts.append((" " if following.name in BREAKS else "") + words(following))
        elif type(following) is NavigableString:  # a comment is one, too
            parts.append(str(following))
    return "".join(parts)


def _position(facts: Mapping[str, str]) -> dict[str, Any]:
    both = facts.get("position (j2000)", "")
    ra_text, _, dec_text = both.partition("Dec") if "Dec" in both else ("", "", "")
    ra = angle(facts.get("r.a. position") or ra_text, hours=True)
    dec = angle(facts.get("dec. position") or dec_text, hours=False)
    return {} if ra is None or dec is None else {"s_ra": round(ra % 360.0, 7), "s_dec": round(dec, 7)}


def _instruments(facts: Mapping[str, str]) -> dict[str, Any]:
    """Instruments, filters and wavelengths; filters stand behind their camera ("ACS/WFC: F435W and F814W; ...")."""
    named = [name.strip() for name in re.split(r",|;|\band\b", facts.get("instrument", "")) if name.strip()]
    text = facts.get("filters", "")
    columns: dict[str, Any] = {
        "instrument_name": ", ".join(dict.fromkeys(name.rpartition(">")[2].strip() for name in named)) or None,
        "facility_name": ", ".join(dict.fromkeys(name.partition(">")[0].strip() for name in named if ">" in name))
        or None,
    }
    camera = next(iter(_CAMERA.findall(facts.get("instrument", ""))), None)
    names: list[str] = []
    centres: list[float] = []
    edges: list[float] = []
    for part in re.split(r";|(?=\b(?:ACS|WFC3|WFPC2|NICMOS)\b)", text):
        camera = next(iter(_CAMERA.findall(part)), camera)
        for found in _FILTER.finditer(part):
            number = float(found["number"])
            names.append(found.group())
            # near-infrared filters are named by tens of nanometres, from F090M on
            infrared = number < 200 or camera == "NICMOS"
            centres.append(number * 10 if infrared else number)
            edges += [edge for edge in wavelengths_m(camera, found.group()) if edge is not None]
    columns |= bands(names, centres)
    if len(edges) == 2 * len(names) and edges:
        columns["em_min"], columns["em_max"] = min(edges), max(edges)
    return columns
