"""HubbleSite as the replica has it: the pages of 2020 to 2024, the gallery of 2017 to 2020, and the API of that time.

The markup of the older gallery is made up around the selectors that are known of it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from scrapers.replica.catalogue import Archive
from scrapers.replica.exchange import Reply, Request, Routes
from scrapers.replica.outreach import CREDIT, Picture, Renditions, below, missing, paged, pictures

ERAS = ("2023", "2020", "2017", "api")
_CARDS, _MOST_CARDS = 15, 600
_ROWS = 25  # a page of the gallery and of the API
_TOPICS = {"galaxies": "105-galaxies", "nebulae": "104-stars-and-nebulas", "stars": "104-stars-and-nebulas"}
_TYPES = {"Observation": "Observations", "Artwork": "Artwork"}
_HERITAGE = "Hubble Heritage"
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, in which ULIDs are written
_EMPTY_PDF = b"%PDF-1.4\n%%EOF\n"


@dataclass(frozen=True)
class _File:
    """A file that a page offers: its label, its share of the original's side, how it is made."""

    label: str
    suffix: str
    scale: float
    make: Callable[[], Reply]


def stsci_pictures(archive: Archive) -> tuple[Picture, ...]:
    """The pictures that STScI publishes: its own releases, and what was drawn."""
    return tuple(one for one in pictures(archive) if one.release or one.type == "Artwork")


def in_heritage(picture: Picture) -> bool:
    """Whether a picture belongs to the Heritage collection: every other release."""
    return picture.release is not None and picture.image_id % 2 == 0


def stsci_name(picture: Picture) -> str:
    """STScI's name of a picture's release: `2003-28`."""
    year, number = picture.release or (0, 0)
    return f"{year}-{number:02d}"


def hubblesite_routes(archive: Archive, prefix: str = "", eras: Sequence[str] = ERAS) -> Routes:
    """The routes of a HubbleSite at `prefix` that speaks as it did in those eras."""
    site = _Site(archive, prefix)
    routes = {f"{prefix}/files": below(f"{prefix}/files", site.file)}
    if "2023" in eras:
        routes[f"{prefix}/images"] = below(f"{prefix}/images", site.cards)
    if "2020" in eras:
        routes[f"{prefix}/resource-gallery/images"] = below(f"{prefix}/resource-gallery/images", site.cards)
    if "2023" in eras or "2020" in eras:
        routes[f"{prefix}/contents/media/images"] = below(f"{prefix}/contents/media/images", site.detail)
    if "2017" in eras:
        routes[f"{prefix}/images/gallery"] = below(f"{prefix}/images/gallery", site.gallery)
        routes[f"{prefix}/image"] = below(f"{prefix}/image", site.old_detail)
    if "api" in eras:
        routes[f"{prefix}/api/v3"] = below(f"{prefix}/api/v3", site.api)
    return routes


