"""What a person's token tells of their sign-in, and what is no such word."""

from typing import Any

import pytest

from proxy.errors import Refused
from proxy.identity.presence import presence_of
from proxy.stages import Presence
from tests.fakes.issuer import NOW, claims

AT = int(NOW) - 10  # when the token was issued


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, None),
        ({"auth_time": AT - 600}, Presence(AT - 600)),
        ({"auth_time": AT + 30}, Presence(AT + 30)),
        ({"acr": "urn:x:loa 2"}, Presence(None, "urn:x:loa 2")),
        ({"amr": ["pwd", "otp", "pwd"], "acr": "1", "auth_time": 0}, Presence(0, "1", ("pwd", "otp"))),
        ({"amr": []}, Presence()),
    ],
)
def test_a_token_tells_when_and_how_its_person_signed_in(said: dict[str, Any], found: Presence | None) -> None:
    """As far as it says so; what it does not say is not known."""
    assert presence_of(claims(**said), 30) == found


@pytest.mark.parametrize(
    "said",
    [
        {"auth_time": AT + 31}, {"auth_time": -1}, {"auth_time": True}, {"auth_time": str(AT)}, {"auth_time": 1.5},
        {"auth_time": 2**53}, {"acr": ""}, {"acr": 1}, {"acr": "a\n"}, {"acr": "a" * 256}, {"acr": ["1"]},
        {"amr": "otp"}, {"amr": [1]}, {"amr": [""]}, {"amr": [["otp"]]}, {"amr": ["x"] * 17}, {"amr": {"otp": 1}},
    ],
)  # fmt: skip
def test_what_is_no_such_claim_is_refused(said: dict[str, Any]) -> None:
    """A sign-in after the token was issued, a number that is text, a list that is none: never taken for unknown."""
    with pytest.raises(Refused) as caught:
        presence_of(claims(**said), 30)
    assert caught.value.refusal.reason == "identity_invalid"
