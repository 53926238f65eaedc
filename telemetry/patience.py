"""How long somebody is waited for, told by one timer for all who wait: a timer each costs more than most waits last."""

import asyncio
import threading
from collections.abc import Callable

_STOOD_STILL = 0.5  # seconds: a timer that comes later than this was held up with everything else here


class _Waiting[T]:
    """Who waits in one event loop, and until when. All wait equally long, so the first to come is the first due.

    After a standstill of the loop their time begins anew, once: whoever was waited for may have stood still too, as
    with a machine that was stopped, or has answered and could not be heard.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, within: float, late: Callable[[T], None]) -> None:
        self.until: dict[T, float] = {}
        self._loop = loop
        self._within = within
        self._late = late
        self._armed = False
        self._due = 0.0
        self._anew: set[T] = set()

    def begin(self, one: T) -> None:
        until = self._loop.time() + self._within
        self.until[one] = until
        if not self._armed:
            self._arm(until)

    def _arm(self, until: float) -> None:
        # INVARIANT: while anybody waits there is a timer, for no later than the first of them is due.
        self._armed, self._due = True, until
        self._loop.call_at(until, self._look)

    def _look(self) -> None:
        self._armed = False
        now = self._loop.time()
        self._anew &= self.until.keys()
        if now - self._due > _STOOD_STILL:
            again = now + self._within
            self.until = {one: until if one in self._anew else again for one, until in self.until.items()}
            self._anew = set(self.until)
        for one, until in list(self.until.items()):
            if until > now:
                self._arm(until)
                return
            del self.until[one]
            self._late(one)


class Patience[T](threading.local):
    """Calls `late`, which must not raise, with whoever has waited for `within` seconds in the loop that runs here."""

    def __init__(self, within: float, late: Callable[[T], None]) -> None:
        self._within = within
        self._late = late
        self._loops: dict[asyncio.AbstractEventLoop, _Waiting[T]] = {}

    def begin(self, one: T) -> None:
        """From now on this one is waited for, who was not before."""
        loop = asyncio.get_running_loop()
        waiting = self._loops.get(loop)
        if waiting is None:
            self._loops = {known: row for known, row in self._loops.items() if not known.is_closed()}
            waiting = self._loops[loop] = _Waiting(loop, self._within, self._late)
        waiting.begin(one)

    def end(self, one: T) -> None:
        """The wait of this one is over, if it was not already. From the loop in which it began."""
        self._loops[asyncio.get_running_loop()].until.pop(one, None)
