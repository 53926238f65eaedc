"""Verifying security event tokens: a profile of their own, which no credential can meet (RFC 8417, RFC 8725)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from policies.model import Json
from proxy.control.signals.discovery import DiscoveredOrigin
from proxy.control.signals.model import Event, Heard, Transmitter
from proxy.control.signals.subjects import read_subject
from proxy.control.signals.words import TYP, SetRefused
from proxy.errors import Refused
from proxy.identity.claims import audience_matches
from proxy.identity.compact import Unverified, read
from proxy.identity.keys import KeySource
from proxy.identity.signed_tokens import check_signature

LEEWAY = 30
# A transmitter delivers again until it is told that we have it, but not for ever; nor do we remember for ever.
MAX_AGE = 30 * 86_400

_TOKEN_ID = re.compile(r"[\x21-\x7e]{1,255}")
_URI = re.compile(r"[\x21-\x7e]{1,512}")
_MOST_EVENTS = 16
_MOST_OTHERS = 15

# SSF 1.0 section 4.1: `sub` and `exp` are those of credentials. The others change what a token means.
_REFUSED_CLAIMS = ("sub", "exp", "nbf", "act", "may_act", "cnf")


@dataclass(frozen=True, slots=True)
class Presented:
    """A token and the transmitter that it claims to be of. Nothing in it is proven."""

    transmitter: Transmitter
    token: str = field(repr=False)
    unverified: Unverified


class SetReader:
    """Reads tokens of these transmitters, of which the issuer chooses exactly one."""

    def __init__(self, transmitters: Iterable[Transmitter], sources: Mapping[str, KeySource] | None = None) -> None:
        self._transmitters = {one.issuer: one for one in transmitters}
        self._sources = {
            issuer: (sources or {}).get(issuer) or _source(one) for issuer, one in self._transmitters.items()
        }

    def open(self, token: str) -> Presented:
        """Whose token it claims to be; nothing is believed by that."""
        try:
            unverified = read(token)
        except Refused as refused:
            raise _wrong(f"not a signed token in compact form ({refused.refusal.internal})") from refused
        if unverified.typ != TYP:
            raise _wrong(f"the `typ` of a security event token is `{TYP}`")
        issuer = unverified.claims.get("iss")
        transmitter = self._transmitters.get(issuer) if isinstance(issuer, str) else None
        if transmitter is None:
            raise SetRefused("invalid_issuer", "events of this issuer are not taken here")
        return Presented(transmitter, token, unverified)

    async def verify(self, presented: Presented, now: float) -> Heard:
        """What the token says, proven; raises `SetRefused`, or `Refused` (503) if the keys cannot be had."""
        transmitter, unverified = presented.transmitter, presented.unverified
        if unverified.algorithm not in transmitter.profile.algorithms:
            raise SetRefused("invalid_key", "this transmitter signs with another algorithm")
        heard = _claims(unverified.claims, transmitter, now)
        keys = await self._sources[transmitter.issuer].holding(unverified.key_id, now)
        key = keys.find(unverified.key_id)
        if key is None:
            raise SetRefused("invalid_key", "the key of this token is not among the transmitter's")
        try:
            check_signature(presented.token, unverified, key)
        except Refused as refused:
            raise SetRefused("invalid_key", "the signature does not hold") from refused
        return heard


def _source(transmitter: Transmitter) -> KeySource:
    profile = transmitter.profile
    if not transmitter.discovered or profile.jwks_url is None:
        return KeySource(profile)
    return KeySource(profile, DiscoveredOrigin(profile.issuer, profile.jwks_url, profile.ca_bundle))


def _claims(claims: Mapping[str, Json], transmitter: Transmitter, now: float) -> Heard:
    """What the claims say; believed only with the signature."""
    for name in _REFUSED_CLAIMS:
        if name in claims:
            raise _wrong(f"a security event token has no `{name}`")
    if not audience_matches(claims.get("aud"), transmitter.profile.audience, _MOST_OTHERS):
        raise SetRefused("invalid_audience", "this token is for somebody else")
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not _TOKEN_ID.fullmatch(token_id):
        raise _wrong("`jti` is missing, or cannot be one")
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int) or not 0 <= issued < 2**53:
        raise _wrong("`iat` is missing, or not a time in whole seconds")
    if issued > now + LEEWAY:
        raise _wrong("`iat` lies ahead")
    if issued < now - MAX_AGE:
        raise _wrong("`iat` is too long ago")
    if "sub_id" not in claims:
        raise _wrong("`sub_id` is missing")
    return Heard(transmitter, token_id, issued, read_subject(claims["sub_id"]), _events(claims.get("events")))


def _events(value: Json) -> tuple[Event, ...]:
    if not isinstance(value, dict) or not 1 <= len(value) <= _MOST_EVENTS:
        raise _wrong("`events` is an object with at least one event")
    for uri, body in value.items():
        if not _URI.fullmatch(uri) or not isinstance(body, dict):
            raise _wrong("an event is an object under the URI of its type")
    return tuple(Event(uri, cast("dict[str, Json]", body)) for uri, body in value.items())


def _wrong(text: str) -> SetRefused:
    return SetRefused("invalid_request", text)
