"""Who may talk to the review page: nobody from other sites, and from other machines only who knows the token.

Cross-site requests are told by Fetch Metadata (https://www.w3.org/TR/fetch-metadata/), by Origin, and by a header
that only our own script sends; names that were rebound to this machine by the Host header.
"""

import hashlib
import hmac
import secrets
import time
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.middleware.base import RequestResponseEndpoint

from manifests.errors import UsageError

COOKIE = "deepfield-review"
HEADER = "x-deepfield"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SHORTEST_TOKEN = 16
_OPEN_PATHS = ("/login", "/static/")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to that address."""
    return host in ("127.0.0.1", "localhost", "::1")


def check_bind(host: str, token: str | None) -> None:
    """Refuse to serve other machines without a token.

    Raises:
        UsageError: the address is not loopback and the token missing or short.
    """
    if is_loopback(host):
        return
    if not token:
        raise UsageError(
            f"{host} can be reached from other machines: set DEEPFIELD_REVIEW_TOKEN to a secret of at least "
            f"{_SHORTEST_TOKEN} characters, or leave --host away."
        )
    if len(token) < _SHORTEST_TOKEN:
        raise UsageError(f"DEEPFIELD_REVIEW_TOKEN is shorter than {_SHORTEST_TOKEN} characters: choose a longer one.")


class Guard:
    """Middleware that lets through what may pass. `token` is None where the server is for this machine alone."""

    def __init__(self, token: str | None) -> None:
        """Make a session word that our own pages carry; it changes with each start."""
        self._token = token
        self.session = secrets.token_urlsafe(24)

    async def __call__(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answer a request, or refuse it in one sentence."""
        response = self._refusal(request) or await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def log_in(self, offered: str) -> str | None:
        """The cookie of whoever knows the token, else None, after a pause that makes guessing slow."""
        if self._token is None or not _equal(offered, self._token):
            time.sleep(0.5)
            return None
        return self._cookie()

    def _cookie(self) -> str:
        return hmac.new((self._token or "").encode(), b"deepfield review", hashlib.sha256).hexdigest()

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self._token is None and host.rsplit(":", 1)[0] not in _LOOPBACK and host not in _LOOPBACK:
            return _refused(421, "This server answers to 127.0.0.1 and localhost only.")
        changes = request.method not in ("GET", "HEAD")
        if changes and not _same_site(request, host):
            return _refused(403, "A request from another site was refused.")
        open_to_all = self._token is None or request.url.path.startswith(_OPEN_PATHS)
        if not open_to_all and not _equal(request.cookies.get(COOKIE), self._cookie()):
            wants_page = request.method == "GET" and request.url.path == "/"
            return RedirectResponse("/login", 303) if wants_page else _refused(401, "Log in first.")
        api = request.url.path.startswith("/api/")
        if changes and api and not _equal(request.headers.get(HEADER), self.session):
            return _refused(403, "The page is of an earlier start of the server.")
        return None


def _equal(offered: str | None, known: str) -> bool:
    return hmac.compare_digest((offered or "").encode(), known.encode())


def _same_site(request: Request, host: str) -> bool:
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    return site in (None, "same-origin") and (origin is None or urlsplit(origin).netloc == host)


def _refused(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)
