"""The rules for a token's claims, given the profile of its issuer (RFC 7519, RFC 8725, RFC 9068, RFC 8693)."""

import re
from collections.abc import Mapping

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.identity.issuers import IssuerSettings

# Claims that change what a token means, and that we cannot honour as an agent's own credential:
# delegation (`act`, `may_act`) must never be dropped in silence, a bound key (`cnf`) must be proven,
# and `events` is a security event, not a credential (RFC 8417).
_REFUSED_CLAIMS = frozenset({"act", "may_act", "cnf", "events"})

_OPAQUE = re.compile(r"[\x21-\x7e]{1,255}")
_TRUST_DOMAIN = r"[a-z0-9._-]{1,255}"
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"
_SPIFFE = re.compile(rf"spiffe://{_TRUST_DOMAIN}(?:/{_SEGMENT})+")
_MAX_SPIFFE = 2048


def check_claims(
    claims: Mapping[str, Json], profile: IssuerSettings, now: float, *, permitted: frozenset[str] = frozenset()
) -> None:
    """Refuses claims that this profile does not allow at `now`; silent for those that it does.

    `permitted` are claims which change what a token means, and which the caller will honour.
    """
    for name in profile.required_claims:
        if name not in claims:
            raise unproven("identity_invalid", f"token_claim_missing: {name}")
    if not (_REFUSED_CLAIMS - permitted).isdisjoint(claims):
        raise unproven("identity_invalid", "token_claim_refused")
    if claims["iss"] != profile.issuer:
        raise unproven("identity_invalid", "token_issuer")
    if not audience_matches(claims["aud"], profile):
        raise unproven("identity_invalid", "token_audience")
    if not subject_is_valid(claims["sub"], profile.subject_format):
        raise unproven("identity_invalid", "token_subject")
    for name in ("jti", "client_id"):
        value = claims.get(name, "-")
        if not isinstance(value, str) or not _OPAQUE.fullmatch(value):
            raise unproven("identity_invalid", f"token_claim_type: {name}")
    _check_times(claims, profile, now)


def audience_matches(audience: Json, profile: IssuerSettings) -> bool:
    """Whether a token is addressed to us, and to no more others than the profile allows."""
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        return False
    return named.count(profile.audience) == 1 and len(named) <= 1 + profile.extra_audiences


def subject_is_valid(subject: Json, form: str) -> bool:
    """Whether this can be a subject of that form (SPIFFE-ID section 2: lengths, segments, a non-root path)."""
    if not isinstance(subject, str):
        return False
    if form == "spiffe":
        return len(subject) <= _MAX_SPIFFE and _SPIFFE.fullmatch(subject) is not None
    return form == "opaque" and _OPAQUE.fullmatch(subject) is not None


def _check_times(claims: Mapping[str, Json], profile: IssuerSettings, now: float) -> None:
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    starts = _seconds(claims, "nbf") if "nbf" in claims else issued
    if max(issued, starts) > now + profile.leeway_s:
        raise unproven("identity_invalid", "token_not_yet_valid")
    if not issued < expires <= issued + profile.max_lifetime_s:
        raise unproven("identity_invalid", "token_lifetime")
    if not now < expires + profile.leeway_s:
        raise unproven("identity_expired", "token_expired")


def _seconds(claims: Mapping[str, Json], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise unproven("identity_invalid", f"token_claim_type: {name}")
    return value
