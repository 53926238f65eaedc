"""The names that transmitters and receivers share (SSF 1.0, CAEP 1.0, RISC 1.0, RFC 8417, RFC 8935)."""

from typing import Literal

TYP = "secevent+jwt"
MEDIA_TYPE = f"application/{TYP}"
SPEC_VERSION = "1_0"

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

SESSION_REVOKED = f"{CAEP}session-revoked"
VERIFICATION = f"{SSF}verification"

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"

type Err = Literal[
    "invalid_request",
    "invalid_key",
    "invalid_issuer",
    "invalid_audience",
    "authentication_failed",
    "access_denied",
]


class SetRefused(Exception):
    """A security event token is not taken. `err` is of RFC 8935 section 2.4, the text says why."""

    def __init__(self, err: Err, text: str) -> None:
        self.err: Err = err
        super().__init__(text)
