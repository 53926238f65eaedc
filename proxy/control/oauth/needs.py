"""What the token endpoint needs from the rest of the house."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from policies.model import Json
from proxy.control.needs import Record, Tasks
from proxy.errors import refuse
from proxy.facts import Inventory
from proxy.identity.assertions import AssertionVerifier
from proxy.identity.resolver import Resolver
from proxy.identity.task_tokens import TaskTokenReader
from proxy.identity.tokens import TokenVerifier
from proxy.stages import Identity, Proven
from proxy.tasks.feed import RevocationFeed


class Sign(Protocol):
    """Claims into a compact JWS of this `typ`."""

    def __call__(self, claims: Mapping[str, Json], typ: str) -> str: ...


@dataclass(frozen=True, slots=True)
class OAuthDeps:
    """`issuer` is our identifier as authorization server, `audience` that of the proxy, whom task tokens are for."""

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

    def living(self, proven: Proven) -> Identity:
        """Who that is now; a refusal if nobody answers for it, or if any party of its chain was ended."""
        now = self.clock()
        if self.feed.standing(now) != "fresh":
            raise refuse("revocations_stale", 503, "It is not known at the moment what was revoked.", "retry")
        identity = self.resolver.attribute(proven, self.inventory(), now)
        ended = self.feed.epochs.dead(identity.scopes, proven.issued_at)
        if ended is not None:
            raise refuse("identity_revoked", 403, "This was ended by a person.", internal=ended.scope)
        return identity
