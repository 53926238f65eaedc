"""Verifying the JWTs of configured issuers: every check of RFC 8725 and its successor, none left to a default."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.identity.claims import SIGN_IN, check_claims, client_of
from proxy.identity.compact import Unverified, read
from proxy.identity.issuers import IssuerSettings
from proxy.identity.keys import KeySource
from proxy.identity.presence import presence_of
from proxy.identity.signed_tokens import SignedTokens, digest_of
from proxy.identity.sources import keep_current
from proxy.identity.token_cache import VerifiedToken
from proxy.stages import Presence

_OF_A_SUBJECT = SIGN_IN | {"may_act"}


@dataclass(frozen=True, slots=True)
class SubjectToken:
    """Whom a token is about, its claims, and for whose earlier actors its issuer's word counts.

    `actors` are the agents that may act for people by the client it was issued to; None: any agent may.
    `uses` is how many tasks may begin with it. `presence` is what it tells of their sign-in.
    """

    verified: VerifiedToken
    claims: Mapping[str, Json]
    endorses: frozenset[str]
    actors: frozenset[str] | None = frozenset()
    uses: int = 1
    presence: Presence | None = None


class TokenVerifier:
    """Verifies tokens of the given profiles, of which issuer and `typ` choose exactly one. No profiles: no tokens."""

    def __init__(self, issuers: Sequence[IssuerSettings], sources: Mapping[int, KeySource] | None = None) -> None:
        self._issuers = tuple(issuers)
        self._sources = [(sources or {}).get(index) or KeySource(one) for index, one in enumerate(self._issuers)]
        self._signed = SignedTokens(self._sources)
        self._profiles = {(one.issuer, one.typ): index for index, one in enumerate(self._issuers)}
        if len(self._profiles) != len(self._issuers):
            raise ValueError("two profiles of one issuer need different `typ`")

    async def verify(self, token: str, now: float) -> VerifiedToken:
        """What this token proves at `now`; else a refusal, whatever the text is."""
        digest = digest_of(token)
        known = await self._signed.known(digest, now)
        return known or await self._judge(token, digest, now, frozenset())

    async def verify_subject(self, token: str, now: float) -> SubjectToken:
        """The same for a token that stands for somebody on whose behalf an agent wants to act, with its claims.

        It may say who may act (`may_act`, RFC 8693 section 4.4), and, if its issuer may endorse others, through whom
        it came (`act`): the caller must honour both. It is not remembered, so that it never counts as an agent's own
        credential.
        """
        unverified = read(token)
        profile = self._issuers[self._profile_of(unverified)]
        endorses = frozenset(profile.endorses)
        permitted = _OF_A_SUBJECT | {"act"} if endorses else _OF_A_SUBJECT
        shown = await self._judge(token, digest_of(token), now, permitted)
        presence = presence_of(unverified.claims, profile.leeway_s)
        return SubjectToken(
            shown, unverified.claims, endorses, profile.actors_by(shown.client), profile.subject_uses, presence
        )

    def epoch_of(self, issuer: str) -> int:
        """Moves whenever a key of this issuer is taken away."""
        return sum(source.epoch for source in self.keys_of(issuer))

    def keys_of(self, issuer: str) -> Iterator[KeySource]:
        """The keys of this issuer, by all of its profiles."""
        return (source for one, source in zip(self._issuers, self._sources, strict=True) if one.issuer == issuer)

    async def refresh(self, now: float) -> None:
        """Keys that are due are read again, so that their end is noticed even if no token comes."""
        await keep_current(self._sources, now)

    async def _judge(self, token: str, digest: str, now: float, permitted: frozenset[str]) -> VerifiedToken:
        unverified = read(token)
        index = self._profile_of(unverified)
        profile = self._issuers[index]
        if unverified.algorithm not in profile.algorithms:
            raise unproven("identity_invalid", "token_algorithm")
        check_claims(
            unverified.claims, profile, now, permitted=permitted
        )  # cheap refusals before costly ones; believed only below
        epoch, key = await self._signed.check(token, unverified, digest, index, now)
        verified = replace(believed(unverified, profile, digest), key=key)
        if not permitted:
            self._signed.remember(verified, index, epoch, now)
        return verified

    def _profile_of(self, unverified: Unverified) -> int:
        issuer = unverified.claims.get("iss")
        index = self._profiles.get((issuer, unverified.typ)) if isinstance(issuer, str) else None
        if index is None:
            raise unproven("identity_invalid", "token_issuer_or_typ_not_configured")
        return index


def believed(unverified: Unverified, profile: IssuerSettings, digest: str) -> VerifiedToken:
    """What a token proves, once its claims and its signature were checked."""
    claims = unverified.claims
    issued, expires = cast("int", claims["iat"]), cast("int", claims["exp"])
    return VerifiedToken(
        issuer=profile.issuer,
        subject=cast("str", claims["sub"]),
        token_id=cast("str", claims.get("jti", f"sha256.{digest}")),
        # An issuer whose clock is ahead must not put its tokens beyond a revocation that follows them.
        issued_at=float(issued - profile.leeway_s),
        not_after=float(expires + profile.leeway_s),
        digest=digest,
        client=client_of(claims),
    )
