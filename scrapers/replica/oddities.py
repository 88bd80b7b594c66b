"""What rows of HLA's search are at times, on purpose and repeatably: empty, unknown, doubled, with broken footprints.

Seen in recorded replies or told by clients. What the archive does always (addresses escaped twice, a row for each
format) and what the synthetic sky has (fields at the poles, nearly empty pictures) is not among them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

Cells = Mapping[str, str | None]  # of a row, by column; None is an empty cell

_PUBLIC = "http://hla.stsci.edu"
_MAY_BE_EMPTY = ("Target", "ExpTime", "StartTime", "PropID", "VisitNum", "PI_Name", "ReleaseDate", "naxis", "scale")
_MAY_BE_UNKNOWN = ("NExposures", "ExpTime", "PropID", "Wavelength")


def _with_empty_cells(row: Cells) -> list[Cells]:
    return [{**row, **dict.fromkeys(_MAY_BE_EMPTY)}]


def _with_unknown_numbers(row: Cells) -> list[Cells]:
    return [{**row, **dict.fromkeys(_MAY_BE_UNKNOWN, "-9999")}]


def _of_1900(row: Cells) -> list[Cells]:
    return [{**row, "StartTime": "1900-01-01 00:00:00", "ReleaseDate": "1900-01-01 00:00:00"}]


def _without_area(row: Cells) -> list[Cells]:
    place = f" {row['RA']} {row['DEC']}"
    return [{**row, "regionSTCS": f"Polygon J2000{place * 4}"}]


def _never_closed(row: Cells) -> list[Cells]:
    first = (row["regionSTCS"] or "").removeprefix("Polygon J2000 ").partition(" Polygon")[0]
    return [{**row, "regionSTCS": f"POLYGON ICRS ({first}"}]


def _before_zero(row: Cells) -> list[Cells]:
    """Right ascensions between -360 and 0 degrees."""
    words = (row["regionSTCS"] or "").split(" ")
    turned = list(words)
    for place in (n for n, word in enumerate(words) if word == "J2000"):
        corners = [n for n in range(place + 1, len(words)) if words[n]]
        end = next((k for k, n in enumerate(corners) if words[n] == "Polygon"), len(corners))
        for n in corners[:end:2]:
            turned[n] = f"{float(words[n]) - 360:.8f}"
    return [{**row, "regionSTCS": " ".join(turned)}]


def _at_the_public_host(row: Cells) -> list[Cells]:
    parts = urlsplit(row["URL"] or "")
    # a mirror below a path still names the archive's own
    return [{**row, "URL": f"{_PUBLIC}/cgi-bin{parts.path.partition('/cgi-bin')[2]}?{parts.query}"}]


def _twice(row: Cells) -> list[Cells]:
    return [row, row]


def _in_another_case(row: Cells) -> list[Cells]:
    return [row, {**row, "Dataset": (row["Dataset"] or "").swapcase()}]


def _with_a_lost_band(row: Cells) -> list[Cells]:
    """And a row whose address asks for bands that cannot be put into one picture: fitscut answers with an error."""
    parts = urlsplit(row["URL"] or "")
    asked = dict(parse_qsl(parts.query))
    if "red" not in asked:
        return [row]
    asked["red"] += "_OF_OTHER_SIZE"
    lost = {"URL": parts._replace(query=urlencode(asked)).geturl(), "Dataset": f"{row['Dataset']}_lost"}
    return [row, {**row, **lost}]


_KINDS: tuple[Callable[[Cells], list[Cells]], ...] = (
    _with_empty_cells,
    _with_unknown_numbers,
    _of_1900,
    _without_area,
    _never_closed,
    _before_zero,
    _at_the_public_host,
    _twice,
    _in_another_case,
    _with_a_lost_band,
)


@dataclass(frozen=True)
class Oddities:
    """Which rows are odd: a share of them, by the seed and the dataset. A reply has at most `most_rows` rows."""

    seed: int = 0
    share: float = 0.5
    most_rows: int | None = None

    def rows(self, rows: Iterable[Cells]) -> Iterator[Cells]:
        """The rows as they are sent, all of them."""
        for row in rows:
            digest = hashlib.sha256(f"{self.seed} {row['Dataset']}".encode()).digest()
            odd = int.from_bytes(digest[:8], "big") < self.share * 2**64
            yield from _KINDS[digest[8] % len(_KINDS)](row) if odd else (row,)
