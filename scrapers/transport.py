"""One request over the wire: within limits of size and time, to public hosts, and every trouble one `HttpError`."""

import http.client
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Self

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from manifests.settings import Settings
from scrapers.attempts import HttpError
from scrapers.guard import GuardedAdapter
from scrapers.hosts import Origin, is_private

Form = dict[str, str]

_CHUNK = 1 << 16
_CONNECT_S = 20.0
_TRANSFER_S = 900.0
_ZLIB_OR_GZIP = 47  # wbits of zlib for either header
_COMPRESSED = ("gzip", "x-gzip", "deflate")

# What an error means if one of a kind is among its causes; the first that is found says it.
_CAUSES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((urllib3.exceptions.NameResolutionError,), "its name is not known here"),
    ((ConnectionRefusedError,), "nothing answers at that address"),
    ((requests.exceptions.SSLError,), "no encrypted connection can be made"),
    ((zlib.error,), "it cannot be unpacked"),
    (
        (urllib3.exceptions.IncompleteRead, http.client.IncompleteRead, http.client.RemoteDisconnected),
        "the connection was cut",
    ),
    ((http.client.HTTPException, ValueError), "it does not keep to HTTP"),
)


@dataclass(frozen=True)
class Answer:
    """What a server said. Only a reply of status 200 has its body read."""

    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes


class Transport:
    """Sends requests; safe for many threads. Of private addresses it connects to that of `own` only."""

    def __init__(self, own: Origin, settings: Settings, headers: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._session = _Session()
        # without cookies nothing in a session changes, so that threads may share it
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # a proxy of the environment knows nothing of servers on this machine
        self._session.trust_env = not is_private(own.host, look_up=False)
        adapter = GuardedAdapter(own, settings.connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # bodies are unpacked here, where their unpacked size counts: other encodings are not asked for
        self._session.headers.update({"Accept": "*/*", "Accept-Encoding": "gzip", **headers})

    def within(self, max_bytes: int) -> Self:
        """The same over the same connections, for replies of so many bytes at most."""
        other = copy(self)
        other._settings = self._settings.model_copy(update={"max_bytes": max_bytes})
        return other

    def send(
        self, origin: Origin, url: str, form: Form | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to an address of that origin: a POST where there is a form, else a GET.

        Raises:
            HttpError: the host was not reached, or what it sent cannot be read, is too large or too slow.
        """
        start = self._clock()
        try:
            with self._session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_S, self._settings.timeout_s),
            ) as response:
                body = io.BytesIO()  # which gives its bytes away without a copy: FITS files have hundreds of megabytes
                if response.status_code == 200:
                    body.writelines(self._body(response, url, start))
                return Answer(response.status_code, response.headers, body.getvalue())
        except (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError) as error:
            raise HttpError("permanent", "bad_url", f"{url!r} is not an address that can be asked.") from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise HttpError(
                "transient",
                "unreachable",
                f"{origin.name} did not answer within {self._settings.timeout_s:.0f} s; try again later.",
            ) from error
        except requests.ConnectionError as error:
            raise HttpError(
                "transient",
                "unreachable",
                f"{origin.name} cannot be reached: {_cause(error)}. Check the address and the network, or try again "
                "later.",
            ) from error
        # urllib3 leaves it to int() to find out that a length is none
        except (requests.RequestException, urllib3.exceptions.HTTPError, zlib.error, ValueError) as error:
            raise HttpError(
                "transient", "broken_off", f"The reply of {origin.name} broke off: {_cause(error)}."
            ) from error

    def _body(self, response: requests.Response, url: str, start: float) -> Iterator[bytes]:
        """The body in parts, unpacked, within the limits of size and time."""
        limit = self._settings.max_bytes
        too_large = HttpError(
            "refused",
            "too_large",
            f"{url} is larger than the limit of {limit} bytes (DEEPFIELD_MAX_BYTES or --max-mb).",
        )
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large
        size = 0
        for part in _unpacked(self._parts(response, url, start), response.headers.get("Content-Encoding", "")):
            size += len(part)
            if size > limit:
                raise too_large
            yield part

    def _parts(self, response: requests.Response, url: str, start: float) -> Iterator[bytes]:
        # read1 returns what has come: a server that drips cannot hold us beyond the deadline
        while part := response.raw.read1(_CHUNK, decode_content=False):
            yield part
            if self._clock() - start > _TRANSFER_S:
                raise HttpError("transient", "slow", f"{url} was not here after {_TRANSFER_S:.0f} s: given up.")


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nothing: requests would read a redirect's body, however long, and stumble over addresses that are none."""


def _unpacked(parts: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """A body without its Content-Encoding, never more at a time than one part of it."""
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        yield from parts
        return
    if coding not in _COMPRESSED:
        raise HttpError(
            "permanent", "encoding", f"The archive packed its reply as {encoding!r}, which nobody asked for."
        )
    stream = zlib.decompressobj(_ZLIB_OR_GZIP)
    for part in parts:
        waiting = part
        while waiting and not stream.eof:
            yield stream.decompress(waiting, _CHUNK)
            waiting = stream.unconsumed_tail
    if not stream.eof:
        raise zlib.error("the end is missing")


def _cause(error: BaseException) -> str:
    """The innermost reason of a failed request, in a few words."""
    seen: list[BaseException] = []
    queue: list[BaseException] = [error]
    while queue:
        one = queue.pop()
        if one in seen:
            continue
        seen.append(one)
        linked = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        queue += [other for other in linked if isinstance(other, BaseException)]

    for kinds, words in _CAUSES:
        if any(isinstance(one, kinds) for one in seen):
            return words
    return next(
        (one.strerror.lower() for one in seen if isinstance(one, OSError) and one.strerror), "the connection was cut"
    )
