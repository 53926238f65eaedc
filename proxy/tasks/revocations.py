"""The kill switch: ending everything under a scope, durably and at once."""

from typing import Literal

from proxy.errors import CountersignError
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.interfaces import Revocation, RevocationStore
from proxy.tasks.scopes import checked_scope


class RevocationService:
    """Revokes and lifts scopes. What it returns from is durable, and in force in this process."""

    def __init__(self, store: RevocationStore, feed: RevocationFeed) -> None:
        self._store = store
        self._feed = feed

    async def revoke(
        self, scope: str, by: str, reason: str, now: float, *, kind: Literal["revoke", "freeze"] = "revoke"
    ) -> Revocation:
        """End everything under `scope` that was issued up to now, or up to an earlier revocation's later end."""
        if not by:
            raise CountersignError("a revocation needs the one who asks for it")
        known = self._feed.epochs.by_scope.get(checked_scope(scope))
        at = max(now, known.at) if known is not None else now
        revocation = Revocation(scope, at, by, reason, kind)
        await self._store.put_revocation(revocation)
        self._feed.apply(revocation)
        return revocation

    async def lift(self, scope: str) -> bool:
        """Let what was issued before live again. False if the scope was not revoked."""
        lifted = await self._store.lift_revocation(checked_scope(scope))
        self._feed.apply_lift(scope)
        return lifted

    def in_force(self) -> list[Revocation]:
        """Every revocation that this process knows of, the latest first."""
        return sorted(self._feed.epochs.by_scope.values(), key=lambda revocation: -revocation.at)
