"""MAST's view of the archive: HLA's datasets and HAP's visits as observations of the Common Archive Observation Model.

HLA has an observation for each filter and for white light, and no colour. HAP has the same once more under names of
its own, and files to each: the colour picture of a visit is a file of its white-light observation. Beside them lie
the exposures they were made of, which are no pictures of either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from scrapers.replica.catalogue import COLOR, COMBINED, Archive, Dataset
from scrapers.replica.geometry import Polygon
from scrapers.replica.instruments import FILTERS

Row = dict[str, str | int | float | None]

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_LETTERS = {"ACS": "j", "WFC3": "i", "WFPC2": "u"}  # the first letter of an exposure's name
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BANDS = {1: ("red",), 2: ("red", "blue"), 3: ("red", "green", "blue")}
_FIRST_HLA, _FIRST_HST = 2_007_000_000, 24_000_000


@dataclass(frozen=True)
class File:
    """A product of an observation: its name, what it is, its size as far as known, and the question that makes it.

    `asked` is the path of an HLA service and a query to it.
    """

    name: str
    kind: str
    size: int
    asked: tuple[str, str]

    @property
    def uri(self) -> str:
        """The name by which MAST hands it out."""
        return f"mast:HST/product/{self.name}"


@dataclass(frozen=True)
class Observation:
    """A row of the observations, where it lies, and its files."""

    row: Row
    polygons: tuple[Polygon, ...]
    files: tuple[File, ...] = ()


def observations(archive: Archive) -> list[Observation]:
    """All observations; of the addresses of previews only the paths. Loose pictures are none of MAST's."""
    combined = [dataset for dataset in archive.datasets if dataset.level == COMBINED and dataset.propid is not None]
    colours = {_visit(dataset): dataset for dataset in archive.datasets if dataset.level == COLOR}
    found = [_hla(dataset, _FIRST_HLA + index) for index, dataset in enumerate(combined)]
    # HAP processed every visit once, where HLA may have an older and a newer release of it
    visits = {(*_visit(dataset), dataset.elements): dataset for dataset in combined}
    for index, dataset in enumerate(visits.values()):
        found += _hst(dataset, colours.get(_visit(dataset)), _FIRST_HST + index)
    return found


def _visit(dataset: Dataset) -> tuple[int | None, str | None, str | None]:
    return dataset.propid, dataset.visit, dataset.detector


def _hla(dataset: Dataset, obsid: int) -> Observation:
    instrument = "WFPC2/WFC" if dataset.detector == "WFPC2" else dataset.detector
    row = _row(dataset, obsid) | {
        "obs_collection": "HLA",
        "instrument_name": instrument,
        "project": "HLA",
        "provenance_name": "HLA",
        "filters": "/".join(dataset.elements).upper(),
        "obs_id": dataset.name,
        "obs_title": None,
        "s_region": _region("J2000", dataset.polygons),
        "jpegURL": f"/cgi-bin/preview.cgi?dataset={dataset.name}",
    }
    return Observation(row, dataset.polygons)


def _hst(dataset: Dataset, colour: Dataset | None, obsid: int) -> Iterator[Observation]:
    letters = _LETTERS[dataset.instrument or "ACS"] + _base36(dataset.propid or 0) + (dataset.visit or "")
    camera = "wfpc2_wfc" if dataset.detector == "WFPC2" else (dataset.detector or "").lower().replace("/", "_")
    white = dataset.elements == ("detection",)
    element = "total" if white else dataset.elements[0].lower()
    name = f"hst_{dataset.propid}_{dataset.visit}_{camera}_{element}_{letters}"
    row = _row(dataset, obsid) | {
        "obs_collection": "HST",
        "instrument_name": "WFPC2/WFC" if dataset.detector == "WFPC2" else dataset.detector,
        "s_region": _region("ICRS", dataset.polygons),
        "jpegURL": None,
    }
    hap = row | {
        "project": "HAP",
        "provenance_name": "HAP-SVM",
        "filters": "detection" if white else dataset.elements[0],
        "obs_id": name,
    }
    files = list(_pictures(f"{name}_drc", dataset, ""))
    if white and colour is not None:
        files += _pictures(f"{name}_drc", colour, "_color")
    exposure = f"{letters}a1q"
    raw = File(f"{exposure}_flc.fits", "SCIENCE", 8 * dataset.grid.nx * dataset.grid.ny, _getdata(dataset))
    yield Observation(hap, dataset.polygons, (*files, raw))
    single = row | {
        "obsid": obsid + 1_000_000,
        "objID": obsid + 1_000_000,
        "project": "CALACS",
        "provenance_name": "CALACS",
        "filters": "/".join(dataset.elements),
        "obs_id": f"{letters}{'010' if white else dataset.elements[0][1:4]}",
        "calib_level": 2,
    }
    yield Observation(single, dataset.polygons, (raw,))


