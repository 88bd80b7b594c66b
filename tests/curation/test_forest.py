"""The classifier as plain numbers: a text and back, the same score as the library that grew it, and what moved it."""

import json

import numpy as np
import pandas as pd
import pytest
from drawn_measures import labelled_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier

from curation import learning
from curation.forest import Forest, Tree, Usual, from_json, to_json

TREE = Tree((0, -1, 1, -1, -1), (10.0, 0.0, 0.5, 0.0, 0.0), (2, 0, 4, 0, 0), (0.5, 0.1, 0.7, 0.4, 1.0))
BLIND = Tree((0, -1, -1), (10.0, 0.0, 0.0), (2, 0, 0), (0.5, 0.1, 0.4))
FOREST = Forest(
    ("line_length", "flat_fraction"),
    (Usual(0.0, 2.0, 1.0), Usual(0.0, 0.1, 0.0)),
    ("flat_fraction",),
    (TREE,),
    (BLIND,),
    1.0,
    0.0,
    "0",
)

numbers = st.floats(-1e6, 1e6).map(lambda value: float(f"{value:.5g}"))


@st.composite
def trees(draw, depth: int = 4) -> Tree:
    nodes: list[list[float]] = []

    def grow(left: int) -> None:
        here = len(nodes)
        nodes.append([-1, 0.0, 0, draw(st.integers(0, 1000)) / 1000])
        if left and draw(st.booleans()):
            nodes[here][0], nodes[here][1] = draw(st.integers(0, 1)), draw(numbers)
            grow(left - 1)
            nodes[here][2] = len(nodes)
            grow(left - 1)

    grow(depth)
    measure, threshold, right, value = zip(*nodes, strict=True)
    return Tree(measure, threshold, right, value)


@settings(max_examples=40, deadline=None)
@given(st.lists(trees(), min_size=1, max_size=4), numbers, numbers)
def test_a_forest_survives_its_text_and_scores_lie_between_nothing_and_one(grown, line, flat):
    forest = Forest(FOREST.measures, FOREST.usual, FOREST.excused, tuple(grown), (BLIND,), 1.3, -0.2, "7")
    back = from_json(to_json(forest))
    assert back == forest and back.digest == forest.digest
    row = {"line_length": line, "flat_fraction": flat}
    opinion = back.opinion(row)
    assert 0.0 <= opinion.score <= 1.0
    whole = sum(driver.pull for driver in opinion.drivers)
    assert whole >= 0 and all(driver.value in (line, flat) for driver in opinion.drivers)
    (share,) = learning.shares(back, pd.DataFrame([row]))
    assert back.calibrated(share) == pytest.approx(opinion.score)


def test_a_score_names_what_moved_it_and_how_that_is_in_good_frames():
    opinion = FOREST.opinion({"line_length": 12.0, "flat_fraction": 0.6})
    assert opinion.score == pytest.approx(0.999) and opinion.excused == pytest.approx(0.4)
    first, second = opinion.drivers
    assert (first.measure, first.value, first.pull) == ("flat_fraction", 0.6, pytest.approx(0.3))
    assert (second.measure, second.usual.high) == ("line_length", 2)
    assert FOREST.opinion({}).score == pytest.approx(0.1)
    assert FOREST.opinion({"line_length": None, "flat_fraction": float("nan")}) == FOREST.opinion({})


def test_plain_trees_say_what_the_library_says():
    rows = labelled_rows(30, seed=3)
    forest = learning.fit_forest(rows, seed=5)
    values = rows[list(forest.measures)].astype(float)
    grown = ExtraTreesClassifier(
        len(forest.trees),
        min_samples_leaf=learning._LEAF_FRAMES,
        max_features=learning._TRIED_SHARE,
        class_weight="balanced",
        random_state=5,
    ).fit(values.fillna(values.median().fillna(0)), rows["label"] == "drop", np.where(rows["label"] == "spare", 0.3, 1))
    expected = grown.predict_proba(values.fillna(values.median().fillna(0)))[:, 1]
    assert np.abs(learning.shares(forest, rows) - expected).max() < 0.02


def test_what_is_excused_has_no_part_in_the_blind_trees():
    rows = labelled_rows(30, seed=4)
    forest = learning.fit_forest(rows, seed=5)
    others = rows.assign(**{name: rows[name].sample(frac=1, random_state=1).to_numpy() for name in forest.excused})
    assert (learning.shares(forest, rows, excused=True) == learning.shares(forest, others, excused=True)).all()
    for row, share in zip(others.to_dict("records"), learning.shares(forest, rows, excused=True), strict=True):
        assert forest.opinion(row).excused == pytest.approx(forest.calibrated(share))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 1}, "format 2"),
        ({"trees": []}, "no trees"),
        ({"blind": []}, "no trees"),
        ({"blind": json.loads(to_json(FOREST))["trees"]}, "blind trees know"),
        ({"slope": "steep"}, "finite"),
        ({"excused": ["coverage"]}, "unknown measurement 'coverage'"),
        ({"measures": [{"measure": "a_size", "low": 0, "high": 1, "missing": 0}] * 2}, "unknown measurement 'a_size'"),
        ({"trees": [{"measure": [0], "threshold": [1], "right": [0], "value": [0.5]}]}, "nowhere"),
        ({"trees": [{"measure": [-1], "threshold": [1], "right": [0], "value": [1.5]}]}, "from 0 to 1"),
        ({"trees": [{"measure": [-1, -1], "threshold": [1], "right": [0], "value": [0.5]}]}, "differ in length"),
        ({"trees": [3]}, "missing or of the wrong kind"),
    ],
)
def test_a_damaged_model_is_refused_with_a_reason(change, says):
    with pytest.raises(ValueError, match=says):
        from_json(json.dumps(json.loads(to_json(FOREST)) | change))


def test_no_beginning_of_a_model_passes_for_one():
    text = to_json(FOREST)
    for end in range(0, len(text) - 2, 7):
        with pytest.raises(ValueError, match="JSON"):
            from_json(text[:end])
