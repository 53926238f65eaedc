"""What the token endpoint needs from the rest of the house."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from policies.model import Json
from proxy.control.needs import Record, Tasks
from proxy.downstream.account import Account
from proxy.errors import refuse
from proxy.facts import Inventory
from proxy.identity.assertions import AssertionVerifier
from proxy.identity.interfaces import ReplayStore
from proxy.identity.issuers import MAX_LEEWAY
from proxy.identity.lifetime import end_of
from proxy.identity.methods import CLIENT_ASSERTION, OURS
from proxy.identity.resolver import Resolver
from proxy.identity.task_tokens import TaskTokenReader
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.tokens import TokenVerifier
from proxy.stages import Identity, Proven
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.task import MAX_LIFE


class Sign(Protocol):
    """Claims into a compact JWS of this `typ`."""

    def __call__(self, claims: Mapping[str, Json], typ: str) -> str: ...


class Svids(Protocol):
    """JWT-SVIDs of the trust domains that we know, for our issuer's identifier. Any that does not hold is a refusal."""

    def recognises(self, token: str) -> bool:
        """Whether it says to be one. Nothing is believed by that."""
        ...

    async def verify(self, token: str, now: float) -> VerifiedToken:
        """Whose it is: `spiffe://<trust domain>`, and the SPIFFE ID as subject."""
        ...

    async def prove(self, token: str, now: float, inventory: Inventory) -> Proven:
        """Which agent's it is."""
        ...


class TxnTokens(Protocol):
    """The transaction tokens that we minted for internal services."""

    def verify(self, token: str, now: float) -> Account:
        """What this one tells; `Rejected` if it is none of ours, or not valid now."""
        ...


@dataclass(frozen=True, slots=True)
class OAuthDeps:
    """`issuer` is our identifier as authorization server, `audience` that of the proxy, whom task tokens are for.

    `own_host` is where agents reach the same endpoint through the proxy, empty if they do not; `certificates` says
    that their connections may show some there. Without `svids` no JWT-SVID counts, without `txn_tokens` no
    transaction token.
    """

    issuer: str
    audience: str
    resolver: Resolver
    tokens: TokenVerifier
    assertions: AssertionVerifier
    own: TaskTokenReader
    sign: Sign
    tasks: Tasks
    feed: RevocationFeed
    revoke: Callable[[str, str, str, float], Awaitable[object]]
    inventory: Callable[[], Inventory]
    record: Record
    clock: Callable[[], float]
    replays: ReplayStore
    jwks: Callable[[float], Mapping[str, Json]]
    svids: Svids | None = None
    txn_tokens: TxnTokens | None = None
    own_host: str = ""
    certificates: bool = False

    def end_of(self, client: Identity) -> float:
        """When what this client showed ends. A signed assertion shows who asks, now: that does not end with it."""
        if client.proven.method == CLIENT_ASSERTION:
            return self.clock() + MAX_LIFE
        # INVARIANT: no tolerance is passed on. Ours have none, all others at most that of proxy.identity.issuers.
        return end_of(client.proven, self.inventory()) - (0.0 if client.proven.method in OURS else MAX_LEEWAY)

    async def living(self, proven: Proven) -> Identity:
        """Who that is now; a refusal if nobody answers for it, or if any party of its chain was ended."""
        if self.feed.standing(self.clock()) != "fresh":
            await self.feed.next_poll()  # it may be old only because we stood still
        now = self.clock()
        if self.feed.standing(now) != "fresh":
            raise refuse("revocations_stale", 503, "It is not known at the moment what was revoked.", "retry")
        identity = self.resolver.attribute(proven, self.inventory(), now)
        ended = self.feed.epochs.dead(identity.scopes, proven.issued_at)
        if ended is not None:
            raise refuse("identity_revoked", 403, "This was ended by a person.", internal=ended.scope)
        return identity
