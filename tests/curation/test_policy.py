"""The policy: a typed file in, verdicts with reasons and values out, and one sentence for every mistake in it."""

from dataclasses import replace
from datetime import date

import pytest

from curation.policy import DEFAULT_POLICY, RULES_ONLY, Policy, Rule, load_policy, load_rules, rule_on
from manifests.errors import UsageError

NOISY = Rule("noisy", "noise_sigma_dn", "above", 10.0, 20.0)
FAINT = Rule("faint", "p999_level_dn", "below", 100.0, 40.0)
RULED = Rule("ruled", "line_length", "above", 3.0)
HARD = Rule("ruled", "edge_p99_dn", "above", 100.0)
POLICY = Policy("test", 3, (NOISY, FAINT, RULED, HARD))
FINE = {"noise_sigma_dn": 2.0, "p999_level_dn": 200.0, "line_length": 0.0, "edge_p99_dn": 9.0, "domain": "stretched"}


def test_nothing_amiss_is_accepted_without_reasons():
    assert rule_on(POLICY, FINE) == rule_on(POLICY, {})
    ruling = rule_on(POLICY, FINE)
    assert (ruling.verdict, ruling.reasons, ruling.values, ruling.doubt) == ("accept", (), "", 0.0)


def test_a_sure_value_rejects_and_names_value_threshold_and_unit():
    ruling = rule_on(POLICY, FINE | {"noise_sigma_dn": 24.25})
    assert (ruling.verdict, ruling.reasons) == ("reject", ("noisy",))
    assert ruling.values == "noise_sigma_dn 24.2 > 20 DN (noisy)"


def test_a_value_between_asks_for_review_and_is_most_doubtful_in_the_middle():
    ruling = rule_on(POLICY, FINE | {"p999_level_dn": 70.0})
    assert (ruling.verdict, ruling.values) == ("review", "p999_level_dn 70 < 100 DN (faint)")
    assert ruling.doubt == pytest.approx(1.0)
    assert rule_on(POLICY, FINE | {"p999_level_dn": 45.0}).doubt < ruling.doubt


def test_a_value_on_the_threshold_is_not_beyond_it():
    assert rule_on(POLICY, FINE | {"noise_sigma_dn": 10.0}).verdict == "accept"
    assert rule_on(POLICY, FINE | {"noise_sigma_dn": 20.0}).verdict == "review"


def test_different_doubts_add_up_but_one_reason_counts_once():
    two = FINE | {"noise_sigma_dn": 11.0, "line_length": 4.0, "edge_p99_dn": 200.0}
    assert rule_on(POLICY, two).verdict == "review"
    three = rule_on(POLICY, two | {"p999_level_dn": 90.0})
    assert (three.verdict, set(three.reasons)) == ("reject", {"noisy", "faint", "ruled"})
    assert "3 doubts >= 3" in three.values


def test_missing_measurements_say_nothing():
    assert rule_on(POLICY, {"noise_sigma_dn": None, "p999_level_dn": float("nan")}).verdict == "accept"


def test_a_rule_of_another_domain_says_nothing():
    linear = Policy("test", 3, (Rule("noisy", "noise_sigma_dn", "above", 1.0, domain="linear"),))
    assert rule_on(linear, FINE).verdict == "accept"
    assert rule_on(linear, FINE | {"domain": "linear"}).verdict == "review"


@pytest.mark.parametrize("path", [DEFAULT_POLICY, RULES_ONLY])
def test_counts_are_held_against_thresholds_of_their_own(path):
    policy = load_policy(path)
    domains = {
        domain: {rule.measure for rule in policy.rules if rule.domain == domain}
        for domain in ("any", "stretched", "linear")
    }
    assert all(domains.values())
    # what means the same in both: how much is data
    assert domains["any"] == {"coverage", "void_line_length"}
    assert {"chroma_p99_dn", "hue_spread", "colour_rank"} <= domains["stretched"]
    # counts of one filter have no colour
    colour = {"chroma_p99_dn": 0.0, "hue_spread": 0.0, "colour_rank": 0.0, "coverage": 1.0, "void_line_length": 0.0}
    # a fine exposure, which as a preview would be noisy, empty, black and full of lines
    counts = {"noise_sigma_dn": 40.0, "signal_fraction": 0.001, "black_fraction": 0.95, "line_length": 900.0}
    fine = colour | counts | {"signal_to_noise": 30.0, "level_skewness": 1.0, "domain": "linear"}
    assert rule_on(policy, fine).verdict == "accept"
    assert rule_on(policy, fine | {"signal_to_noise": 8.0}).reasons == ("noisy",)
    assert rule_on(policy, fine | {"level_skewness": -0.9}).reasons == ("map",)
    assert rule_on(replace(policy, classifier=None), fine | {"domain": "stretched"}).verdict == "reject"


def test_the_default_policy_loads_and_every_threshold_says_where_it_comes_from():
    policy = load_policy()
    assert policy.doubts_to_reject == 3
    assert policy.classifier is not None and policy.classifier.domain == "stretched"
    for judge in (*policy.rules, policy.classifier):
        assert judge.calibration is not None and isinstance(judge.calibration.on, date)
        precision = judge.calibration.review.precision  # None where no labelled frame lies beyond the threshold
        assert precision is None or precision >= 0.6
    assert {rule.measure for rule in policy.rules} == {rule.measure for rule in load_rules(RULES_ONLY).rules}


def test_the_digest_changes_with_what_decides_and_with_nothing_else(tmp_path):
    text = (
        tmp_path / "p.toml",
        'doubts_to_reject = 2\n[[rules]]\nreason="a"\nmeasure="text_run"\nside="above"\nreview=',
    )
    path, body = text
    digests = []
    for change in ("3", "3 # same", "4"):
        path.write_text(body + change)
        digests.append(load_policy(path).digest)
    path.write_text('name = "renamed"\n' + body + "3")
    digests.append(load_policy(path).digest)
    assert digests[0] == digests[1] == digests[3] != digests[2]


GOOD = 'doubts_to_reject = 2\n[[rules]]\nreason = "noisy"\nmeasure = "noise_sigma_dn"\nside = "above"\nreview = 1\n'
DATED = '[rules.calibration]\nframes = "x"\non = 2026-01-01\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("doubts_to_reject = ", "is not TOML"),
        ("doubts_to_reject = 2", "no [[rules]]"),
        (GOOD.replace("= 2", "= 1"), "at least 2"),
        (GOOD.replace("= 2", "= true"), "at least 2"),
        ("colour = 1\n" + GOOD, "unknown key 'colour'"),
        (GOOD + "treshold = 2\n", "unknown key 'treshold'"),
        (GOOD.replace("noise_sigma_dn", "noise"), "no such measurement"),
        (GOOD.replace("above", "over"), "above or below"),
        (GOOD.replace("review = 1", 'review = "1"'), "must be a number"),
        (GOOD + "reject = 0.5\n", "further above"),
        (GOOD + 'domain = "linaer"\n', "domain must be"),
        (GOOD.replace('"noisy"', '"very noisy"'), "one word"),
        (GOOD + '[rules.calibration]\nframes = "x"\n', "date"),
        (
            GOOD + '[rules.calibration]\nframes = "x"\non = 2026-01-01\nreview = { precision = 2, recall = 0 }\n',
            "0 to 1",
        ),
        ("rules = 3\ndoubts_to_reject = 2", "no [[rules]]"),
        ("doubts_to_reject = 2\nrules = [3]", "must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, text, says):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"policy\.toml") as caught:
        load_policy(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_and_a_binary_file_are_one_sentence_too(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a text file"):
        load_policy(tmp_path / "binary.toml")
