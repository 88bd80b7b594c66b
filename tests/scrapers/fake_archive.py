"""A scripted HTTP server on loopback and a clock that does not wait, for the tests of the scrapers."""

import io
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import numpy as np
from PIL import Image


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@dataclass
class Answer:
    """A scripted reply. `cut` announces the whole body and sends half; `reset` closes without a word."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    reset: bool = False


Script = Callable[[str, dict[str, list[str]]], Answer]


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class FakeHost:
    """Serves scripted answers: `say` gives a path its answers in turn (the last one stays).

    `forms` has the path and the form of every POST.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._scripts: dict[str, Script] = {}
        self._lock = threading.Lock()
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer = host.answer(self.path, dict(self.headers.items()))
                if answer.reset:
                    self.close_connection = True
                    return
                body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                if answer.cut:
                    self.close_connection = True

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                host.forms.append((self.path, dict(parse_qsl(sent.decode()))))
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def say(self, path: str, *answers: Answer | bytes) -> None:
        self._answers[path] += [Answer(one) if isinstance(one, bytes) else one for one in answers]

    def script(self, path: str, script: Script) -> None:
        self._scripts[path] = script

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(path)
        with self._lock:
            self.log.append(path)
            self.headers.append(headers)
            if parts.path in self._scripts:
                return self._scripts[parts.path](path, parse_qs(parts.query))
            answers = self._answers[parts.path]
            if not answers:
                return Answer(b"not here", 404)
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def asked(self, path: str) -> list[str]:
        """The requests for a path, with their queries."""
        return [one for one in self.log if urlsplit(one).path == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def picture(seed: int, size: tuple[int, int] = (300, 280), mode: str = "RGB") -> bytes:
    """A JPEG (width, height) of smooth noise that no other seed has."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size).convert(mode)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


FIELDS = (
    ("URL", 'datatype="char" arraysize="*"'),
    ("RA", 'datatype="double"'),
    ("DEC", 'datatype="double"'),
    ("Level", 'datatype="int"'),
    ("Target", 'datatype="char" arraysize="*"'),
    ("Detector", 'datatype="char" arraysize="*"'),
    ("Spectral_Elt", 'datatype="char" arraysize="*"'),
    ("ExpTime", 'datatype="double"'),
    ("StartTime", 'datatype="char" arraysize="*"'),
    ("Dataset", 'datatype="char" arraysize="*"'),
    ("PropID", 'datatype="int"'),
    ("VisitNum", 'datatype="char" arraysize="*"'),
    ("Format", 'datatype="char" arraysize="*"'),
    ("ReleaseDate", 'datatype="char" arraysize="*"'),
    ("naxis", 'datatype="int" arraysize="*"'),
    ("scale", 'datatype="double" arraysize="*"'),
    ("filename", 'datatype="char" arraysize="*"'),
    ("regionSTCS", 'datatype="char" arraysize="*"'),
)


def sia_row(base: str, number: int, **cells: Any) -> dict[str, Any]:
    """A colour row as HLA writes it: the address doubly escaped, three bands."""
    bands = [f"HST_{9000 + number}_01_ACS_WFC_{name}" for name in ("F814W", "F555W", "F435W")]
    query = urlencode({"red": bands[0], "green": bands[1], "blue": bands[2], "size": "ALL", "format": "jpeg"})
    return {
        "URL": f"{base}/cgi-bin/fitscut.cgi?{query}".replace("&", "&amp;"),
        "RA": 210.8,
        "DEC": 54.35,
        "Level": 4,
        "Target": "NGC5457",
        "Detector": "ACS/WFC",
        "Spectral_Elt": "F814W/F555W/F435W",
        "ExpTime": 2340.0,
        "StartTime": "2003-08-27 12:00:00",
        "Dataset": f"HST_{9000 + number}_01_ACS_WFC_F814W_F555W_F435W",
        "PropID": 9000 + number,
        "VisitNum": "01",
        "Format": "image/jpeg",
        "ReleaseDate": "2004-08-27 11:07:45",
        "naxis": "5400 5400",
        "scale": "1.38889E-05",
        "filename": ",".join(bands),
        "regionSTCS": "Polygon J2000 210.7 54.3 210.9 54.3 210.9 54.4 210.7 54.4 Polygon J2000  210.1 54.1 210.2 54.2",
        **cells,
    }


def sia_reply(rows: list[dict[str, Any]], status: str = '<INFO name="QUERY_STATUS" value="OK"/>') -> bytes:
    """A VOTable in HLA's manner: no namespace, a DOCTYPE, addresses in CDATA, empty cells for nulls."""
    columns = "\n".join(f'<FIELD ID="{name}" name="{name}" {kind}/>' for name, kind in FIELDS)
    lines = []
    for row in rows:
        cells = (f"<![CDATA[{row[n]}]]>" if n == "URL" else row.get(n) for n, _ in FIELDS)
        lines.append("<TR>" + "".join("<TD/>" if c is None else f"<TD>{c}</TD>" for c in cells) + "</TR>")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">\n'
        f'<VOTABLE version="1.1">\n<RESOURCE type="results">\n{status}\n<TABLE>\n{columns}\n<DATA><TABLEDATA>\n'
        + "\n".join(lines)
        + "\n</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
    ).encode()


def serve_colour_rows(host: FakeHost, number: int) -> None:
    """Make a host an HLA of so many colour products, whose pictures differ."""
    rows = sia_reply([sia_row(host.url, index) for index in range(number)])
    host.say("/cgi-bin/hlaSIAP.cgi", rows)
    host.script("/cgi-bin/fitscut.cgi", lambda path, query: Answer(picture(int(query["red"][0].split("_")[1]))))
