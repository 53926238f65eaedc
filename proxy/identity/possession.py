"""Tokens that are bound to a certificate: good only where its key was proven to be held (RFC 8705 section 3)."""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.stages import Proven

MEMBER = "x5t#S256"
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


def thumbprint(certificates: Sequence[bytes]) -> str:
    """`x5t#S256` of the leaf; empty if no certificate was shown."""
    if not certificates:
        return ""
    return urlsafe_b64encode(hashlib.sha256(certificates[0]).digest()).rstrip(b"=").decode("ascii")


def held(proven: Proven, shown: str) -> Proven:
    """The same, with the certificate that was shown beside it; a refusal if it is bound to another one, or to none."""
    if proven.bound_to and proven.bound_to != shown:
        raise unproven("identity_invalid", "token_bound_to_another_certificate")
    return replace(proven, thumbprint=shown)


def confirmation(cnf: Json) -> str:
    """The thumbprint in `cnf`; a refusal for any other confirmation, since we could not demand it."""
    value = cnf.get(MEMBER) if isinstance(cnf, dict) and len(cnf) == 1 else None
    if not isinstance(value, str) or not _THUMBPRINT.fullmatch(value):
        raise unproven("identity_invalid", "task_token_claim: cnf")
    return value
