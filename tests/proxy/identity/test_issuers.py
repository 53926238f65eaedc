"""What an issuer's settings may be."""

from pathlib import Path
from typing import Any

import pytest

from proxy.identity.issuers import IssuerSettings

GOOD: dict[str, Any] = {
    "issuer": "https://idp.example",
    "audience": "countersign",
    "algorithms": ("ES256",),
    "jwks_url": "https://idp.example/jwks",
}


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"algorithms": ("RS256", "ES256")}, {"jwks_url": None, "jwks_file": Path("/jwks")}, {"typ": ""},
        {"jwks_url": "http://127.0.0.1:8080/jwks"}, {"leeway_s": 0}, {"max_lifetime_s": 86_400},
    ],
)  # fmt: skip
def test_good_settings(changes: dict[str, Any]) -> None:
    """One issuer, one audience, one or two asymmetric algorithms, one place for the keys."""
    assert IssuerSettings(**(GOOD | changes)).issuer == "https://idp.example"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "a|b"}, "visible ASCII"),
        ({"issuer": "a b"}, "visible ASCII"),
        ({"issuer": "unix"}, "processes of this machine"),
        ({"audience": ""}, "audience"),
        ({"algorithms": ()}, "one or two"),
        ({"algorithms": ("ES256", "ES384", "RS256")}, "one or two"),
        ({"algorithms": ("HS256",)}, "HS256"),
        ({"algorithms": ("none",)}, "none"),
        ({"algorithms": ("ES256K",)}, "ES256K"),
        ({"typ": "application/at+jwt"}, "typ"),
        ({"typ": "AT+JWT"}, "typ"),
        ({"jwks_file": Path("/jwks")}, "exactly one"),
        ({"jwks_url": None}, "exactly one"),
        ({"jwks_url": "http://idp.example/jwks"}, "https"),
        ({"jwks_url": "file:///etc/passwd"}, "host"),
        ({"jwks_url": "ftp://idp.example/jwks"}, "https"),
        ({"jwks_url": "ftp://127.0.0.1/jwks"}, "https"),
        ({"jwks_url": "https://idp.example/jwks#x"}, "fragment"),
        ({"jwks_url": "https://user:secret@idp.example/jwks"}, "user"),
        ({"leeway_s": 31}, "leeway_s"),
        ({"leeway_s": -1}, "leeway_s"),
        ({"max_lifetime_s": 0}, "max_lifetime_s"),
        ({"max_lifetime_s": 90_000}, "max_lifetime_s"),
        ({"subject_uses": 0}, "subject_uses"),
        ({"subject_uses": 33}, "subject_uses"),
        ({"endorses": ("a|b",)}, "endorses"),
        ({"endorses": ("",)}, "endorses"),
        ({"actors": (("", ("a",)),)}, "actors"),
        ({"actors": (("workbench", ()),)}, "actors"),
    ],
)
def test_weak_settings_are_mistakes(changes: dict[str, Any], told: str) -> None:
    """What would weaken verification is told to the person who wrote it, without quoting a secret."""
    with pytest.raises(ValueError, match=told) as caught:
        IssuerSettings(**(GOOD | changes))
    assert "secret" not in str(caught.value)


def test_an_access_token_needs_more_claims() -> None:
    """RFC 9068 section 2.2 demands `client_id` and `jti`; other kinds need the five that everything rests on."""
    assert IssuerSettings(**GOOD).required_claims == ("iss", "sub", "aud", "exp", "iat", "client_id", "jti")
    assert IssuerSettings(**(GOOD | {"typ": "jwt"})).required_claims == ("iss", "sub", "aud", "exp", "iat")


def test_who_may_act_by_a_client_is_said_or_nobody_may() -> None:
    """All that is written for this very client; for another one, and for none, nobody. Unsafe: everybody."""
    one = IssuerSettings(**(GOOD | {"actors": (("app", ("a", "b")), ("App", ("x",)), ("app", ("c",)))}))
    assert one.actors_by("app") == {"a", "b", "c"}
    assert (one.actors_by("other"), one.actors_by(""), IssuerSettings(**GOOD).actors_by("app")) == (frozenset(),) * 3
    assert IssuerSettings(**(GOOD | {"unsafe_any_actor": True})).actors_by("app") is None
