"""The kill switch as a page needs it: what this caller may stop, what would die, what stands, and who may lift it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from proxy.control.callers import Caller
from proxy.control.ending import EndingDesk
from proxy.control.needs import ControlDeps
from proxy.control.reach import Reach, reach_of
from proxy.control.responders import may_respond
from proxy.tasks.interfaces import Revocation

type Stop = Literal["revoke", "freeze"]

OWNERS_KINDS = ("agent", "task", "handle")
KINDS = (
    *OWNERS_KINDS,
    *("owner", "principal", "team", "class", "service", "tool", "credential", "token", "connection", "global"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One scope that is ended or frozen, and whether this caller may lift it."""

    row: Revocation
    may_lift: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What stopping this scope means now; `standing` is what holds for it already."""

    scope: str
    reach: Reach
    standing: Revocation | None


class KillSwitch:
    """Looks before anything is ended. Ending itself is the ending desk's."""

    def __init__(self, caller: Caller, deps: ControlDeps, ending: EndingDesk) -> None:
        self._caller = caller
        self._deps = deps
        self._ending = ending

    def kinds(self) -> tuple[str, ...]:
        """The kinds of scope that this caller may stop."""
        return KINDS if may_respond(self._caller, self._deps.responders) else OWNERS_KINDS

    async def choices(self, kind: str) -> dict[str, str]:
        """The names of this kind that the house knows and that this caller may stop, each with a word on it."""
        levers = await self._ending.levers()
        return {
            name: about for name, about in sorted((await self._known(kind)).items()) if levers.end(f"{kind}:{name}")
        }

    async def preview(self, scope: str) -> Preview:
        """What would die; refused in the same words as ending it would be."""
        await self._ending.require(scope)
        deps = self._deps
        handles = await deps.handles.list(live_at=deps.clock())
        reach = reach_of(scope, deps.inventory(), handles, await deps.tasks.list(live=True))
        standing = next((row for row in deps.revocations.in_force() if row.scope == scope), None)
        return Preview(scope, reach, standing)

    async def standing(self) -> list[Standing]:
        """What is ended or frozen, as far as it concerns this caller; the latest first."""
        levers = await self._ending.levers()
        return [Standing(row, levers.lift(row)) for row in await self._ending.list()]

    async def stop(self, scope: str, effect: Stop, reason: str) -> None:
        """The scope is ended, or every call of it held, when this returns."""
        if effect == "freeze":
            await self._ending.freeze(scope, reason)
        else:
            await self._ending.revoke(scope, reason)

    async def _known(self, kind: str) -> Mapping[str, str]:
        deps, inventory = self._deps, self._deps.inventory()
        match kind:
            case "agent":
                return {agent.id: agent.purpose for agent in inventory.agents.values()}
            case "owner" | "principal":
                return {person.id: person.name for person in inventory.people.values()}
            case "team":
                return dict.fromkeys(inventory.teams, "")
            case "class":
                return {"privileged": "", "utility": ""}
            case "service":
                return dict.fromkeys(inventory.services, "")
            case "tool":
                services = inventory.services.values()
                return {f"{service.id}/{tool.name}": "" for service in services for tool in service.tools}
            case "credential":
                return {one.id: service.id for service in inventory.services.values() for one in service.bindings}
            case "task":
                return {task.id: f"{task.agent}: {task.purpose}" for task in await deps.tasks.list(live=True)}
            case "handle":
                rows = await deps.handles.list(live_at=deps.clock())
                return {row.id: f"{row.agent} {row.purpose}".strip() for row in rows}
            case _:
                return {}
