"""The Hubble Legacy Archive's search service, `hlaSIAP.cgi`: which datasets a cone touches, as a VOTable."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from scrapers.replica import votable
from scrapers.replica.catalogue import COLOR, COMBINED, Archive, Dataset
from scrapers.replica.exchange import Reply, Request, Routes
from scrapers.replica.fitscut import PictureService
from scrapers.replica.geometry import separation, touches, unit
from scrapers.replica.hlaview import hlaview_routes
from scrapers.replica.oddities import Cells, Oddities

_ALL_INSTRUMENTS = "acs,acsgrism,wfc3,wfpc2,nicmos,nicgrism,cos,stis,fos,ghrs"
_LEVELS = {
    "best": {COMBINED, COLOR, 5},
    "exposure": {1},
    "combined": {COMBINED},
    "mosaic": {3},
    "color": {COLOR},
    "hlsp": {5},
    "all": {1, COMBINED, 3, COLOR, 5},
}


def hla_routes(archive: Archive, prefix: str = "", oddities: Oddities | None = None) -> Routes:
    """The routes of an HLA at `prefix`: search, cut-outs and colour pictures, previews, FITS files, the page."""
    search = Search(archive, prefix, oddities)
    pictures = PictureService(archive)
    return {
        f"{prefix}/cgi-bin/hlaSIAP.cgi": search,
        f"{prefix}/cgi-bin/acsSIAP.cgi": search,
        f"{prefix}/cgi-bin/fitscut.cgi": pictures.fitscut,
        f"{prefix}/cgi-bin/preview.cgi": pictures.preview,
        f"{prefix}/cgi-bin/getdata.cgi": pictures.getdata,
        **hlaview_routes(prefix),
    }


_NONE = Oddities(share=0.0)


class _BadQueryError(ValueError):
    """A query that cannot be answered; its text goes into QUERY_STATUS."""


@dataclass(frozen=True)
class _Query:
    echo: votable.Echo
    levels: frozenset[int]
    instruments: frozenset[str]
    elements: frozenset[str]
    names: frozenset[str]
    proposals: frozenset[str]
    formats: tuple[str, ...]

    @classmethod
    def of(cls, params: dict[str, str]) -> "_Query":
        imagetype = params.get("imagetype") or "best"
        inst = (params.get("inst") or _ALL_INSTRUMENTS).lower()
        wanted = params.get("format") or "image/fits"
        ra, dec = _position(params.get("pos", ""))
        echo = votable.Echo(
            ra=ra,
            dec=dec,
            size=_number(params, "size", 0.0, 0.0, 180.0),
            format=wanted,
            imagetype=imagetype,
            inst=inst,
            hrcmatch=int(_number(params, "hrcmatch", 0, 0, 1)),
            zoom=_number(params, "zoom", 1.0, 1e-3, 64.0),
            autoscale=_number(params, "autoscale", 99.5, 50.0, 100.0),
            asinh=int(_number(params, "asinh", 1, 0, 1)),
        )
        levels: set[int] = set().union(*(_LEVELS.get(kind, set()) for kind in _listed(imagetype)))
        return cls(
            echo,
            frozenset(levels),
            _listed(inst),
            _listed(params.get("spectral_elt", "")) | _listed(params.get("filter", "")),
            _listed(params.get("visit", "")),
            _listed(params.get("prop_id", "")),
            _formats(wanted),
        )

    def admits(self, dataset: Dataset) -> bool:
        """Whether everything but the position fits."""
        return (
            dataset.level in self.levels
            and (dataset.instrument is None or dataset.instrument.lower() in self.instruments)
            and (not self.elements or any(element.lower() in self.elements for element in dataset.elements))
            and (not self.names or dataset.name.lower() in self.names)
            and (not self.proposals or str(dataset.propid) in self.proposals)
        )


class Search:
    """`hlaSIAP.cgi` of one archive. Call it with a request."""

    def __init__(self, archive: Archive, prefix: str, oddities: Oddities | None = None) -> None:
        self._oddities = oddities or _NONE
        self._datasets = tuple(archive.datasets)
        self._prefix = prefix
        self._centres = np.array([unit(d.grid.ra, d.grid.dec) for d in self._datasets]).reshape(-1, 3)
        self._reach = np.array([_reach(dataset) for dataset in self._datasets])

    def __call__(self, request: Request) -> Reply:
        """Answer a query: a table, or a QUERY_STATUS of ERROR; HTTP 200 either way, as the archive does."""
        try:
            query = _Query.of(request.params)
        except _BadQueryError as error:
            return Reply(votable.failure(str(error)), "text/xml")
        rows = self._oddities.rows(self._rows(query, request.server))
        return Reply(votable.results(query.echo, rows, self._oddities.most_rows), "text/xml")

    def _rows(self, query: _Query, server: str) -> Iterator[Cells]:
        echo = query.echo
        for dataset in self._near(echo.ra, echo.dec, echo.size):
            if not query.admits(dataset) or not touches(dataset.polygons, echo.ra, echo.dec, echo.size):
                continue
            for media_type in query.formats:
                # a finished picture has no FITS to offer; it goes by image/jpeg, whatever its bytes are
                if media_type == "image/jpeg" or not dataset.is_file:
                    url = f"{server}{self._prefix}/cgi-bin/{_link(dataset, media_type, echo)}"
                    yield votable.cells(dataset, media_type, url)

    def _near(self, ra: float, dec: float, radius: float) -> Iterator[Dataset]:
        """Datasets whose surrounding circle comes within `radius` of a place; a coarse cut before the polygons."""
        chord = np.linalg.norm(self._centres - unit(ra, dec), axis=1)
        angle = np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1)))
        for index in np.flatnonzero(angle <= radius + self._reach + 1e-6):
            yield self._datasets[index]


def _link(dataset: Dataset, media_type: str, echo: votable.Echo) -> str:
    """The part of a row's URL behind `cgi-bin/`."""
    names = [quote(name, safe="") for name in dataset.files]
    if media_type == "image/fits" and dataset.level != COLOR:
        return f"getdata.cgi?dataset={names[0]}"
    roles = {1: ("red",), 2: ("red", "blue"), 3: ("red", "green", "blue")}[len(names)]
    bands = "&".join(f"{role}={name}" for role, name in zip(roles, names, strict=True))
    if media_type == "image/fits":
        return f"fitscut.cgi?{bands}&size=ALL&format=fits"
    link = f"fitscut.cgi?{bands}&size=ALL&format=jpeg&asinh={echo.asinh}&autoscale={echo.autoscale:.2f}"
    if echo.zoom != 1:
        link += f"&zoom={echo.zoom:g}"
    return link + ("&qext=4" if dataset.instrument == "WFPC2" else "")


