"""Servers that do not keep to HTTP, on purpose or by accident: whatever they send is one sentence of ours."""

import gzip
import socket
import zlib
from collections.abc import Callable

import pytest
import requests
from fake_archive import Answer, FakeClock, FakeHost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_server import RawServer, endless, speaking

from manifests.settings import Settings
from scrapers.guard import GuardedAdapter
from scrapers.hosts import Origin, is_private, is_public
from scrapers.http import HttpError, PoliteClient
from scrapers.politeness import Gates

OK = b"HTTP/1.1 200 OK\r\n"
KINDS = {"transient", "permanent", "refused"}


def client(base: str, clock: FakeClock | None = None, timeout_s: float = 3.0) -> PoliteClient:
    limits = Settings(attempts=1, requests_per_second=1e6, timeout_s=timeout_s, max_bytes=1_000_000)
    return PoliteClient(base, limits, Gates(1e6, 4, clock or FakeClock()))


def ask(url: str) -> bytes | HttpError:
    try:
        return client(url).get(f"{url}/a", lambda body: body).body
    except HttpError as error:
        assert error.kind in KINDS and str(error).endswith(".") and "\n" not in str(error)
        return error


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"\x00\xff garbage\r\n\r\n", "unreachable"),
        (b"", "unreachable"),
        (b"HTTP/9.9 200 OK\r\n\r\nx", "unreachable"),
        (b"HTTP/1.1 99 Eh\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 1000 Eh\r\n\r\n", "unreachable"),
        (b"ICY 200 OK\r\n\r\nx", "unreachable"),
        (OK + b"X: " + b"a" * 100_000 + b"\r\n\r\nx", "unreachable"),
        (OK + b"X: a\r\n" * 1000 + b"\r\nx", "unreachable"),
        (OK + b"Content-Length: 100\r\n\r\nx", "broken_off"),
        (OK + b"Content-Length: 3\r\nContent-Length: 1\r\n\r\nxyz", "broken_off"),
        (OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nxyz", "too_large"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nxyz", "broken_off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n", "broken_off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\nxx", "broken_off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nxx\r\n0\r\n\r\n", "broken_off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\nxx\r\n", "broken_off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 100_000, "broken_off"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "broken_off"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello" * 100, mtime=0)[:-10], "broken_off"),
        (OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", "encoding"),
        (OK + b"Content-Encoding: gzip, gzip\r\nContent-Length: 5\r\n\r\nhello", "encoding"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "busy"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "busy"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "busy"),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", "busy"),
        (b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", "busy"),
    ],
)
def test_what_is_not_http_is_one_sentence(words: bytes, reason: str) -> None:
    with speaking(words) as server:
        came = ask(server.url)
    assert isinstance(came, HttpError) and came.reason == reason


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", b"x"),
        (OK + b"no colon here\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (OK + b"X: \x00\xff\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (OK + b"Content-Length: -5\r\n\r\nxyz", b"xyz"),
        (OK + "Content-Length: \u00b2\r\n\r\nxyz".encode("latin-1"), b"xyz"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello", mtime=0), b"hello"),
        (OK + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(b"hello", mtime=0), b"hello"),
        (OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"), b"hello"),
        (OK + b"Content-Encoding: identity\r\n\r\nhello", b"hello"),
        (OK + b"Conte", b""),  # the check of the bytes finds out
    ],
)
def test_what_can_be_read_is_read(words: bytes, body: bytes) -> None:
    with speaking(words) as server:
        assert ask(server.url) == body


def test_tls_with_a_server_that_has_none() -> None:
    with speaking(OK + b"\r\n") as server:
        secure = server.url.replace("http:", "https:")
        came = ask(secure)
    assert isinstance(came, HttpError) and "no encrypted connection" in str(came)


def test_a_body_that_unpacks_to_too_much_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 250_000
    with speaking(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb), bomb) as server:
        came = ask(server.url)
    assert isinstance(came, HttpError) and (came.kind, came.reason) == ("refused", "too_large")


def test_a_body_without_end_is_left() -> None:
    server = RawServer(endless(OK + b"\r\n", b"x" * 65_536))
    try:
        came = ask(server.url)
    finally:
        server.close()
    assert isinstance(came, HttpError) and came.reason == "too_large"


def test_a_redirect_with_a_body_without_end_is_followed_at_once() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n"
    server = RawServer(endless(moved, b"x" * 65_536))
    try:
        came = ask(server.url)
    finally:
        server.close()
    assert isinstance(came, HttpError) and came.reason == "elsewhere"
    assert server.sent < 50_000_000


