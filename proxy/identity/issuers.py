"""Issuers of tokens that we accept, as configured: one profile for each issuer and kind of token."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

# Asymmetric algorithms only, each with the key type and curve that it needs (RFC 7518, RFC 8037).
ALGORITHMS: dict[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

# The issuer under which the inventory names users of this machine. No token may speak for them.
LOCAL = "unix"

# INVARIANT: nobody who verifies credentials of others allows more beyond their end, since the token endpoint takes
# this much off again: what it gives out must not outlive what it was given for.
MAX_LEEWAY = 30
MAX_USES = 32

_BASE_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ISSUER = re.compile(r"[\x21-\x7b\x7d\x7e]{1,512}")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]*")


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """One verifier profile: which tokens of this issuer are accepted, and which keys prove them.

    `typ` is the JOSE header's exact value, lower case, without `application/`; empty means that the
    header must have none. Exactly one of `jwks_file` and `jwks_url` is given. `endorses` are the namespaces (`iss` of
    an actor) for which this issuer's word on earlier actors counts; without any, a token with actors is refused.
    `actors` are clients, each with the agents that may act for people whose token was issued to it; with
    `unsafe_any_actor` every agent that holds such a token may. `subject_uses` is how many tasks begin with one token.
    Anything that is not allowed here is refused; raises `ValueError` with a text for people.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    typ: str = "at+jwt"
    jwks_file: Path | None = None
    jwks_url: str | None = None
    ca_bundle: Path | None = None
    max_lifetime_s: int = 3600
    leeway_s: int = MAX_LEEWAY
    extra_audiences: Literal[0, 1] = 0
    subject_format: Literal["opaque", "spiffe"] = "opaque"
    key_use: Literal["sig", "jwt-svid"] = "sig"
    endorses: tuple[str, ...] = ()
    actors: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unsafe_any_actor: bool = False
    subject_uses: int = 1

    def __post_init__(self) -> None:
        self._check_names()
        self._check_algorithms()
        if not _MEDIA_TYPE.fullmatch(self.typ):
            raise ValueError(f"typ `{self.typ}` is not a lower-case media type without `application/`")
        if (self.jwks_file is None) == (self.jwks_url is None):
            raise ValueError("give exactly one of `jwks_file` and `jwks_url`")
        if self.jwks_url is not None:
            check_url(self.jwks_url, "jwks_url")
        if not 0 <= self.leeway_s <= MAX_LEEWAY:
            raise ValueError(f"leeway_s is between 0 and {MAX_LEEWAY}, not {self.leeway_s}")
        if not 0 < self.max_lifetime_s <= 86_400:
            raise ValueError(f"max_lifetime_s is between 1 and 86400, not {self.max_lifetime_s}")
        if not 1 <= self.subject_uses <= MAX_USES:
            raise ValueError(f"subject_uses is between 1 and {MAX_USES}, not {self.subject_uses}")

    def _check_names(self) -> None:
        if not self.issuer or not self.audience:
            raise ValueError("an issuer needs its exact `issuer` and the `audience` that its tokens must have")
        if not _ISSUER.fullmatch(self.issuer):
            raise ValueError("`issuer` is at most 512 visible ASCII characters without `|`")
        if any(not _ISSUER.fullmatch(one) for one in self.endorses):
            raise ValueError("`endorses` are issuers: at most 512 visible ASCII characters without `|`")
        if any(not client or not agents for client, agents in self.actors):
            raise ValueError("each of `actors` is a client's exact `client_id`, and the agents that act by its tokens")
        if self.issuer == LOCAL:
            raise ValueError(f"`{LOCAL}` stands for processes of this machine, and cannot be the issuer of tokens")

    def actors_by(self, client: str) -> frozenset[str] | None:
        """The agents that may act for people by a token that was issued to this client; None: all."""
        if self.unsafe_any_actor:
            return None
        return frozenset(agent for named, agents in self.actors if named == client for agent in agents)

    def _check_algorithms(self) -> None:
        if not 1 <= len(self.algorithms) <= 2:
            raise ValueError("an issuer has one or two `algorithms`")
        for algorithm in self.algorithms:
            if algorithm not in ALGORITHMS:
                raise ValueError(f"algorithm `{algorithm}` is not accepted: use one of {', '.join(ALGORITHMS)}")

    @property
    def required_claims(self) -> tuple[str, ...]:
        """The claims that must be there; an RFC 9068 access token has two more (section 2.2)."""
        return (*_BASE_CLAIMS, "client_id", "jti") if self.typ == "at+jwt" else _BASE_CLAIMS


def check_url(url: str, name: str) -> None:
    """Raises `ValueError` unless keys, or secrets, may travel there; `name` is that of the setting."""
    parts = urlsplit(url)
    if parts.username is not None or parts.fragment or not parts.hostname:
        raise ValueError(f"{name} `{parts.scheme}://{parts.hostname}` needs a host, and no user or fragment")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise ValueError(f"{name} must be https, since whoever can change it can become any agent")
