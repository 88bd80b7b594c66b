"""Agreement of reviewers, against figures worked out by hand and in print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.review.agreement import cohens_kappa, krippendorffs_alpha


def test_cohens_kappa_of_a_printed_example():
    # 50 grants, two readers: both yes 20, only the first 5, only the second 10, both no 15 (Wikipedia, Cohen's kappa)
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([("y", "y")] * 5) is None and cohens_kappa([]) is None


def test_krippendorffs_alpha_of_the_printed_examples():
    # Krippendorff 2011, section B: two observers, nominal data, no gaps
    first = ["a", "a", "b", "b", "d", "c", "c", "c", "e", "d", "d", "a"]
    second = ["b", "a", "b", "b", "b", "c", "c", "c", "e", "d", "d", "d"]
    assert krippendorffs_alpha(zip(first, second, strict=True)) == pytest.approx(0.692, abs=5e-4)
    # section C: four observers with gaps
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[str(value) for value in unit if value is not None] for unit in zip(*observers, strict=True)]
    assert krippendorffs_alpha(units) == pytest.approx(0.743, abs=5e-4)
    assert krippendorffs_alpha([["a", "a"]]) is None and krippendorffs_alpha([["a"]]) is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), min_size=2, max_size=30))
def test_agreement_is_symmetric_and_one_where_all_agree(pairs):
    turned = [(two, one) for one, two in pairs]
    assert cohens_kappa(pairs) == pytest.approx(cohens_kappa(turned))
    assert krippendorffs_alpha(pairs) == pytest.approx(krippendorffs_alpha(turned))
    if len({word for pair in pairs for word in pair}) == 2:
        assert krippendorffs_alpha([(one, one) for one, _ in [*pairs, ("a", "a"), ("b", "b")]]) == pytest.approx(1.0)
