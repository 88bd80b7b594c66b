import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_archive import FakeHost, picture, serve_colour_rows, sia_reply
from PIL import Image
from typer.testing import CliRunner

from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings
from scrapers.cli import scrape_app

Scrape = Callable[..., Any]


@pytest.fixture
def scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scrape]:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "5000")
    monkeypatch.setenv("DEEPFIELD_SESAME_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("DEEPFIELD_ATTEMPTS", "1")
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(scrape_app, [str(argument) for argument in arguments])
    load_settings.cache_clear()


def test_a_crawl_and_its_summary(scrape: Scrape, host: FakeHost) -> None:
    serve_colour_rows(host, 5)
    result = scrape("hla", "--target", "M101", "--archive-url", host.url)
    assert result.exit_code == 0, result.exception
    assert "hla: 5 products: 5 fetched, 0 known before, 0 refused, 0 failed" in result.stderr
    assert "MB/s" in result.stderr
    assert result.stdout == ""
    position = ("--ra", "14:03:12.6", "--dec", "+54:20:57")
    again = scrape("hla", *position, "--archive-url", host.url, "--json", "--limit", 2)
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert [line["status"] for line in lines] == ["got", "got"]
    assert all(len(line["image_id"]) == 64 and line["obs_id"] and line["access_url"] for line in lines)
    assert len(host.asked("/cgi-bin/fitscut.cgi")) == 5


def test_a_list_downloads_nothing_and_keeps_nothing(scrape: Scrape, host: FakeHost, tmp_path: Path) -> None:
    serve_colour_rows(host, 5)
    where = ("hla", "--target", "M101", "--archive-url", host.url, "--list")
    result = scrape(*where, "--json", "--limit", 3)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert {"obs_id", "access_url", "s_ra", "s_dec", "t_min", "instrument_name", "s_region"} <= set(line)
    table = scrape(*where)
    assert table.exit_code == 0
    assert "HST_9004_01_ACS_WFC_F814W_F555W_F435W" in table.stdout
    assert "5 products" in table.stderr
    assert not host.asked("/cgi-bin/fitscut.cgi")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--target M101, or --ra and --dec"),
        (["--ra", "400", "--dec", "0"], "RA 400"),
        (["--ra", "10", "--dec", "-91"], "Dec -91"),
        (["--ra", "10"], "both --ra and --dec"),
        (["--dec", "10"], "both --ra and --dec"),
        (["--target", "M101", "--ra", "10", "--dec", "3"], "not both"),
        (["--target", "M101", "--radius", "200"], "radius of 200"),
        (["--target", "Xyzzy"], "Xyzzy.*built-in table"),
        (["--target", "M101", "--imagetype", "colour"], "image type 'colour'"),
        (["--target", "M101", "--inst", "JWST"], "instrument 'jwst'"),
        (["--target", "M101", "--archive-url", "hla"], "not an archive's address"),
    ],
)
def test_a_wrong_question_is_one_sentence(scrape: Scrape, tmp_path: Path, arguments: list[str], complaint: str) -> None:
    result = scrape("hla", *arguments)
    assert isinstance(result.exception, UsageError) and result.exception.exit_code == 2
    assert re.search(complaint, str(result.exception))
    assert not (tmp_path / "home").exists()


def test_an_archive_that_is_down_is_one_sentence(scrape: Scrape) -> None:
    for more in ([], ["--list"]):
        result = scrape("hla", "--target", "M101", "--archive-url", "http://127.0.0.1:9", *more)
        assert isinstance(result.exception, DeepfieldError) and result.exception.exit_code == 1
        assert "127.0.0.1:9 cannot be reached" in str(result.exception)


@pytest.mark.parametrize("radius", ["0", "0.1"])
def test_no_hit_is_one_sentence(scrape: Scrape, host: FakeHost, radius: str) -> None:
    host.say("/cgi-bin/hlaSIAP.cgi", sia_reply([]))
    for more in ([], ["--list"]):
        result = scrape("hla", "--ra", "1", "--dec", "2", "--radius", radius, "--archive-url", host.url, *more)
        assert isinstance(result.exception, DeepfieldError) and result.exception.exit_code == 1
        assert "no product of image type color" in str(result.exception)


def test_nothing_usable_is_an_error(scrape: Scrape, host: FakeHost) -> None:
    serve_colour_rows(host, 2)
    result = scrape("hla", "--target", "M101", "--archive-url", host.url, "--min-size", 9999)
    assert isinstance(result.exception, DeepfieldError)
    assert "None of the 2 products" in str(result.exception)
    assert "Not taken: 2 too_small" in result.stderr


def test_files_that_a_folder_passes_over_are_named(scrape: Scrape, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "good.jpg").write_bytes(picture(1))
    assert "Passed over" not in scrape("folder", frames).stderr
    Image.new("RGB", (64, 64)).save(frames / "m51.gif")
    shown = scrape("folder", frames).stderr
    assert "Passed over, as 1 file is no JPEG, PNG, TIFF or FITS: m51.gif." in shown
    for name in ("a.txt", "b.csv", "c.webp", "d.bmp"):
        (frames / name).write_text("something")
    assert "5 files are no JPEG, PNG, TIFF or FITS: a.txt, b.csv, c.webp and 2 more." in scrape("folder", frames).stderr


def test_folder_and_status(scrape: Scrape, tmp_path: Path) -> None:
    nothing = scrape("status")
    assert "Nothing has been scraped yet" in nothing.stdout
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "good.jpg").write_bytes(picture(1))
    (frames / "cut.jpg").write_bytes(picture(2)[:3000])
    result = scrape("folder", frames)
    assert result.exit_code == 0, result.exception
    assert "1 fetched" in result.stderr and "1 corrupt" in result.stderr and "cut.jpg" in result.stderr
    shown = scrape("status")
    assert "folder: refused: 1 corrupt" in shown.stdout and "cut.jpg" in shown.stdout
    record = json.loads(scrape("status", "--json").stdout)
    assert record["parts"] == {"done": 1} and record["products"] == {"got": 1, "refused": 1}
    missing = scrape("folder", tmp_path / "nowhere")
    assert isinstance(missing.exception, UsageError)
