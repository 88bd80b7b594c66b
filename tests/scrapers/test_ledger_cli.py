"""`deepfield scrape status`, `retry` and `plan` as a user types them, against a server on this machine."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_archive import Answer, FakeHost, picture, serve_colour_rows, sia_reply, sia_row
from sqlalchemy import text
from typer.testing import CliRunner

from manifests.database import open_database
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import Settings, load_settings
from manifests.tables import products
from scrapers import claims
from scrapers.cli import scrape_app
from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky
from scrapers.workers import this_worker

SIA, FITSCUT = "/cgi-bin/hlaSIAP.cgi", "/cgi-bin/fitscut.cgi"
Scrape = Callable[..., Any]


@pytest.fixture
def scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scrape]:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "4000")
    monkeypatch.setenv("DEEPFIELD_CONNECTIONS", "4")
    monkeypatch.setenv("DEEPFIELD_ATTEMPTS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(scrape_app, [str(argument) for argument in arguments])
    load_settings.cache_clear()


@pytest.fixture
def broken(host: FakeHost) -> dict[str, Answer]:
    """An HLA with four products, three of which are no good; what is taken out of the dictionary is good again."""
    serve_colour_rows(host, 4)
    answers = {
        "HST_9000_01_ACS_WFC_F814W": Answer(status=503),
        "HST_9001_01_ACS_WFC_F814W": Answer(picture(1, (90, 90))),
        "HST_9002_01_ACS_WFC_F814W": Answer(status=404),
    }
    host.script(FITSCUT, lambda path, query: answers.get(query["red"][0], Answer(picture(len(path)))))
    return answers


def name(number: int) -> str:
    return f"hla:HST_{9000 + number}_01_ACS_WFC_F814W_F555W_F435W"


def crawl(scrape: Scrape, host: FakeHost, *more: object) -> Any:
    return scrape("hla", "--target", "M101", "--archive-url", host.url, *more)


def test_status_says_what_came_and_lists_what_did_not(
    scrape: Scrape, host: FakeHost, broken: dict[str, Answer], tmp_path: Path
) -> None:
    crawl(scrape, host)
    engine = open_database(Settings(home=tmp_path / "home", database_url=None).database)
    assert claims.take(engine, products, name(0), this_worker())
    engine.dispose()
    shown = scrape("status").stdout.splitlines()
    assert shown[0].split()[:4] == ["archive", "parts", "open", "failed"]
    megabytes = len(picture(1)) / 1e6
    cells = shown[1].split()
    assert cells[:10] == ["hla", "1", "0", "0", "4", "1", "0", "1", "1", "1"]
    assert abs(float(cells[10]) - megabytes) < 0.1 and cells[11:13] == ["5", "3"]
    assert "hla: failed: 1 busy" in shown and "hla: refused: 1 too_small" in shown and "hla: gone: 1 gone" in shown
    assert any(f"{name(0)} is in the hands of process" in line for line in shown)
    assert sum("answers with status 503" in line for line in shown) == 1
    record, covered = (json.loads(line) for line in scrape("status", "--json").stdout.splitlines())
    assert (record["what"], covered["what"]) == ("archive", "coverage")
    assert record["products"] == {"failed": 1, "gone": 1, "got": 1, "refused": 1}
    assert record["reasons"] == {"failed": {"busy": 1}, "gone": {"gone": 1}, "refused": {"too_small": 1}}
    assert record["requests"] == 5 and record["in_hand"][0]["what"] == name(0)
    failures = scrape("status", "--failures").stdout.splitlines()
    assert [line.split()[0] for line in failures] == [name(0), name(1), name(2)]
    assert "refused (too_small), 1 requests" in failures[1] and "90x90" in failures[1]
    lines = [json.loads(line) for line in scrape("status", "--failures", "--json").stdout.splitlines()]
    assert [(line["what"], line["status"], line["reason"]) for line in lines] == [
        (name(0), "failed", "busy"),
        (name(1), "refused", "too_small"),
        (name(2), "gone", "gone"),
    ]
    assert scrape("status", "--archive", "mast", "--json").stdout == ""
    assert "Nothing has been scraped from mast yet" in scrape("status", "--archive", "mast").stdout


def test_retry_asks_for_what_failed_and_for_the_rest_on_demand(
    scrape: Scrape, host: FakeHost, broken: dict[str, Answer]
) -> None:
    crawl(scrape, host)
    before = len(host.log)
    broken.clear()
    result = scrape("retry")
    assert result.exit_code == 0, result.exception
    assert f"hla at {host.url}: asking again for 1 products that failed." in result.stderr
    assert "hla: 1 products: 1 fetched, 0 known before, 0 refused, 0 failed" in result.stderr
    assert len(host.log) == before + 1
    assert "nothing to ask again" in scrape("retry").stderr
    assert "nothing to ask again" in scrape("retry", "--status", "refused", "--reason", "corrupt").stderr
    assert "nothing to ask again" in scrape("retry", "--status", "refused", "--archive", "mast").stderr
    assert "1 products that were refused" in scrape("retry", "--status", "refused", "--reason", "too_small").stderr
    assert "1 fetched" in scrape("retry", "--status", "gone", "--archive", "hla").stderr
    assert len(host.log) == before + 3
    wrong = scrape("retry", "--status", "got")
    assert isinstance(wrong.exception, UsageError) and "failed, refused, gone" in str(wrong.exception)


def test_retry_says_so_where_it_is_in_vain_again(scrape: Scrape, host: FakeHost, broken: dict[str, Answer]) -> None:
    crawl(scrape, host)
    result = scrape("retry")
    assert isinstance(result.exception, DeepfieldError) and "None of the 1 products" in str(result.exception)
    assert "Not taken: 1 busy" in result.stderr


def test_retry_asks_parts_again_with_their_own_question(scrape: Scrape, host: FakeHost) -> None:
    replies = [Answer(status=503), Answer(sia_reply([sia_row(host.url, 1), sia_row(host.url, 2, Level=2)]))]
    host.say(SIA, *replies)
    host.script(FITSCUT, lambda path, query: Answer(picture(len(path) % 7, mode="RGB")))
    failed = crawl(scrape, host, "--imagetype", "best", "--filter", "F814W")
    assert isinstance(failed.exception, DeepfieldError)
    [line] = scrape("status", "--failures").stdout.splitlines()
    assert "hlaSIAP.cgi" in line and "failed, 1 requests" in line
    result = scrape("retry")
    assert "asking again for 1 parts that failed." in result.stderr
    assert "2 products: 2 fetched" in result.stderr, result.exception
    first, second = host.asked(SIA)
    assert first == second


@pytest.fixture(scope="module")
def sites() -> Iterator[str]:
    with serve(synthetic_sky(seed=5, visits=6, sides_px=(264, 280))) as server:
        yield server.url


@pytest.mark.parametrize("site", ["esahubble", "hubblesite", "heritage"])
def test_retry_of_a_site_describes_pictures_by_their_pages(
    scrape: Scrape, sites: str, site: str, tmp_path: Path
) -> None:
    result = scrape(site, "--archive-url", f"{sites}/{site}", "--limit", 2)
    assert result.exit_code == 0, result.exception
    engine = open_database(Settings(home=tmp_path / "home", database_url=None).database)
    first = (
        "SELECT product_id, url FROM fetches WHERE fetch_id IN (SELECT min(fetch_id) FROM fetches GROUP BY product_id)"
    )
    lost = (
        "UPDATE products SET status = 'failed', reason = 'busy', sha256 = NULL, record = "
        "json_set(record, '$.access_format', 'text/html', '$.access_url', :url) WHERE product_id = :product_id"
    )
    with engine.begin() as connection:
        for row in connection.execute(text(first)).all():
            connection.execute(text(lost), row._asdict())
        connection.execute(text("UPDATE tiles SET status = 'failed' WHERE tile_id = (SELECT min(tile_id) FROM tiles)"))
    engine.dispose()
    again = scrape("retry", "--archive", site)
    assert again.exit_code == 0, (again.exception, again.stderr)
    assert f"{site} at {sites}/{site}: asking again for 1 parts that failed and 2 products that failed" in again.stderr
    assert "nothing to ask again" in scrape("retry").stderr


def test_retry_of_a_folder_reads_its_files_again(scrape: Scrape, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "good.jpg").write_bytes(picture(1))
    (frames / "cut.jpg").write_bytes(picture(2)[:3000])
    assert scrape("folder", frames).exit_code == 0
    again = scrape("retry", "--status", "refused")
    assert again.exit_code == 0 and "folder at" in again.stderr and "1 known before, 1 refused" in again.stderr


REGION = ("--ra", "210.8", "--dec", "54.35", "--radius", "1.5")


def test_a_plan_asks_nothing_and_writes_nothing(scrape: Scrape, host: FakeHost, tmp_path: Path) -> None:
    serve_colour_rows(host, 3)
    result = scrape("plan", "hla", *REGION, "--archive-url", host.url)
    assert result.exit_code == 0, result.exception
    assert "0 products known" in result.stdout and "is unknown: no part of this was asked yet" in result.stdout
    parts = int(result.stdout.split()[1])
    assert f"hla: {parts} parts of the region, {parts} of them still to be asked" in result.stdout
    assert f"at least {parts} requests" in result.stdout and "robots.txt was not asked" in result.stdout
    assert not host.log and not (tmp_path / "home").exists()


def test_a_plan_estimates_by_the_parts_that_were_asked(
    scrape: Scrape, host: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        number = 2 * len(host.asked(SIA))
        return Answer(status=503) if number > 6 else Answer(sia_reply([sia_row(host.url, number + n) for n in (0, 1)]))

    host.script(SIA, answer)
    host.script(FITSCUT, lambda path, query: Answer(status=503))
    monkeypatch.setenv("DEEPFIELD_CONNECTIONS", "1")
    load_settings.cache_clear()
    scrape("hla", *REGION, "--archive-url", host.url, "--limit", 5)
    engine = open_database(Settings(home=tmp_path / "home", database_url=None).database)
    with engine.begin() as connection:
        answered = connection.scalar(text("SELECT count(*) FROM tiles WHERE status = 'done'"))
        connection.execute(text("UPDATE asks SET seconds = 0.5"))
        before = connection.execute(text("SELECT * FROM tiles ORDER BY 1")).all()
    assert answered == 3
    asked = len(host.log)
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "100")
    load_settings.cache_clear()
    plan = json.loads(scrape("plan", "hla", *REGION, "--archive-url", host.url, "--json").stdout)
    parts = plan["parts"]
    assert parts > 4 and plan["answered"] == 3 and plan["parts_open"] == parts - 3
    assert (plan["products"], plan["products_open"], plan["expected"]) == (6, 6, 2 * (parts - 3))
    assert plan["requests"] == (parts - 3) + 6 + 2 * (parts - 3)
    assert plan["reply_s"] == 0.5 and plan["seconds"] == pytest.approx(plan["requests"] * 0.5)
    words = scrape("plan", "hla", *REGION, "--archive-url", host.url).stdout
    assert f"about {2 * (parts - 3)} products more are expected: an estimate" in words
    assert "at 2 requests a second, for replies took 0.5 s so far and 1 connections are allowed" in words
    limited = json.loads(scrape("plan", "hla", *REGION, "--archive-url", host.url, "--limit", 7, "--json").stdout)
    assert (limited["products_open"], limited["expected"]) == (6, 1)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM tiles ORDER BY 1")).all() == before
    engine.dispose()
    assert len(host.log) == asked


@pytest.mark.parametrize("site", ["esahubble", "hubblesite", "heritage"])
def test_a_plan_of_a_site_knows_the_pages_it_has_seen(scrape: Scrape, sites: str, site: str) -> None:
    where = (site, "--archive-url", f"{sites}/{site}")
    before = scrape("plan", *where)
    assert before.exit_code == 0, before.exception
    assert "1 page of the lists, 1 of them still to be asked" in before.stdout
    assert "a list may go on after its last known page" in before.stdout
    assert scrape(*where, "--limit", 1, "--min-size", 64).exit_code == 0
    after = json.loads(scrape("plan", *where, "--json").stdout)
    assert after["answered"] >= 1 and after["products"] > 1
    assert after["products_open"] == after["products"] - 1
    assert after["requests"] >= 2 * after["products_open"] + after["parts_open"]


def test_a_plan_for_mast(scrape: Scrape) -> None:
    result = scrape("plan", "mast", *REGION, "--order", "5", "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["parts"] > 2