def _pictures(stem: str, dataset: Dataset, ending: str) -> Iterator[File]:
    """The picture of a dataset, its thumbnail and, of one filter, its FITS file.

    HAP is a later processing than HLA's: its pictures are stretched a little harder here, so that they are not the
    same bytes. Pictures are made when asked for; what is said of their size is a guess.
    """
    bands = dict(zip(_BANDS[len(dataset.files)], dataset.files, strict=True))
    query = {**bands, "size": "ALL", "format": "jpg", "autoscale": "99"}
    pixels = dataset.grid.nx * dataset.grid.ny
    path = "/cgi-bin/fitscut.cgi"
    yield File(f"{stem}{ending}.jpg", "PREVIEW", pixels // 2, (path, urlencode(query)))
    thumb = urlencode({**query, "output_size": "128"})
    yield File(f"{stem}{ending}_thumb.jpg", "THUMBNAIL", 8_000, (path, thumb))
    if not ending:
        yield File(f"{stem}.fits", "SCIENCE", 8 * pixels, _getdata(dataset))


def _getdata(dataset: Dataset) -> tuple[str, str]:
    return "/cgi-bin/getdata.cgi", urlencode({"dataset": dataset.name})


def _row(dataset: Dataset, obsid: int) -> Row:
    """The columns that both collections fill alike; times in MJD and seconds, wavelengths in nanometres."""
    bands = [FILTERS[name] for name in dataset.elements if name in FILTERS]
    start = None if dataset.start is None else _mjd(dataset.start)
    exposed = dataset.exptime_s or 0.0
    return {
        "dataproduct_type": "image",
        "wavelength_region": "OPTICAL" if bands else None,
        "target_name": dataset.target,
        "target_classification": None,
        "s_ra": dataset.grid.ra,
        "s_dec": dataset.grid.dec,
        "proposal_id": str(dataset.propid),
        "proposal_pi": dataset.pi_name,
        "calib_level": 3,
        "t_min": start,
        "t_max": None if start is None else start + exposed / 86_400,
        "t_exptime": exposed,
        "em_min": (bands[0].wavelength_a - bands[0].width_a / 2) / 10 if bands else None,
        "em_max": (bands[0].wavelength_a + bands[0].width_a / 2) / 10 if bands else None,
        "obs_title": dataset.title,
        "t_obs_release": None if dataset.released is None else _mjd(dataset.released),
        "dataURL": None,
        "dataRights": "PUBLIC",
        "obsid": obsid,
        "objID": obsid,
    }


def _mjd(moment: datetime) -> float:
    return (moment - _MJD_ZERO).total_seconds() / 86_400


def _region(frame: str, polygons: Sequence[Polygon]) -> str:
    """Closed polygons one after the other, as MAST writes them."""
    texts = (" ".join(f"{ra:.8f} {dec:.8f}" for ra, dec in (*polygon, polygon[0])) for polygon in polygons)
    return " ".join(f"POLYGON {frame} {text}" for text in texts)


def _base36(value: int) -> str:
    """Three characters that stand for a proposal, as in the names of exposures."""
    return "".join(_DIGITS[value // 36**place % 36] for place in (2, 1, 0))
