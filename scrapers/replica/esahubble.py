"""ESA/Hubble as the replica has it: lists in a script, pages in both generations of markup, the feed, the files."""

import json
from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import floor
from urllib.parse import quote, urlencode

from scrapers.replica.catalogue import Archive
from scrapers.replica.exchange import Reply, Request, Routes
from scrapers.replica.outreach import (
    Picture,
    Renditions,
    below,
    by_name,
    missing,
    moved,
    nanometres,
    paged,
    pictures,
)

_PAGE, _VIEW_ALL, _FEED = 50, 250, 100
_CATEGORIES = ("galaxies", "illustrations", "nebulae", "stars")
_WINDOW = 5
_SCREEN_PX, _PUBLICATION_PX = 1280, 4000
_COLOURS = ("Red", "Green", "Blue")
_LOGIN = '<form action="/login/" method="post"><input type="text"><input type="password" name="password"></form>'


def esahubble_routes(archive: Archive, prefix: str = "", shown: Sequence[Picture] | None = None) -> Routes:
    """The routes of an ESA/Hubble at `prefix`; its file host lies below `cdn`. It shows all pictures by default."""
    site = _Site(archive, prefix, pictures(archive) if shown is None else shown)
    return {
        f"{prefix}/login": lambda request: _html(_LOGIN),
        f"{prefix}/images": below(f"{prefix}/images", site.images),
        f"{prefix}/media/archives/images": below(f"{prefix}/media/archives/images", site.file),
        f"{prefix}/cdn/archives/images": below(f"{prefix}/cdn/archives/images", site.file),
    }


