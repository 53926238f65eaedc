"""Tokens that are bound to a certificate."""

import base64
import hashlib
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.identity.possession import confirmation, held, thumbprint
from proxy.stages import Proven

ONE, OTHER = thumbprint([b"leaf", b"authority"]), thumbprint([b"another"])


def proven(bound_to: str = "") -> Proven:
    return Proven("bot", "task_token", "tok_1", 1.0, 2.0, "task_1", bound_to=bound_to)


def test_a_thumbprint_is_that_of_the_leaf() -> None:
    """Base64url of the SHA-256 of its DER, without padding (RFC 8705 section 3.1); nothing for no certificate."""
    assert base64.urlsafe_b64decode(ONE + "=") == hashlib.sha256(b"leaf").digest()
    assert thumbprint([]) == ""


@pytest.mark.parametrize(
    ("bound_to", "shown", "passes"),
    [("", "", True), ("", ONE, True), (ONE, ONE, True), (ONE, OTHER, False), (ONE, "", False)],
)
def test_what_is_bound_needs_its_certificate(bound_to: str, shown: str, passes: bool) -> None:
    """Exactly that one; what is bound to none needs none."""
    if passes:
        assert held(proven(bound_to), shown).thumbprint == shown
    else:
        with pytest.raises(Refused, match="identity_invalid"):
            held(proven(bound_to), shown)


@pytest.mark.parametrize(
    "cnf",
    [
        None, "x", [], {}, {"x5t#S256": ""}, {"x5t#S256": None}, {"x5t#S256": ONE + "="}, {"x5t#S256": ONE[:-1]},
        {"jkt": ONE}, {"x5t#S256": ONE, "jkt": ONE}, {"x5t": ONE},
    ],
)  # fmt: skip
def test_a_confirmation_that_we_cannot_demand_is_none(cnf: Any) -> None:
    """Refused, since a token that was to be bound would pass unbound."""
    with pytest.raises(Refused):
        confirmation(cnf)
    assert confirmation({"x5t#S256": ONE}) == ONE
