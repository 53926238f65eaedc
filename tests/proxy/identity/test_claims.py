"""The rules for claims that a table of whole tokens shows less well. The rest stands in `test_tokens`."""

from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.identity.claims import audience_matches, check_claims, client_of, subject_is_valid
from proxy.identity.issuers import IssuerSettings
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, claims


def profile(**changes: Any) -> IssuerSettings:
    """A profile for RFC 9068 tokens."""
    good = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ("ES256",), "jwks_file": Path("/jwks")}
    return IssuerSettings(**(good | changes))


@pytest.mark.parametrize(
    ("subject", "valid"),
    [
        ("spiffe://prod.example/agent/a", True),
        ("spiffe://prod.example/A_b-c.d/..x", True),
        ("spiffe://p/" + "x" * 2037, True),
        ("spiffe://p/" + "x" * 2038, False),
        ("spiffe://" + "d" * 255 + "/x", True),
        ("spiffe://" + "d" * 256 + "/x", False),
        ("spiffe://prod.example", False),
        ("spiffe://prod.example/", False),
        ("spiffe://prod.example/a/", False),
        ("spiffe://prod.example/a//b", False),
        ("spiffe://prod.example/a/../b", False),
        ("spiffe://prod.example/.", False),
        ("spiffe://Prod.example/a", False),
        ("SPIFFE://prod.example/a", False),
        ("spiffe://user@prod.example/a", False),
        ("spiffe://prod.example:80/a", False),
        ("spiffe://prod.example/a%2fb", False),
        ("spiffe://prod.example/a?q", False),
        ("spiffe://prod.example/a#f", False),
        ("spiffe://prod.example/a\n", False),
        ("spiffe:///a", False),
        ("https://prod.example/a", False),
        (None, False),
        (["spiffe://prod.example/a"], False),
    ],
)
def test_spiffe_subjects(subject: Any, valid: bool) -> None:
    """A SPIFFE ID in its one normal form, with a path, within its lengths (SPIFFE-ID section 2)."""
    assert subject_is_valid(subject, "spiffe") is valid


def test_an_unknown_form_has_no_subjects() -> None:
    """A form that nobody defined accepts nothing."""
    assert not subject_is_valid("spiffe://prod.example/a", "whatever")


@pytest.mark.parametrize(
    ("audience", "strict", "lax"),
    [
        (AUDIENCE, True, True),
        ([AUDIENCE], True, True),
        ([AUDIENCE, "other"], False, True),
        (["other", AUDIENCE], False, True),
        ([AUDIENCE, "other", "third"], False, False),
        ([AUDIENCE, AUDIENCE], False, False),
        ([AUDIENCE, 7], False, False),
        (["other"], False, False),
        ([], False, False),
        (None, False, False),
        ("", False, False),
    ],
)
def test_audiences(audience: Any, strict: bool, lax: bool) -> None:
    """Ours, alone; with one other beside it only if the profile says so."""
    assert audience_matches(audience, AUDIENCE) is strict
    assert audience_matches(audience, AUDIENCE, 1) is lax


@pytest.mark.parametrize("now", [NOW - 41, NOW + 630, float("nan")])
def test_outside_its_time_a_token_is_refused(now: float) -> None:
    """Before its issue, after its end, and at a time that is none, a token counts for nothing."""
    check_claims(claims(), profile(), NOW)
    with pytest.raises(Refused):
        check_claims(claims(), profile(), now)


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ({}, ""), ({"client_id": "a"}, "a"), ({"azp": "a"}, "a"), ({"client_id": "a", "azp": "a"}, "a"),
        ({"client_id": "a", "azp": "b"}, ""), ({"client_id": 7}, ""), ({"azp": ["a"]}, ""), ({"azp": None}, ""),
        ({"client_id": "a", "azp": None}, ""),
    ],
)  # fmt: skip
def test_a_token_is_of_one_client_or_of_none(said: dict[str, Any], client: str) -> None:
    """Two names of it that differ, or what is no name, are no client."""
    assert client_of(said) == client
