"""The kill switch: ending or freezing everything under a scope, at once and durably."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace

from policies.model import Json
from proxy.errors import CountersignError, Declined, StoreUnavailable
from proxy.tasks.epochs import Epochs
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind, RevocationStore
from proxy.tasks.scopes import checked_scope
from proxy.tasks.unstored import Unstored, UnstoredFile
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.revocations")

STORE_WITHIN = 1.0
RECORD_WITHIN = 2.0

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Stopped:
    """What is in force in this process, and how far it is known beyond: to the store, to a file, to the audit log.

    Neither `stored` nor `kept` means that it ends with this process.
    """

    revocation: Revocation
    stored: bool
    kept: bool
    recorded: bool


class RevocationService:
    """Revokes, freezes and lifts scopes.

    `revoke` and `lift` are durable and in force in this process when they return. `stop` is the kill switch in a
    person's hand: in force first, whatever else is broken. `unstored` keeps what the store cannot take meanwhile.
    """

    def __init__(
        self,
        store: RevocationStore,
        feed: RevocationFeed,
        *,
        record: Record | None = None,
        unstored: UnstoredFile | None = None,
    ) -> None:
        self._store = store
        self._feed = feed
        self._record = record
        self._file = unstored
        self._open: list[Unstored] = []
        self._file_differs = False
        self._settling = asyncio.Lock()  # one at a time
        self._writing = asyncio.Lock()  # of the file, held for no longer than that takes
        self._lifts = asyncio.Lock()  # one at a time
        self._lifting: frozenset[tuple[str, RevocationKind]] = frozenset()
        self._anew: dict[RevocationKind, Revocation] = {}  # what was ended while it was being lifted

    async def revoke(
        self, scope: str, by: str, reason: str, now: float, *, kind: RevocationKind = "revoke"
    ) -> Revocation:
        """End everything under `scope` that was issued up to now, or up to an earlier revocation's later end."""
        revocation = self._next(scope, by, reason, now, kind)
        await self._store.put_revocation(revocation)
        self._feed.apply(revocation)
        self._note(revocation)
        return revocation

    async def stop(
        self, scope: str, by: str, reason: str, now: float, *, kind: RevocationKind, entry: Mapping[str, Json]
    ) -> Stopped:
        """End or freeze `scope` in this process, then put it on record as `entry`, then store it.

        Elsewhere a change is on record before it takes effect. Here the effect comes first: what runs does its harm
        while a full disk or a locked store keeps us from writing, and a scope that is ended too much harms nobody.
        """
        revocation = self._next(scope, by, reason, now, kind)
        self._feed.hold(revocation)
        self._note(revocation)
        recorded = await self._recorded(entry)
        stored = await self._stored(revocation)
        row = Unstored(revocation, None if recorded else entry, stored)
        kept = not row.done and await self._kept_open(row)
        return Stopped(revocation, stored, kept, recorded)

    async def lift(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool:
        """Lift the end, the freeze, or both; false if there was none. Never without the store.

        What is lifted is what stood when this was called: what is ended anew meanwhile stays ended.
        """
        standing = self.epochs.standing(checked_scope(scope), kinds)
        if standing:  # the other kind may be put meanwhile, and is not what was to be lifted
            kinds = tuple(row.kind for row in standing)
        async with self._lifts:
            if self.epochs.standing(scope, kinds) != standing:
                raise _ended_anew()
            self._lifting = frozenset((scope, kind) for kind in kinds)
            try:
                lifted = await self._lift_stored(scope, kinds)
            finally:  # however it went: the store may have lost what it was given meanwhile
                anew = self._ended_meanwhile()
                await self._put_back(anew)
            if anew:
                raise _ended_anew()
            self._feed.apply_lift(scope, kinds)
        return lifted

    @property
    def epochs(self) -> Epochs:
        """What this process knows of at this moment."""
        return self._feed.epochs

    def in_force(self) -> list[Revocation]:
        """Every revocation that this process knows of, the latest first."""
        return [*self._feed.epochs.latest_first]

    def unstored(self) -> frozenset[Revocation]:
        """Those of which the store does not know yet."""
        return frozenset(row.revocation for row in self._open if not row.stored)

    def recall(self) -> None:
        """Put in force what an earlier process could not store. Before anything is served."""
        self._open = list(self._file.read()) if self._file is not None else []
        self._file_differs = self._file is not None and self._file.exists()
        for row in self._open:
            if not row.stored:
                self._feed.hold(row.revocation)

    async def settle(self) -> None:
        """Store, and put on record, what could not be when it was made; raises while that is still so."""
        async with self._settling:
            seen = tuple(self._open)
            if not seen and not self._file_differs:
                return
            settled, trouble = await self._settled(seen)
            async with self._writing:
                left = [row for row in (*settled, *self._open[len(seen) :]) if not row.done]
                self._file_differs = self._file_differs or left != self._open
                self._open = left
                for before, after in zip(seen, settled, strict=True):
                    if after.stored and not before.stored:
                        self._feed.stored(after.revocation)
                if self._file_differs:
                    await self._rewrite(left)
            if trouble is not None:
                raise trouble
        log.warning("revocations that were made while the store or the log was down are stored and on record now")

    async def _settled(self, rows: tuple[Unstored, ...]) -> tuple[list[Unstored], Exception | None]:
        """These rows after what could be done about them, and why not all could. What is down is asked once."""
        settled: list[Unstored] = []
        store_down: StoreUnavailable | None = None
        log_down: AuditUnavailable | None = None
        for row in rows:
            now = row
            if not now.stored and store_down is None:
                try:
                    await self._store.put_revocation(row.revocation)
                    now = replace(now, stored=True)
                except StoreUnavailable as error:
                    store_down = error
            if now.entry is not None and self._record is not None and log_down is None:
                try:
                    await self._record(now.entry)
                    now = replace(now, entry=None)
                except AuditUnavailable as error:
                    log_down = error
            settled.append(now)
        return settled, store_down or log_down

    # --- inside -------------------------------------------------------------------------------------

    def _next(self, scope: str, by: str, reason: str, now: float, kind: RevocationKind) -> Revocation:
        if not by:
            raise CountersignError("a revocation needs the one who asks for it")
        known = self._feed.epochs.of(checked_scope(scope), kind)
        at = now + self._feed.behind
        return Revocation(scope, at if known is None else max(at, known.at), by, reason, kind)

    def _note(self, revocation: Revocation) -> None:
        if (revocation.scope, revocation.kind) in self._lifting:
            self._anew[revocation.kind] = revocation

    def _ended_meanwhile(self) -> list[Revocation]:
        anew, self._anew, self._lifting = [*self._anew.values()], {}, frozenset()
        return anew

    async def _lift_stored(self, scope: str, kinds: Collection[RevocationKind]) -> bool:
        waiting = any(row.revocation.scope == scope and not row.stored for row in self._open)
        if waiting or self._file_differs:  # the next start would bring back what the file still has
            await self.settle()
        return await self._store.lift_revocation(scope, kinds)

    async def _put_back(self, anew: list[Revocation]) -> None:
        """In force and stored, or at least kept, although their scope was lifted in the store after they were put."""
        for revocation in anew:
            self._feed.hold(revocation)  # all of them, before anything can fail
        for revocation in anew:
            row = Unstored(revocation, None, await self._stored(revocation))
            if not row.done:
                await self._kept_open(row)

    async def _recorded(self, entry: Mapping[str, Json]) -> bool:
        """Whether the log has taken it within two seconds: a disk that hangs must not keep the store from it.

        What the log takes later is there twice, once `settle` has written it too; that is better than never.
        """
        if self._record is None:
            return True
        writing = asyncio.ensure_future(self._record(entry))
        await asyncio.wait([writing], timeout=RECORD_WITHIN)
        if not writing.done():
            writing.add_done_callback(_heard)
            log.error("a revocation is in force, and the audit log does not answer")
            return False
        error = writing.exception()
        if isinstance(error, AuditUnavailable):
            log.error("a revocation is in force and could not be recorded: %s", error)
            return False
        writing.result()
        return True

    async def _stored(self, revocation: Revocation) -> bool:
        """Whether the store has taken it within a second. What it takes later does no harm, and is told to the feed."""
        putting = asyncio.ensure_future(self._store.put_revocation(revocation))
        await asyncio.wait([putting], timeout=STORE_WITHIN)
        if not putting.done():
            putting.add_done_callback(_heard)
            return False
        if isinstance(putting.exception(), StoreUnavailable):
            return False
        putting.result()
        self._feed.stored(revocation)
        return True

    async def _kept_open(self, row: Unstored) -> bool:
        """Something is still to be done about it: known to `settle`, and kept in the file, if that can be."""
        async with self._writing:
            self._open.append(row)
            return await self._kept(row)

    async def _kept(self, row: Unstored) -> bool:
        if self._file is None:
            return False
        try:
            if self._file_differs:  # a line of it may be broken off: nothing is added to that
                await asyncio.to_thread(self._file.replace, list(self._open))
            else:
                await asyncio.to_thread(self._file.add, row)
        except OSError as error:
            log.error(  # noqa: TRY400 - said in words
                "what is still to be done about the revocation of %s is known to this process alone, since its file "
                "cannot be written: %s",
                row.revocation.scope,
                error.strerror,
            )
            self._file_differs = True
            return False
        self._file_differs = False
        return True

    async def _rewrite(self, rows: list[Unstored]) -> None:
        if self._file is None:
            self._file_differs = False
            return
        try:
            await asyncio.to_thread(self._file.replace, rows)
        except OSError as error:
            raise StoreUnavailable(f"the file of unstored revocations cannot be changed: {error.strerror}") from error
        self._file_differs = False


def _ended_anew() -> Declined:
    return Declined(409, "stale", "somebody has ended this anew meanwhile, so it stays ended; look again")


def _heard[T](late: asyncio.Future[T]) -> None:
    """A late failure is no news: `settle` tries again."""
    if not late.cancelled():
        late.exception()
