"""Reading an archive's VOTable reply as plain rows, without trusting it."""

import io
import threading
import warnings
from typing import Any

import numpy as np
from astropy.io import votable
from astropy.io.votable.exceptions import VOWarning
from astropy.io.votable.tree import Info, VOTableFile

from manifests.media import describe
from scrapers.http import HttpError

Row = dict[str, Any]

# One at a time: `catch_warnings` is for all threads, and a table of some hundred rows takes ten megabytes meanwhile.
_PARSING = threading.Lock()

# astropy reports damage by any of these, depending on what is damaged; LookupError: there is no table, RecursionError:
# elements within elements without end
_DAMAGE = (
    *(VOWarning, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    RecursionError,
)


def read_rows(body: bytes, archive: str) -> list[Row]:
    """Rows of the first table of a VOTable: lower-case column names to str, int, float, list of these, or None.

    Text is stripped and null where nothing is left; numbers that are not finite are null.

    Raises:
        HttpError: transient where the bytes are not a whole VOTable (another kind of file, cut short, damaged);
            permanent where the archive answers with an error of its own, or tells that it left rows out.
    """
    if b"VOTABLE" not in body[:4096].upper():
        raise HttpError("transient", "not_a_reply", f"{archive} answered with {describe(body[:256])}, not a VOTable.")
    try:
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = votable.parse(io.BytesIO(body), verify="ignore")
            _raise_own_error(document, archive)
            table = document.get_first_table()
            columns = [(field.name or field.ID or "").lower() for field in table.fields]
            return [_row(columns, values) for values in table.array]
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HttpError(
            "transient", "not_a_reply", f"The VOTable of {archive} is cut short or damaged ({reason})."
        ) from error


def _raise_own_error(document: VOTableFile, archive: str) -> None:
    """Turn QUERY_STATUS into an error (SIA 1.0, section 4.4); some services write it directly under VOTABLE."""
    infos: list[Info] = [*document.infos]
    for resource in document.resources:
        infos += resource.infos
    for info in infos:
        if str(info.name).upper() != "QUERY_STATUS":
            continue
        status, text = str(info.value).upper(), " ".join(str(info.content or "").split())
        if status == "ERROR":
            raise HttpError("permanent", "query", f"{archive} refuses the question: {text or 'it does not say why'}.")
        if status == "OVERFLOW":
            raise HttpError("permanent", "overflow", f"{archive} left out rows: ask for a smaller region.")


def _row(columns: list[str], values: Any) -> Row:
    return {name: _plain(value) for name, value in zip(columns, values, strict=True)}


def _plain(value: Any) -> Any:
    if value is np.ma.masked or value is None:
        return None
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()] if value.ndim else _plain(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
