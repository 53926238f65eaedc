"""The kill switch: ending or freezing everything under a scope, at once and durably."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from policies.model import Json
from proxy.errors import CountersignError, StoreUnavailable
from proxy.tasks.epochs import replaces
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.interfaces import Revocation, RevocationKind, RevocationStore
from proxy.tasks.scopes import checked_scope
from proxy.tasks.unstored import Unstored, UnstoredFile
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.revocations")

STORE_WITHIN = 1.0

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
        self._unkept = False
        self._settling = asyncio.Lock()

    async def revoke(
        self, scope: str, by: str, reason: str, now: float, *, kind: RevocationKind = "revoke"
    ) -> Revocation:
        """End everything under `scope` that was issued up to now, or up to an earlier revocation's later end."""
        revocation = self._next(scope, by, reason, now, kind)
        await self._store.put_revocation(revocation)
        self._feed.apply(revocation)
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
        recorded = await self._recorded(entry)
        stored = await self._stored(revocation)
        row = Unstored(revocation, None if recorded else entry, stored)
        if row.done:
            return Stopped(revocation, stored=True, kept=False, recorded=True)
        async with self._settling:
            self._open.append(row)
            kept = await self._kept(row)
        return Stopped(revocation, stored, kept, recorded)

    async def lift(self, scope: str) -> bool:
        """Let what is under it live again; false if the scope was not revoked. Never without the store."""
        checked_scope(scope)
        if any(row.revocation.scope == scope and not row.stored for row in self._open):
            await self.settle()
        lifted = await self._store.lift_revocation(scope)
        self._feed.apply_lift(scope)
        return lifted

    def in_force(self) -> list[Revocation]:
        """Every revocation that this process knows of, the latest first."""
        return sorted(self._feed.epochs.by_scope.values(), key=lambda revocation: -revocation.at)

    def unstored(self) -> frozenset[str]:
        """The scopes of which the store does not know yet."""
        return frozenset(row.revocation.scope for row in self._open if not row.stored)

    def recall(self) -> None:
        """Put in force what an earlier process could not store. Before anything is served."""
        self._open = list(self._file.read()) if self._file is not None else []
        for row in self._open:
            if not row.stored:
                self._feed.hold(row.revocation)

    async def settle(self) -> None:
        """Store, and put on record, what could not be when it was made; raises while that is still so."""
        async with self._settling:
            if not self._open:
                return
            left: list[Unstored] = []
            trouble: Exception | None = None
            for row in self._open:
                settled = row
                try:
                    if not settled.stored:
                        await self._store.put_revocation(row.revocation)
                        settled = replace(settled, stored=True)
                    if settled.entry is not None and self._record is not None:
                        await self._record(settled.entry)
                        settled = replace(settled, entry=None)
                except (StoreUnavailable, AuditUnavailable) as error:
                    trouble = error
                left.append(settled)
            if left != self._open or self._unkept:
                await self._rewrite([row for row in left if not row.done])
            for before, after in zip(self._open, left, strict=True):
                if after.stored and not before.stored:
                    self._feed.stored(after.revocation)
            self._open = [row for row in left if not row.done]
            if trouble is not None:
                raise trouble
        log.warning("revocations that were made while the store or the log was down are stored and on record now")

    # --- inside -------------------------------------------------------------------------------------

    def _next(self, scope: str, by: str, reason: str, now: float, kind: RevocationKind) -> Revocation:
        if not by:
            raise CountersignError("a revocation needs the one who asks for it")
        known = self._feed.epochs.by_scope.get(checked_scope(scope))
        at = max(now, known.at) if known is not None else now
        revocation = Revocation(scope, at, by, reason, kind)
        return revocation if known is None or replaces(revocation, known) else known

    async def _recorded(self, entry: Mapping[str, Json]) -> bool:
        if self._record is None:
            return True
        try:
            await self._record(entry)
        except AuditUnavailable as error:
            log.error("a revocation is in force and could not be recorded: %s", error)  # noqa: TRY400 - said in words
            return False
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

    async def _kept(self, row: Unstored) -> bool:
        if self._file is None:
            return False
        try:
            await asyncio.to_thread(self._file.add, row)
        except OSError as error:
            log.error(  # noqa: TRY400 - said in words
                "the revocation of %s is in force in this process alone, and ends with it: neither the store nor "
                "a file could take it: %s",
                row.revocation.scope,
                error.strerror,
            )
            self._unkept = True
            return False
        return True

    async def _rewrite(self, rows: list[Unstored]) -> None:
        if self._file is None:
            return
        try:
            await asyncio.to_thread(self._file.replace, rows)
        except OSError as error:
            raise StoreUnavailable(f"the file of unstored revocations cannot be changed: {error.strerror}") from error
        self._unkept = False


def _heard(putting: asyncio.Future[None]) -> None:
    """A late failure is no news: `settle` tries again."""
    if not putting.cancelled():
        putting.exception()
