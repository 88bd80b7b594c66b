"""HubbleSite as the replica has it: the pages of 2020 to 2024, the gallery of 2017 to 2020, and the API of that time.

The markup of the older gallery is made up around the selectors that are known of it. The pages of 2020 to 2024 are
after recorded ones, with their slips: labels that look like sizes or are misspelt, annotated twins, other crops, files
that are no pictures, and pages that offer nothing else.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from html import escape

from scrapers.replica.catalogue import Archive
from scrapers.replica.exchange import Reply, Request, Routes
from scrapers.replica.hubblesite_words import (
    File,
    fast_facts,
    file_name,
    old_fast_facts,
    old_file_name,
    old_page_path,
    page_path,
    stated,
    stsci_name,
)
from scrapers.replica.outreach import Picture, Renditions, below, missing, paged, pictures

ERAS = ("2023", "2020", "2017", "api")
_CARDS, _MOST_CARDS = 15, 600
_ROWS = 25  # a page of the gallery and of the API
_TOPICS = {"galaxies": "105-galaxies", "nebulae": "104-stars-and-nebulas", "stars": "104-stars-and-nebulas"}
_HERITAGE = "Hubble Heritage"
_EMPTY_PDF = b"%PDF-1.4\n%%EOF\n"


def stsci_pictures(shown: Sequence[Picture]) -> tuple[Picture, ...]:
    """The pictures that STScI publishes: its own releases, and what was drawn."""
    known = (one for one in shown if one.trouble != "embargoed")
    return tuple(one for one in known if one.release or one.type == "Artwork")


def hubblesite_routes(
    archive: Archive, prefix: str = "", eras: Sequence[str] = ERAS, shown: Sequence[Picture] | None = None
) -> Routes:
    """The routes of a HubbleSite at `prefix` that speaks as it did in those eras; of all colour pictures by default."""
    site = _Site(archive, prefix, pictures(archive) if shown is None else shown)
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
    def __init__(self, archive: Archive, prefix: str, shown: Sequence[Picture]) -> None:
        self._prefix = prefix
        self._shown = stsci_pictures(shown)
        self._made = Renditions(archive)
        self._by_path = {page_path(picture): picture for picture in self._shown}
        self._by_id = {str(picture.image_id): picture for picture in self._shown}
        self._files = {
            name: file.make
            for picture in self._shown
            for file in self._offered(picture)
            for name in (file_name(picture, file), old_file_name(picture, file))
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
            f'{page_path(one)}{query}"><picture><img alt="{escape(one.title)}" '
            f'srcset="{self._link(one, 1, request)} 1x"></picture>'
            f'<span class="text-overlay__center">{escape(one.title)}</span></a></div></div>\n'
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
            f'<li><a href="{self._link(picture, number, request)}">{stated(picture, file)}</a></li>'
            for number, file in enumerate(self._offered(picture))
        )
        credits = (
            f'<p><h3 class="inline">Credits</h3>{picture.credit}<br/></p>'
            if later
            else f"<h3>Credits</h3><p>{picture.credit}<br/></p>"
        )
        if picture.image_id % 13 == 4:
            credits = ""  # some pages have none
        return _html(
            f'<div id="main-content">{heading}\n<div class="resource-gallery-detail"><div class="col-md-4">\n'
            f"<h3>Release Date</h3> {picture.released:%B %d, %Y %I:%M%p} (EST){release}\n"
            f'<div class="media-library-links-list"><h3>Download Options</h3><ul role="list">{links}</ul></div></div>\n'
            f'<div class="col-md-8"><h3>Caption</h3><p>Rendered by the replica of Deepfield.</p>{credits}</div></div>\n'
            f"{fast_facts(picture)}</div>"
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
            f'<div class="images_row"><a href="{self._prefix}{old_page_path(one, *parts)}">'
            f'<img alt="{escape(one.title)}"></a><a href="{self._prefix}/news">News</a></div>\n'
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
            f'<div class="display_image_sidebar_title_2"><a href="{self._old_url(picture, file, request)}">'
            f"{stated(picture, file)}</a></div>"
            for file in files
        )
        credits = f"<h3>Credits</h3><p>{picture.credit}</p>"
        return _html(f"<h1>{escape(picture.title)}</h1>\n{links}\n{credits}\n{old_fast_facts(picture)}")

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
                "file_url": self._old_url(picture, file, request),
                "file_size": 2 * file.size(picture)[0] * file.size(picture)[1],
                "width": 792 if file.suffix == "pdf" else file.size(picture)[0],
                "height": 612 if file.suffix == "pdf" else file.size(picture)[1],
            }
            for file in reversed(self._offered(picture))
        ]
        told: dict[str, object] = {
            "name": f"{picture.title} ",
            "description": "Rendered by the replica of Deepfield.\r\n",
            "credits": f"Credit: <b>{picture.credit}</b>",
            "mission": "hubble",
            "collection": "news" if picture.release else "stsci_gallery",
            "image_files": files,
        }
        if picture.release:
            told["news_name"] = stsci_name(picture)
        return told

    def _offered(self, picture: Picture) -> tuple[File, ...]:
        """The files of a picture as its page has them: in no order of size, one of them no picture."""
        main = "jpg" if picture.dataset.is_file else "png"
        format = {"jpg": "JPEG", "png": "PNG"}[main]
        side = picture.dataset.grid.nx
        half = max(1, side // 2)
        print_only = picture.trouble == "print_only"
        twin = picture.placed and not picture.drawn and picture.image_id % 5 == 2
        annotated = replace(picture, drawn="annotated", name=f"{picture.name}-annotated") if twin else picture

        def whole(one: Picture) -> Reply:
            if picture.trouble == "bomb":
                return self._made.bomb()
            return self._made.encoded(one, format, quality=88)

        small = File(
            "2000x1125", main, half / side, lambda: self._made.encoded(annotated, format, width=half, quality=88)
        )
        files = [
            File("Full Res (For Print)", "tif", 1.0, lambda: self._made.encoded(annotated, "TIFF")),
            *([] if print_only else [small]),
            *([] if print_only else [File("Full Res (For Display)", main, 1.0, lambda: whole(annotated))]),
            File("Extended Description", "pdf", 0.0, lambda: Reply(_EMPTY_PDF, "application/pdf")),
        ]
        if picture.image_id % 5 == 4 and not print_only:
            strip = File(
                "", main, 0.9, lambda: self._made.encoded(picture, format, crop=(0.05, 0.35), quality=88), flat=1 / 3
            )
            files.append(strip)
        if twin and not print_only:
            files += [
                File("Unannotated Full Res (For Display)", main, 1.0, lambda: whole(picture)),
                File(
                    "Uannoatated",
                    main,
                    half / side,
                    lambda: self._made.encoded(picture, format, width=half, quality=88),
                ),
            ]
        return tuple(files)

    def _link(self, picture: Picture, number: int, request: Request) -> str:
        return self._url(picture, self._offered(picture)[number], request)

    def _url(self, picture: Picture, file: File, request: Request) -> str:
        # the site leaves out the scheme everywhere
        return f"{request.server.removeprefix('http:')}{self._prefix}/files/{file_name(picture, file)}"

    def _old_url(self, picture: Picture, file: File, request: Request) -> str:
        return f"{request.server.removeprefix('http:')}{self._prefix}/files/{old_file_name(picture, file)}"


def _wanted(picture: Picture, params: dict[str, str]) -> bool:
    """Whether a picture passes the facets of a query."""
    return (
        params.get("type", picture.facet) == picture.facet
        and params.get("topic", _TOPICS.get(picture.category)) == _TOPICS.get(picture.category)
        and params.get("tag", picture.category.title()) == picture.category.title()
        and (params.get("collection") != _HERITAGE or picture.in_heritage)
        and params.get("keyword", "").lower() in picture.title.lower()
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default


def _html(body: str) -> Reply:
    head = "<!DOCTYPE html>\n<html><head><title>Replica of HubbleSite</title></head>"
    return Reply(f"{head}\n<body>\n{body}\n</body></html>\n".encode())
