"""Hubble Heritage as the replica has it: the gallery's index, and for every release a page with cropped pictures.

Nothing but a few selectors and addresses is known of the real pages: the rest of this markup is made up. `gone_routes`
is the site since about 2020, when it leads to the collection of HubbleSite.
"""

from collections.abc import Sequence
from html import escape

from scrapers.replica.catalogue import Archive
from scrapers.replica.exchange import Reply, Request, Routes
from scrapers.replica.hubblesite import stsci_pictures
from scrapers.replica.hubblesite_words import stsci_name
from scrapers.replica.outreach import Picture, Renditions, below, missing, moved, pictures

_CROP, _QUALITY = 0.03, 85


def heritage_routes(
    archive: Archive, prefix: str = "", hubblesite: str = "", shown: Sequence[Picture] | None = None
) -> Routes:
    """The routes of a Heritage site at `prefix`; `hubblesite` is the path of the site that some links lead to."""
    site = _Site(archive, prefix, hubblesite, pictures(archive) if shown is None else shown)
    years = {str(year) for year, _ in site.releases}
    return {f"{prefix}/gallery/galindex.html": site.index} | {
        f"{prefix}/{year}": below(f"{prefix}/", site.release) for year in sorted(years)
    }


def gone_routes(prefix: str, hubblesite: str, era: str) -> Routes:
    """The routes of a site that has closed: every address leads to the collection at `hubblesite`, as of that era."""
    folder = "/images" if era == "2023" else "/resource-gallery/images"
    return {prefix: lambda request: moved(f"{hubblesite}{folder}?Collection=Hubble%20Heritage")}


class _Site:
    def __init__(self, archive: Archive, prefix: str, hubblesite: str, shown: Sequence[Picture]) -> None:
        self._prefix = prefix
        self._hubblesite = hubblesite
        self._made = Renditions(archive)
        made = (one for one in stsci_pictures(shown) if one.in_heritage and not one.drawn)
        self.releases = {one.release: one for one in made if one.release}

    def index(self, request: Request) -> Reply:
        """Every release on one page; only one of an entry's links leads to the pictures."""
        entries = "".join(
            f'<tr><td><img src="/spacer.gif"><b>{escape(picture.title)}</b><br>{picture.released:%B %d, %Y}<br>'
            f'<em><a href="{self._prefix}{_folder(picture)}/caption.html">Caption</a></em> '
            f'<em><a href="{self._prefix}{_folder(picture)}/big.html">High-Resolution Images</a></em></td></tr>\n'
            for picture in self.releases.values()
        )
        return _html(f"<h1>Gallery</h1>\n<table>{entries}</table>")

    def release(self, path: str, request: Request) -> Reply:
        """A release's page, or one of its pictures; a third of the pages have moved to HubbleSite."""
        parts = path.split("/")
        if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
            return missing(request)
        picture = self.releases.get((int(parts[0]), int(parts[1])))
        if picture is None:
            return missing(request)
        if parts[2:] in ([], [""], ["index.html"], ["caption.html"]):
            return _html(f"<h1>{escape(picture.title)}</h1><p>Rendered by the replica of Deepfield.</p>")
        if parts[2:] == ["big.html"]:
            return self._page(picture)
        widths = dict(_files(picture))
        if len(parts) == 4 and parts[2] == _images(picture) and parts[3] in widths:
            return self._made.encoded(picture, "JPEG", width=widths[parts[3]], crop=(_CROP, _CROP), quality=_QUALITY)
        return missing(request)

    def _page(self, picture: Picture) -> Reply:
        if self._hubblesite and picture.image_id % 3 == 0:
            name = stsci_name(picture)
            return moved(f"{self._hubblesite}/image/{picture.image_id}/news_release/{name}", 302)
        files = f"{self._prefix}{_folder(picture)}/{_images(picture)}"
        links = "".join(
            f'<p class="display_image_sidebar_title_2"><a href="{files}/{name}">'
            f"JPEG, {width} x {round(picture.height * width / picture.width)}</a></p>"
            for name, width in reversed(_files(picture))
        )
        return _html(f"<h1>{escape(picture.title)}</h1>{links}")


def _folder(picture: Picture) -> str:
    return f"/{stsci_name(picture).replace('-', '/')}"


def _images(picture: Picture) -> str:
    """The folder of the pictures, which a few releases name after their object."""
    return "extra" if picture.image_id % 7 == 3 else "images"


def _files(picture: Picture) -> tuple[tuple[str, int], ...]:
    """Names and widths: a small one, and the whole."""
    stem = f"p{stsci_name(picture)[2:].replace('-', '')}a"
    whole = round(picture.width * (1 - 2 * _CROP))
    return (f"{stem}w.jpg", max(1, whole // 2)), (f"{stem}a.jpg", whole)


def _html(body: str) -> Reply:
    head = "<!DOCTYPE html>\n<html><head><title>Replica of Hubble Heritage</title></head>"
    text = f"{head}\n<body>\n{body}\n</body></html>\n"
    return Reply(text.encode("iso-8859-1", "xmlcharrefreplace"), "text/html; charset=iso-8859-1")
