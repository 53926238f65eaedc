"""What a request shows as its bearer credential."""

import pytest
from starlette.requests import Request

from proxy.control.bearer import bearer_of, shows_bearer


def request(*authorization: str) -> Request:
    headers = [(b"authorization", one.encode("latin-1")) for one in authorization]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("authorization", "shown"),
    [
        (("Bearer abc",), "abc"),
        (("bearer   abc ",), "abc"),
        (("Bearer a b",), "a b"),
        ((), None),
        (("Bearer",), None),
        (("Bearer ",), None),
        (("Bearerabc",), None),
        (("Basic abc",), None),
        (("abc",), None),
        (("Bearer abc", "Bearer abc"), None),
        (("Bearer abc", "Basic abc"), None),
    ],
)
def test_what_is_shown(authorization: tuple[str, ...], shown: str | None) -> None:
    """Exactly one `Authorization` of the scheme `Bearer`, with something in it; everything else shows nothing."""
    assert bearer_of(request(*authorization)) == shown


def test_a_secret_is_shown_whole_or_not() -> None:
    """A part of it, more than it, other letters or other cases of it are not it."""
    assert shows_bearer(request("Bearer s3cret"), "s3cret")
    for other in ("s3cre", "s3cret0", "S3CRET", "s3cr\xe9t", ""):
        assert not shows_bearer(request(f"Bearer {other}"), "s3cret")
    assert not shows_bearer(request(), "s3cret")
    assert not shows_bearer(request("Bearer s3cret", "Bearer s3cret"), "s3cret")


@pytest.mark.parametrize("authorization", [(), ("Bearer",), ("Bearer ",), ("Bearer x",)])
def test_nobody_shows_an_empty_secret(authorization: tuple[str, ...]) -> None:
    """Showing nothing is not what opens a door whose secret is empty."""
    assert not shows_bearer(request(*authorization), "")
