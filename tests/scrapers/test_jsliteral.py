import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.jsliteral import LiteralError, read_variable

SCRIPT = r"""
<script>
var other = 3, images = [ // a list
    { id: 'a1', "title": 'It\'s \u00e9 \x41 \u{1F600}', width: 7887, ratio: -1.5e2, /* size */ url: '/x/', potw: '', },
    { id: "b\
c", flag: true, none: null, nothing: undefined, hex: 0x1F, nested: [[1,], {}], },
];
</script>
"""


def test_literals_that_are_no_json() -> None:
    first, second = read_variable(SCRIPT, "images")
    assert first == {"id": "a1", "title": "It's é A 😀", "width": 7887, "ratio": -150.0, "url": "/x/", "potw": ""}
    assert second == {"id": "bc", "flag": True, "none": None, "nothing": None, "hex": 31, "nested": [[1], {}]}


def test_a_number_of_thousands_of_digits_is_a_double() -> None:
    assert read_variable(f"x = [{'1' * 20}]", "x") == [float("1" * 20)]
    assert read_variable(f"x = {'9' * 5000}", "x") == float("inf")


def test_surrogates_are_joined_and_lone_ones_are_replaced() -> None:
    assert read_variable(r"x = '\ud83d\ude00'", "x") == "😀"
    assert read_variable(r"x = '\ud83d'", "x").encode()


@pytest.mark.parametrize(
    "text", ["x = alert(1)", "x = [1", "x = {a 1}", "x = 'abc", "x = [1 2]", "x =", "x = " + "[" * 100]
)
def test_what_is_no_literal_is_said_so(text: str) -> None:
    with pytest.raises(LiteralError):
        read_variable(text, "x")


def test_a_missing_variable() -> None:
    with pytest.raises(KeyError):
        read_variable("imagesize = [1]; images == [2]", "images")


texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_json_is_a_part_of_it(value: object) -> None:
    assert read_variable(f"x = {json.dumps(value)};", "x") == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        read_variable(f"x = {text}", "x")
