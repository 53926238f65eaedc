"""The kill switch, as one caller may use it: end a scope at once, see what is ended, lift it."""

from collections.abc import Collection, Mapping

from proxy.control.callers import Caller, may_end, may_see_agent
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.errors import CountersignError, Declined
from proxy.identity.interfaces import HandleRow
from proxy.tasks.interfaces import Revocation
from proxy.tasks.scopes import checked_scope


class EndingDesk:
    """An owner may end their agents and what runs under those alone; the operator anything."""

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
        rows = await self._deps.handles.list()
        return [
            row
            for row in everything
            if may_end(self._caller, row.scope, inventory, rows, now)
            or may_see_agent(self._caller, row.scope.removeprefix("agent:"), inventory, self._deps.auditors, now)
        ]

    async def revoke(self, scope: str, reason: str) -> None:
        """Everything under this scope is dead when this returns."""
        await self._allow(scope)
        self._require_known(scope)
        why = required_reason(reason)
        self._not_over_the_operator(scope)
        await self._journal.write("revocation.put", scope, kind="revoke", reason=why)
        await self._deps.revocations.revoke(scope, self._caller.name, why, self._deps.clock())

    async def lift(self, scope: str, reason: str) -> None:
        """The scope lives again. What the operator ended, only the operator brings back."""
        await self._allow(scope)
        why = required_reason(reason)
        if not any(row.scope == scope for row in self._deps.revocations.in_force()):
            raise Declined(404, "not_revoked", "this scope is not ended")
        self._not_over_the_operator(scope)
        await self._journal.write("revocation.lifted", scope, kind="lift", reason=why)
        await self._deps.revocations.lift(scope)

    async def _allow(self, scope: str) -> None:
        try:
            checked_scope(scope)
        except CountersignError as error:
            raise Declined(422, "scope_invalid", str(error)) from error
        rows: list[HandleRow] = [] if self._caller.is_operator else list(await self._deps.handles.list())
        if not may_end(self._caller, scope, self._deps.inventory(), rows, self._deps.clock()):
            raise Declined(403, "not_yours", "you may end only agents that you answer for, and their tasks and handles")

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

    def _not_over_the_operator(self, scope: str) -> None:
        """Ending it again would put the caller's name on it, and so let them lift it."""
        if self._caller.is_operator:
            return
        standing = [row for row in self._deps.revocations.in_force() if row.scope == scope]
        if any(not row.by.startswith("person:") for row in standing):
            raise Declined(409, "ended_by_operator", "the operator has ended this; only the operator can lift it")
