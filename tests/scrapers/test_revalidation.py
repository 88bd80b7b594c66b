"""Asking again: pages and questions that have not changed are not sent again, and what they brought stays."""

from collections.abc import Mapping

import pytest
from fake_archive import Answer, FakeClock, FakeHost, serve_colour_rows, sia_reply, sia_row
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from manifests.blobs import BlobStore
from manifests.settings import Settings
from manifests.tables import asks, validators
from scrapers import ledger
from scrapers.crawl import ask_tile, crawl
from scrapers.esahubble import open_esahubble
from scrapers.gallery import crawl_gallery
from scrapers.hla import Hla, HlaQuery, open_hla
from scrapers.http import HttpError, PoliteClient
from scrapers.politeness import Gates
from scrapers.products import Product, Tile
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky
from scrapers.revalidation import UnchangedError, Validator, asking_again
from scrapers.sky import Cone
from scrapers.validators import lookup
from scrapers.versions import Limits

SIA = "/cgi-bin/hlaSIAP.cgi"
M101 = Cone(210.8, 54.35, 0.2)
TAG, DATE = '"abc"', "Sat, 01 Mar 2025 12:00:00 GMT"


def client(host: FakeHost) -> PoliteClient:
    settings = Settings(attempts=2, requests_per_second=1e6, timeout_s=5)
    return PoliteClient(host.url, settings, Gates(1e6, 4, FakeClock()))


@pytest.fixture
def archive(host: FakeHost) -> Hla:
    return Hla(client(host), HlaQuery())


def with_tag(host: FakeHost, path: str, body: bytes, tag: str = TAG) -> None:
    """Let a host serve a body with an ETag, and 304 to who sends that."""

    def answer(asked: str, query: dict[str, list[str]]) -> Answer:
        if host.headers[-1].get("If-None-Match") == tag:
            return Answer(status=304, headers={"ETag": tag})
        return Answer(body, headers={"ETag": tag, "Last-Modified": DATE})

    host.script(path, answer)


def outcomes(engine: Engine) -> list[tuple[str, int | None]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(asks.c.outcome, asks.c.http_status))]


def names(engine: Engine, tile: Tile) -> list[str]:
    return [line.product_id for line in ledger.scope(engine, [tile])]


def test_a_question_that_has_not_changed_leaves_all_as_it_is(host: FakeHost, archive: Hla, engine: Engine) -> None:
    with_tag(host, SIA, sia_reply([sia_row(host.url, number) for number in range(3)]))
    tile = archive.tile(M101)
    ledger.plan(engine, [tile])
    assert ask_tile(archive, tile, engine=engine) == 3
    assert "If-None-Match" not in host.headers[-1]
    before = names(engine, tile)
    assert ask_tile(archive, tile, engine=engine) == 3
    assert (host.headers[-1]["If-None-Match"], host.headers[-1]["If-Modified-Since"]) == (TAG, DATE)
    assert names(engine, tile) == before and not ledger.unasked(engine, [tile])
    assert outcomes(engine) == [("got", 200), ("unchanged", 304)]
    with_tag(host, SIA, sia_reply([sia_row(host.url, 7)]), '"new"')
    assert ask_tile(archive, tile, engine=engine) == 1
    assert len(names(engine, tile)) == 4
    assert ask_tile(archive, tile, engine=engine) == 4
    assert host.headers[-1]["If-None-Match"] == '"new"'


def test_only_what_was_accepted_is_kept(host: FakeHost, archive: Hla, engine: Engine) -> None:
    with_tag(host, SIA, b"<html>busy</html>")
    tile = archive.tile(M101)
    ledger.plan(engine, [tile])
    with pytest.raises(HttpError):
        ask_tile(archive, tile, engine=engine)
    with engine.connect() as connection:
        assert connection.execute(select(validators)).all() == []
    with pytest.raises(HttpError):
        ask_tile(archive, tile, engine=engine)
    assert all("If-None-Match" not in sent for sent in host.headers)


def test_a_server_that_gives_nothing_any_more_is_asked_in_full(host: FakeHost, archive: Hla, engine: Engine) -> None:
    tile = archive.tile(M101)
    ledger.plan(engine, [tile])
    with_tag(host, SIA, sia_reply([sia_row(host.url, 1)]))
    ask_tile(archive, tile, engine=engine)
    host.script(SIA, lambda path, query: Answer(sia_reply([sia_row(host.url, 1)])))
    for _ in range(2):
        ask_tile(archive, tile, engine=engine)
    assert "If-None-Match" not in host.headers[-1]