class _Site:
    def __init__(self, archive: Archive, prefix: str, shown: Sequence[Picture]) -> None:
        self._prefix = prefix
        self._shown = tuple(one for one in shown if one.trouble != "embargoed")
        self._by_name = by_name(shown)
        self._files = Renditions(archive)

    def images(self, path: str, request: Request) -> Reply:
        """Lists, the feed, and pages of pictures; every address ends with a slash."""
        if not path.endswith("/"):
            query = f"?{request.query}" if request.query else ""
            return moved(f"{self._prefix}/images{path}/{query}")
        parts = [part for part in path.split("/") if part]
        if parts == ["d2d"]:
            return self._feed(request)
        number, viewing = 1, False
        if len(parts) >= 2 and parts[-2] == "page" and parts[-1].isdigit():
            number, parts = int(parts[-1]), parts[:-2]
        if parts and parts[-1] == "viewall":
            viewing, parts = True, parts[:-1]
        chosen = self._list(parts, request)
        if chosen is not None:
            return self._list_page(chosen, parts, number, request.query, viewing=viewing)
        return self._picture("/".join(parts), request) if number == 1 else _nothing()

    def _picture(self, path: str, request: Request) -> Reply:
        if path.startswith("html/"):  # as links were before 2010
            return moved(f"{self._prefix}/images/{path.removeprefix('html/').removesuffix('.html')}/")
        picture = self._by_name.get(path)
        if picture is None:
            return _nothing()
        if picture.trouble == "embargoed":
            return moved(f"{self._prefix}/login/?next={quote(request.path)}", 302)
        return _html(self._page(picture, request))

    def file(self, path: str, request: Request) -> Reply:
        """A rendition of a picture: `/large/<name>.jpg`."""
        folder, _, filename = path.strip("/").partition("/")
        name, _, suffix = filename.rpartition(".")
        picture = self._by_name.get(name)
        if picture is None:
            return missing(request)
        renditions: dict[str, Callable[[], Reply]] = {
            "large": lambda: self._files.encoded(picture, "JPEG", quality=95, avm=True),
            "publicationjpg": lambda: self._files.encoded(picture, "JPEG", width=_PUBLICATION_PX, avm=True),
            "screen": lambda: self._files.encoded(picture, "JPEG", width=_SCREEN_PX, quality=85, avm=True),
            "thumb700x": lambda: self._files.encoded(picture, "JPEG", width=700, quality=80, avm=True),
            "thumb300y": lambda: self._files.encoded(picture, "JPEG", height=300, quality=80),
            "wallpaper1": lambda: self._files.encoded(
                picture, "JPEG", width=1024, crop=(0.1, 0.1), quality=85, avm=True
            ),
        }
        if folder == "original" and suffix == self._files.suffix(picture):
            return self._files.original(picture)
        if folder in renditions and suffix == "jpg":
            return renditions[folder]()
        return missing(request)

    def _list(self, parts: list[str], request: Request) -> Sequence[Picture] | None:
        """The pictures of a list, None where the path names none."""
        if not parts:
            wanted = request.params.get("search", "").lower()
            return [one for one in self._shown if wanted in f"{one.name} {one.title} {one.credit}".lower()]
        if parts == ["archive", "observation"]:
            return [one for one in self._shown if one.type == "Observation"]
        if parts == ["archive", "top100"]:
            return self._shown[:100]
        if len(parts) == 3 and parts[:2] == ["archive", "category"] and parts[2] in _CATEGORIES:
            return [one for one in self._shown if one.category == parts[2]]
        return None

    def _list_page(
        self, chosen: Sequence[Picture], parts: list[str], number: int, asked: str, *, viewing: bool
    ) -> Reply:
        size = _VIEW_ALL if viewing else _PAGE
        here, last = paged(chosen, number, size)
        if number < 1 or number > last:
            return _nothing()
        if not chosen:
            return _html('<div id="content"><div style="text-align: center;">No images were found.</div></div>')
        base = "/".join([f"{self._prefix}/images", *parts, *(["viewall"] if viewing else [])])
        # pictures whose size is not known are counted, and left out without a word
        entries = "".join(self._entry(picture) for picture in here if picture.trouble != "unsized")
        start = (number - 1) * size
        foot = f"Showing {start + 1} to {start + len(here)} of {len(chosen)}"
        query = f"?{escape(asked)}" if asked else ""
        links = "".join(_page_links(base, number, last, query))
        turn = f'<a href="{base}/page/{number + 1}/{query}">Next</a>' if number < last else ""
        return _html(
            f'<div id="content"><h1>Images</h1>\n<script>\nvar images = [\n{entries}];\n</script>\n'
            f'<div class="image-list image-list-{150 if viewing else 300}"></div>\n'
            f'<div class="row statusbar"><div class="col-md-3">{foot}</div>'
            f'<ul class="pagination">{links}</ul><div class="col-md-3 prev-next">{turn}</div></div></div>'
        )

    def _entry(self, picture: Picture) -> str:
        """One object of the list's literal; titles are escaped for HTML, as the site has them."""
        week = f"{picture.released.day} {picture.released:%B %Y}" if picture.name.startswith("potw") else ""
        return (
            f"\n    {{\n        id: '{picture.name}',\n        title: '{escape(picture.title)}',\n"
            f"        width: {picture.width},\n        height: {picture.height},\n"
            f"        src: '{self._prefix}/cdn/archives/images/thumb300y/{picture.name}.jpg',\n"
            f"        url: '{self._prefix}/images/{picture.name}/',\n        potw: '{week}'\n    }},\n"
        )

    def _page(self, picture: Picture, request: Request) -> str:
        cdn = f"{request.server}{self._prefix}/cdn/archives/images"
        cell = _old_cell if picture.image_id % 2 else _new_cell
        about = [
            cell("Id:", picture.name),
            cell("Type:", picture.type),
            cell("Release date:", f"{picture.released.day} {picture.released:%B %Y, %H:%M}"),
            *([] if picture.trouble == "unsized" else [cell("Size:", f"{picture.width} x {picture.height} px")]),
        ]
        thing = [
            cell("Name:", escape(picture.object)),
            cell("Type:", "Local Universe : Test<br>Local Universe : Field"),
        ]
        return (
            f'<h1>{escape(picture.title)}</h1><div class="archive-image"><a class="popup" '
            f'href="{cdn}/screen/{picture.name}.jpg"><img class="img-responsive" '
            f'src="{cdn}/thumb700x/{picture.name}.jpg"></a></div>\n'
            "<p><p>Rendered by the replica of Deepfield; it shows nothing real.</p></p>\n"
            f'<strong>Credit:</strong><div class="credit"><p>{escape(picture.credit)}</p></div>\n'
            f'<div class="object-info"><h3>About the Image</h3><div><table>{"".join(about)}</table></div>'
            f"<h3>About the Object</h3><div><table>{''.join(thing)}</table></div></div>\n"
            f"{''.join(self._downloads(picture, cdn))}\n"
            f"{self._coordinates(picture, cell, cdn) if picture.placed else ''}\n{_colours(picture)}"
        )

    def _downloads(self, picture: Picture, cdn: str) -> Iterator[str]:
        def entry(href: str, title: str, size: str) -> str:
            return (
                f'<div class="archive_download"><span class="archive_dl_text"><a href="{href}">{title}</a></span>'
                f'<span class="archive_dl_size"><div>\n   {size}\n</div></span></div>'
            )

        suffix = self._files.suffix(picture)
        original = f"{self._prefix}/media/archives/images/original/{picture.name}.{suffix}"
        length = picture.stated_size(suffix)
        yield '<div><h3 class="archivegrouptitle">Image Formats</h3>'
        yield entry(
            original, "Fullsize Original", f'<span style="color:red">{length}</span>' if "GB" in length else length
        )
        yield entry(f"{cdn}/large/{picture.name}.jpg", "Large JPEG", picture.stated_size("jpg"))
        if picture.width > _PUBLICATION_PX:
            size = picture.stated_size("jpg", _PUBLICATION_PX / picture.width)
            yield entry(f"{cdn}/publicationjpg/{picture.name}.jpg", "Publication JPEG", size)
        small = picture.stated_size("jpg", min(1.0, _SCREEN_PX / picture.width))
        yield entry(f"{cdn}/screen/{picture.name}.jpg", "Screensize JPEG", small)
        yield '</div><div><h3 class="archivegrouptitle">Zoomable</h3><div class="archive_download">'
        yield '<span class="archive_dl_text">not offered</span></div></div>'
        yield '<div><h3 class="archivegrouptitle">Wallpapers</h3>'
        yield entry(f"{cdn}/wallpaper1/{picture.name}.jpg", "1024x768", "1.0 MB") + "</div>"

    def _coordinates(self, picture: Picture, cell: Callable[[str, str], str], cdn: str) -> str:
        """The box of coordinates, with the site's slips: a degree sign without its end, a sign lost below -1 degree."""
        grid = picture.dataset.grid
        x, y = (grid.crpix[0] / grid.nx, 1 - grid.crpix[1] / grid.ny)
        screen = min(_SCREEN_PX, grid.nx)
        link = urlencode(
            {
                "ra": grid.ra,
                "dec": grid.dec,
                "x": x * _SCREEN_PX,
                "y": y * _SCREEN_PX * grid.ny / grid.nx,
                "scale": grid.scale_deg * 3600 * grid.nx / screen,
                "rotation": 180.0,
                "name": picture.title,
                "imageurl": f"{cdn}/screen/{picture.name}.jpg",
            }
        )
        if picture.trouble == "rough":
            # where no more than this is known, the site never ends the table
            known = cell("Position (RA):", _sexagesimal(grid.ra / 15)) + cell("Position (Dec):", _printed_dec(grid.dec))
            return f'<div class="object-info"><h3>Coordinates</h3><table>{known}</div>'
        field = f"{grid.nx * grid.scale_deg * 60:.2f} x {grid.ny * grid.scale_deg * 60:.2f} arcminutes"
        rows = (
            cell("Position (RA):", _sexagesimal(grid.ra / 15)),
            cell("Position (Dec):", _printed_dec(grid.dec)),
            cell("Field of view:", field),
            cell("Orientation:", "North is 0.0&deg; left of vertical"),
        )
        return (
            f'<div class="object-info"><h3>Coordinates</h3><table>{"".join(rows)}</table>'
            f'<script type="text/javascript">spatial_rotation = 0.0;</script><div class="wwtlink">'
            f'<a href="http://www.worldwidetelescope.org/wwtweb/ShowImage.aspx?{escape(link)}">WWT</a></div></div>'
        )

    def _feed(self, request: Request) -> Reply:
        """The JSON feed; a page past the end is not there."""
        size = int(request.params.get("count") or _FEED)
        number = int(request.params.get("page") or 1)
        here, last = paged(self._shown, number, size)
        if not 1 <= number <= last:
            return Reply(b'{"error": "no such page"}', "application/json", 404)
        reply: dict[str, object] = {"Count": len(self._shown)}
        if number < last:
            reply["Next"] = f"{request.server}{self._prefix}/images/d2d/?page={number + 1}"
        reply["Collections"] = [self._collection(picture, request.server) for picture in here]
        return Reply(json.dumps(reply).encode(), "application/json")

    def _collection(self, picture: Picture, server: str) -> dict[str, object]:
        grid, cdn = picture.dataset.grid, f"{server}{self._prefix}/cdn/archives/images"
        asset: dict[str, object] = {
            "MediaType": "Image",
            "Resources": [
                self._resource("Original", f"{server}{self._prefix}/media/archives/images/original", picture, 1.0),
                self._resource("Large", f"{cdn}/large", picture, 1.0),
                self._resource("Small", f"{cdn}/screen", picture, min(1.0, _SCREEN_PX / grid.nx)),
            ],
        }
        if picture.type == "Observation":
            asset["ObservationData"] = {"Facility": "Hubble Space Telescope"} | (
                {
                    "Spatial": {
                        "CoordinateFrame": "ICRS",
                        "ReferenceValue": [grid.ra, grid.dec],
                        "ReferenceDimension": [picture.width, picture.height],
                        "ReferencePixel": [picture.enlarged * (pixel - 0.5) + 0.5 for pixel in grid.crpix],
                        "Scale": [-grid.scale_deg / picture.enlarged, grid.scale_deg / picture.enlarged],
                        "Rotation": 0.0,
                        "CoordsystemProjection": "TAN",
                    }
                }
                if picture.placed
                else {}
            )
        return {
            "ID": picture.name,
            "Title": picture.title,
            "Credit": picture.credit,
            "PublicationDate": f"{picture.released:%Y-%m-%dT%H:%M:%SZ}",
            "Subject": {"Category": ["B.0"], "Name": [picture.object]},
            "ReferenceURL": f"{server}{self._prefix}/images/{quote(picture.name)}/",
            "Rights": "Creative Commons Attribution 4.0 International License",
            "Assets": [asset],
        }

    def _resource(self, kind: str, folder: str, picture: Picture, scale: float) -> dict[str, object]:
        suffix = self._files.suffix(picture) if kind == "Original" else "jpg"
        return {
            "ResourceType": kind,
            "MediaType": "Image",
            "URL": f"{folder}/{picture.name}.{suffix}",
            "Dimensions": [round(picture.width * scale), round(picture.height * scale)],
            "ProjectionType": "Tan",
        }


