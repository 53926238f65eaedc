"""What ended long ago is taken out of the store, beside the calls and in small pieces."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from policies.model import Json
from proxy.tasks.forgetting import Record, SteadyClock
from telemetry.record import timestamp

log = logging.getLogger("countersign.storage")

DAY = 86_400.0
PAUSE = 0.05  # between two pieces, in which whoever waits for the store has their turn

type Sleep = Callable[[float], Awaitable[None]]


class HistoryStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def has_ended_before(self, before: float) -> bool:
        """Whether anything ended before this that nothing rests on any more."""
        ...

    async def forget_ended(self, kind: str, before: float) -> int:
        """Take out a piece of it, in one transaction; says how many there were."""
        ...


class History:
    """Keeps handles, sign-ins, closed holds and ended tasks for so many days; the audit log keeps the story."""

    def __init__(
        self, store: HistoryStore, kinds: Sequence[str], record: Record, clock: SteadyClock, *, days: int
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._record = record
        self._clock = clock
        self._days = days

    async def sweep(self, now: float, sleep: Sleep = asyncio.sleep) -> None:
        """All of it, once the clock can be trusted; on record before the first row goes."""
        before = now - self._days * DAY
        if not self._clock.is_steady(now) or not await self._store.has_ended_before(before):
            return
        change: dict[str, Json] = {
            "what": "history",
            "by": "countersign",
            "kind": "forget",
            "reason": f"it ended more than {self._days} days ago",
            "details": [f"before={timestamp(before)}"],
        }
        await self._record({"type": "history.forgotten", "change": change})
        # what names others goes before what it names
        for kind in self._kinds:
            gone = 0
            while piece := await self._store.forget_ended(kind, before):
                gone += piece
                await sleep(PAUSE)
            if gone:
                log.info("%d rows of %s that ended long ago are taken out of the store", gone, kind)
