"""How HubbleSite calls the pages and files of its pictures, and what it writes about them, as the replica has it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from scrapers.replica.exchange import Reply
from scrapers.replica.outreach import Picture

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, in which ULIDs are written


@dataclass(frozen=True)
class File:
    """A file that a page offers: its label, its share of the original's side, how it is made.

    A `flat` one has less of the height than of the width.
    """

    label: str
    suffix: str
    scale: float
    make: Callable[[], Reply]
    flat: float = 1.0

    def size(self, picture: Picture) -> tuple[int, int]:
        """Columns and rows that are stated."""
        grid = picture.dataset.grid
        return round(grid.nx * self.scale), round(grid.ny * self.scale * self.flat)


def stsci_name(picture: Picture) -> str:
    """STScI's name of a picture's release: `2003-28`."""
    year, number = picture.release or (0, 0)
    return f"{year}-{number:02d}"


def page_path(picture: Picture) -> str:
    """Where a picture's page is: without a release by its number alone, since 2015 by letters."""
    number = f"{picture.image_id}-Image"
    if picture.release is None:
        return number
    year, release = picture.release
    return f"{year}/{release:02d}/{number}" if year < 2015 else f"{year}/{release:03d}/{_letters(picture.name)}"


def old_page_path(picture: Picture, album: str = "") -> str:
    """The older gallery's four kinds of links: in an album, without a release, with its number, and plain news."""
    if album:
        return f"/image/{picture.image_id}/gallery/{album}"
    if picture.release is None:
        return f"/image/{picture.image_id}/gallery"
    if picture.image_id % 4 == 2:
        return f"/image/{picture.image_id}/news"
    return f"/image/{picture.image_id}/news_release/{stsci_name(picture)}"


def file_name(picture: Picture, file: File) -> str:
    """As files are called since 2020: by letters that tell nothing."""
    return f"STScI-{_letters(f'{picture.name} {file.label}')}.{file.suffix}"


def old_file_name(picture: Picture, file: File) -> str:
    """As files were called until 2020: by release, picture and size."""
    size = "{}x{}".format(*file.size(picture)) if file.scale else "title"
    label = "-clean" if file.label.startswith("U") else ""
    if picture.release is None:
        return f"STScI-H-gallery{picture.image_id}{label}-{size}.{file.suffix}"
    year, number = picture.release
    return f"STScI-H-p{year % 100:02d}{number:02d}{picture.name[-1]}{label}-{size}.{file.suffix}"


def _letters(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "01" + "".join(_LETTERS[byte % 32] for byte in digest[:24])


def stated(picture: Picture, file: File) -> str:
    """What a link says: label, size, kind, length."""
    if file.suffix == "pdf":
        return f"{file.label}, PDF (113.21&nbsp;KB)&nbsp;"
    width, height = file.size(picture)
    length = picture.stated_size(file.suffix, file.scale / picture.enlarged).replace(" ", "&nbsp;")
    return f"{file.label}{file.label and ', '}{width} X {height}, {file.suffix.upper()} ({length})&nbsp;"


def fast_facts(picture: Picture) -> str:
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
        "Constellation": "Ursa Major",
        "Instrument": f"HST&gt;{dataset.detector}",
        "Exposure Dates": f"{dataset.start.day} {dataset.start:%B %Y}" if dataset.start else "",
        "Filters": f"{dataset.detector}: {', '.join(dataset.elements[:-1])}, and {dataset.elements[-1]}",
    }
    rows = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in facts.items())
    explained = "".join(f"<tr><td>{label}</td><td>What this is.</td></tr>" for label in facts)
    return (
        '<table class="table table-responsive"><tbody><tr><th colspan="2">About The Object</th></tr>'
        f"{rows}</tbody></table>"
        f'<h3>Fast Facts Help</h3><table class="table table-responsive"><tbody>{explained}</tbody></table>'
    )


def old_fast_facts(picture: Picture) -> str:
    """The table by the labels of the years before 2017, which the pages of 2017 to 2020 may have kept."""
    grid, dataset = picture.dataset.grid, picture.dataset
    facts = {"Release Date:": f"{picture.released:%B %d, %Y}"}
    if picture.placed:
        (hours, minutes, seconds), (degrees, arcmin, arcsec) = (
            _clock(value).split(":") for value in (grid.ra / 15, abs(grid.dec))
        )
        whole, _, part = seconds.partition(".")
        sign = "-" if grid.dec < 0 else ""
        facts |= {
            "Object Name:": escape(picture.object),
            "Position (J2000):": f"R.A. {hours}<sup>h</sup> {minutes}<sup>m</sup> {whole}<sup>s</sup>.{part}<br />"
            f"Dec. {sign}{degrees}&deg; {arcmin}' {arcsec}\"",
            "Instrument:": f"HST&gt;{dataset.detector}",
            "Exposure Date(s):": f"{dataset.start:%B %Y}" if dataset.start else "",
            "Filters:": ", ".join(dataset.elements),
        }
    rows = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in facts.items())
    return f"<table>{rows}</table>"


def _clock(value: float) -> str:
    """Sexagesimal with colons, to a hundredth of a second."""
    hundredths = round(value * 360_000)
    return f"{hundredths // 360_000:02d}:{hundredths // 6000 % 60:02d}:{hundredths % 6000 / 100:05.2f}"
