"""`deepfield scrape mast` as a user types it, on the local archive."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings
from scrapers.cli import scrape_app
from scrapers.replica.server import ReplicaServer, serve
from scrapers.replica.sky import synthetic_sky

Scrape = Callable[..., Any]
M101 = ("--target", "M101", "--radius", "1")


@pytest.fixture(scope="module")
def archive() -> Iterator[ReplicaServer]:
    with serve(synthetic_sky(seed=1, visits=4, sides_px=(264, 280)), prefix="/mast") as server:
        yield server


@pytest.fixture
def scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: ReplicaServer) -> Iterator[Scrape]:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "5000")
    monkeypatch.setenv("DEEPFIELD_ATTEMPTS", "1")
    load_settings.cache_clear()
    where = ("--archive-url", f"{archive.url}/mast")
    yield lambda *words: CliRunner().invoke(scrape_app, ["mast", *(str(word) for word in words), *where])
    load_settings.cache_clear()


def downloads(archive: ReplicaServer) -> list[str]:
    return [line.query for line in archive.log if line.path == "/mast/api/v0.1/Download/file"]


def test_a_list_and_a_crawl(scrape: Scrape, archive: ReplicaServer, tmp_path: Path) -> None:
    listed = scrape(*M101, "--list", "--json")
    products = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {one["obs_collection"] for one in products} == {"HAP", "HLA"}
    assert all(one["obs_publisher_did"].startswith("mast:") for one in products)
    assert not downloads(archive) and not (tmp_path / "home").exists()

    result = scrape(*M101, "--collection", "hap", "--json")
    assert result.exit_code == 0, result.exception
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    hap = [one["obs_id"] for one in products if one["obs_collection"] == "HAP"]
    assert sorted(one["obs_id"] for one in lines) == sorted(hap)
    assert all(one["status"] == "got" and len(one["image_id"]) == 64 for one in lines)
    assert len(downloads(archive)) == len(hap)
    again = scrape(*M101, "--collection", "hap")
    assert again.exit_code == 0 and f"{len(hap)} known before" in again.stderr
    assert len(downloads(archive)) == len(hap)


def test_single_filters_only_where_asked_for(scrape: Scrape) -> None:
    rows = [
        json.loads(line)
        for line in scrape(*M101, "--kind", "combined", "--list", "--json", "--limit", 5).stdout.splitlines()
    ]
    assert len(rows) == 5 and not any("/" in one["filters"] for one in rows)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ((*M101, "--collection", "jwst"), UsageError, "choose from hap, hla"),
        ((*M101, "--kind", "grey"), UsageError, "choose from color, combined"),
        ((), UsageError, "Say where to look"),
        (("--ra", 10, "--dec", 10), DeepfieldError, "no picture of kind color by hap,hla"),
    ],
)
def test_what_cannot_be_is_one_sentence(scrape: Scrape, words: Any, error: type[Exception], message: str) -> None:
    result = scrape(*words)
    assert type(result.exception) is error and message in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1


def test_help_is_enough_to_use_it() -> None:
    result = CliRunner().invoke(scrape_app, ["mast", "--help"], env={"COLUMNS": "200"})
    for words in (
        "--target",
        "--collection",
        "--kind",
        "DEEPFIELD_MAST_HLA_PICTURES",
        "deepfield scrape mast --target",
    ):
        assert words in result.output
