"""What the minting and the verifying end agree on (draft-ietf-oauth-transaction-tokens-10, OAuth Actor Profile -00).

Receiving services import this: the standard library only.
"""

import hashlib
import re

TYP = "txntoken+jwt"
ALGORITHM = "ES256"
HEADER = "txn-token"

MAX_BYTES = 4096
MAX_HOPS = 8
MAX_LIFETIME = 120

# What a party is (`sub_profile`), by the kind of principal.
PROFILES = {"human": "user", "agent": "ai_agent", "service": "service", "business_process": "business_process"}

# Asserted hops are in nobody's token.
LEVELS = frozenset({"verified", "endorsed"})

_TRUST_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class Rejected(Exception):
    """A receiving service says no. `reason` is a stable code, `detail` a sentence for the sender of the request.

    `status` is that of HTTP: 401, or 503 where nothing is wrong with the request, or 413 for one that is too long.
    """

    def __init__(self, reason: str, detail: str, status: int = 401) -> None:
        self.reason = reason
        self.detail = detail
        self.status = status
        super().__init__(f"{reason}: {detail}")


def trust_domain(text: str) -> str:
    """The text itself, if it can name a trust domain: 1 to 64 of `a-z 0-9 . _ -`."""
    if not _TRUST_DOMAIN.fullmatch(text):
        raise ValueError("must be 1 to 64 of a-z, 0-9, `.`, `_`, `-`, such as prod.example.com")
    return text


def issuer_of(domain: str) -> str:
    """Who makes the tokens of this trust domain, and names the parties in them."""
    return f"spiffe://{domain}/countersign"


def digest(data: bytes) -> str:
    """`sha256:` and the hex of it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
