"""Turns at something that all share: one peer, whatever it asks, leaves the others theirs."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator

from proxy.peers import party


class Crowded(Exception):
    """Nobody else may wait; or who waited had to make room for somebody who asked less."""


class Turns:
    """`at_once` have their turn at a time, `each` of one peer, and `waiting` wait; who has fewest goes first."""

    def __init__(self, at_once: int, each: int, waiting: int) -> None:
        self._at_once = at_once
        self._each = each
        self._most = waiting
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def of(self, peer: str) -> AsyncIterator[None]:
        """This peer's turn; raises `Crowded` if there is no room to wait for it."""
        name = party(peer)
        await self._enter(name)
        try:
            yield
        finally:
            self._leave(name)

    async def _enter(self, name: str) -> None:
        if self._running.total() < self._at_once and self._running[name] < self._each:
            self._running[name] += 1
            return
        if sum(map(len, self._waiting.values())) >= self._most:
            self._make_room(name)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave(name)  # it was given to somebody who has left
            else:
                self._withdraw(name, turn)
            raise

    def _leave(self, name: str) -> None:
        self._running[name] -= 1
        if not self._running[name]:
            del self._running[name]
        while self._running.total() < self._at_once:
            able = [one for one in self._waiting if self._running[one] < self._each]
            if not able:
                return
            chosen = min(able, key=lambda one: self._running[one])
            turn = self._waiting[chosen][0]
            self._withdraw(chosen, turn)
            if not turn.done():
                self._running[chosen] += 1
                turn.set_result(None)

    def _make_room(self, name: str) -> None:
        """Who has most waiting gives up its latest, if that is more than the newcomer would have."""
        longest = max(self._waiting, key=lambda one: len(self._waiting[one]), default=name)
        if len(self._waiting.get(longest, ())) <= len(self._waiting.get(name, ())) + 1:
            raise Crowded
        turn = self._waiting[longest][-1]
        self._withdraw(longest, turn)
        if not turn.done():
            turn.set_exception(Crowded())

    def _withdraw(self, name: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(name, deque())
        with contextlib.suppress(ValueError):
            queue.remove(turn)
        if not queue:
            self._waiting.pop(name, None)
