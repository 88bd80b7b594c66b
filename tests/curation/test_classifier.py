"""Rules and classifier together: three zones, words and doubt; the file of a policy and back."""

import json
from dataclasses import replace
from datetime import date

import pytest
from test_forest import FOREST

from curation.forest import to_json
from curation.measures import MEASURE_VERSION
from curation.policies import keep_policy, policy_of
from curation.policy import Calibration, Classifier, Policy, Rate, Rule, load_policy, load_rules, rule_on
from curation.policy_text import to_toml, write_policy
from manifests.errors import DeepfieldError, UsageError

NOISY = Rule("noisy", "noise_sigma_dn", "above", 10.0, 20.0, meaning='Grain, "as such".')
JUDGE = Classifier("test_model.json", replace(FOREST, measure_version=MEASURE_VERSION), 0.2, 0.9)
POLICY = Policy("test", 3, (NOISY,), JUDGE)
SEEN = {"domain": "stretched", "median_level_dn": 20.0, "noise_sigma_dn": 2.0}
LIKE_GOOD = SEEN | {"line_length": 1.0}
DOUBTFUL = SEEN | {"line_length": 12.0, "flat_fraction": 0.1}
FLAT = SEEN | {"line_length": 12.0, "flat_fraction": 0.6}
STRICT = replace(POLICY, classifier=replace(JUDGE, forest=replace(JUDGE.forest, excused=(), blind=JUDGE.forest.trees)))


def test_a_score_like_good_frames_accepts_and_says_so():
    ruling = rule_on(POLICY, LIKE_GOOD)
    assert (ruling.verdict, ruling.reasons, ruling.doubt) == ("accept", (), 0.0)
    assert ruling.values == "score 0.1 <= 0.2 (like good frames)"


def test_a_doubtful_score_names_threshold_and_measurements_beside_good_ones():
    ruling = rule_on(POLICY, DOUBTFUL)
    assert (ruling.verdict, ruling.reasons) == ("review", ("unlike_good",))
    assert ruling.values == "score 0.4 > 0.2 (unlike_good); line_length 12, in good frames 0 to 2"
    assert ruling.doubt == pytest.approx(1 - abs(2 * 0.2 / 0.7 - 1))


def test_what_the_forest_excuses_makes_doubtful_but_never_rejects():
    assert rule_on(POLICY, FLAT).verdict == "review"
    assert "flat_fraction" in rule_on(POLICY, FLAT).values
    odd = replace(POLICY, classifier=replace(JUDGE, reject=0.3))
    assert "flat_fraction" not in rule_on(odd, FLAT).values and rule_on(odd, FLAT).verdict == "reject"
    ruling = rule_on(STRICT, FLAT)
    assert (ruling.verdict, ruling.doubt) == ("reject", 0.0) and ruling.values.startswith("score 1 > 0.9")


def test_a_rule_rejects_what_is_doubtful_and_doubts_what_is_like_good_frames():
    noisy = {"noise_sigma_dn": 25.0}
    assert rule_on(POLICY, DOUBTFUL | noisy).verdict == "reject"
    ruling = rule_on(POLICY, LIKE_GOOD | noisy)
    assert (ruling.verdict, ruling.reasons, ruling.doubt) == ("review", ("noisy",), 1.0)
    assert rule_on(replace(POLICY, classifier=None), LIKE_GOOD | noisy).verdict == "reject"


def test_the_classifier_says_nothing_of_counts_and_of_frames_without_pixels():
    for row in (FLAT | {"domain": "linear"}, FLAT | {"median_level_dn": None}):
        assert rule_on(STRICT, row).verdict == "accept"


def test_the_digest_follows_thresholds_and_trees_and_not_words():
    judge = replace(JUDGE, calibration=Calibration("x", date(2026, 1, 1), Rate(1, 1)), model="other.json")
    same = replace(POLICY, classifier=judge, rules=(replace(NOISY, meaning=""),))
    assert same.digest == POLICY.digest
    others = [
        replace(POLICY, classifier=None),
        replace(POLICY, classifier=replace(JUDGE, review=0.21)),
        replace(POLICY, classifier=replace(JUDGE, forest=replace(JUDGE.forest, slope=1.01))),
    ]
    assert len({POLICY.digest, *(other.digest for other in others)}) == 4


def test_a_policy_survives_its_files(tmp_path):
    known = Calibration("frames-3", date(2026, 11, 28), Rate(0.75, 0.5), Rate(1.0, 0.25))
    judge = replace(JUDGE, calibration=known, model="strict_model.json")
    rules = (replace(NOISY, calibration=known), Rule("faint", "p999_level_dn", "below", 99.5, None, "linear"))
    policy = Policy("strict \u2264 \x7f", 3, rules, judge)
    write_policy(policy, tmp_path / "strict.toml")
    assert load_policy(tmp_path / "strict.toml") == policy
    assert load_rules(tmp_path / "strict.toml") == replace(policy, classifier=None)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"test_model.json"', '"../test_model.json"', "file beside"),
        ('"test_model.json"', '"none.json"', "cannot be read"),
        ("review = 0.2", "review = 0.95", "not above reject"),
        ("reject = 0.9", 'reject = "0.9"', "numbers from 0 to 1"),
        ('"stretched"', '"straight"', "domain must be"),
        ("[classifier]", "[classifier]\nforest = 3", "unknown key 'forest'"),
    ],
)
def test_a_mistake_about_the_classifier_is_one_sentence(tmp_path, before, after, says):
    path = tmp_path / "test.toml"
    write_policy(POLICY, path)
    assert before in to_toml(POLICY)
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(UsageError) as caught:
        load_policy(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"measure_version": "1"}, {"format": 1}])
def test_a_model_of_an_earlier_version_asks_to_be_calibrated_again(tmp_path, change):
    write_policy(POLICY, tmp_path / "test.toml")
    model = tmp_path / "test_model.json"
    model.write_text(json.dumps(json.loads(to_json(JUDGE.forest)) | change))
    with pytest.raises(UsageError, match="Run `deepfield curate calibrate` again"):
        load_policy(tmp_path / "test.toml")
    keep_policy(POLICY, tmp_path)
    assert policy_of(POLICY.digest, tmp_path).digest == POLICY.digest
    (kept,) = (tmp_path / "policies").glob("*_model.json")
    kept.write_text(model.read_text())
    with pytest.raises(DeepfieldError, match="of another version of Deepfield: run `deepfield curate` again"):
        policy_of(POLICY.digest, tmp_path)
    model.write_text(json.dumps([1, 2]))
    with pytest.raises(UsageError, match="no model of format"):
        load_policy(tmp_path / "test.toml")


def test_a_kept_policy_that_was_changed_is_not_taken_for_what_it_was(tmp_path):
    keep_policy(POLICY, tmp_path)
    kept = tmp_path / "policies" / f"{POLICY.digest}.toml"
    changed = kept.read_text().replace("review = 10", "review = 11", 1)
    assert changed != kept.read_text()
    kept.write_text(changed)
    with pytest.raises(DeepfieldError, match="is not the policy that was kept there"):
        policy_of(POLICY.digest, tmp_path)
