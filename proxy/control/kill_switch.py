"""The kill switch as a page needs it: what this caller may stop, what would die, what stands, and who may lift it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from proxy.control.callers import Caller
from proxy.control.ending import Done, EndingDesk
from proxy.control.needs import ControlDeps
from proxy.control.reach import Reach, reach_of
from proxy.control.responders import OWNERS_KINDS, may_respond
from proxy.facts import Inventory
from proxy.identity.interfaces import HandleQuery
from proxy.tasks.interfaces import Revocation, RevocationKind

KINDS = (
    *OWNERS_KINDS,
    *("owner", "team", "class", "principal", "partner"),
    *("service", "tool", "credential", "token", "key", "connection", "global"),
)

MOST_TASKS_COUNTED = 2000  # open ones, each of which is read in full
MOST_COUNTED = 20_000  # live handles: twice those of a large house


@dataclass(frozen=True, slots=True)
class Standing:
    """One end or freeze, whether this caller may lift it, and whether other processes know of it."""

    row: Revocation
    may_lift: bool
    stored: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What stopping this scope means now; `standing` is what holds for it already: an end, a freeze, or both.

    `connections` are open under it, as far as they pass through this process; None if none do.
    """

    scope: str
    reach: Reach
    connections: int | None
    standing: tuple[Revocation, ...]


class KillSwitch:
    """Looks before anything is ended. Ending itself is the ending desk's."""

    def __init__(self, caller: Caller, deps: ControlDeps, ending: EndingDesk) -> None:
        self._caller = caller
        self._deps = deps
        self._ending = ending

    def kinds(self) -> tuple[str, ...]:
        """The kinds of scope that this caller may stop."""
        return KINDS if may_respond(self._caller, self._deps.responders) else OWNERS_KINDS

    async def able(self) -> bool:
        """Is there anything that this caller may stop?"""
        if may_respond(self._caller, self._deps.responders):
            return True
        for kind in self.kinds():
            if await self.choices(kind):
                return True
        return False

    async def choices(self, kind: str) -> dict[str, str]:
        """The names of this kind that the house knows and that this caller may stop, each with a word on it.

        Of tasks and handles the newest; an older one is typed.
        """
        known = await self._known(kind)
        levers = await self._ending.levers([f"{kind}:{name}" for name in known])
        return {name: about for name, about in sorted(known.items()) if levers.end(f"{kind}:{name}")}

    async def preview(self, scope: str) -> Preview:
        """What would die; refused in the same words as ending it would be."""
        await self._ending.require(scope)
        deps = self._deps
        handles = await deps.handles.list(HandleQuery(live_at=deps.clock(), limit=MOST_COUNTED))
        tasks = await deps.tasks.list(live=True, limit=MOST_TASKS_COUNTED)
        today = datetime.fromtimestamp(deps.clock(), UTC).date()
        reach = reach_of(scope, deps.inventory(), handles, tasks, today)
        standing = deps.revocations.epochs.standing(scope)
        connections = deps.reach(scope).connections if deps.reach is not None else None
        return Preview(scope, reach, connections, standing)

    async def standing(self, limit: int, *, over: bool) -> tuple[list[Standing], bool]:
        """What is ended or frozen, as far as it concerns this caller, the latest first; and whether there is more.

        Either what is over (see `Revocation.over`), or the rest.
        """
        unstored = self._ending.unstored()
        listed = await self._ending.list(limit=limit, over=over)
        levers = await self._ending.levers([row.scope for row in listed.rows])
        return [Standing(row, levers.lift(row), row not in unstored) for row in listed.rows], listed.next is not None

    async def stop(self, scope: str, effect: RevocationKind, reason: str) -> Done:
        """The scope is ended, or every call of it held, when this returns."""
        act = self._ending.freeze if effect == "freeze" else self._ending.revoke
        return await act(scope, reason)

    async def _agents(self) -> list[str] | None:
        """The agents that this caller may stop; None if that is anything."""
        if may_respond(self._caller, self._deps.responders):
            return None
        levers = await self._ending.levers()
        return [name for name in self._deps.inventory().agents if levers.end(f"agent:{name}")]

    async def _known(self, kind: str) -> Mapping[str, str]:
        deps = self._deps
        match kind:
            case "task":
                tasks = await deps.tasks.list(agents=await self._agents(), live=True)
                return {task.id: f"{task.agent}: {task.purpose}" for task in tasks}
            case "handle":
                rows = await deps.handles.list(HandleQuery(agents=await self._agents(), live_at=deps.clock()))
                return {row.id: f"{row.agent} {row.purpose}".strip() for row in rows}
            case _ if kind in _LISTED:
                return _LISTED[kind](deps.inventory())
            case _:
                return {}


def _people(inventory: Inventory) -> dict[str, str]:
    return {person.id: person.name for person in inventory.people.values()}


def _tools(inventory: Inventory) -> dict[str, str]:
    services = inventory.services.values()
    return {f"{service.id}/{tool.name}": "" for service in services for tool in service.tools}


def _credentials(inventory: Inventory) -> dict[str, str]:
    services = inventory.services.values()
    return {binding.id: service.id for service in services for binding in service.bindings}


_LISTED: Mapping[str, Callable[[Inventory], dict[str, str]]] = {
    "agent": lambda inventory: {agent.id: agent.purpose for agent in inventory.agents.values()},
    "owner": _people,
    "principal": _people,
    "team": lambda inventory: dict.fromkeys(inventory.teams, ""),
    "class": lambda _: {"privileged": "", "utility": ""},
    "process": lambda inventory: {process.id: process.purpose for process in inventory.processes.values()},
    "partner": lambda inventory: {partner.id: partner.name for partner in inventory.partners.values()},
    "service": lambda inventory: dict.fromkeys(inventory.services, ""),
    "tool": _tools,
    "credential": _credentials,
}
