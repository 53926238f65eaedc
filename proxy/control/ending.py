"""The kill switch, as one caller may use it: end a scope at once, see what is ended, lift it."""

from collections.abc import Collection, Mapping
from typing import Literal

from proxy.control.callers import Caller, may_see_agent
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.control.responders import Levers
from proxy.errors import CountersignError, Declined
from proxy.identity.interfaces import HandleRow
from proxy.tasks.interfaces import Revocation
from proxy.tasks.scopes import checked_scope


class EndingDesk:
    """An owner may end their agents and what runs under those alone; a responder and the operator anything."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal

    async def list(self) -> list[Revocation]:
        """What is ended, as far as it concerns this caller."""
        now, inventory = self._deps.clock(), self._deps.inventory()
        everything = self._deps.revocations.in_force()
        if self._caller.is_operator:
            return everything
        levers = await self.levers()
        return [
            row
            for row in everything
            if levers.end(row.scope)
            or may_see_agent(self._caller, row.scope.removeprefix("agent:"), inventory, self._deps.auditors, now)
        ]

    async def revoke(self, scope: str, reason: str) -> None:
        """Everything under this scope is dead when this returns."""
        await self._put(scope, reason, "revoke")

    async def freeze(self, scope: str, reason: str) -> None:
        """Every call under this scope is held for a person when this returns."""
        await self._put(scope, reason, "freeze")

    async def _put(self, scope: str, reason: str, kind: Literal["revoke", "freeze"]) -> None:
        levers = await self._allow(scope)
        self._require_known(scope)
        why = required_reason(reason)
        standing = self._standing(scope)
        if standing is not None and not levers.replace(standing, kind):
            raise _not_over(standing)
        await self._journal.write("revocation.put", scope, kind=kind, reason=why)
        await self._deps.revocations.revoke(scope, self._caller.name, why, self._deps.clock(), kind=kind)

    async def lift(self, scope: str, reason: str) -> None:
        """The scope lives again. What the operator ended, only the operator brings back."""
        levers = await self._allow(scope)
        why = required_reason(reason)
        standing = self._standing(scope)
        if standing is None:
            raise Declined(404, "not_revoked", "this scope is not ended")
        if not levers.lift(standing):
            raise _not_over(standing)
        await self._journal.write("revocation.lifted", scope, kind="lift", reason=why)
        await self._deps.revocations.lift(scope)

    async def require(self, scope: str) -> None:
        """Raises, in the words of `revoke`, unless this caller may end this scope and the house knows it."""
        await self._allow(scope)
        self._require_known(scope)

    async def levers(self) -> Levers:
        """What this caller may do about what is ended, and about what is not."""
        deps = self._deps
        rows: list[HandleRow] = [] if self._caller.is_operator else list(await deps.handles.list())
        return Levers(self._caller, deps.inventory(), rows, deps.responders, deps.clock())

    async def _allow(self, scope: str) -> Levers:
        try:
            checked_scope(scope)
        except CountersignError as error:
            raise Declined(422, "scope_invalid", str(error)) from error
        levers = await self.levers()
        if not levers.end(scope):
            raise Declined(403, "not_yours", "you may end only agents that you answer for, and their tasks and handles")
        return levers

    def _require_known(self, scope: str) -> None:
        """A misspelt name would end nothing, and leave whoever ended it in the belief that it did."""
        inventory = self._deps.inventory()
        kind, _, name = scope.partition(":")
        known: Mapping[str, Collection[str]] = {
            "agent": inventory.agents,
            "owner": inventory.people,
            "team": inventory.teams,
            "service": inventory.services,
        }
        if name not in known.get(kind, [name]):
            raise Declined(404, "scope_unknown", f"there is no {kind} `{name}`: nothing is ended; check its spelling")

    def _standing(self, scope: str) -> Revocation | None:
        return next((row for row in self._deps.revocations.in_force() if row.scope == scope), None)


def _not_over(row: Revocation) -> Declined:
    """Ending it again would put the caller's name on it, and so let them lift it."""
    if not row.by.startswith("person:"):
        return Declined(409, "ended_by_operator", "the operator has ended this; only the operator can lift it")
    return Declined(409, "ended_by_another", f"{row.by} has ended this; only they or the operator can lift it")
