"""Who waits in this process for which hold. Only a wake-up: the truth is in the store."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Waiters:
    """Each waiter has an event of its own; waking one that has left does nothing."""

    def __init__(self) -> None:
        self._by_hold: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, hold_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever this hold may have changed. Look at the hold after you have it."""
        event = asyncio.Event()
        self._by_hold.setdefault(hold_id, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._by_hold[hold_id]
            waiting.discard(event)
            if not waiting:
                del self._by_hold[hold_id]

    def wake(self, hold_ids: Collection[str]) -> None:
        """Wake whoever waits for one of these holds."""
        for hold_id in hold_ids:
            for event in self._by_hold.get(hold_id, ()):
                event.set()

    def wake_all(self) -> None:
        """Wake everyone: something may have changed, and it is not known what."""
        self.wake(tuple(self._by_hold))

    def count(self, hold_id: str) -> int:
        """How many calls wait for this hold here."""
        return len(self._by_hold.get(hold_id, ()))

    def __bool__(self) -> bool:
        return bool(self._by_hold)
