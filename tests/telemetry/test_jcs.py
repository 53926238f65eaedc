"""RFC 8785 bytes of any JSON, and what a survey sees."""

import json
import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from telemetry.jcs import MAX_EXACT, is_plain, jcs, survey

exact = st.integers(-MAX_EXACT, MAX_EXACT)
numbers = exact | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e6, 1e6).map(lambda f: round(f, 2))
leaves = st.none() | st.booleans() | numbers | st.text()
keys = st.text() | st.sampled_from(["\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001f600"])
any_json = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.lists(inner, min_size=33, max_size=40) | st.dictionaries(keys, inner),
    max_leaves=50,
)


@given(any_json)
def test_any_json_has_its_rfc_8785_form(value):
    """Any JSON, floats and all keys included, is written as an RFC 8785 library writes it."""
    assert jcs(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 1e21, 1e-7, 123456789012345680000.0, 5e-324, 1.7976931348623157e308, 0.1]
)
def test_numbers_at_the_edges(number):
    """The numbers at which the ECMAScript form changes its shape."""
    assert jcs([number, -number]) == rfc8785.dumps([number, -number])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_without_a_form(number):
    """What is not a finite number cannot be committed to."""
    with pytest.raises(ValueError, match="not finite"):
        jcs({"a": number})


@given(any_json)
def test_two_looks_agree(value):
    """What is plain for the survey is plain for the short cut, and sorted JSON then is the canonical form."""
    assert is_plain(value) == survey(value).plain
    if is_plain(value):
        assert jcs(value, plain=True) == rfc8785.dumps(value)


@given(any_json)
def test_a_survey_sees_everything(value):
    """Depth, keys and numbers are those that a walk through the value finds."""

    def walk(item, depth):
        yield item, depth
        inner = item if isinstance(item, list) else item.values() if isinstance(item, dict) else ()
        for one in inner:
            yield from walk(one, depth + 1)

    found = list(walk(value, 1))
    seen = survey(value)
    assert seen.depth == max([depth for item, depth in found if isinstance(item, list | dict)], default=0)
    assert seen.keys == {key for item, _ in found if isinstance(item, dict) for key in item}
    assert seen.largest == max([abs(item) for item, _ in found if isinstance(item, float)], default=0.0)
    assert seen.exact


@given(st.binary(min_size=8, max_size=8))
def test_any_float_is_written_as_ecmascript_does(raw):
    """Every bit pattern of a finite float agrees with an RFC 8785 library, alone and in a document."""
    (number,) = struct.unpack(">d", raw)
    if number == number and abs(number) != float("inf"):  # noqa: PLR0124 - that is how NaN is known
        assert jcs({"a": [number]}) == rfc8785.dumps({"a": [number]})


def test_integers_beyond_floats_are_refused_or_rounded():
    """They have no RFC 8785 form; a commitment, which must not fail, takes the nearest float."""
    with pytest.raises(ValueError, match="beyond 2"):
        jcs([2**53])
    assert jcs([2**53], rounded=True) == b"[9007199254740992]"
    assert jcs([-(2**69)], rounded=True) == b"[-590295810358705700000]"


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}, {1: 2}, {"a": b"x"}, [object()], {"a": {1}}])
def test_what_is_no_json_has_no_form(value):
    """Half surrogates, keys that are no text and other objects raise."""
    with pytest.raises(ValueError, match="no canonical form"):
        jcs(value)


def test_a_value_without_end_is_refused():
    """A list that holds itself, or nests too deeply, is a ValueError and not an endless loop."""
    endless = []
    endless.append(endless)
    deep = json.loads("[" * 900 + "]" * 900)
    for value in (endless, deep, {"a": [deep] * 40}):
        with pytest.raises(ValueError, match="canonical form"):
            jcs(value)