class _Site:
    def __init__(self, archive: Archive, prefix: str) -> None:
        self._prefix = prefix
        self._shown = stsci_pictures(archive)
        self._made = Renditions(archive)
        self._by_path = {_path(picture): picture for picture in self._shown}
        self._by_id = {str(picture.image_id): picture for picture in self._shown}
        self._files = {
            _file_name(picture, file): file.make for picture in self._shown for file in self._offered(picture)
        }

    def cards(self, path: str, request: Request) -> Reply:
        """A page of the list; after the last one it is empty, with status 200."""
        if path.strip("/"):
            return missing(request)
        params = request.params
        size = min(_number(params.get("itemsperpage"), _CARDS), _MOST_CARDS)
        chosen = [one for one in self._shown if _wanted(one, params)]
        here, _ = paged(chosen, max(1, _number(params.get("page"), 1)), max(1, size))
        query = escape(f"?{request.query}") if request.query else ""
        cards = "".join(
            f'<div class="col-sm-4"><div class="ad-research-box"><a href="{self._prefix}/contents/media/images/'
            f'{_path(one)}{query}"><picture><img alt="{escape(one.title)}" srcset="{self._link(one, 1, request)} 1x">'
            f'</picture><span class="text-overlay__center">{escape(one.title)}</span></a></div></div>\n'
            for one in here
        )
        return _html(f'<main id="main-content"><div class="filter-bar__wrapper"></div>\n{cards}</main>')

    def detail(self, path: str, request: Request) -> Reply:
        """The page of a picture; headings differ between the years."""
        picture = self._by_path.get(path.strip("/").removesuffix(".html"))
        if picture is None:
            return missing(request)
        title = escape(picture.title)
        later = picture.image_id % 2
        heading = (
            f'<h1 id="page-title" class="interior-page-title ">{title}</h1>'
            if later
            else f'<h1 class="section-header__title h2" aria-hidden="true">\n  {title}\n</h1>'
        )
        release = ""
        if picture.release:
            name = stsci_name(picture)
            news = f"{self._prefix}/contents/news-releases/{picture.release[0]}/news-{name}"
            release = f'<h3>Read the Release</h3> <a href="{news}">{name}</a>'
        links = "".join(
            f'<li><a href="{self._link(picture, number, request)}">{_stated(picture, file)}</a></li>'
            for number, file in enumerate(self._offered(picture))
        )
        credits = (
            f'<p><h3 class="inline">Credits</h3>{CREDIT}<br/></p>' if later else f"<h3>Credits</h3><p>{CREDIT}<br/></p>"
        )
        return _html(
            f'<div id="main-content">{heading}\n<div class="resource-gallery-detail"><div class="col-md-4">\n'
            f"<h3>Release Date</h3> {picture.released:%B %d, %Y %I:%M%p} (EST){release}\n"
            f'<div class="media-library-links-list"><h3>Download Options</h3><ul role="list">{links}</ul></div></div>\n'
            f'<div class="col-md-8"><h3>Caption</h3><p>Rendered by the replica of Deepfield.</p>{credits}</div></div>\n'
            f"{_fast_facts(picture)}</div>"
        )

    def gallery(self, path: str, request: Request) -> Reply:
        """A page of the older gallery, whole or of one album; past the last one there is none."""
        parts = [part for part in path.split("/") if part]
        number = 1
        if len(parts) >= 2 and parts[-2] == "page":
            number, parts = _number(parts[-1], 0), parts[:-2]
        albums = {slug: slug for slug in _TOPICS.values()}
        if len(parts) > 1 or (parts and parts[0] not in albums):
            return missing(request)
        chosen = [one for one in self._shown if not parts or _TOPICS.get(one.category) == parts[0]]
        here, last = paged(chosen, number, _ROWS)
        if not 1 <= number <= last:
            return missing(request)
        rows = "".join(
            f'<div class="images_row"><a href="{self._prefix}{_old_path(one)}"><img alt="{escape(one.title)}"></a>'
            f'<a href="{self._prefix}/news">News</a></div>\n'
            for one in here
        )
        return _html(f"<h1>Image Gallery</h1>\n{rows}")

    def old_detail(self, path: str, request: Request) -> Reply:
        """A picture's page of the older gallery: links from small to large, a document last."""
        picture = self._by_id.get(path.strip("/").split("/")[0])
        if picture is None:
            return missing(request)
        files = sorted(
            self._offered(picture), key=lambda file: (file.suffix == "pdf", file.suffix == "tif", file.scale)
        )
        links = "".join(
            f'<div class="display_image_sidebar_title_2"><a href="{self._url(picture, file, request)}">'
            f"{_stated(picture, file)}</a></div>"
            for file in files
        )
        return _html(f"<h1>{escape(picture.title)}</h1>\n{links}\n<h3>Credits</h3><p>{CREDIT}</p>")

    def api(self, path: str, request: Request) -> Reply:
        """Lists of 25, or all; a picture; a release."""
        parts = [part for part in path.split("/") if part]
        reply: object = None
        if parts == ["images"]:
            asked = request.params.get("page", "1")
            here = self._shown if asked == "all" else paged(self._shown, max(1, _number(asked, 1)), _ROWS)[0]
            reply = [{"id": one.image_id, "name": f"{one.title} "} for one in here]
        elif len(parts) == 2 and parts[0] == "image" and parts[1] in self._by_id:
            reply = self._api_picture(self._by_id[parts[1]], request)
        if reply is None:
            return Reply(b'{"status": 404}', "application/json", 404)
        return Reply(json.dumps(reply).encode(), "application/json; charset=utf-8")

    def file(self, path: str, request: Request) -> Reply:
        """A file by its name."""
        make = self._files.get(path.strip("/"))
        return make() if make else missing(request)

    def _api_picture(self, picture: Picture, request: Request) -> dict[str, object]:
        """Files unsorted, a document first."""
        files = [
            {
                "file_url": self._url(picture, file, request),
                "file_size": round(picture.width * picture.height * file.scale**2 * 2),
                "width": 792 if file.suffix == "pdf" else round(picture.width * file.scale),
                "height": 612 if file.suffix == "pdf" else round(picture.height * file.scale),
            }
            for file in reversed(self._offered(picture))
        ]
        told: dict[str, object] = {
            "name": f"{picture.title} ",
            "description": "Rendered by the replica of Deepfield.\r\n",
            "credits": f"Credit: <b>{CREDIT}</b>",
            "mission": "hubble",
            "collection": "news" if picture.release else "stsci_gallery",
            "image_files": files,
        }
        if picture.release:
            told["news_name"] = stsci_name(picture)
        return told

    def _offered(self, picture: Picture) -> tuple[_File, ...]:
        """The files of a picture as its page has them: in no order of size, one of them no picture."""
        main = "jpg" if picture.dataset.is_file else "png"
        format = {"jpg": "JPEG", "png": "PNG"}[main]
        half = max(1, picture.width // 2)
        return (
            _File("Full Res (For Print)", "tif", 1.0, lambda: self._made.encoded(picture, "TIFF")),
            _File(
                "2000x1125",
                main,
                half / picture.width,
                lambda: self._made.encoded(picture, format, width=half, quality=88),
            ),
            _File("Full Res (For Display)", main, 1.0, lambda: self._made.encoded(picture, format, quality=88)),
            _File("Extended Description", "pdf", 0.0, lambda: Reply(_EMPTY_PDF, "application/pdf")),
        )

    def _link(self, picture: Picture, number: int, request: Request) -> str:
        return self._url(picture, self._offered(picture)[number], request)

    def _url(self, picture: Picture, file: _File, request: Request) -> str:
        # the site leaves out the scheme everywhere
        return f"{request.server.removeprefix('http:')}{self._prefix}/files/{_file_name(picture, file)}"


def _wanted(picture: Picture, params: dict[str, str]) -> bool:
    """Whether a picture passes the facets of a query."""
    return (
        params.get("type", _TYPES[picture.type]) == _TYPES[picture.type]
        and params.get("topic", _TOPICS.get(picture.category)) == _TOPICS.get(picture.category)
        and params.get("tag", picture.category.title()) == picture.category.title()
        and (params.get("collection") != _HERITAGE or in_heritage(picture))
        and params.get("keyword", "").lower() in picture.title.lower()
    )


def _path(picture: Picture) -> str:
    """Where a picture's page is: without a release by its number alone, since 2015 by letters."""
    number = f"{picture.image_id}-Image"
    if picture.release is None:
        return number
    year, release = picture.release
    return f"{year}/{release:02d}/{number}" if year < 2015 else f"{year}/{release:03d}/{_letters(picture.name)}"


def _old_path(picture: Picture) -> str:
    if picture.release is None:
        return f"/image/{picture.image_id}/gallery"
    return f"/image/{picture.image_id}/news_release/{stsci_name(picture)}"


def _file_name(picture: Picture, file: _File) -> str:
    return f"STScI-{_letters(f'{picture.name} {file.label}')}.{file.suffix}"


def _letters(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "01" + "".join(_LETTERS[byte % 32] for byte in digest[:24])


def _stated(picture: Picture, file: _File) -> str:
    """What a link says: label, size, kind, length."""
    if file.suffix == "pdf":
        return f"{file.label}, PDF (113.21&nbsp;KB)&nbsp;"
    width, height = round(picture.width * file.scale), round(picture.height * file.scale)
    length = picture.stated_size(file.suffix, file.scale).replace(" ", "&nbsp;")
    return f"{file.label}, {width} X {height}, {file.suffix.upper()} ({length})&nbsp;"


def _fast_facts(picture: Picture) -> str:
    """Two tables, of which the second only explains the labels of the first; none for what was drawn."""
    if not picture.placed:
        return ""
    grid, dataset = picture.dataset.grid, picture.dataset
    hours, degrees = grid.ra / 15, abs(grid.dec)
    sign = "-" if grid.dec < 0 else ""
    facts = {
        "Object Name": escape(picture.object),
        "R.A. Position": _clock(hours),
        "Dec. Position": f"{sign}{_clock(degrees)}",
        "Instrument": f"HST&gt;{dataset.detector}",
        "Filters": f"{dataset.detector}: {', '.join(dataset.elements[:-1])}, and {dataset.elements[-1]}",
    }
    rows = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in facts.items())
    explained = "".join(f"<tr><td>{label}</td><td>What this is.</td></tr>" for label in facts)
    return (
        '<table class="table table-responsive"><tbody><tr><th colspan="2">About The Object</th></tr>'
        f"{rows}</tbody></table>"
        f'<h3>Fast Facts Help</h3><table class="table table-responsive"><tbody>{explained}</tbody></table>'
    )


def _clock(value: float) -> str:
    """Sexagesimal with colons, to a hundredth of a second."""
    hundredths = round(value * 360_000)
    return f"{hundredths // 360_000:02d}:{hundredths // 6000 % 60:02d}:{hundredths % 6000 / 100:05.2f}"


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default


def _html(body: str) -> Reply:
    head = "<!DOCTYPE html>\n<html><head><title>Replica of HubbleSite</title></head>"
    return Reply(f"{head}\n<body>\n{body}\n</body></html>\n".encode())
