"""What goes wrong on purpose: each fault is what its description says, passes or lasts, and stands in the log."""

import io
import json
import socket
import struct
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from scrapers.replica.exchange import Reply, Request
from scrapers.replica.faults import DESCRIPTIONS, HARMLESS, KINDS, FaultBook, Faults
from scrapers.replica.server import ReplicaServer
from tests_support import jpeg

PICTURE = jpeg(np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8))
URL = "/pictures/one.jpg?size=ALL"


def picture(request: Request) -> Reply:
    assert (request.path, request.query) in (("/pictures/one.jpg", "size=ALL"), ("/pictures/two", ""))
    return Reply(PICTURE, "image/jpeg")


def serving(faults: Faults | None, log: Path | None = None) -> ReplicaServer:
    routes = {"/pictures": picture, "/robots.txt": lambda request: Reply(b"")}
    return ReplicaServer(routes, faults=faults, access_log=log, spared=frozenset({"/robots.txt"}))


def get(server: ReplicaServer, **options: object) -> requests.Response:
    return requests.get(server.url + URL, timeout=30, **options)  # type: ignore[arg-type]


BROKEN = {"reset", "reset_midway", "cut", "overstated"}
STATUSES = {"unavailable": 503, "gateway_timeout": 504, "too_many": 429, "too_many_until": 429, "forbidden": 403}
BODIES = {
    "understated": PICTURE[: len(PICTURE) // 2],
    "empty": b"",
    "text": b"dataset parameter is required\n",
}
STARTS = {"html": b"<!DOCTYPE html>", "svg": b'<?xml version="1.0"?>\n<svg', "query_error": b'<?xml version="1.0"'}
TYPES = {"untyped": None, "mistyped": "application/x-httpd-cgi", "html": "text/html; charset=utf-8"}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"forbidden"}))
def test_each_fault_is_what_it_says_and_passes(kind: str) -> None:
    faults = Faults(1.0, (kind,), times=2, retry_after_s=7, stall_s=0.6)
    with serving(faults) as server:
        for _ in range(2):
            if kind in BROKEN:
                with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
                    get(server)
            elif kind in ("stall", "stall_midway"):
                with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
                    requests.get(server.url + URL, timeout=0.2)
            elif kind.startswith("redirect"):
                reply = get(server, allow_redirects=False)
                assert reply.status_code == 302
            else:
                reply = get(server)
                assert reply.status_code == STATUSES.get(kind, 200)
                if kind in HARMLESS:
                    assert reply.content == PICTURE
                assert BODIES.get(kind, reply.content) == reply.content
                assert reply.content.startswith(STARTS.get(kind, b""))
                assert reply.headers.get("Content-Type") == TYPES.get(kind, reply.headers.get("Content-Type"))
        final = get(server)
        assert (final.status_code, final.content) == (200, PICTURE)
        assert [line.fault for line in server.log] == [kind, kind, None]


def test_forbidden_is_for_good_and_others_by_their_share() -> None:
    with serving(Faults(1.0, ("forbidden",))) as server:
        assert [get(server).status_code for _ in range(3)] == [403] * 3
    with serving(Faults(1.0, ("unavailable",), lasting=1.0, retry_after_s=0)) as server:
        assert [get(server).status_code for _ in range(3)] == [503] * 3
    urls = [f"/{number}" for number in range(4000)]
    faults = Faults(0.5, ("reset", "cut"), seed=2, lasting=0.25)
    assert 400 < sum(map(faults.lasts, urls)) < 600
    assert all(faults.kind_of(url) for url in urls if faults.lasts(url))


def test_retry_after_is_a_number_or_a_date() -> None:
    for kind in ("unavailable", "too_many"):
        with serving(Faults(1.0, (kind,), retry_after_s=7)) as server:
            assert get(server).headers["Retry-After"] == "7"
    with serving(Faults(1.0, ("too_many_until",), retry_after_s=7)) as server:
        reply = get(server)
        waits = parsedate_to_datetime(reply.headers["Retry-After"]) - parsedate_to_datetime(reply.headers["Date"])
        assert 6 <= waits.total_seconds() <= 8


