"""The command line as a user meets it: help, exit codes, one sentence for what a user did wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import forked
import numpy as np
import pytest

from scrapers.replica.server import serve
from scrapers.replica.sky import synthetic_sky
from tests_support import jpeg

DEEPFIELD = Path(sys.executable).with_name("deepfield")


def environment(home, **variables):
    """Nothing that a command does may leave this machine."""
    return {
        **os.environ,
        "DEEPFIELD_HOME": str(home),
        "DEEPFIELD_SESAME_URL": "http://127.0.0.1:9",
        "DEEPFIELD_HLA_URL": "http://127.0.0.1:9",
        "DEEPFIELD_ATTEMPTS": "1",
        "DEEPFIELD_REQUESTS_PER_SECOND": "200",
        "COLUMNS": "200",
        **variables,
    }


def deepfield(*arguments, home, **variables):
    return forked.run(arguments, environment(home, **variables))


def one_sentence(done, code):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines, "nothing was said"
    assert lines[-1].startswith("deepfield: ") or "Error" in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def archive():
    with serve(synthetic_sky(1, visits=6, sides_px=(260, 300))) as server:
        yield server


def test_help_of_the_installed_command_lists_every_command(tmp_path):
    done = subprocess.run(
        [DEEPFIELD, "--help"], env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0
    commands = (
        "scrape curate review manifest train evaluate models colorize upscale enhance demo replica up down status"
    )
    for command in (*commands.split(), "status", "doctor"):
        assert f" {command} " in done.stdout, command
    assert not (tmp_path / "catalog.db").exists()


def test_help_imports_nothing_heavy():
    heavy = "torch prefect astropy pandas sqlalchemy cv2 numpy"
    code = f"import sys, flows.cli; print([one for one in {heavy.split()} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["scrape", "hla", "--target", "Xyzzy"], 2, "Xyzzy"),
        (["scrape", "hla", "--ra", "400", "--dec", "0"], 2, "RA 400"),
        (["scrape", "hla", "--ra", "10"], 2, "both"),
        (["scrape", "hla", "--target", "M101"], 1, "127.0.0.1"),
        (["scrape", "folder", "/nowhere"], 2, "/nowhere"),
        (["curate"], 1, "scrape"),
        (["manifest", "show"], 1, "deepfield curate"),
        (["manifest", "show", "--snapshot", "nope"], 1, "nope"),
        (["manifest", "log"], 1, "deepfield curate"),
        (["review", "next"], 1, "deepfield curate"),
        (["train", "colorizer"], 1, "deepfield curate"),
        (["train", "colorizer", "--recipe", "nope"], 2, "nope"),
        (["train", "superres", "--set", "data.batch=many"], 2, "batch"),
        (["evaluate", "nope"], 2, "nope"),
        (["colorize", "/nowhere.jpg", "-o", "out.png"], 1, "/nowhere.jpg"),
        (["models", "show", "nope"], 2, "nope"),
        (["replica", "serve", "--frames", "/nowhere"], 2, "/nowhere"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_a_user_did_wrong_is_one_sentence(tmp_path, arguments, code, said):
    home = tmp_path / "home"
    done = deepfield(*arguments, home=home)
    error = one_sentence(done, code)
    assert said in error
    left = [path for path in home.rglob("*") if path.is_file() and not path.name.startswith("catalog.db")]
    assert left == []


def test_a_folder_without_frames(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    assert "empty" in one_sentence(deepfield("scrape", "folder", tmp_path / "empty", home=tmp_path / "home"), 1)
    assert "empty" in one_sentence(
        deepfield("replica", "serve", "--frames", tmp_path / "empty", home=tmp_path / "home"), 1
    )


def test_a_point_that_nothing_covers(tmp_path, archive):
    done = deepfield(
        "scrape", "hla", "--ra", "10", "--dec", "-30", "--radius", "0", "--archive-url", archive.url, home=tmp_path
    )
    one_sentence(done, 1)


def test_a_setting_that_cannot_be_used(tmp_path):
    done = deepfield("manifest", "log", home=tmp_path, DEEPFIELD_CONNECTIONS="many")
    assert "DEEPFIELD_CONNECTIONS" in one_sentence(done, 2)


def test_a_folder_one_may_not_write_to(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    picture = tmp_path / "frames" / "a.jpg"
    picture.parent.mkdir()
    picture.write_bytes(jpeg(np.zeros((300, 300, 3), np.uint8)))
    one_sentence(deepfield("scrape", "folder", picture.parent, home=blocked), 1)


def test_list_downloads_and_records_nothing(tmp_path, archive):
    before = len(archive.log)
    done = deepfield(
        "scrape", "hla", "--target", "M101", "--radius", "1", "--list", "--json", "--archive-url", archive.url,
        home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    products = [json.loads(line) for line in done.stdout.splitlines()]
    assert products
    assert {"obs_id", "access_url", "s_ra", "s_dec"} <= set(products[0])
    assert all("fitscut" not in access.path for access in archive.log[before:])
    assert not (tmp_path / "catalog.db").exists()
