"""Word of revocations, wherever they were made: polled, swapped in whole, and known to be fresh or not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Literal

from proxy.errors import StoreUnavailable
from proxy.tasks.epochs import Epochs, replaces
from proxy.tasks.interfaces import KINDS, Counts, Revocation, RevocationKind, RevocationStore

log = logging.getLogger("countersign.revocations")

EVERY = 0.05
DEGRADED_AFTER = 1.0
STALE_AFTER = 5.0

type Hear = Callable[[], Awaitable[None]]
type Freshness = Literal["fresh", "degraded", "stale"]


class RevocationFeed:
    """The revocations in force, as far as this process knows, and how sure of that it is.

    `on_change` callbacks run after every change of the store by any process, `on_standing` callbacks only after those
    that decide whether something may go on: what is revoked, where tasks and handles stand. They must not block or
    raise.
    """

    def __init__(self, store: RevocationStore) -> None:
        self._store = store
        self._epochs = Epochs()
        self._token: int | None = None
        self._counts: Counts | None = None
        self._heard_at: float | None = None
        self._latest = float("-inf")
        self._unstored: dict[tuple[str, RevocationKind], Revocation] = {}
        self._local_changes = 0
        self._on_change: list[Callable[[], None]] = []
        self._on_standing: list[Callable[[], None]] = []
        self._also: list[Hear] = []
        self._failing = False
        self._next: asyncio.Event | None = None  # set when the poll has ended that is to begin next

    @property
    def epochs(self) -> Epochs:
        """The snapshot in force. Ask for it each time; never keep it."""
        return self._epochs

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call this after every change."""
        self._on_change.append(callback)

    def on_standing(self, callback: Callable[[], None]) -> None:
        """Call this after every change of what may go on."""
        self._on_standing.append(callback)

    def also_hear(self, hear: Hear) -> None:
        """Await this too with every change of the store, before it counts as heard.

        A `StoreUnavailable` from it leaves the feed as stale as one from the revocations themselves.
        """
        self._also.append(hear)

    def stale_for(self, now: float) -> float:
        """Seconds since the store was last known to be read in full; infinite before the first time.

        A clock that jumps either way reads as stale, until the next poll puts it right.
        """
        return float("inf") if self._heard_at is None else abs(now - self._heard_at)

    @property
    def behind(self) -> float:
        """Seconds by which the clock was set back: what was issued so long ago may bear a time that is yet to come."""
        return self._latest - self._heard_at if self._heard_at is not None else 0.0

    def standing(self, now: float) -> Freshness:
        """`degraded`: no new identities, nothing of high risk. `stale`: nothing at all."""
        age = self.stale_for(now)
        if age <= DEGRADED_AFTER:
            return "fresh"
        return "degraded" if age <= STALE_AFTER else "stale"

    def apply(self, revocation: Revocation) -> None:
        """Put a revocation in force here that is durable already."""
        self._swap(self._epochs.with_revocation(revocation))

    def hold(self, revocation: Revocation) -> None:
        """Put a revocation in force here that the store does not have yet: no poll takes it back until `stored`."""
        key = (revocation.scope, revocation.kind)
        if replaces(revocation, self._unstored.get(key)):
            self._unstored[key] = revocation
        self.apply(revocation)

    def stored(self, revocation: Revocation) -> None:
        """The store has what was held here."""
        key = (revocation.scope, revocation.kind)
        if self._unstored.get(key) == revocation:
            del self._unstored[key]
            self._local_changes += 1  # rows that were read before that are read again

    def apply_lift(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> None:
        """Lift here what is durably lifted already."""
        self._swap(self._epochs.without(scope, kinds))

    def _swap(self, epochs: Epochs) -> None:
        self._local_changes += 1
        self._epochs = epochs
        self._tell(standing=True)

    async def _read(self, counts: Counts) -> Epochs:
        """What is in force by the store: only what was put since the last time, if all that changed was that."""
        known = self._counts
        if known is not None and known.reading == counts.reading:
            before = self._epochs
            new = await self._store.revocations_put(known.revocations, counts.revocations)
            # each change is counted, so that as many rows as changes means that nothing was lifted, or put twice
            if len(new) == counts.revocations - known.revocations:
                return before.with_all(new)
        return Epochs(await self._store.all_revocations()).with_all(self._unstored.values())

    async def poll(self, now: float) -> None:
        """Hear what changed since the last time; raises `StoreUnavailable`, and is then no fresher than before."""
        while True:
            local = self._local_changes
            token = await self._store.change_token()  # before the rows: a change in between is read again
            if token == self._token:
                break
            counts, known = await self._store.counts(), self._counts  # before the rows, too
            revoked = known is None or (counts.reading, counts.revocations) != (known.reading, known.revocations)
            epochs = await self._read(counts) if revoked else None
            for hear in self._also:
                await hear()
            if local == self._local_changes:  # else the rows may be older than what is in force here
                self._token, self._counts = token, counts
                if epochs is not None:
                    self._epochs = epochs
                self._tell(standing=counts != known)
                break
        self._heard_at, self._latest = now, max(now, self._latest)

    async def run(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Poll for ever. A store that fails makes the feed stale, which refuses calls; it ends nothing."""
        try:
            while True:
                ended, self._next = self._next, asyncio.Event()
                try:
                    await self.poll_once(clock())
                finally:
                    if ended is not None:
                        ended.set()
                await sleep(EVERY)
        finally:
            if self._next is not None:
                self._next.set()
            self._next = None

    async def next_poll(self) -> None:
        """Return when the store was asked once more, with whatever outcome; at once where nobody polls.

        A process that stood still for seconds has word as old as that, and can have newer in a moment. It is for
        whoever else would be refused; where the store does not answer either way, they are after five seconds.
        """
        if self._next is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._next.wait(), STALE_AFTER)

    async def poll_once(self, now: float) -> None:
        """One poll whose failure is told once, not twenty times a second."""
        try:
            await self.poll(now)
        except StoreUnavailable as error:
            if not self._failing:
                log.warning("revocations cannot be read, calls will be refused: %s", error)
            self._failing = True
        else:
            if self._failing:
                log.warning("revocations are read again")
            self._failing = False

    def _tell(self, *, standing: bool) -> None:
        if standing:
            for callback in self._on_standing:
                callback()
        for callback in self._on_change:
            callback()
