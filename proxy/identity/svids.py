"""SVIDs of configured trust domains, as JWT and as X.509 certificate, each by the bundle of its own trust domain."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding

from policies.model import Json
from proxy.identity.bundles import ALGORITHMS
from proxy.identity.challenges import unproven
from proxy.identity.claims import audience_matches, check_kind, check_names, seconds
from proxy.identity.compact import Unverified, read
from proxy.identity.federation import BundleSource
from proxy.identity.issuers import MAX_LEEWAY
from proxy.identity.methods import JWT_SVID, X509_SVID
from proxy.identity.signed_tokens import SignedTokens, digest_of
from proxy.identity.spiffe_id import SpiffeId, parse_workload
from proxy.identity.token_cache import TokenCache, VerifiedToken
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.x509_svids import read_leaf, verify_chain

# JWT-SVID section 2: no other member may be in the header, and no other type.
_HEADER = frozenset({"alg", "kid", "typ"})
TYPES = frozenset({"", "jwt", "jose"})


class JwtSvidVerifier:
    """Verifies JWT-SVIDs. The keys are those of the trust domain that the token's `sub` is in, and no others.

    `audience` is that of all of them, in place of each trust domain's own.
    """

    def __init__(self, sources: Sequence[BundleSource], audience: str | None = None) -> None:
        self._sources = tuple(sources)
        self._audience = audience
        self._domains = _by_name(sources)
        self._signed = SignedTokens(sources)

    def recognises(self, unverified: Unverified) -> bool:
        """Whether this says that it is an SVID of one of our trust domains. Nothing is believed by that."""
        try:
            identity = _subject(unverified.claims)
        except ValueError:
            return False
        return unverified.typ in TYPES and identity.trust_domain in self._domains

    async def verify(self, token: str, now: float, peer: str = "") -> VerifiedToken:  # noqa: ARG002 - nobody is asked about it
        """What this token proves at `now`; else a refusal, whatever the text is."""
        digest = digest_of(token)
        known = await self._signed.known(digest, now)
        if known is not None:
            return known
        unverified = read(token)
        index, identity = self._domain_of(unverified)
        domain = self._sources[index].domain
        _check_header(unverified)
        _check_claims(unverified.claims, domain, self._audience or domain.audience, now)
        epoch, key = await self._signed.check(token, unverified, digest, index, now)
        verified = replace(_believed(unverified.claims, identity, domain, digest), key=key)
        self._signed.remember(verified, index, epoch, now)
        return verified

    def _domain_of(self, unverified: Unverified) -> tuple[int, SpiffeId]:
        try:
            identity = _subject(unverified.claims)
        except ValueError as error:
            raise unproven("identity_invalid", f"token_subject: {error}") from error
        index = self._domains.get(identity.trust_domain)
        if index is None:
            raise unproven("identity_invalid", "token_trust_domain")
        return index, identity


class X509SvidVerifier:
    """Verifies X.509-SVIDs whose key the peer has shown to hold, each by the roots of its own trust domain."""

    def __init__(self, sources: Sequence[BundleSource]) -> None:
        self._sources = tuple(sources)
        self._domains = _by_name(sources)
        self._cache = TokenCache()

    async def verify(self, chain: Sequence[bytes], now: float) -> VerifiedToken:
        """What this chain (DER, leaf first) proves at `now`; else a refusal, whatever the bytes are."""
        digest = _digest(chain)
        cached = self._cache.verified(digest, now)
        if cached is not None:
            verified, index, epoch = cached
            await self._sources[index].current(now)
            if self._sources[index].epoch == epoch:
                return verified
        leaf = read_leaf(chain)
        found = self._domains.get(leaf.id.trust_domain)
        if found is None:
            raise unproven("identity_invalid", "x509_trust_domain")
        source = self._sources[found]
        bundle = await source.current(now)
        epoch = source.epoch
        not_after, root = verify_chain(leaf, bundle.roots, now)
        own = hashlib.sha256(leaf.certificate.public_bytes(Encoding.DER)).hexdigest()
        verified = VerifiedToken(
            issuer=leaf.id.issuer,
            subject=str(leaf.id),
            token_id=f"x509.{own}",
            issued_at=leaf.certificate.not_valid_before_utc.timestamp(),
            not_after=not_after,
            digest=digest,
            method=X509_SVID,
            key=root,
        )
        self._cache.remember(verified, found, epoch, now)
        return verified


def _by_name(sources: Sequence[BundleSource]) -> dict[str, int]:
    found = {source.domain.trust_domain: index for index, source in enumerate(sources)}
    if len(found) != len(sources):
        raise ValueError("a trust domain has one bundle")
    return found


def _subject(claims: Mapping[str, Json]) -> SpiffeId:
    subject = claims.get("sub")
    return parse_workload(subject if isinstance(subject, str) else "")


def _check_header(unverified: Unverified) -> None:
    if not unverified.header.keys() <= _HEADER:
        raise unproven("identity_invalid", "token_header_refused")
    if unverified.typ not in TYPES:
        raise unproven("identity_invalid", "token_type")
    if unverified.algorithm not in ALGORITHMS:
        raise unproven("identity_invalid", "token_algorithm")
    if unverified.key_id is None:
        raise unproven("identity_invalid", "token_key_id")


def _check_claims(claims: Mapping[str, Json], domain: TrustDomainSettings, audience: str, now: float) -> None:
    for name in ("aud", "exp"):
        if name not in claims:
            raise unproven("identity_invalid", f"token_claim_missing: {name}")
    check_kind(claims)
    check_names(claims, "jti")
    if not audience_matches(claims["aud"], audience):
        raise unproven("identity_invalid", "token_audience")
    expires = seconds(claims, "exp")
    begins = [seconds(claims, name) for name in ("iat", "nbf") if name in claims]
    if any(begin > now + MAX_LEEWAY for begin in begins):
        raise unproven("identity_invalid", "token_not_yet_valid")
    if not now < expires + MAX_LEEWAY:
        raise unproven("identity_expired", "token_expired")
    issued = seconds(claims, "iat") if "iat" in claims else None
    if issued is not None and not issued < expires <= issued + domain.max_lifetime_s:
        raise unproven("identity_invalid", "token_lifetime")
    if expires > now + domain.max_lifetime_s + MAX_LEEWAY:
        raise unproven("identity_invalid", "token_lifetime")


def _believed(
    claims: Mapping[str, Json], identity: SpiffeId, domain: TrustDomainSettings, digest: str
) -> VerifiedToken:
    expires = cast("int", claims["exp"])
    # `iat` is optional: without it, the token is taken to be as old as it can be, so that no revocation misses it.
    issued = cast("int", claims.get("iat", expires - domain.max_lifetime_s))
    return VerifiedToken(
        issuer=identity.issuer,
        subject=str(identity),
        token_id=cast("str", claims.get("jti", f"sha256.{digest}")),
        issued_at=float(issued - MAX_LEEWAY),
        not_after=float(expires + MAX_LEEWAY),
        digest=digest,
        method=JWT_SVID,
    )


def _digest(chain: Sequence[bytes]) -> str:
    """Of all certificates together, each with its length before it, so that no two chains share one."""
    whole = hashlib.sha256()
    for der in chain:
        whole.update(len(der).to_bytes(4))
        whole.update(der)
    return whole.hexdigest()
