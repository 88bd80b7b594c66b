"""`deepfield curate` as people and programs see it."""

import json
import shutil

import pytest
from drawn_skies import encoded, page, put, sky
from typer.testing import CliRunner

from curation.cli import curate_app
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings


@pytest.fixture
def call(home, monkeypatch):
    monkeypatch.setenv("DEEPFIELD_HOME", str(home.home))
    load_settings.cache_clear()

    def invoke(*arguments: str):
        return CliRunner().invoke(curate_app, arguments, catch_exceptions=True)

    yield invoke
    load_settings.cache_clear()


def test_the_summary_names_verdicts_reasons_duplicates_and_splits(call, engine, blobs):
    put(engine, blobs, "a", encoded(sky(1)))
    put(engine, blobs, "b", encoded(sky(1), compress_level=1))
    put(engine, blobs, "page", encoded(page()))
    result = call()
    assert result.exit_code == 0, result.output
    assert "3 images, 3 measured now" in result.stdout and "duplicates: 1 exact" in result.stdout
    assert "nothing has changed" in call().stdout
    numbers = json.loads(call("--json").stdout)
    assert numbers["verdicts"]["accept"] == 1 and numbers["duplicates"] == {"exact": 1} and not numbers["new"]


def test_a_dry_run_prints_the_changes(call, engine, blobs, tmp_path):
    image_id = put(engine, blobs, "a", encoded(sky(1)))
    call()
    strict = tmp_path / "strict.toml"
    strict.write_text(
        'doubts_to_reject=2\n[[rules]]\nreason="noisy"\nmeasure="noise_sigma_dn"\nside="above"\nreview=0.1\n'
    )
    shown = call("--dry-run", "--policy", str(strict))
    assert "1 of 1 verdicts would change" in shown.stdout and "accept -> review: 1" in shown.stdout
    (line,) = call("--dry-run", "--policy", str(strict), "--json").stdout.splitlines()
    change = json.loads(line)
    assert (change["image_id"], change["after"], change["reasons"]) == (image_id, "review", "noisy")
    assert "0 of 1 verdicts would change" in call("--dry-run").stdout


def test_a_dry_run_without_measurements_says_what_to_run(call, engine, blobs, home):
    put(engine, blobs, "a", encoded(sky(1)))
    call()
    shutil.rmtree(home.measures_dir)
    error = call("--dry-run").exception
    assert isinstance(error, DeepfieldError) and "run `deepfield curate` without --dry-run first" in str(error)
    call()
    assert "0 of 1 verdicts would change" in call("--dry-run").stdout


def test_mistakes_are_told_in_one_sentence(call, tmp_path):
    for arguments, kind in (((), DeepfieldError), (("--policy", str(tmp_path / "none.toml")), UsageError)):
        error = call(*arguments).exception
        assert isinstance(error, kind) and str(error).count("\n") == 0
