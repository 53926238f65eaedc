"""Requests of the token endpoint are read in one way only."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.oauth.forms import Form, Sent, read_form
from proxy.control.oauth.mistakes import OAuthMistake


def read(body: bytes, kind: str = "application/x-www-form-urlencoded", query: str = "") -> Form:
    """The form of a request with this body."""

    return read_form(Sent("POST", "/oauth2/token", query, kind, body=body))


def test_a_form_has_each_parameter_once_and_targets_as_often_as_they_came() -> None:
    """What has no value was not sent (RFC 6749 section 3.2)."""
    form = read(
        b"grant_type=a%20b&scope=&resource=x&resource=y&audience=z", "application/x-www-form-urlencoded;charset=x"
    )
    assert form == Form({"grant_type": "a b"}, ("x", "y"), ("z",))
    assert form.get("scope") is None
    with pytest.raises(OAuthMistake, match="`scope` is missing"):
        form.need("scope")


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b"a=1&a=2", {}),
        (b"a=1&a=", {}),
        (b"a=&a=1", {}),
        (b"a=&a=", {}),
        (b"a=1", {"kind": "application/x-www-form-urlencoded, application/json"}),
        (b"a=1", {"kind": ""}),
        (b"a", {}),
        (b"a=%ff", {}),
        ("a=ü".encode(), {}),
        (b"&".join(b"a%d=1" % n for n in range(33)), {}),
        (b"a=" + b"1" * (1 << 16), {}),
        (b'{"a": 1}', {"kind": "application/json"}),
        (b"a=1", {"kind": "text/plain"}),
        (b"a=1", {"query": "client_secret=x"}),
    ],
)
def test_anything_else_is_an_invalid_request(body: bytes, more: dict[str, Any]) -> None:
    """Twice the same, not a form, not text, too much, or something in the address."""
    with pytest.raises(OAuthMistake) as caught:
        read(body, **more)
    assert caught.value.error == "invalid_request"


@given(st.binary(max_size=60))
def test_any_body_is_a_form_or_a_mistake(body: bytes) -> None:
    """Nothing else comes out."""
    with contextlib.suppress(OAuthMistake):
        assert isinstance(read(body), Form)