def _reach(dataset: Dataset) -> float:
    """Radius in degrees of the circle about the centre that holds the whole footprint."""
    centre = unit(dataset.grid.ra, dataset.grid.dec)
    return max((separation(centre, unit(*corner)) for polygon in dataset.polygons for corner in polygon), default=0.0)


def _position(text: str) -> tuple[float, float]:
    parts = text.replace(",", " ").split()
    try:
        ra, dec = (float(part) for part in parts)
    except ValueError:
        raise _BadQueryError(f"POS must be RA,Dec in decimal degrees, not {text!r}") from None
    if not (-360 <= ra <= 360 and -90 <= dec <= 90):
        raise _BadQueryError(f"POS {text!r} is not on the sky")
    return ra, dec


def _number(params: dict[str, str], name: str, default: float, low: float, high: float) -> float:
    text = params.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise _BadQueryError(f"{name.upper()} must be a number, not {text!r}") from None
    if not low <= value <= high:
        raise _BadQueryError(f"{name.upper()} must be between {low:g} and {high:g}, not {text}")
    return value


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


def _formats(text: str) -> tuple[str, ...]:
    """Media types asked for, FITS first; what the archive does not know counts as FITS, its default."""
    asked = _listed(text)
    if "all" in asked:
        return "image/fits", "image/jpeg"
    jpeg = bool(asked & {"image/jpeg", "jpeg", "image/jpg", "jpg"})
    fits = bool(asked & {"image/fits", "fits"}) or not jpeg
    return ("image/fits",) * fits + ("image/jpeg",) * jpeg