def _page_links(base: str, number: int, last: int, query: str) -> Iterator[str]:
    """First, last, and five to each side, with gaps between."""
    shown = sorted({1, last, *range(max(1, number - _WINDOW), min(last, number + _WINDOW) + 1)})
    before = 0
    for one in shown:
        if one > before + 1:
            yield '<li><a href="#">...</a></li>'
        here = ' class="active"' if one == number else ""
        yield f'<li{here}><a href="{base}/page/{one}/{query}">{one}</a></li>'
        before = one


def _old_cell(label: str, value: str) -> str:
    return f'<tr><td class="title">{label}</td><td>{value}</td></tr>'


def _new_cell(label: str, value: str) -> str:
    return f'<tr><th class="title" scope="row">{label}</th><td>{value}</td></tr>'


def _sexagesimal(value: float, separators: tuple[str, str, str] = (" ", " ", "")) -> str:
    whole = floor(value)
    minutes = floor((value - whole) * 60)
    seconds = (value - whole - minutes / 60) * 3600
    return f"{whole}{separators[0]}{minutes:02d}{separators[1]}{seconds:05.2f}{separators[2]}"


def _printed_dec(dec: float) -> str:
    # the site prints the whole degrees with their sign, and 0 has none
    return ("-" if dec <= -1 else "") + _sexagesimal(abs(dec), ("&deg ", "' ", '"'))


