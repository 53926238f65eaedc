"""Ending a scope because somebody else said so."""

from collections.abc import Callable
from typing import Literal, Protocol

from proxy.tasks.interfaces import Revocation


class Revoke(Protocol):
    """Durable and in force in this process when it returns."""

    async def __call__(
        self, scope: str, by: str, reason: str, now: float, *, kind: Literal["revoke", "freeze"] = "revoke"
    ) -> object: ...


class Ending:
    """Ends or freezes a scope, and never makes less of what is in force already."""

    def __init__(self, revoke: Revoke, in_force: Callable[[], list[Revocation]]) -> None:
        self._revoke = revoke
        self._in_force = in_force

    async def end(self, scope: str, by: str, reason: str, at: float, *, freeze: bool) -> None:
        """A freeze of what is ended already ends it anew: to hold its calls would be to let some of them pass."""
        ended = any(row.scope == scope and row.kind == "revoke" for row in self._in_force())
        await self._revoke(scope, by, reason, at, kind="freeze" if freeze and not ended else "revoke")
