"""How a reply goes over the wire, and what each fault makes of it: wrong bytes, wrong headers, a broken connection."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from scrapers.replica import votable
from scrapers.replica.exchange import Reply, Request, page
from scrapers.replica.faults import Faults

_HOP = "replica-hop"  # parameter that marks an address within a chain of redirects
_CHAIN = 3
_PRIVATE, _ELSEWHERE = "http://10.255.255.1", "http://elsewhere.example"  # RFC 1918, RFC 2606
_SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><text>No image available</text></svg>\n'


@dataclass(frozen=True)
class Delivery:
    """A reply and the way it is sent.

    `announced` is the Content-Length where it is not that of the body, `sent` the bytes of the body that are sent.
    What follows them is an end in order, or a reset of the connection. The waits are before the reply and in the
    middle of its body.
    """

    reply: Reply
    announced: int | None = None
    sent: int | None = None
    ending: Literal["orderly", "reset"] = "orderly"
    wait_s: float = 0.0
    wait_midway_s: float = 0.0


def deliver(reply: Reply, fault: str, faults: Faults, request: Request) -> Delivery | None:
    """The reply as a fault leaves it; None where the connection is reset without one."""
    return _DELIVERIES[fault](_Case(reply, faults, request))


@dataclass(frozen=True)
class _Case:
    reply: Reply
    faults: Faults
    request: Request

    @property
    def half(self) -> int:
        return len(self.reply.body) // 2

    def changed(self, **parts: Any) -> Delivery:
        return Delivery(replace(self.reply, **parts))


def _half_gray(case: _Case) -> Delivery:
    body = without_lower_half(case.reply.body)
    return Delivery(case.reply, sent=case.half) if body is None else case.changed(body=body)


def _gzip(case: _Case) -> Delivery:
    if "gzip" not in case.request.accepted:
        return Delivery(case.reply)
    headers = (*case.reply.headers, ("Content-Encoding", "gzip"))
    return case.changed(body=gzip.compress(case.reply.body), headers=headers)


def _status(status: int, text: str, retry_after: str | None = None) -> Delivery:
    headers = (("Retry-After", retry_after),) if retry_after else ()
    return Delivery(Reply(f"{text}\n".encode(), "text/plain", status, headers))


def _later(case: _Case) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=case.faults.retry_after_s), usegmt=True)


_DELIVERIES: Mapping[str, Callable[[_Case], Delivery | None]] = {
    "unavailable": lambda case: _status(503, "Service Unavailable", str(case.faults.retry_after_s)),
    "gateway_timeout": lambda case: _status(504, "Gateway Timeout"),
    "too_many": lambda case: _status(429, "Too Many Requests", str(case.faults.retry_after_s)),
    "too_many_until": lambda case: _status(429, "Too Many Requests", _later(case)),
    "forbidden": lambda case: _status(403, "Forbidden"),
    "reset": lambda case: None,
    "reset_midway": lambda case: Delivery(case.reply, sent=case.half, ending="reset"),
    "cut": lambda case: Delivery(case.reply, sent=case.half),
    "understated": lambda case: Delivery(case.reply, announced=case.half, sent=case.half),
    "overstated": lambda case: Delivery(case.reply, announced=len(case.reply.body) + 1000),
    "half_gray": _half_gray,
    "stall": lambda case: Delivery(case.reply, wait_s=case.faults.stall_s),
    "stall_midway": lambda case: Delivery(case.reply, wait_midway_s=case.faults.stall_s),
    "empty": lambda case: case.changed(body=b""),
    "html": lambda case: Delivery(page("Service message", "The archive is busy. Please try again later.")),
    "text": lambda case: Delivery(Reply(b"dataset parameter is required\n", "text/plain")),
    "svg": lambda case: Delivery(Reply(_SVG, "image/svg+xml")),
    "query_error": lambda case: Delivery(Reply(votable.failure("the catalogue is being rebuilt"), "text/xml")),
    "untyped": lambda case: case.changed(media_type=None),
    "mistyped": lambda case: case.changed(media_type="application/x-httpd-cgi"),
    "gzip": _gzip,
    "redirect_chain": lambda case: Delivery(_moved(_marked(case.request, "1"), case.request)),
    "redirect_loop": lambda case: Delivery(_moved(_marked(case.request, "loop"), case.request)),
    "redirect_private": lambda case: Delivery(_moved(f"{_PRIVATE}{case.request.path}", case.request)),
    "redirect_elsewhere": lambda case: Delivery(_moved(f"{_ELSEWHERE}{case.request.path}", case.request)),
}


def split_hop(url: str) -> tuple[str, str | None]:
    """An address (path and query) without the mark of a redirect, and the mark: `loop`, a number, or None."""
    rest, mark, hop = url.rpartition(f"{_HOP}=")
    return (rest[:-1], hop) if mark else (url, None)


def next_hop(request: Request, hop: str) -> Reply | None:
    """Where an address with a mark redirects to; None at the end of the chain."""
    if hop == "loop":
        return _moved(_marked(request, hop), request)
    number = int(hop) if hop.isdigit() else _CHAIN
    if number >= _CHAIN:
        return None
    # as old http addresses do, the last one leads to the whole address
    server = request.server if number == _CHAIN - 1 else ""
    return _moved(f"{server}{_marked(request, str(number + 1))}", request)


def _marked(request: Request, hop: str) -> str:
    return f"{request.path}?{request.query}{'&' if request.query else ''}{_HOP}={hop}"


def _moved(where: str, request: Request) -> Reply:
    # 302 would make a GET of a POST
    return Reply(b"", status=307 if request.body else 302, headers=(("Location", where),))


def without_lower_half(jpeg: bytes) -> bytes | None:
    """A JPEG with the first half of its compressed data and an end in order (ITU-T T.81, annex B); None for others.

    What writes a picture and is stopped leaves such a file; decoders fill the missing part with mid-gray.
    """
    if not jpeg.startswith(b"\xff\xd8"):
        return None
    at = 2
    while jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    start = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    kept = jpeg[: start + (jpeg.rfind(b"\xff\xd9") - start) // 2]
    # half a stuffed byte would make a marker
    return kept.rstrip(b"\xff") + b"\xff\xd9"