def _colours(picture: Picture) -> str:
    """The table of bands, red first."""
    if not picture.placed:
        return ""
    rows = "".join(
        f'<tr><td><span class="band_{colour}">Optical</span><br /><span class="band_instrument">{element}</span></td>'
        f"<td>{_wavelength(nanometres(element))}</td><td>\n  Hubble Space Telescope\n"
        f'  <br/><span class="band_instrument">{picture.dataset.instrument}</span></td></tr>'
        for colour, element in zip(_COLOURS, picture.dataset.elements, strict=False)
    )
    head = "<tr><th>Band</th><th>Wavelength</th><th>Telescope</th></tr>"
    return f'<div class="object-info"><h3>Colours &amp; filters</h3><table class="table">{head}{rows}</table></div>'


def _wavelength(nm: float) -> str:
    return f"{nm:.0f} nm" if nm < 1000 else f"{nm / 1000:.2f} &mu;m"


def _nothing() -> Reply:
    """What the site says of an address that it does not have."""
    text = (
        "<!DOCTYPE html>\n<html><head><title>Page not found | ESA/Hubble</title></head>\n<body><div "
        'class="error-404-wrapper"><h1 class="error-title">404</h1><p>Could not find the page you were looking for.</p>'
        "</div></body></html>\n"
    )
    return Reply(text.encode(), status=404)


def _html(body: str) -> Reply:
    text = f"<!DOCTYPE html>\n<html><head><title>Replica of ESA/Hubble</title></head>\n<body>\n{body}\n</body></html>\n"
    return Reply(text.encode())
