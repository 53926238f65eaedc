"""Service-account tokens of configured Kubernetes clusters, by their keys or by the word of their API server."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from proxy.identity.challenges import unproven
from proxy.identity.clusters import ClusterSettings, check_account
from proxy.identity.compact import Unverified, read
from proxy.identity.keys import KeySource
from proxy.identity.methods import SERVICE_ACCOUNT, TOKEN_REVIEW
from proxy.identity.signed_tokens import SignedTokens, digest_of
from proxy.identity.sources import keep_current
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.token_review import TokenReviewer
from proxy.identity.tokens import believed
from proxy.identity.vouched import Question


class ServiceAccountVerifier:
    """Verifies tokens of these clusters, each known by its exact `iss`. The pod, if it names one, is the instance."""

    def __init__(self, clusters: Sequence[ClusterSettings], sources: Mapping[int, KeySource] | None = None) -> None:
        self._clusters = tuple(clusters)
        self._profiles = tuple(one.profile() for one in clusters)
        self._by_issuer = {one.issuer: index for index, one in enumerate(self._clusters)}
        if len(self._by_issuer) != len(self._clusters):
            raise ValueError("two clusters need different issuers")
        self._reviewers = {
            index: TokenReviewer(one) for index, one in enumerate(self._clusters) if one.review_url is not None
        }
        self._sources = [
            (sources or {}).get(index) or KeySource(profile) for index, profile in enumerate(self._profiles)
        ]
        self._signed = SignedTokens(self._sources)

    def keys_of(self, issuer: str) -> Iterator[KeySource | TokenReviewer]:
        """The keys of this cluster, or its API server's word in their place."""
        index = self._by_issuer.get(issuer)
        if index is not None:
            yield self._reviewers.get(index) or self._sources[index]

    async def refresh(self, now: float) -> None:
        """Keys that are due are read again, and API servers asked again about tokens in use."""
        reviewers = self._reviewers.values()
        await asyncio.gather(keep_current(self._sources, now), *(one.ask_again(now) for one in reviewers))

    def keep_vouched(self, issuer: str, name: str, until: float) -> None:
        """Something hangs on the token of this name until then: its API server, if there is one, is asked on."""
        reviewer = self._reviewers.get(self._by_issuer.get(issuer, -1))
        if reviewer is not None:
            reviewer.vouched.keep(name, until)

    def recognises(self, unverified: Unverified) -> bool:
        """Whether this says that it is of one of our clusters. Nothing is believed by that."""
        issuer = unverified.claims.get("iss")
        return isinstance(issuer, str) and issuer in self._by_issuer

    async def verify(self, token: str, now: float, peer: str = "") -> VerifiedToken:
        """What this token proves at `now`; else a refusal, whatever the text is. Shown by `peer`."""
        digest = digest_of(token)
        known = await self._signed.known(digest, now)
        if known is not None:
            return known
        unverified = read(token)
        if not self.recognises(unverified):
            raise unproven("identity_invalid", "token_cluster")
        index = self._by_issuer[str(unverified.claims["iss"])]
        profile = self._profiles[index]
        pod = check_account(unverified, profile, now)
        verified = replace(believed(unverified, profile, digest), method=SERVICE_ACCOUNT, instance=pod)
        reviewer = self._reviewers.get(index)
        if reviewer is not None:
            # Its claims are the token's own, which the API server has verified with it.
            question = Question(token, verified.subject, digest, pod)
            await reviewer.require_good(question, now, peer)
            return replace(verified, method=TOKEN_REVIEW, key=question.name)
        epoch, key = await self._signed.check(token, unverified, digest, index, now)
        verified = replace(verified, key=key)
        self._signed.remember(verified, index, epoch, now)
        return verified
