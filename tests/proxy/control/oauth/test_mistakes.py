"""Errors of the token endpoint."""

import pytest

from proxy.control.oauth.mistakes import invalid_client, unacceptable
from proxy.errors import Refusal


def test_a_client_that_did_not_show_itself_gets_401() -> None:
    """RFC 6749 section 5.2."""
    mistake = invalid_client("why")
    assert (mistake.error, mistake.status, str(mistake)) == ("invalid_client", 401, "why")


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refusal("identity_invalid", 407, "x", internal="token_signature"), "invalid_request"),
        (Refusal("identity_invalid", 407, "x", internal="token_audience"), "invalid_grant"),
        (Refusal("identity_expired", 407, "x"), "invalid_grant"),
        (Refusal("identity_revoked", 407, "x"), "invalid_grant"),
        (Refusal("agent_expired", 403, "x"), "invalid_grant"),
        (Refusal("identity_unavailable", 503, "x"), "temporarily_unavailable"),
    ],
)
def test_a_refused_token_has_the_code_that_fits(refusal: Refusal, error: str) -> None:
    """Unreadable is the request's fault; expired, revoked or not for us is the grant's; and we may be at fault."""
    assert unacceptable("`subject_token`", refusal).error == error
