"""The local archive as an HTTP/1.1 server on 127.0.0.1, with an access log, latency and faults."""

import csv
import errno
import io
import json
import logging
import socket
import struct
import sys
import time
from dataclasses import asdict, astuple, dataclass, fields
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import IO, cast

from manifests.errors import DeepfieldError
from scrapers.replica.catalogue import Archive, Truth
from scrapers.replica.delivery import Delivery, deliver, next_hop, split_hop
from scrapers.replica.exchange import Reply, Request, Routes, find_handler, page, revalidated
from scrapers.replica.faults import FaultBook, Faults
from scrapers.replica.hla import hla_routes
from scrapers.replica.mast import mast_routes
from scrapers.replica.oddities import Oddities
from scrapers.replica.sites import Era, site_routes

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Access:
    """One line of the access log. Status 0 is a connection closed without a reply; `bytes` is the body sent.

    `time` is when the request had come, whatever was waited for before its reply; `fault` is what went wrong on
    purpose, None for nothing.
    """

    time: str
    method: str
    path: str
    query: str
    status: int
    bytes: int
    fault: str | None = None


class ReplicaServer:
    """Serves routes on a port of 127.0.0.1 (0 for a free one) from `with` until its end.

    robots.txt and truth.csv are answered at once and never go wrong.

    Raises:
        DeepfieldError: the port is in use or not allowed, or the log cannot be written.
    """

    def __init__(
        self,
        routes: Routes,
        port: int = 0,
        *,
        latency_s: float = 0.0,
        faults: Faults | None = None,
        access_log: Path | None = None,
        spared: frozenset[str] = frozenset(),
    ) -> None:
        self.routes = routes
        self.latency_s = latency_s
        self.faults = None if faults is None else FaultBook(faults)
        self.spared = spared
        self._log: list[Access] = []
        self._log_lock = Lock()
        self._log_file = None if access_log is None else _open_log(access_log)
        try:
            self._http = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "in use" if error.errno == errno.EADDRINUSE else "not open to you"
            raise DeepfieldError(f"Port {port} is {why}: choose another with --port, or 0 for any.") from None
        self._http.replica = self
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Base address, without a slash at its end."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def log(self) -> tuple[Access, ...]:
        """Every request so far, in the order of their replies."""
        with self._log_lock:
            return tuple(self._log)

    def record(self, access: Access) -> None:
        """Add a line to the log."""
        with self._log_lock:
            self._log.append(access)
            if self._log_file is not None:
                self._log_file.write(json.dumps(asdict(access)) + "\n")
                self._log_file.flush()

    def __enter__(self) -> "ReplicaServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        with self._log_lock:
            if self._log_file is not None:
                self._log_file.close()
                self._log_file = None


def serve(
    archive: Archive,
    port: int = 0,
    *,
    prefix: str = "",
    latency_s: float = 0.0,
    faults: Faults | None = None,
    access_log: Path | None = None,
    crawl_delay_s: float | None = None,
    era: Era | None = None,
    mixed: bool = True,
    oddities: Oddities | None = None,
) -> ReplicaServer:
    """HLA and MAST of that archive under `prefix`, the outreach sites below, /robots.txt and, for checks, /truth.csv.

    Use it as `with serve(archive) as server: ... server.url`. `latency_s` is waited before each reply. The outreach
    sites are as they were in one era, or as in all at once; `mixed` ones have more than clean observations.
    `oddities` are those of the search's rows.
    """
    about = {
        "/robots.txt": lambda request: _robots(crawl_delay_s),
        "/truth.csv": lambda request: _truth_table(archive),
    }
    hla = hla_routes(archive, prefix, oddities)
    routes = {
        **hla,
        **mast_routes(archive, hla, prefix),
        **site_routes(archive, prefix, era, mixed=mixed),
        **about,
    }
    return ReplicaServer(
        routes, port, latency_s=latency_s, faults=faults, access_log=access_log, spared=frozenset(about)
    )