def test_gzip_is_for_those_who_take_it() -> None:
    faults = Faults(1.0, ("gzip",), lasting=1.0)
    with serving(faults) as server:
        taken, refused = get(server), get(server, headers={"Accept-Encoding": "identity"})
    assert taken.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in refused.headers
    assert taken.content == refused.content == PICTURE


def test_half_a_picture_ends_in_order_and_shows_gray_below() -> None:
    with serving(Faults(1.0, ("half_gray",))) as server:
        body = get(server).content
    assert len(body) < len(PICTURE) and body.endswith(b"\xff\xd9")
    with Image.open(io.BytesIO(body)) as image:
        image.load()
        assert (np.asarray(image)[-8:] == 128).all()


def test_redirects_lead_where_they_say() -> None:
    with serving(Faults(1.0, ("redirect_chain",))) as server:
        reply = get(server)
        assert reply.content == PICTURE and len(reply.history) == 3
        assert [one.headers["Location"].startswith("http") for one in reply.history] == [False, False, True]
        assert [line.fault for line in server.log] == ["redirect_chain", None, None, None]
    with serving(Faults(1.0, ("redirect_loop",))) as server:
        with pytest.raises(requests.TooManyRedirects):
            get(server)
        assert requests.get(f"{server.url}/pictures/two", timeout=30, allow_redirects=False).status_code == 302
    for kind, host in (("redirect_private", "10.255.255.1"), ("redirect_elsewhere", "elsewhere.example")):
        with serving(Faults(1.0, (kind,))) as server:
            location = get(server, allow_redirects=False).headers["Location"]
            assert location == f"http://{host}/pictures/one.jpg"


def test_faults_are_chosen_by_the_seed_at_the_rate_asked_for() -> None:
    urls = [f"/cgi-bin/fitscut.cgi?red={number}" for number in range(4000)]
    faulty = [url for url in urls if Faults(0.25, seed=3).kind_of(url)]
    assert 850 < len(faulty) < 1150
    assert faulty == [url for url in urls if Faults(0.25, seed=3).kind_of(url)]
    assert faulty != [url for url in urls if Faults(0.25, seed=4).kind_of(url)]
    counts = Counter(Faults(1.0, seed=3).kind_of(url) for url in urls)
    assert set(counts) == set(KINDS) == set(DESCRIPTIONS) and min(counts.values()) > 80
    book = FaultBook(Faults(1.0, ("cut",), times=2))
    assert [book.next("/a") is None for _ in range(4)] == [False, False, True, True]
    nasty = Faults.nasty(7)
    assert 0.25 < sum(nasty.kind_of(url) is not None for url in urls) / len(urls) < 0.35
    for wrong in (("gremlins",), 0.0), (KINDS, 2.0):
        with pytest.raises(ValueError, match="shares from 0 to 1"):
            Faults(0.5, wrong[0], lasting=wrong[1])


def test_what_is_spared_never_goes_wrong_and_the_log_names_faults(tmp_path: Path) -> None:
    with serving(Faults(1.0, ("text",)), tmp_path / "log.jsonl") as server:
        assert requests.get(f"{server.url}/robots.txt", timeout=30).content == b""
        get(server)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["path"], line["fault"]) for line in lines] == [("/robots.txt", None), ("/pictures/one.jpg", "text")]


def test_a_client_that_goes_away_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(None) as server:
        host, port = server.url.removeprefix("http://").split(":")
        for said in (b"", b"GET /pict", f"GET {URL} HTTP/1.1\r\nHost: x\r\n\r\n".encode()):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(said)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert get(server).content == PICTURE
    assert capfd.readouterr().err == ""
