"""`deepfield curate calibrate`: from labels to a policy that judges, a report, and one sentence for every mistake."""

import json
from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from drawn_measures import labelled_rows
from drawn_skies import encoded, page, sky
from typer.testing import CliRunner

from curation import learning
from curation.calibrate import calibrate
from curation.calibration_report import reliability
from curation.cli import curate_app
from curation.labelled import FEWEST, FEWEST_COUNTS, Labelled, Words, from_folder
from curation.learning import Aims
from curation.policy import RULES_ONLY, Calibration, Policy, Rate, Rule, load_policy, load_rules, rule_on
from curation.policy_text import to_toml, write_policy
from curation.rates import Share, errors_allowed
from curation.rulefit import fit_rules, rate, rated
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings

RULED = Rule("ruled", "line_length", "above", 1.0, 2.0)
NOISY = Rule("noisy", "noise_sigma_dn", "below", 1.0, 0.5)
OLD = Calibration("older-10", date(2026, 1, 1), Rate(0.8, 0.1))
NEW = Calibration("made-80", date(2026, 11, 28), Rate(1.0, 0.0))


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    monkeypatch.setattr(learning, "_TREES", 8)
    monkeypatch.setattr(learning, "_INNER_REPEATS", 1)
    monkeypatch.setattr(learning, "_FOLDS", 3)


def test_a_share_has_wilsons_interval():
    # Wilson 1927 for 10 of 100, as published tables have it
    assert Share(10, 100).interval == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    assert str(Share(0, 0)) == "0.0 % [0.0, 100.0]"
    assert errors_allowed(10, 0.02, 1.0) == 0 and errors_allowed(1000, 0.02, 1.0) < 20
    assert errors_allowed(10, 1.0, 1.0) == 10


def test_rules_stand_off_from_the_most_extreme_good_frame():
    rows = labelled_rows(40, seed=1, apart=20.0)
    (ruled, noisy) = fit_rules((RULED, NOISY), rows, rows["label"])
    good = rows.loc[rows["label"] == "keep", "line_length"].max()
    assert ruled.review == pytest.approx(1.1 * good, rel=0.01) and ruled.reject > ruled.review
    found = rate(ruled, ruled.review, rows, rows["label"])
    assert found is not None and found.precision == 1.0 and found.recall > 0.9
    assert noisy.review < 40 or noisy == NOISY


def test_a_sure_threshold_that_no_frame_reaches_is_left_out():
    rows = labelled_rows(40, seed=1, apart=20.0)
    rows["black_fraction"] = np.where(rows["label"] == "drop", 0.99, 0.7)
    (black,) = fit_rules((Rule("empty", "black_fraction", "above", 0.5, 0.6),), rows, rows["label"])
    assert black.review == pytest.approx(0.77) and black.reject is None
    rows["black_fraction"] = np.where(rows["label"] == "drop", 0.2, 0.7)
    (black,) = fit_rules((Rule("empty", "black_fraction", "above", 0.5, 0.6),), rows, rows["label"])
    assert black.review == pytest.approx(0.77) and black.reject is None


def test_every_threshold_says_what_it_comes_from_even_where_no_frame_lies_beyond(tmp_path):
    rows = labelled_rows(40, seed=1, apart=20.0)
    rows["noise_sigma_dn"] = np.where(rows["label"] == "drop", 2.0, 20.0)
    rows["coverage"] = np.where(rows["label"] == "drop", 0.2, 0.9)
    loud = Rule("noisy", "noise_sigma_dn", "above", 10.0, 30.0, calibration=OLD)
    hollow = Rule("empty", "coverage", "below", 0.3, 0.1)
    seldom = Rule("empty", "black_fraction", "above", 1e6, calibration=OLD)
    fitted = rated(fit_rules((loud, hollow, seldom), rows, rows["label"]), rows, rows["label"], "made-80", NEW.on)
    # the first was moved off the good frames, to where none is: of it nothing is known but that it finds nothing
    assert fitted[0].review == pytest.approx(22.0) and fitted[0].calibration == replace(NEW, review=Rate(None, 0.0))
    assert fitted[1].calibration == replace(NEW, review=Rate(1.0, 1.0), reject=Rate(None, 0.0))
    assert fitted[2] == seldom
    write_policy(Policy("made", 3, fitted), tmp_path / "made_policy.toml")
    assert load_policy(tmp_path / "made_policy.toml").rules == fitted