def _robots(crawl_delay_s: float | None) -> Reply:
    delay = "" if crawl_delay_s is None else f"Crawl-delay: {crawl_delay_s:g}\n"
    return Reply(f"User-agent: *\n{delay}Disallow:\n".encode(), "text/plain; charset=utf-8")


def _truth_table(archive: Archive) -> Reply:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([field.name for field in fields(Truth)])
    table.writerows(astuple(row) for row in archive.truth)
    return Reply(text.getvalue().encode(), "text/csv; charset=utf-8")


def _open_log(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise DeepfieldError(f"The access log {path} cannot be written: {error.strerror}.") from None


class _Server(ThreadingHTTPServer):
    replica: ReplicaServer
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False  # idle kept-alive connections would hold up the end

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is worth a line in the log, not a traceback; anything else is a mistake of ours."""
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError):
            _LOG.info("A client went away: %s.", error)
        else:
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "DeepfieldReplica"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together

    def do_GET(self) -> None:
        """Answer, or go wrong."""
        self._came = datetime.now(UTC)
        replica = cast(_Server, self.server).replica
        url, hop = split_hop(self.path)
        path, _, query = url.partition("?")
        request = Request(path, query, replica.url, self._body(), self.headers.get("Accept-Encoding", ""))
        fault = None
        if path not in replica.spared:
            time.sleep(replica.latency_s)
            if replica.faults is not None and not hop:
                # a posted question is another one with another form
                fault = replica.faults.next(f"{url} {request.body.decode('latin-1')}" if request.body else url)
        onward = next_hop(request, hop) if hop else None
        if fault is None or replica.faults is None:
            reply = onward or self._reply(request)
            self._send(Delivery(revalidated(reply, self.headers.get("If-None-Match", ""))), None)
        else:
            self._send(deliver(self._reply(request), fault, replica.faults.faults, request), fault)

    do_HEAD = do_GET
    do_POST = do_GET

    def _body(self) -> bytes:
        size = self.headers.get("Content-Length", "")
        return self.rfile.read(int(size)) if size.isdigit() else b""

    def log_message(self, format: str, *args: object) -> None:
        """The access log keeps what the standard library would print."""

    def _reply(self, request: Request) -> Reply:
        """What the archive answers when nothing goes wrong."""
        handler = find_handler(cast(_Server, self.server).replica.routes, request.path)
        if handler is None:
            return page("Not Found", f"{request.path} is not here.", 404)
        return handler(request)

    def _send(self, delivery: Delivery | None, fault: str | None) -> None:
        """Write a reply as it is to be delivered; None resets the connection without one."""
        if delivery is None:
            self._record(0, 0, fault)
            self._reset()
            return
        reply = delivery.reply
        body = b"" if self.command == "HEAD" else reply.body[: delivery.sent]
        stated = (delivery.announced, reply.announced, len(reply.body))
        announced = next(length for length in stated if length is not None)
        # after anything but the announced body, the next reply would be read as the rest of this one
        whole = announced == len(reply.body) == len(reply.body[: delivery.sent])
        self.close_connection = self.close_connection or not whole
        self._record(reply.status, len(body), fault)
        time.sleep(delivery.wait_s)
        try:
            self.send_response(reply.status)
            if reply.media_type is not None:
                self.send_header("Content-Type", reply.media_type)
            self.send_header("Content-Length", str(announced))
            for name, value in reply.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            if delivery.wait_midway_s:
                self.wfile.flush()
                time.sleep(delivery.wait_midway_s)
            self.wfile.write(body[len(body) // 2 :])
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True  # the client went away; the log has what was meant for it
        if delivery.ending == "reset":
            self._reset()

    def _reset(self) -> None:
        # closing with linger 0 sends a reset instead of an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _record(self, status: int, sent: int, fault: str | None) -> None:
        """Log a reply before it leaves, so that a client that has it finds it in the log."""
        path, _, query = self.path.partition("?")
        came = self._came.isoformat(timespec="milliseconds")
        cast(_Server, self.server).replica.record(Access(came, self.command, path, query, status, sent, fault))
