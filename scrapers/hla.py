"""The Hubble Legacy Archive: what it has in a region (SIA 1.0, `hlaSIAP.cgi`), and where each picture is.

HLA makes colour pictures on demand: `fitscut.cgi` stretches up to three filters of one visit into a JPEG.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.entities import unescape
from scrapers.hosts import Origin, is_private
from scrapers.hstnames import visit_id
from scrapers.http import PoliteClient, shared_client
from scrapers.passbands import wavelengths_m
from scrapers.products import Product, Tile, product_id, release_of
from scrapers.sky import Cone
from scrapers.votable import Row, read_rows

NAME = "hla"

# The instruments of the service's registered address, which every published client sends.
INSTRUMENTS = ("ACS", "ACSGrism", "WFC3", "WFPC2", "NICMOS", "NICGRISM", "COS", "STIS", "FOS", "GHRS")
_MORE_INSTRUMENTS = ("WFPC2-PC",)
_LEVELS = {
    "exposure": {1},
    "combined": {2},
    "mosaic": {3},
    "color": {4},
    "hlsp": {5},
    "best": {2, 3, 4, 5},
    "all": {1, 2, 3, 4, 5},
}
_CALIB_LEVEL = {1: 2, 2: 3, 3: 3, 4: 3, 5: 4}  # HLA's product level to ObsCore's; MAST has 3 for combined ones
_COLOUR_LEVEL = 4
_WITH_FITS = ("exposure", "combined", "mosaic", "hlsp", "best", "all")  # colour pictures have no file of their own
_DETECTION = "DETECTION"  # the filter of a sum over all filters, which finds sources and is no picture of one filter
_PUBLIC_HOST = "hla.stsci.edu"  # whose addresses a mirror repeats as they are
_FRIENDS = frozenset({_PUBLIC_HOST, "archive.stsci.edu", "mast.stsci.edu"})
MADE_UP = "SYNTHETIC-POSITION"  # target by which our local archive marks loose pictures
CREDIT = "NASA, ESA and the Hubble Legacy Archive (STScI/NASA, ST-ECF/ESA, CADC/NRC/CSA)"
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_FIRST_LIGHT = 1990


@dataclass(frozen=True)
class HlaQuery:
    """Which products to ask for: product levels, instruments and filters by HLA's own names.

    With `fits` the counts of single filters, as FITS files, instead of JPEGs; white-light sums (`detection`) only
    where the filters name them.
    """

    imagetypes: tuple[str, ...] = ("color",)
    instruments: tuple[str, ...] = INSTRUMENTS
    filters: tuple[str, ...] = ()
    fits: bool = False

    @property
    def levels(self) -> set[int]:
        """HLA's product levels of the image types."""
        levels = set().union(*(_LEVELS[kind] for kind in self.imagetypes))
        return levels - {_COLOUR_LEVEL} if self.fits else levels


def hla_query(
    imagetype: str | None = None, inst: str | None = None, filters: str | None = None, *, fits: bool = False
) -> HlaQuery:
    """A query from comma-separated lists as a user types them, upper or lower case.

    The image type is `color` by default, `combined` for FITS.

    Raises:
        UsageError: an image type or instrument that HLA does not have, or colour pictures as FITS.
    """
    instruments = {name.lower(): name for name in (*INSTRUMENTS, *_MORE_INSTRUMENTS)}
    kinds = _choose(imagetype or ("combined" if fits else "color"), {name: name for name in _LEVELS}, "image type")
    if fits and not set(kinds) & set(_WITH_FITS):
        raise UsageError(
            "HLA makes its colour pictures on demand and has no FITS files of them: for the files of their filters "
            "use --imagetype combined."
        )
    return HlaQuery(
        kinds,
        _choose(inst, instruments, "instrument") if inst else INSTRUMENTS,
        tuple(sorted({name.strip().upper() for name in (filters or "").split(",") if name.strip()})),
        fits,
    )


