"""The rules for a token's claims, given the profile of its issuer (RFC 7519, RFC 8725, RFC 9068, RFC 8693)."""

import re
from collections.abc import Mapping

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.identity.issuers import IssuerSettings
from proxy.identity.spiffe_id import parse_workload

# Claims that change what a token means, and that we cannot honour as an agent's own credential:
# delegation (`act`, `may_act`) must never be dropped in silence, a bound key (`cnf`) must be proven,
# and `events` is a security event, not a credential (RFC 8417).
_REFUSED_CLAIMS = frozenset({"act", "may_act", "cnf", "events"})
# Of a person who signed in (RFC 9068 section 2.2.1): they are no agent and no process, whatever they are called.
# `acr` tells the same, but there are providers that put it into the tokens of machines.
SIGN_IN = frozenset({"auth_time", "amr"})

_OPAQUE = re.compile(r"[\x21-\x7e]{1,255}")


def check_claims(
    claims: Mapping[str, Json], profile: IssuerSettings, now: float, *, permitted: frozenset[str] = frozenset()
) -> None:
    """Refuses claims that this profile does not allow at `now`; silent for those that it does.

    `permitted` are claims which change what a token means, and which the caller will honour.
    """
    for name in profile.required_claims:
        if name not in claims:
            raise unproven("identity_invalid", f"token_claim_missing: {name}")
    check_kind(claims, permitted)
    if claims["iss"] != profile.issuer:
        raise unproven("identity_invalid", "token_issuer")
    if not audience_matches(claims["aud"], profile.audience, profile.extra_audiences):
        raise unproven("identity_invalid", "token_audience")
    if not subject_is_valid(claims["sub"], profile.subject_format):
        raise unproven("identity_invalid", "token_subject")
    check_names(claims, "jti", "client_id")
    _check_times(claims, profile, now)


def check_kind(claims: Mapping[str, Json], permitted: frozenset[str] = frozenset()) -> None:
    """Refuses claims that make a token something else than an agent's own credential."""
    if not ((_REFUSED_CLAIMS | SIGN_IN) - permitted).isdisjoint(claims):
        raise unproven("identity_invalid", "token_claim_refused")


def client_of(claims: Mapping[str, Json]) -> str:
    """The client that a token was issued to: `client_id`, or `azp` elsewhere; empty if it names none, or two."""
    named = [claims[name] for name in ("client_id", "azp") if name in claims]
    first = named[0] if named else ""
    return first if isinstance(first, str) and all(one == first for one in named) else ""


def check_names(claims: Mapping[str, Json], *names: str) -> None:
    """Refuses any of these claims that is there, and is not an opaque name."""
    for name in names:
        value = claims.get(name, "-")
        if not isinstance(value, str) or not _OPAQUE.fullmatch(value):
            raise unproven("identity_invalid", f"token_claim_type: {name}")


def audience_matches(audience: Json, ours: str, others: int = 0) -> bool:
    """Whether a token is addressed to us, and to no more others than that."""
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        return False
    return named.count(ours) == 1 and len(named) <= 1 + others


def subject_is_valid(subject: Json, form: str) -> bool:
    """Whether this can be a subject of that form (SPIFFE-ID section 2: lengths, segments, a non-root path)."""
    if not isinstance(subject, str):
        return False
    if form == "spiffe":
        return _is_workload(subject)
    return form == "opaque" and _OPAQUE.fullmatch(subject) is not None


def _is_workload(subject: str) -> bool:
    try:
        parse_workload(subject)
    except ValueError:
        return False
    return True


def _check_times(claims: Mapping[str, Json], profile: IssuerSettings, now: float) -> None:
    issued, expires = seconds(claims, "iat"), seconds(claims, "exp")
    starts = seconds(claims, "nbf") if "nbf" in claims else issued
    if max(issued, starts) > now + profile.leeway_s:
        raise unproven("identity_invalid", "token_not_yet_valid")
    if not issued < expires <= issued + profile.max_lifetime_s:
        raise unproven("identity_invalid", "token_lifetime")
    if not now < expires + profile.leeway_s:
        raise unproven("identity_expired", "token_expired")


def seconds(claims: Mapping[str, Json], name: str) -> int:
    """This claim as UNIX seconds; refuses anything else."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise unproven("identity_invalid", f"token_claim_type: {name}")
    return value
