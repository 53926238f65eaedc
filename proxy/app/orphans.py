"""When an owner leaves: what they owned is told to the SOC, and what was approved of it is void, at once.

Void too is what was approved of whatever else no longer stands: what has expired, is disabled, or is overdue.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, date, datetime
from typing import Protocol

from policies.model import Json
from proxy.facts import Inventory
from proxy.inventory.orphans import Orphan, orphans
from proxy.inventory.ownership import answered_for, process_standing, standing

log = logging.getLogger("countersign.ownership")

EVERY = 0.1

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]


class Holds(Protocol):
    async def invalidate_for(self, scopes: Collection[str], *, by: str, reason: str) -> int: ...


class OrphanWatch:
    """Looks whenever another inventory is in force, and when a day ends.

    It tells what follows; that calls are refused follows from the inventory itself, and waits for nothing here.
    """

    def __init__(
        self, inventory: Callable[[], Inventory], holds: Holds, record: Record, clock: Callable[[], float]
    ) -> None:
        self._inventory = inventory
        self._holds = holds
        self._record = record
        self._clock = clock
        self._seen: tuple[Inventory, date] | None = None
        self._told: dict[tuple[str, str], Orphan] = {}
        self._fallen: frozenset[str] = frozenset()
        self._started = False

    async def follow(self) -> None:
        """One look. What could not be recorded is told by the next."""
        await asyncio.sleep(EVERY)
        await self.look()

    async def look(self) -> None:
        inventory, today = self._inventory(), datetime.fromtimestamp(self._clock(), UTC).date()
        if self._seen is not None and self._seen[0] is inventory and self._seen[1] == today:
            return
        found = {(one.what, one.owner): one for one in orphans(inventory, today)}
        for key, orphan in found.items():
            if self._told.get(key) != orphan:
                await self._tell(orphan, at_start=not self._started)
                self._told[key] = orphan
        for key in self._told.keys() - found.keys():
            await self._restored(self._told[key])
            del self._told[key]
        await self._void(inventory, today)
        self._seen, self._started = (inventory, today), True

    async def _void(self, inventory: Inventory, today: date) -> None:
        """Approvals of what fell since the last look: they must not wait for the day on which it stands again."""
        fallen = _fallen(inventory, today)
        new: dict[str, list[str]] = {}
        for scope, reason in fallen.items():
            if scope not in self._fallen:
                new.setdefault(reason, []).append(scope)
        for reason, scopes in new.items():
            await self._holds.invalidate_for(scopes, by="countersign", reason=reason)
        self._fallen = frozenset(fallen)

    async def _tell(self, orphan: Orphan, *, at_start: bool) -> None:
        log.warning("%s has lost its owner `%s`: %s", orphan.what, orphan.owner, orphan.follows)
        if orphan.kind == "agent" and not (at_start and orphan.deputy):
            # Void even if a deputy answers now: what somebody signed who has left is nobody's word any more.
            # At a start, what a deputy has approved meanwhile stands.
            await self._holds.invalidate_for([orphan.what], by="countersign", reason="owner_left")
        await self._record(self._change("ownership.orphaned", orphan, orphan.follows, "start" if at_start else "now"))

    async def _restored(self, orphan: Orphan) -> None:
        log.warning("%s no longer lacks its owner `%s`", orphan.what, orphan.owner)
        await self._record(self._change("ownership.restored", orphan, "it has an owner again, or is gone", "now"))

    def _change(self, kind: str, orphan: Orphan, reason: str, since: str) -> dict[str, Json]:
        details: list[Json] = [f"owner={orphan.owner}", f"deputy={orphan.deputy or 'nobody'}", f"found={since}"]
        change: dict[str, Json] = {
            "what": orphan.what,
            "by": "countersign",
            "kind": "deputy" if orphan.deputy else "refuse",
            "reason": reason,
            "details": details,
        }
        return {"type": kind, "at": self._clock(), "change": change}


def _fallen(inventory: Inventory, today: date) -> dict[str, str]:
    """What nothing passes of, or to, by scope, with the reason."""
    standings = {f"agent:{one.id}": standing(one, inventory, today) for one in inventory.agents.values()}
    standings |= {f"process:{one.id}": process_standing(one, inventory, today) for one in inventory.processes.values()}
    standings |= {f"service:{one.id}": answered_for(one, inventory, today) for one in inventory.services.values()}
    standings |= {f"dataset:{one.id}": answered_for(one, inventory, today) for one in inventory.datasets.values()}
    return {scope: found.reason for scope, found in standings.items() if not found.ok}