class Hla:
    """One Hubble Legacy Archive: the real one, or any server that speaks its protocol."""

    name = NAME

    def __init__(self, client: PoliteClient, query: HlaQuery) -> None:
        self.client = client
        self.query = query

    def tile(self, cone: Cone) -> Tile:
        """The question for the products in a cone."""
        parameters = {
            "pos": f"{cone.ra:.6f},{cone.dec:.6f}",
            "size": f"{cone.radius:.6f}",
            "imagetype": ",".join(self.query.imagetypes),
            "inst": ",".join(self.query.instruments),
            "format": "image/fits" if self.query.fits else "image/jpeg",
            "proprietary": "false",
        }
        if self.query.filters == (_DETECTION,):
            parameters["filter"] = "detection"
        elif self.query.filters:
            parameters["spectral_elt"] = ",".join(self.query.filters)
        return Tile(self.name, json.dumps({"url": f"{self.client.base}/cgi-bin/hlaSIAP.cgi", **parameters}))

    def ask(self, tile: Tile) -> list[Product]:
        """The products a tile has, each dataset once.

        Raises:
            HttpError: the archive cannot be asked, or its answer is not one.
        """
        parameters = json.loads(tile.request)
        reply = self.client.get(parameters.pop("url"), lambda body: read_rows(body, "HLA"), parameters)
        rows = reply.value
        if not self.query.fits:
            return products(rows, self.client.base, self.query.levels)
        wanted = rows if _DETECTION in self.query.filters else [row for row in rows if not _is_detection(row)]
        return products(wanted, self.client.base, self.query.levels, fits=True)


def open_hla(settings: Settings, query: HlaQuery, archive_url: str | None = None) -> Hla:
    """HLA at its usual address, or at another; that host then counts as the archive's own.

    Raises:
        UsageError: the address is none.
    """
    return Hla(hla_client(settings, archive_url), query)


def hla_client(settings: Settings, archive_url: str | None = None) -> PoliteClient:
    """The client for HLA at its usual address, or at another; that host then counts as the archive's own.

    Raises:
        UsageError: the address is none.
    """
    if archive_url is None:
        return shared_client(settings.hla_url, settings, _FRIENDS)
    return shared_client(archive_url, settings)


def products(rows: Iterable[Row], base: str, levels: set[int], *, fits: bool = False) -> list[Product]:
    """Products of the rows of a reply, each dataset once, in the order of the reply: JPEGs, or FITS files.

    Left out are rows of other levels (a server may not know `imagetype`) and rows without a picture.
    """
    credit = credit_for(base)
    found: dict[str, Product] = {}
    for row in rows:
        dataset, level = _text(row, "dataset"), _positive(row, "level")
        if dataset is None or dataset.lower() in found or (level is not None and level not in levels):
            continue
        url = file_url(row, base) if fits else picture_url(row, base)
        if url:
            product = _product(dataset, row, url, credit)
            found[dataset.lower()] = _as_file(product) if fits else product
    return list(found.values())


def credit_for(base: str) -> str | None:
    """Whom to credit for the pictures of an archive; what a server on this machine serves is not NASA's."""
    own = Origin.of(base)
    return None if own is None or is_private(own.host, look_up=False) else CREDIT


def picture_url(row: Row, base: str) -> str | None:
    """Where the JPEG of a row is.

    HLA escapes its addresses twice, names its public host even where a mirror answers, and gives a FITS address
    where JPEGs were not asked for: what is not a JPEG's address is made into one. None for rows that stand for
    something other than a picture.
    """
    kind = (_text(row, "format") or "").lower()
    url = unescape(_text(row, "url") or "")
    if kind == "image/jpeg" and url:
        return rebased(url, base)
    if kind not in ("", "image/fits", "image/jpeg"):
        return None
    bands = [name.strip() for name in (_text(row, "filename") or "").split(",") if name.strip()]
    if not bands:
        asked = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query)}
        bands = [asked[colour] for colour in ("red", "green", "blue", "dataset") if colour in asked]
    if not bands:
        return None
    query = fitscut_query(bands, _text(row, "detector"))
    return f"{base}/cgi-bin/fitscut.cgi?{query}" if query else None


def fitscut_query(bands: Sequence[str], detector: str | None) -> str | None:
    """What `fitscut.cgi` is asked for a whole JPEG of one to three datasets, the red one first; None for more."""
    colours = {1: ("red",), 2: ("red", "blue"), 3: ("red", "green", "blue")}.get(len(bands))
    if colours is None:
        return None
    query = dict(zip(colours, bands, strict=True))
    query |= {"size": "ALL", "format": "jpeg", "asinh": "1", "autoscale": "99.50"}
    if (detector or "").upper().startswith("WFPC2"):
        query["qext"] = "4"  # drizzled WFPC2 files carry their data quality there
    return urlencode(query)


def file_url(row: Row, base: str) -> str | None:
    """Where the FITS file of a row is; None for rows of several filters, which have none of their own.

    A row that gives something else than a file's address, as the row of a JPEG does, is asked for by its dataset.
    """
    kind, dataset = (_text(row, "format") or "").lower(), _text(row, "dataset")
    if kind not in ("", "image/fits", "image/jpeg") or "/" in (_text(row, "spectral_elt") or ""):
        return None
    url = unescape(_text(row, "url") or "")
    if url and "fitscut.cgi" not in urlsplit(url).path:
        return rebased(url, base)
    return f"{base}/cgi-bin/getdata.cgi?{urlencode({'dataset': dataset})}"


