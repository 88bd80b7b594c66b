"""The VOTable that HLA's image search answers with: its 33 fields, its header, its quirks.

Version 1.1 without a namespace, URLs in CDATA with their ampersands escaped all the same, empty cells as `<TD/>`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from scrapers.replica.catalogue import COLOR, Dataset
from scrapers.replica.geometry import stcs
from scrapers.replica.oddities import Cells


@dataclass(frozen=True)
class Field:
    """One column: name (also its ID), datatype, UCD, unit, whether it is an array, and what it holds."""

    name: str
    datatype: str
    ucd: str | None
    unit: str | None
    array: bool
    description: str


def _char(name: str, ucd: str | None, description: str) -> Field:
    return Field(name, "char", ucd, None, True, description)


FIELDS = (
    _char("URL", "VOX:Image_AccessReference", "Address of the picture or file"),
    Field("RA", "double", "POS_EQ_RA_MAIN", "deg", False, "Right ascension of the image centre"),
    Field("DEC", "double", "POS_EQ_DEC_MAIN", "deg", False, "Declination of the image centre"),
    Field("Level", "int", "PRODUCT_LEVEL", None, False, "1 exposure, 2 combined, 3 mosaic, 4 color, 5 HLSP"),
    _char("Target", "TARGET_NAME", "Target as the proposal names it"),
    _char("Detector", "INST_ID", "Instrument and detector"),
    _char("Aperture", "INST_APERT", "Aperture"),
    _char("Spectral_Elt", "MAIN_FILTER", "Filter; for color red/green/blue"),
    Field("NExposures", "int", "NUM_EXPOSURES", None, False, "How many exposures were combined"),
    Field("ExpTime", "double", "EXPOSURE_TIME", "s", False, "Exposure time, all together"),
    _char("StartTime", "TIME_EPOCH", "When the first exposure began"),
    _char("Dataset", "ID_MAIN", "Name of the product"),
    Field("PropID", "int", "ID_SET", None, False, "Proposal"),
    _char("VisitNum", "ID_SET", "Visit within the proposal"),
    _char("PI_Name", "NAME_PI", "Principal investigator"),
    _char("DAOCat", None, "State of the DAOPHOT source list"),
    _char("SEXCat", None, "State of the SExtractor source list"),
    _char("Mode", None, "Way the detector was read"),
    _char("DBCreationDate", "TIME_EPOCH", "When the product came into the archive"),
    _char("Source", None, "Who made the product"),
    Field("Wavelength", "double", "INST_WAVELENGTH", "0.1nm", False, "Wavelength of the filter"),
    _char("Format", "VOX:Image_Format", "Media type behind the URL"),
    _char("ReleaseDate", "TIME_EPOCH", "When the data became public"),
    Field("NReleaseDate", "long", "TIME_EPOCH", None, False, "The same in seconds since 1970"),
    _char("Title", "VOX:Image_Title", "One-line summary"),
    Field("naxis", "int", "VOX:Image_Naxis", None, True, "Width and height"),
    Field("scale", "double", "VOX:Image_Scale", "deg/pix", True, "Size of a pixel"),
    Field("naxes", "int", "VOX:Image_Naxes", None, False, "Number of axes"),
    Field("crpix", "double", "VOX:WCS_CoordRefPixel", "pix", True, "Reference pixel"),
    Field("crval", "double", "VOX:WCS_CoordRefValue", "deg", True, "Sky position of the reference pixel"),
    Field("cd_matrix", "double", "VOX:WCS_CDMatrix", "deg/pix", True, "Scale and orientation"),
    _char("filename", None, "Datasets behind the product, for color one per band"),
    _char("regionSTCS", None, "Footprint in STC-S"),
)


@dataclass(frozen=True)
class Echo:
    """The query as the service understood it; repeated in the reply."""

    ra: float
    dec: float
    size: float
    format: str
    imagetype: str
    inst: str
    hrcmatch: int
    zoom: float
    autoscale: float
    asinh: int


_OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">\n'
    '<VOTABLE version="1.1">\n'
    "  <DESCRIPTION>STScI Hubble Legacy Archive SIAP</DESCRIPTION>\n"
    '  <RESOURCE type="results">\n'
)
_CLOSING = "  </RESOURCE>\n</VOTABLE>\n"


def failure(message: str) -> bytes:
    """The reply to a query that cannot be answered: a status and no table (SIA 1.0, section 7.2)."""
    status = f'    <INFO name="QUERY_STATUS" value="ERROR">{escape(message)}</INFO>\n'
    return (_OPENING + status + _CLOSING).encode()


def results(echo: Echo, rows: Iterable[Cells], most_rows: int | None = None) -> bytes:
    """The reply with its rows; what is beyond `most_rows` is left out, and a status behind the table says so."""
    shown = list(rows)
    left_out = most_rows is not None and len(shown) > most_rows
    lines = [_OPENING, '    <INFO name="QUERY_STATUS" value="OK"/>\n', _header(echo), "    <TABLE>\n"]
    lines += [_field(field) for field in FIELDS]
    lines.append("      <DATA>\n        <TABLEDATA>\n")
    for row in shown[:most_rows]:
        lines.append("          <TR>\n")
        lines += [f"            {_cell(field.name, row[field.name])}\n" for field in FIELDS]
        lines.append("          </TR>\n")
    lines.append("        </TABLEDATA>\n      </DATA>\n    </TABLE>\n")
    if left_out:
        lines.append('    <INFO name="QUERY_STATUS" value="OVERFLOW"/>\n')
    return "".join([*lines, _CLOSING]).encode()


def _header(echo: Echo) -> str:
    rows = (
        ("char", "INPUT:POS", f"{echo.ra:.6f},{echo.dec:.6f}", 'arraysize="*" unit="deg"'),
        ("double", "INPUT:SIZE", f"{echo.size:.6f}", 'unit="deg"'),
        ("char", "INPUT:FORMAT", echo.format, 'arraysize="*"'),
        ("char", "INPUT:imagetype", echo.imagetype, 'arraysize="*"'),
        ("char", "INPUT:inst", echo.inst, 'arraysize="*"'),
        ("int", "INPUT:hrcmatch", str(echo.hrcmatch), ""),
        ("double", "INPUT:zoom", f"{echo.zoom:.6f}", ""),
        ("double", "INPUT:autoscale", f"{echo.autoscale:.6f}", 'unit="%"'),
        ("int", "INPUT:asinh", str(echo.asinh), ""),
    )
    lines = (
        f'    <PARAM datatype="{kind}" name="{name}" value={quoteattr(value)}{" " + more if more else ""}/>\n'
        for kind, name, value, more in rows
    )
    return "".join(lines) + (
        '    <PARAM datatype="char" arraysize="*" name="refframe" ucd="VOX:STC_CoordRefFrame" value="ICRS"/>\n'
        '    <PARAM datatype="char" arraysize="3" name="projection" ucd="VOX:WCS_CoordProjection" value="TAN"/>\n'
    )


def _field(field: Field) -> str:
    attributes = [("ID", field.name), ("name", field.name), ("datatype", field.datatype)]
    attributes += [(name, value) for name, value in (("unit", field.unit), ("ucd", field.ucd)) if value]
    if field.array:
        attributes.append(("arraysize", "*"))
    text = " ".join(f'{name}="{value}"' for name, value in attributes)
    description = f"        <DESCRIPTION>{escape(field.description)}</DESCRIPTION>\n"
    return f"      <FIELD {text}>\n{description}      </FIELD>\n"


def cells(dataset: Dataset, media_type: str, url: str) -> Cells:
    """The row of a dataset: its columns as text, with the media type and the URL offered for it."""
    grid = dataset.grid
    loaded = None if dataset.is_file else "Loaded"
    scale = f"{grid.scale_deg:.6G}"
    values: tuple[object, ...] = (
        url,
        f"{grid.ra:.6f}",
        f"{grid.dec:.6f}",
        dataset.level,
        dataset.target,
        dataset.detector,
        dataset.aperture,
        "/".join(dataset.elements),
        dataset.exposures,
        None if dataset.exptime_s is None else f"{dataset.exptime_s:.6f}",
        dataset.start,
        dataset.name,
        dataset.propid,
        dataset.visit,
        dataset.pi_name,
        loaded,
        loaded,
        dataset.mode,
        dataset.created,
        dataset.source,
        dataset.wavelength,
        media_type,
        dataset.released,
        None if dataset.released is None else int(dataset.released.timestamp()),
        dataset.title,
        f"{grid.nx} {grid.ny}",
        scale,
        2,
        f"{grid.crpix[0]:.3f} {grid.crpix[1]:.3f}",
        f"{grid.ra:.6f} {grid.dec:.6f}",
        f"-{scale} 0 0 {scale}",
        ",".join(dataset.files) if dataset.level == COLOR else dataset.name,
        stcs(dataset.polygons),
    )
    return {field.name: _text(value) for field, value in zip(FIELDS, values, strict=True)}


def _text(value: object) -> str | None:
    text = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
    return None if value is None or text == "" else text


def _cell(name: str, text: str | None) -> str:
    if text is None:
        return "<TD/>"
    if name == "URL":
        return f"<TD><![CDATA[{text.replace('&', '&amp;')}]]></TD>"
    return f"<TD>{escape(text)}</TD>"
