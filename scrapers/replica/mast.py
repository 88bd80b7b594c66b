"""MAST: the services of `api/v0/invoke` that find observations and their products, and the download of files."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any
from urllib.parse import unquote_plus

from scrapers.replica.caom import Observation, Row, observations
from scrapers.replica.catalogue import Archive
from scrapers.replica.exchange import Reply, Request, Routes, page
from scrapers.replica.geometry import contains, separation, touches, unit

_HLA = "mast:HLA/url"
_LOST = Reply(b"dataset parameter is required\n", "text/plain")


def mast_routes(archive: Archive, hla: Routes, prefix: str = "", *, executing: int = 0) -> Routes:
    """The routes of a MAST at `prefix` that hands on to the HLA there.

    Every question is answered EXECUTING so many times before it is answered.
    """
    services = Services(archive, hla, prefix, executing)
    return {f"{prefix}/api/v0/invoke": services.invoke, f"{prefix}/api/v0.1/Download/file": services.download}


class _BadQuestionError(ValueError):
    """A question that cannot be answered; its text goes into `msg`."""


class Services:
    """MAST over one archive; `hla` are the routes of its HLA."""

    def __init__(self, archive: Archive, hla: Routes, prefix: str = "", executing: int = 0) -> None:
        self._hla, self._prefix, self._executing = hla, prefix, executing
        self._observations = observations(archive)
        self._by_obsid = {str(one.row["obsid"]): one for one in self._observations}
        self._files = {file.uri: file for one in self._observations for file in one.files}
        self._asked: Counter[str] = Counter()
        self._lock = Lock()
        self._services: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
            "Mast.Caom.Cone": self._cone,
            "Mast.Caom.Filtered.Position": self._filtered,
            "Mast.Caom.Products": self._products,
        }

    def invoke(self, request: Request) -> Reply:
        """A page of the rows that a service finds; also what went wrong comes as JSON with HTTP status 200."""
        asked = request.form.get("request") or request.params.get("request") or ""
        with self._lock:
            self._asked[asked] += 1
            at_work = self._asked[asked] <= self._executing
        if at_work:
            return _json({"status": "EXECUTING", "msg": "", "percent complete": 0.0})
        try:
            question = _object(asked)
            service = self._services.get(str(question.get("service")))
            if service is None:
                raise _BadQuestionError(f"Unknown service: {question.get('service')}")
            params = question.get("params")
            rows = service(params if isinstance(params, dict) else {})
            rows = [self._linked(row, request.server) for row in rows]
            return _page(rows, _whole(question, "page", 1), _whole(question, "pagesize", 1000))
        except _BadQuestionError as error:
            return _json({"status": "ERROR", "msg": str(error), "data": [], "fields": []})

    def download(self, request: Request) -> Reply:
        """The file of a URI. One that was not escaped loses what stands behind its `?`, as it does with MAST."""
        raw = request.query.removeprefix("uri=").partition("&")[0]
        uri = unquote_plus(raw)
        file = self._files.get(uri)
        if file is not None:
            path, query = file.asked
        elif uri.startswith(_HLA):
            path, _, query = uri.removeprefix(_HLA).partition("?")
        else:
            path = query = ""
        handler = self._hla.get(self._prefix + path)
        if handler is None:
            return page("Not Found", f"No file {uri!r} is known.", 404)
        if not query or "?" in raw:
            return _LOST
        return handler(Request(path, query, request.server))

    def _linked(self, row: Row, server: str) -> Row:
        path = row.get("jpegURL")
        return {**row, "jpegURL": f"{server}{self._prefix}{path}"} if path else row

    def _cone(self, params: dict[str, Any]) -> list[Row]:
        place = [_decimal(params.get(name)) for name in ("ra", "dec", "radius")]
        return list(self._near(*place))

    def _filtered(self, params: dict[str, Any]) -> list[Row]:
        place = [_decimal(part) for part in str(params.get("position", "")).split(",")]
        if len(place) != 3:
            raise _BadQuestionError("position must be 'ra, dec, radius'")
        filters = params.get("filters")
        if not isinstance(filters, list):
            raise _BadQuestionError("filters must be a list")
        rows = [row for row in self._near(*place) if all(_admits(row, one) for one in filters)]
        columns = str(params.get("columns") or "*")
        if columns == "*":
            return rows
        names = [name.strip() for name in columns.split(",")]
        return [{name: row.get(name) for name in names} for row in rows]

    def _products(self, params: dict[str, Any]) -> list[Row]:
        rows: list[Row] = []
        for obsid in str(params.get("obsid", "")).split(","):
            one = self._by_obsid.get(obsid.strip())
            rows += [] if one is None else _files(one)
        return rows

    def _near(self, ra: float, dec: float, radius: float) -> Iterable[Row]:
        for one in self._observations:
            if touches(one.polygons, ra, dec, radius):
                here = any(contains(polygon, ra, dec) for polygon in one.polygons)
                centre = unit(float(one.row["s_ra"] or 0), float(one.row["s_dec"] or 0))
                distance = 0.0 if here else 3600 * separation(centre, unit(ra, dec))
                yield {**one.row, "distance": distance, "_selected_": None}


def _files(observation: Observation) -> list[Row]:
    row = observation.row
    return [
        {
            "obsID": row["obsid"],
            "obs_collection": row["obs_collection"],
            "dataproduct_type": "image",
            "obs_id": row["obs_id"],
            "description": {"PREVIEW": "Preview-Full", "THUMBNAIL": "Preview-Thumb"}.get(file.kind, "Image"),
            "type": "D",
            "dataURI": file.uri,
            "productType": file.kind,
            "productGroupDescription": None,
            "productSubGroupDescription": None if file.kind != "SCIENCE" else "DRC",
            "project": row["provenance_name"],
            "productFilename": file.name,
            "size": file.size,
            "parent_obsid": row["obsid"],
            "dataRights": "PUBLIC",
            "calib_level": row["calib_level"],
        }
        for file in observation.files
    ]


def _admits(row: Row, given: object) -> bool:
    """Whether a row passes one filter: one of its values, or its text with % for anything, whatever the case."""
    if not isinstance(given, dict) or given.get("paramName") not in row:
        raise _BadQuestionError(f"Unknown filter: {given}")
    value = str(row[given["paramName"]]).lower()
    text = str(given.get("freeText") or "").lower().replace("%", "*")
    return value in {str(one).lower() for one in given.get("values") or ()} or bool(text and fnmatchcase(value, text))


def _page(rows: list[Row], number: int, size: int) -> Reply:
    number, size = max(number, 1), max(size, 1)
    part = rows[(number - 1) * size : number * size]
    kinds = {str: "string", int: "int", float: "float"}
    types = {name: kinds[type(value)] for row in reversed(rows) for name, value in row.items() if value is not None}
    return _json(
        {
            "status": "COMPLETE",
            "msg": "",
            "data": part,
            "fields": [{"name": name, "type": types.get(name, "string")} for name in (rows[0] if rows else ())],
            "paging": {
                "page": number,
                "pageSize": size,
                "pagesFiltered": max(-(-len(rows) // size), 1),
                "rows": len(part),
                "rowsFiltered": len(rows),
                "rowsTotal": len(rows),
            },
        }
    )


def _json(value: dict[str, Any]) -> Reply:
    return Reply(json.dumps(value).encode(), "application/json; charset=utf-8")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        raise _BadQuestionError("The request is not JSON") from None
    if not isinstance(value, dict):
        raise _BadQuestionError("The request is not a JSON object")
    return value


def _whole(question: dict[str, Any], name: str, default: int) -> int:
    try:
        return int(question.get(name) or default)
    except (TypeError, ValueError):
        raise _BadQuestionError(f"{name} must be a number") from None


def _decimal(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise _BadQuestionError(f"Not a number: {value}") from None
