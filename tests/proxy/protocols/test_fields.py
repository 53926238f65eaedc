"""Which query strings and forms have one reading."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocols.fields import pairs

READ = {
    "": (),
    "a=1&b=2": (("a", "1"), ("b", "2")),
    "b=2&a=1&b=3": (("b", "2"), ("a", "1"), ("b", "3")),
    "a": (("a", ""),),
    "a=b=c": (("a", "b=c"),),
    "a=1&&b=2&": (("a", "1"), ("b", "2")),
    "a+b=%2B%26": (("a b", "+&"),),
    "q=caf%C3%A9": (("q", "caf\u00e9"),),
    "text=one%0Atwo": (("text", "one\ntwo"),),
    "ids[]=1&ids[]=2": (("ids[]", "1"), ("ids[]", "2")),
}


@pytest.mark.parametrize(("raw", "expected"), READ.items())
def test_pairs_are_decoded_in_order(raw: str, expected: tuple[tuple[str, str], ...]) -> None:
    """Pairs keep their order and their repetitions."""
    assert pairs(raw) == expected


REFUSED = {
    "a=1;b=2": "taken? for",
    "a=%": "encodes nothing",
    "a=%zz": "encodes nothing",
    "a=%ff": "not UTF-8",
    "a=%c0%af": "not UTF-8",
    "a=%00": "control",
    "a=%1b": "control",
    "=1": "without a name",
    "a=1&=2": "without a name",
    "a=caf\u00e9": "must be percent-encoded",
    "a=1 2": "must be percent-encoded",
    "a=1#b": "must be percent-encoded",
    "a=\t": "must be percent-encoded",
}


@pytest.mark.parametrize(("raw", "why"), REFUSED.items())
def test_what_readers_read_differently_is_refused(raw: str, why: str) -> None:
    """What other readers split, decode or forgive differently is a ValueError."""
    with pytest.raises(ValueError, match=why.replace("taken? for", "take for")):
        pairs(raw)


TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]))


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT)))
def test_what_was_encoded_is_read_back(values: list[tuple[str, str]]) -> None:
    """Whatever a standard encoder writes is read back exactly."""
    assert list(pairs(urlencode(values))) == values


@given(st.text(st.characters(max_codepoint=126)))
def test_an_accepted_query_is_read_as_others_read_it(raw: str) -> None:
    """Any text is a ValueError, or means to us what it means to the standard library."""
    try:
        found = pairs(raw)
    except ValueError:
        return
    assert list(found) == parse_qsl(raw, keep_blank_values=True)