def test_one_frame_of_many_beyond_a_threshold_is_not_written_as_none():
    found = Calibration("made-400", NEW.on, Rate(1.0, 1 / 300))
    text = to_toml(Policy("made", 3, (Rule("empty", "coverage", "below", 0.3, calibration=found),)))
    assert "review = { precision = 1.00, recall = 0.003 }" in text


def test_what_is_learnt_separates_and_is_the_same_again():
    rows = labelled_rows(40, seed=2, apart=6.0)
    done = calibrate(
        Labelled("made-80", rows),
        Policy("base", 3, (RULED,)),
        Aims(0.1, 0.1),
        name="made",
        model="made_model.json",
        on=date(2026, 11, 28),
        repeats=2,
    )
    judge = done.policy.classifier
    assert judge is not None and 0 <= judge.review <= judge.reject <= 1
    assert done.share("accept", label="drop").value <= 0.1 and done.share("reject", label="keep").value <= 0.1
    assert sum(done.share(verdict).hits for verdict in ("accept", "review", "reject")) == pytest.approx(80, abs=1)
    verdicts = [rule_on(done.policy, row).verdict for row in rows.to_dict("records")]
    assert np.mean([v == "accept" for v, label in zip(verdicts, rows["label"], strict=True) if label == "keep"]) > 0.7
    assert all(0 <= share <= 1 and number for _, share, number in reliability(done))
    assert done.policy.rules[0].calibration is not None and judge.calibration is not None
    again = learning.learn(Policy("base", 3, (RULED,)), rows, Aims(0.1, 0.1), "made_model.json")
    assert again.digest == replace(done.policy, name="base").digest


@pytest.fixture
def call(home, monkeypatch):
    monkeypatch.setenv("DEEPFIELD_HOME", str(home.home))
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(curate_app, ["calibrate", *map(str, arguments)])
    load_settings.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """Twenty skies and twenty pages, as a labelled folder."""
    place = tmp_path / "labelled"
    place.mkdir()
    rows = []
    for number in range(FEWEST):
        for label, drawn in (("good", sky(number, 120, 160)), ("bad", page(200 + number, 260))):
            name = f"{label}{number}.png"
            (place / name).write_bytes(encoded(drawn))
            rows.append({"file": name, "label": label})
    pd.DataFrame(rows).to_csv(place / "index.csv", index=False)
    return place


def test_a_labelled_folder_becomes_a_policy_and_a_report(call, folder, home, tmp_path, monkeypatch):
    # one partition instead of three: what several come to is tried above
    monkeypatch.setattr("curation.calibrate.calibrate", partial(calibrate, repeats=1))
    out, report = tmp_path / "own.toml", tmp_path / "report.html"
    result = call(folder, "--out", out, "--report", report)
    assert result.exit_code == 0, result.output
    assert "40 labelled frames of 40 groups" in result.output and "review" in result.output
    policy = load_policy(out)
    assert policy.name == "own" and policy.classifier is not None and (tmp_path / "own_model.json").exists()
    text = report.read_text()
    for part in ("Labels against verdicts", "reliability curve", "single rules", "good (20)"):
        assert part in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    numbers = json.loads(call(folder, "--out", out, "--report", report, "--json").stdout)
    assert numbers["review_load"]["n"] == 40 and numbers["digest"] == policy.digest
    assert {"value", "low", "high", "n"} == set(numbers["false_accepts"])


def test_frames_that_were_too_large_are_measured_under_a_higher_limit(folder, home):
    with pytest.raises(DeepfieldError, match="there are 0 of 0"):
        from_folder(folder, Words(), (), home.model_copy(update={"max_pixels": 100}))
    assert from_folder(folder, Words(), (), home).name == "labelled-40"


