"""A sample of the labelled real frames: the policy's rates and the real twins."""

from pathlib import Path

import pandas as pd
import pytest

from curation.features import extract
from curation.judge import judge
from curation.measures import as_row, measure
from curation.policy import load_policy, rule_on
from manifests.frames import decode

FRAMES = Path(__file__).parents[3] / "shared" / "frames"

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not FRAMES.exists(), reason="the real frames are not here")]


def _verdicts(labels: list[str], every: int) -> list[str]:
    index = pd.read_csv(FRAMES / "index.csv")
    policy, out = load_policy(), []
    for name in index.loc[index["label"].isin(labels), "file"].iloc[::every]:
        frame = decode(FRAMES / name)
        out.append(rule_on(policy, as_row(measure(frame)) | {"domain": frame.domain}).verdict)
    return out


def test_good_frames_are_not_rejected_and_most_are_accepted():
    verdicts = _verdicts(["good"], 20)
    assert verdicts.count("reject") == 0
    assert verdicts.count("accept") >= 0.8 * len(verdicts)


def test_partial_frames_are_not_rejected():
    assert "reject" not in _verdicts(["partial"], 2)


def test_few_frames_to_drop_are_accepted():
    verdicts = _verdicts(["bad", "non_observation"], 14)
    assert verdicts.count("accept") <= 0.07 * len(verdicts)


def test_real_twins_match_and_their_neighbours_in_the_list_do_not():
    pairs = pd.read_csv(FRAMES / "pairs.csv").drop_duplicates("release_id").iloc[:6]
    features = [
        (extract(decode(FRAMES / a)), extract(decode(FRAMES / b))) for a, b in zip(pairs["a"], pairs["b"], strict=True)
    ]
    for n, (a, b) in enumerate(features):
        assert judge(a, b).relation == "same_rendering"
        assert judge(a, features[n - 1][1]).relation == "none"