def test_a_body_that_drips_has_a_deadline() -> None:
    class Hasty(FakeClock):
        def now(self) -> float:
            self.time += 100.0  # every look at the clock finds it much later
            return self.time

    server = RawServer(endless(OK + b"\r\n", b"x", seconds=0.01))
    try:
        with pytest.raises(HttpError) as caught:
            client(server.url, Hasty()).get(f"{server.url}/a", len)
    finally:
        server.close()
    assert caught.value.reason == "slow"


def test_silence_has_an_end() -> None:
    server = RawServer(endless(b"", b"", seconds=0.05))
    try:
        with pytest.raises(HttpError, match="did not answer within"):
            client(server.url, timeout_s=0.2).get(f"{server.url}/a", len)
    finally:
        server.close()


LOCATIONS = (
    b"http://[",
    b"http://[::1",
    b"http://h:port/",
    b"http://h:99999/",
    b"http://h:-1/",
    b"//",
    b"///",
    b"http://",
    b"http:///x",
    b"\xff\xfe",
    b"http://xn--a/",
    b"http://" + b"a" * 70 + b".example/",
    b"http://" + b"a." * 200 + b"/",
    "http://\u2100.com/".encode(),
    b"http://a\x00b/",
    b"http://user:word@127.0.0.1/",
    b"http://2130706433/",
    b"http://0x7f.1/",
    b"http://127.0.0.1:0/",
    b"http://[::ffff:127.0.0.1]/",
    b"http://127.0.0.1\\@elsewhere.example/",
    b"javascript:alert(1)",
    b"data:,x",
    b"file:///etc/passwd",
    b"",
    b"?x=%zz",
    ("http://" + "\u00e9" * 70 + "/").encode(),
    b"http://*.example.com",
)


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_redirect_to_nonsense_leads_nowhere(location: bytes) -> None:
    with speaking(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n") as server:
        came = ask(server.url)
        assert isinstance(came, HttpError) and came.reason in ("elsewhere", "redirects", "bad_url")
        # what was asked, was asked of the archive itself
        assert all(b"\r\nHost: 127.0.0.1:" in request for request in server.requests)


@given(location=st.text(max_size=30) | st.from_regex(r"(https?:)?//[\[\]:@%a-z0-9.\\]{0,20}(:[0-9a-z]{0,6})?/?"))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_location_is_a_place_or_a_sentence(host: FakeHost, location: str) -> None:
    plain = location.encode("utf-8", "replace").translate(None, b"\r\n").decode("latin-1")
    host.script("/a", lambda path, query: Answer(status=302, headers={"Location": plain}))
    came = ask(host.url)
    assert isinstance(came, HttpError) or came == b"not here"


@given(wait=st.text(max_size=30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_retry_after_is_borne(host: FakeHost, wait: str) -> None:
    plain = wait.encode("utf-8", "replace").translate(None, b"\r\n").decode("latin-1")
    host.script("/a", lambda path, query: Answer(status=503, headers={"Retry-After": plain}))
    came = ask(host.url)
    assert isinstance(came, HttpError) and came.reason == "busy"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0"),
        *("::", "::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    for address in ("130.167.201.1", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert is_public(address)


def test_other_spellings_of_loopback_are_private() -> None:
    for host in ("2130706433", "0x7f000001", "127.1"):
        assert is_private(host)
    assert not is_private("a" * 300)


@pytest.fixture
def rebinding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Names that are looked up as public once, and lead to this machine from then on."""
    real, asked = socket.getaddrinfo, []

    def look_up(host: str, *rest: object, **more: object) -> object:
        if not host.endswith(".example"):
            return real(host, *rest, **more)  # type: ignore[arg-type]
        asked.append(host)
        return real("8.8.8.8" if asked.count(host) == 1 else "127.0.0.1", *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lambda: asked


def test_a_name_that_changes_its_mind_is_not_asked(rebinding: Callable[[], list[str]]) -> None:
    with speaking(OK + b"Content-Length: 1\r\n\r\nx") as server:
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", GuardedAdapter(Origin("http", "archive.example", server.port), 2))
        assert not is_private("rebound.example")
        with pytest.raises(HttpError, match=r"rebound\.example leads to 127\.0\.0\.1") as caught:
            session.get(f"http://rebound.example:{server.port}/a")
        assert caught.value.kind == "refused"
        assert server.requests == []
        # the archive's own address may be a private one: the user gave it
        assert not is_private("archive.example")
        assert session.get(f"http://archive.example:{server.port}/a").content == b"x"
