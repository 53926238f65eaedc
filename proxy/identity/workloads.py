"""What workloads show of themselves: SVIDs, service-account tokens, and the process at the end of a UNIX socket."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from proxy.errors import Refused
from proxy.identity.clusters import ClusterSettings
from proxy.identity.compact import read
from proxy.identity.federation import BundleSource
from proxy.identity.issuers import LOCAL
from proxy.identity.keys import KeySource
from proxy.identity.kubernetes import ServiceAccountVerifier
from proxy.identity.methods import PEER
from proxy.identity.signed_tokens import digest_of
from proxy.identity.sources import keep_current
from proxy.identity.spiffe_id import SCHEME
from proxy.identity.svids import JwtSvidVerifier, X509SvidVerifier
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.token_review import TokenReviewer
from proxy.stages import LocalPeer

_MOST_USERS = 2**32 - 1
_MOST_ROUTED = 10_000
_STEPS = 10


def unmapped(proc: Path = Path("/proc")) -> frozenset[int]:
    """What the kernel says in place of users that have no number in our user namespace (user_namespaces(7)).

    Where each has one, as outside of containers, 65534 is a user like others.
    """
    try:
        rows = [line.split() for line in (proc / "self/uid_map").read_text().splitlines()]
        if sum(int(count) for _, _, count in rows) >= _MOST_USERS:
            return frozenset({-1})
        return frozenset({-1, int((proc / "sys/kernel/overflowuid").read_text())})
    except (OSError, ValueError):
        return frozenset({-1, 65534})


UNMAPPED = unmapped()

type TokenVerifier = JwtSvidVerifier | ServiceAccountVerifier


class Workloads:
    """Verifies by the bundles and clusters that are configured. None of them: nothing of theirs is recognised.

    `peer_life` is for how many seconds the word of the kernel on a process counts before it must connect again.
    """

    def __init__(
        self,
        domains: Sequence[BundleSource] = (),
        clusters: Sequence[ClusterSettings] = (),
        *,
        peer_life: float = 3600.0,
    ) -> None:
        self._domains = tuple(domains)
        self._accounts = ServiceAccountVerifier(clusters)
        self._jwt_svids = JwtSvidVerifier(domains)
        self._x509_svids = X509SvidVerifier(domains)
        self._peer_life = peer_life
        self._routes: OrderedDict[str, TokenVerifier | None] = OrderedDict()

    def epoch_of(self, issuer: str) -> int:
        """Moves whenever a key of this trust domain or cluster is taken away."""
        return sum(source.epoch for source in self.keys_of(issuer))

    def keys_of(self, issuer: str) -> Iterator[BundleSource | KeySource | TokenReviewer]:
        """The keys of this trust domain or cluster, or its API server's word in their place."""
        yield from (one for one in self._domains if SCHEME + one.domain.trust_domain == issuer)
        yield from self._accounts.keys_of(issuer)

    async def refresh(self, now: float) -> None:
        """Bundles and keys that are due are read again, and API servers asked again about tokens in use.

        So that an end is noticed even if nobody connects.
        """
        await asyncio.gather(keep_current(self._domains, now), self._accounts.refresh(now))

    def keep_vouched(self, issuer: str, name: str, until: float) -> None:
        """Something hangs on this token of a cluster until then: it is asked on about it, shown or not."""
        self._accounts.keep_vouched(issuer, name, until)

    async def token(self, token: str, now: float, peer: str = "") -> VerifiedToken | None:
        """What a token of a cluster or a trust domain proves at `now`, or its refusal; None if it is of neither.

        `peer` is who shows it: what one of them makes us ask others must not keep the rest waiting.
        """
        verifier = self._verifier_of(token)
        return None if verifier is None else await verifier.verify(token, now, peer)

    def svids_for(self, audience: str) -> JwtSvidVerifier | None:
        """What verifies JWT-SVIDs for another audience of ours; None without a trust domain.

        A verifier of its own, since what it remembers holds for that audience alone.
        """
        return JwtSvidVerifier(self._domains, audience) if self._domains else None

    @property
    def knows_certificates(self) -> bool:
        """Whether any certificate could prove anything here."""
        return bool(self._domains)

    async def certificates(self, chain: Sequence[bytes], now: float) -> VerifiedToken:
        """What this chain proves of the peer, who has shown to hold its key; else a refusal."""
        return await self._x509_svids.verify(chain, now)

    def known_user(self, peer: LocalPeer) -> bool:
        """Whether the kernel names one user. In a container, all from outside may share one number."""
        return peer.uid not in UNMAPPED

    def peer(self, peer: LocalPeer, now: float) -> VerifiedToken:
        """What the kernel says of the other end of a UNIX socket.

        Nobody ever issued a user id, so it is as old as can be: a revocation ends it until that is lifted, and
        connecting again does not help.
        """
        said = f"uid={peer.uid} gid={peer.gid} pid={peer.pid}"
        step = self._peer_life / _STEPS  # all who connect within one share an end, so that what is known of it counts
        return VerifiedToken(
            issuer=LOCAL,
            subject=f"uid={peer.uid}",
            token_id=f"uid={peer.uid}",
            issued_at=0.0,
            not_after=(now + self._peer_life) // step * step,
            digest=hashlib.sha256(said.encode()).hexdigest(),
            method=PEER,
        )

    def _verifier_of(self, token: str) -> TokenVerifier | None:
        """By what the token says of itself, which is the same each time."""
        digest = digest_of(token)
        if digest not in self._routes:
            self._routes[digest] = self._route(token)
            if len(self._routes) > _MOST_ROUTED:
                self._routes.popitem(last=False)
        return self._routes[digest]

    def _route(self, token: str) -> TokenVerifier | None:
        try:
            unverified = read(token)
        except Refused:
            return None
        if self._accounts.recognises(unverified):
            return self._accounts
        return self._jwt_svids if self._jwt_svids.recognises(unverified) else None
