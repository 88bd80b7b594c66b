"""One HTTP request and one reply, as plain values: what route modules take and return."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """A request: path, raw query, the server's own address for links (`http://host:port`); a POST also has a body.

    `accepted` are the content encodings that the client takes.
    """

    path: str
    query: str
    server: str
    body: bytes = b""
    accepted: str = ""

    @property
    def params(self) -> dict[str, str]:
        """Parameters by lower-case name; of a repeated one the last counts, whatever its case."""
        return {name.lower(): value for name, value in parse_qsl(self.query, keep_blank_values=True)}

    @property
    def form(self) -> dict[str, str]:
        """The fields of a posted form, by name as written."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """Status, body, media type (None for no such header) and any further headers.

    `announced` is the Content-Length of a body that nobody is to wait for: a shorter one is sent.
    """

    body: bytes
    media_type: str | None = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    announced: int | None = None


def revalidated(reply: Reply, held: str) -> Reply:
    """A good reply with an ETag, made of its body; for who holds that one already, only that it is unchanged."""
    if reply.status != 200:
        return reply
    tag = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    headers = (*reply.headers, ("ETag", tag))
    if tag in [one.strip() for one in held.split(",")]:
        return Reply(b"", None, 304, headers)
    return replace(reply, headers=headers)


Handler = Callable[[Request], Reply]
Routes = Mapping[str, Handler]  # a path, which also answers for everything below it


def find_handler(routes: Routes, path: str) -> Handler | None:
    """The handler of a path: the longest route that is the path or one of its parents."""
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        handler = routes.get("/".join(parts[:length]))
        if handler is not None:
            return handler
    return None


def page(title: str, text: str, status: int = 200) -> Reply:
    """A small HTML page with one message."""
    body = (
        f"<!DOCTYPE html>\n<html><head><title>{escape(title)}</title></head>\n"
        f"<body><h1>{escape(title)}</h1><p>{escape(text)}</p></body></html>\n"
    )
    return Reply(body.encode(), status=status)
