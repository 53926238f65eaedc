"""Query parameters that carry credentials."""

import string
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.parameters import holds, require_apart, without_parameters
from proxy.errors import Refused

KEY = frozenset({"key"})


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("key=dummy", ""),
        ("key", ""),
        ("key=", ""),
        ("a=1&key=dummy&b=2", "a=1&b=2"),
        ("key=x&a=1&key=y", "a=1"),
        ("%6bey=x&a=1", "a=1"),
        ("%6B%65%79=x", ""),
        ("KEY=x&Key=y&a=1", "a=1"),
        ("%E2%84%AAey=x&a=1", "a=1"),  # the sign for kelvin
        ("a=key&keyring=1&monkey=2&k=3", "a=key&keyring=1&monkey=2&k=3"),
        ("a=1&&b=%20", "a=1&&b=%20"),
        ("a=key%3Dx", "a=key%3Dx"),
        ("", ""),
    ],
)
def test_every_occurrence_in_every_spelling_goes(query: str, left: str) -> None:
    """However it is encoded and in whatever letter case; the rest stays byte for byte."""
    assert without_parameters(query, KEY) == left
    assert not holds(left, "key")


@pytest.mark.parametrize(
    "query",
    ["key[]=x", "key[0]=x", "%20key=x", "+key=x", "key+=x", "%256bey=x", "%25256bey=x", "key%00=x", "key%00z=x",
     "a=1;key=x", "a;key", "key%5B%5D=x", "ke%EF%BD%99%5B%5D=x", "%u006bey=x", "a=1&k%U0065y=x"],
)  # fmt: skip
def test_what_only_a_lax_reader_takes_for_it_is_refused(query: str) -> None:
    """The service could take the agent's own for ours, and nothing tells which reader it is."""
    with pytest.raises(Refused) as caught:
        without_parameters(query, KEY)
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, "credential_in_query")
    assert holds(query, "key")


def test_a_name_with_an_underscore_is_found_under_the_names_that_readers_give_it() -> None:
    """PHP reads `api.key`, `api key` and `api[key` as `api_key`."""
    for query in ("api.key=x", "api%20key=x", "api[key=x", "api%5Bkey=x", "api%255Bkey[]=x"):
        with pytest.raises(Refused):
            without_parameters(query, frozenset({"api_key"}))
    assert without_parameters("api_key=x&a=1", frozenset({"api_key"})) == "a=1"


@given(st.lists(st.tuples(st.sampled_from(["key", "KEY", "a", "keys"]), st.text(string.printable, max_size=5))))
def test_what_is_left_has_none_and_lacks_nothing_else(pairs: list[tuple[str, str]]) -> None:
    """No reader finds the name afterwards, and every other parameter is where it was."""
    query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)
    left = without_parameters(query, KEY)
    others = [(name, value) for name, value in pairs if name.lower() != "key"]
    assert parse_qsl(left, keep_blank_values=True) == others


@given(st.text(string.ascii_letters + string.digits + "%&=;+[]._", max_size=30))
def test_it_is_a_query_without_it_or_a_refusal(query: str) -> None:
    """Never anything else, whatever was sent."""
    try:
        left = without_parameters(query, KEY)
    except Refused:
        return
    assert not holds(left, "key")


@pytest.mark.parametrize("field", ["key", "KEY", " key", "key[]", "key[0]", "%6bey", "\u212aey", "key\0x"])
def test_a_field_of_a_body_that_a_reader_could_take_for_the_parameter(field: str) -> None:
    """Refused, as in a query."""
    with pytest.raises(Refused) as caught:
        require_apart(("a", field), KEY)
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, "credential_in_body")


@pytest.mark.parametrize("fields", [(), ("a", "keyring", "monkey", "k.ey", "")])
def test_other_fields_are_let_alone(fields: tuple[str, ...]) -> None:
    """Only the parameter's own name is taken for it."""
    require_apart(fields, KEY)
