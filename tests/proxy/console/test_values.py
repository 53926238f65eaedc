"""Arguments as rows: every one, whole, in order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Json
from proxy.console.values import rows_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def leaves(value: Any) -> int:
    if isinstance(value, dict) and value:
        return sum(map(leaves, value.values()))
    if isinstance(value, list) and value:
        return sum(map(leaves, value))
    return 1


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_every_value_has_a_row_of_its_own(arguments: dict[str, Json]) -> None:
    """As many rows as values, and no two under one name."""
    rows = rows_of(arguments)
    assert len(rows) == (leaves(arguments) if arguments else 0)
    assert len({row.path for row in rows}) == len(rows)


def test_rows_come_in_order_with_their_paths() -> None:
    """Nested values have paths; names that look like paths are quoted."""
    rows = rows_of({"b": 1, "a": {"x": [True, None]}, "a.x[0]": "odd", "e": {}, "l": [], "": ""})
    assert [(row.path, row.text, row.kind) for row in rows] == [
        ("b", "1", "number"),
        ("a.x[0]", "true", "yes or no"),
        ("a.x[1]", "null", "nothing"),
        ('"a.x[0]"', "odd", "text"),
        ("e", "{}", "empty object"),
        ("l", "[]", "empty list"),
        ('""', "", "empty text"),
    ]


@pytest.mark.parametrize("number", [10000000000000001, -(2**63), 10**40])
def test_whole_numbers_keep_every_digit(number: int) -> None:
    """What a browser would round is shown exactly."""
    assert rows_of({"amount": number})[0].text == str(number)


def test_a_long_text_is_whole_and_says_how_long_it_is() -> None:
    """Nothing is cut; its length and digest are beside it."""
    row = rows_of({"memo": "x" * 5000})[0]
    assert row.text == "x" * 5000
    assert row.note.startswith("5,000 characters, SHA-256 ")


def test_a_name_can_warn_too() -> None:
    """A look-alike argument name is pointed out like a value."""
    assert rows_of({"\u0430mount": 1})[0].warnings