def rebased(url: str, base: str) -> str:
    """An address on HLA's public host, on the archive that was asked; any other as it is."""
    origin = Origin.of(url)
    if origin is None or origin.host != _PUBLIC_HOST:
        return url
    parts = urlsplit(url)
    return f"{base}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _product(dataset: str, row: Row, url: str, credit: str | None) -> Product:
    level, filters, detector = _positive(row, "level"), _text(row, "spectral_elt"), _text(row, "detector")
    shortest, longest = wavelengths_m(detector, filters)
    scale = _positive(row, "scale")
    pixels = max(_numbers(row.get("naxis")), default=0.0)
    ra, dec = _number(row, "ra"), _number(row, "dec")
    if ra is None or dec is None or not -90.0 <= dec <= 90.0:
        ra = dec = None
    return Product(
        archive=NAME,
        product_id=product_id(NAME, dataset),
        source_name=dataset,
        release_id=_visit(row) or release_of(dataset) or dataset,
        expects_colour=level == _COLOUR_LEVEL,
        calib_level=_CALIB_LEVEL.get(int(level)) if level is not None else None,
        obs_collection="HLA",
        obs_id=dataset,
        obs_title=_text(row, "title"),
        obs_creator_name=_text(row, "pi_name"),
        obs_release_date=_iso(_text(row, "releasedate")),
        access_url=url,
        access_format="image/jpeg",
        target_name=_text(row, "target"),
        s_ra=None if ra is None else ra % 360.0,
        s_dec=dec,
        s_fov=pixels * scale if pixels > 0 and scale else None,
        s_region=" ".join((_text(row, "regionstcs") or "").split()) or None,
        s_resolution=scale * 3600.0 if scale else None,
        t_min=_mjd(_text(row, "starttime")),
        t_exptime=_positive(row, "exptime"),
        em_min=shortest,
        em_max=longest,
        facility_name="HST",
        instrument_name=detector,
        filters=filters,
        credit=credit,
        synthetic_green=_synthetic_green(row) if level == _COLOUR_LEVEL else None,
        synthetic_position=_text(row, "target") == MADE_UP,
    )


def _as_file(product: Product) -> Product:
    """The same dataset as a FITS file: a product of its own, beside its JPEG."""
    name = product_id(NAME, f"fits:{product.source_name}")
    return replace(product, product_id=name, access_format="image/fits", expects_colour=False)


def _is_detection(row: Row) -> bool:
    return (_text(row, "spectral_elt") or "").upper() == _DETECTION


def _synthetic_green(row: Row) -> bool | None:
    """Whether the archive makes green as the mean of red and blue: so it does where there are two filters."""
    counts = {
        len([name for name in (_text(row, column) or "").split(sign) if name.strip()])
        for column, sign in (("spectral_elt", "/"), ("filename", ","))
    }
    known = counts & {2, 3}
    return known == {2} if len(known) == 1 else None


def _visit(row: Row) -> str | None:
    """Proposal, visit and detector: what HLA processes together, whatever a dataset's name looks like."""
    proposal, visit, detector = _positive(row, "propid"), _text(row, "visitnum"), _text(row, "detector")
    if proposal is None or visit is None or detector is None:
        return None
    return visit_id(int(proposal), visit, detector)


def _choose(text: str, known: dict[str, str], what: str) -> tuple[str, ...]:
    names = {name.strip().lower() for name in text.split(",") if name.strip()}
    wrong = sorted(names - set(known))
    if wrong or not names:
        raise UsageError(f"HLA has no {what} {', '.join(wrong) or text!r}: choose from {', '.join(known.values())}.")
    return tuple(name for key, name in known.items() if key in names)


def _text(row: Row, column: str) -> str | None:
    value = row.get(column)
    return value if isinstance(value, str) else None


def _numbers(value: object) -> list[float]:
    values = value if isinstance(value, list) else [value]
    return [float(one) for one in values if isinstance(one, int | float)]


def _number(row: Row, column: str) -> float | None:
    return next(iter(_numbers(row.get(column))), None)


def _positive(row: Row, column: str) -> float | None:
    # -9999 stands for unknown in replies since 2015; an empty cell of whole numbers is read as 0
    number = _number(row, column)
    return number if number is not None and number > 0 else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    # high-level products carry dates of 1900
    return moment.replace(tzinfo=UTC) if moment.year >= _FIRST_LIGHT else None


def _mjd(text: str | None) -> float | None:
    moment = _moment(text)
    return (moment - _MJD_ZERO).total_seconds() / 86_400.0 if moment else None


def _iso(text: str | None) -> str | None:
    moment = _moment(text)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