def test_two_questions_that_read_one_page_do_not_answer_for_each_other(
    host: FakeHost, archive: Hla, engine: Engine
) -> None:
    with_tag(host, SIA, sia_reply([sia_row(host.url, 1)]))
    one, other = archive.tile(M101), Tile("hla", archive.tile(M101).request + " ")
    for tile in (one, other):
        ledger.plan(engine, [tile])
        ask_tile(archive, tile, engine=engine)
        assert "If-None-Match" not in host.headers[-1]


class TwoPages:
    """An archive whose answer is made of two replies."""

    name = "two"

    def __init__(self, polite: PoliteClient) -> None:
        self.client = polite

    def tile(self, cone: Cone) -> Tile:
        return Tile(self.name, "both")

    def ask(self, tile: Tile) -> list[Product]:
        bodies = [self.client.get(f"{self.client.base}/{page}", lambda body: body).value for page in ("a", "b")]
        return [Product("two", f"two:{body.decode()}", "x", "x") for body in bodies]


def test_of_an_answer_made_of_several_replies_all_are_asked_for(host: FakeHost, engine: Engine) -> None:
    with_tag(host, "/a", b"one")
    with_tag(host, "/b", b"two")
    archive = TwoPages(client(host))
    tile = archive.tile(M101)
    ledger.plan(engine, [tile])
    for _ in range(2):
        assert ask_tile(archive, tile, engine=engine) == 2
    assert all("If-None-Match" not in sent for sent in host.headers)


def test_refresh_asks_whether_and_leaves_pictures_alone(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve_colour_rows(host, 4)
    with_tag(host, SIA, sia_reply([sia_row(host.url, number) for number in range(4)]))
    archive = open_hla(quick, HlaQuery(), host.url)
    for again in (False, True):
        summary = crawl(archive, M101, engine=engine, blobs=blobs, settings=quick, refresh=again)
    assert (summary.progress.found, summary.progress.skipped) == (4, 4)
    assert outcomes(engine) == [("got", 200), ("unchanged", 304)]
    assert len(host.asked("/cgi-bin/fitscut.cgi")) == 4


def test_the_local_archive_says_when_nothing_has_changed(quick: Settings, engine: Engine, blobs: BlobStore) -> None:
    with serve(synthetic_sky(visits=2)) as server:
        site = open_esahubble(quick, Limits(quick.max_bytes, quick.max_pixels), archive_url=f"{server.url}/esahubble")
        for again in (False, True):
            _, summary = crawl_gallery(site, engine=engine, blobs=blobs, settings=quick, limit=2, refresh=again)
        assert summary.progress.skipped == summary.progress.found == 2
        assert [access.status for access in server.log][-1] == 304
    assert [outcome for outcome, _ in outcomes(engine)][-1] == "unchanged"


def test_nothing_has_changed_is_no_answer_to_those_who_did_not_ask(host: FakeHost) -> None:
    host.say("/a", Answer(status=304))
    with pytest.raises(HttpError, match="nobody asked") as caught:
        client(host).get(f"{host.url}/a", len)
    assert caught.value.kind == "transient" and len(host.asked("/a")) == 2


def test_robots_txt_is_never_the_answer(host: FakeHost) -> None:
    with_tag(host, "/robots.txt", b"User-agent: *\nDisallow:\n")
    with_tag(host, "/a", b"x")
    with asking_again(lambda url: Validator(TAG)) as asked:
        with pytest.raises(UnchangedError):
            client(host).get(f"{host.url}/a", len)
        assert asked.got == []
    assert "If-None-Match" not in host.headers[0] and host.headers[1]["If-None-Match"] == TAG


@given(st.dictionaries(st.sampled_from(["ETag", "Last-Modified"]), st.text(max_size=80)))
def test_what_could_not_be_sent_is_not_kept(headers: Mapping[str, str]) -> None:
    for value in Validator.of(headers).headers().values():
        assert value == value.strip() and value.isascii() and value.isprintable() and value


def test_a_validator_of_nothing_is_none(engine: Engine) -> None:
    assert not Validator() and Validator(last_modified=DATE)
    assert lookup(engine, Tile("hla", "x"), "http://h/") is None
