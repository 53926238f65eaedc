"""SPIFFE IDs, in one spelling."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.spiffe_id import SpiffeId, parse, parse_workload, trust_domain


def test_an_id_is_its_parts_and_back() -> None:
    """What is read is written the same; the trust domain is what the inventory calls the issuer."""
    found = parse_workload("spiffe://prod.example/agent/a_1.b-C")
    assert (found.trust_domain, found.path) == ("prod.example", "/agent/a_1.b-C")
    assert (str(found), found.issuer) == ("spiffe://prod.example/agent/a_1.b-C", "spiffe://prod.example")
    assert parse("spiffe://prod.example") == SpiffeId("prod.example", "")


@pytest.mark.parametrize(
    "text",
    [
        "", "prod.example/a", "http://prod.example/a", "SPIFFE://prod.example/a", "spiffe:/prod.example/a",
        "spiffe:///a", "spiffe://Prod.example/a", "spiffe://prod.example:8443/a", "spiffe://u@prod.example/a",
        "spiffe://prod%2eexample/a", "spiffe://prod.example/", "spiffe://prod.example/a/", "spiffe://prod.example//a",
        "spiffe://prod.example/.", "spiffe://prod.example/../a", "spiffe://prod.example/a/..",
        "spiffe://prod.example/a%20b", "spiffe://prod.example/a?b", "spiffe://prod.example/a#b",
        "spiffe://prod.example/a\n", "spiffe://prod.example/\u00e9", "spiffe://pr\u00f6d/a",
        "spiffe://" + "d" * 256 + "/a",
        "spiffe://p/" + "x" * 2038,
    ],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    """Another scheme, case, port, user, encoding, query, empty or dot segment, or too many bytes."""
    with pytest.raises(ValueError, match=r"SPIFFE ID|trust domain"):
        parse(text)


def test_lengths_are_those_of_the_specification() -> None:
    """2048 bytes in all, 255 for the trust domain; one more is refused."""
    assert len(str(parse("spiffe://p/" + "x" * 2037))) == 2048
    assert trust_domain("d" * 255)
    with pytest.raises(ValueError, match="1 to 255"):
        trust_domain("d" * 256)


def test_the_trust_domain_itself_is_no_workload() -> None:
    """A root identity is a SPIFFE ID, but nobody that calls."""
    with pytest.raises(ValueError, match="has a path"):
        parse_workload("spiffe://prod.example")


@given(st.text(max_size=60) | st.from_regex(r"spiffe://[a-zA-Z0-9.:/_%@-]{0,40}", fullmatch=True))
def test_any_text_is_an_id_or_a_value_error(text: str) -> None:
    """An identity that is written exactly as it was read, or `ValueError`; never anything else."""
    with contextlib.suppress(ValueError):
        assert str(parse(text)) == text