@pytest.fixture
def labelled_fits(tmp_path):
    """Ten exposures of stars, and ten of the same with hot pixels, as a labelled folder."""
    place = tmp_path / "exposures"
    place.mkdir()
    rows = []
    for number in range(FEWEST_COUNTS):
        rng = np.random.default_rng(number)
        counts = sky(number, 120, 160, noise=0).mean(axis=2) * 10 + rng.normal(0, 5, (120, 160))
        hot = counts.copy()
        hot.ravel()[rng.choice(hot.size, hot.size // 50, replace=False)] += 5000
        for label, values in (("good", counts), ("bad", hot)):
            fits.PrimaryHDU(values.astype(np.float32)).writeto(place / f"{label}{number}.fits")
            rows.append({"file": f"{label}{number}.fits", "label": label, "group": str(number)})
    pd.DataFrame(rows).to_csv(place / "index.csv", index=False)
    return place


def test_rules_on_counts_are_rated_on_labelled_fits(call, folder, labelled_fits, tmp_path, monkeypatch):
    monkeypatch.setattr("curation.calibrate.calibrate", partial(calibrate, repeats=1))
    out, report = tmp_path / "own.toml", tmp_path / "report.html"
    result = call(folder, "--counts", labelled_fits, "--out", out, "--report", report)
    assert result.exit_code == 0, result.output
    assert "40 labelled frames" in result.output and "20 labelled FITS rate" in result.output
    shipped = {(rule.measure, rule.domain): rule for rule in load_rules(RULES_ONLY).rules}
    rules = {(rule.measure, rule.domain): rule for rule in load_policy(out).rules}
    hot = rules["speckle_per_mpx", "linear"]
    assert hot.calibration is not None and hot.calibration.frames == "exposures-fits-20"
    assert hot.calibration.review == Rate(1.0, 1.0)
    # thresholds on counts stay, and what no file lies beyond keeps its rates
    assert hot == replace(shipped["speckle_per_mpx", "linear"], calibration=hot.calibration)
    assert rules["star_fwhm_px", "linear"] == shipped["star_fwhm_px", "linear"]
    assert rules["signal_to_grain", "stretched"].calibration.frames == "labelled-40"


def test_fits_may_be_labelled_beside_pictures_and_few_change_nothing(folder, labelled_fits, home):
    index = pd.concat([pd.read_csv(place / "index.csv", dtype=str) for place in (folder, labelled_fits)])
    for path in labelled_fits.glob("*.fits"):
        path.rename(folder / path.name)
    index.to_csv(folder / "index.csv", index=False)
    both = from_folder(folder, Words(), (), home)
    assert both.name == "labelled-40" and both.counts is not None and both.counts.name == "labelled-fits-20"
    index[:-1].to_csv(folder / "index.csv", index=False)
    assert from_folder(folder, Words(), (), home).counts is None


def test_mistakes_are_one_sentence(call, folder, tmp_path):
    index = folder / "index.csv"
    good = index.read_text()
    few = "\n".join(good.splitlines()[:20])
    one_class = "\n".join(line for line in good.splitlines() if not line.endswith("bad"))
    cases = [
        ((tmp_path / "none",), good, UsageError, "cannot be read"),
        ((folder,), good.replace("label", "verdict", 1), UsageError, "no column 'label'"),
        ((folder,), "", UsageError, "not a table"),
        ((folder, "--drop", "ugly"), good, UsageError, "label 'ugly'"),
        ((folder,), good.replace("good3.png", "gone.png"), UsageError, "gone.png"),
        ((folder,), few, DeepfieldError, f"at least {FEWEST} good frames"),
        ((folder,), one_class, DeepfieldError, f"at least {FEWEST} frames to drop"),
        ((), good, DeepfieldError, "snapshot"),
        (("--good", "fine"), good, UsageError, "labelled folder"),
        (("--counts", folder), good, UsageError, "labelled folder"),
        ((folder, "--counts", folder), good, DeepfieldError, "10 good FITS files"),
    ]
    for arguments, text, kind, says in cases:
        index.write_text(text)
        error = call(*arguments).exception
        assert isinstance(error, kind) and says in str(error) and "\n" not in str(error), (arguments, error)
