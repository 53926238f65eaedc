"""Connection handles: opaque secrets that stand for one agent in one task, for a limited time."""

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from proxy.errors import CountersignError
from proxy.identity.challenges import unproven
from proxy.identity.interfaces import EVERY_HANDLE, HandleQuery, HandleRow, HandleStore
from telemetry.ids import new_id

PREFIX = "csh_"
MAX_TTL = 8 * 3600.0
_SYNTAX = re.compile(r"csh_[A-Za-z0-9_-]{43}")
_CACHED = 1 << 14  # above the 10,000 live ones of a large house: cycled through, a smaller cache misses every time

type RevokeScope = Callable[[str, str, str, float], Awaitable[object]]


def digest_of(handle: str) -> str:
    """What is stored and recorded in place of a handle: its SHA-256, in hex."""
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()


class HandleService:
    """Issues, finds and revokes connection handles. The handle itself is returned once and kept nowhere.

    `revoke_scope(scope, by, reason, now)` makes a revocation durable and effective everywhere: it ends
    what runs under a handle. Marking the handle's row alone would only stop new connections.
    """

    def __init__(self, store: HandleStore, revoke_scope: RevokeScope) -> None:
        self._store = store
        self._revoke_scope = revoke_scope
        self._cache: OrderedDict[str, HandleRow] = OrderedDict()
        self._generation = 0

    async def issue(
        self,
        *,
        agent: str,
        purpose: str,
        ttl: float,
        issued_by: str,
        now: float,
        task: str | None = None,
        on_behalf_of: str | None = None,
    ) -> tuple[str, HandleRow]:
        """A new handle (256 random bits) and its stored row; without `task`, a new task begins with it."""
        if not 0 < ttl <= MAX_TTL:
            raise CountersignError(f"a handle lives for more than 0 and at most {MAX_TTL:.0f} seconds, not {ttl:.0f}")
        if not agent or not issued_by:
            raise CountersignError("a handle needs the agent that it is for, and who asked for it")
        handle = PREFIX + secrets.token_urlsafe(32)
        row = HandleRow(
            id=new_id("hnd"),
            digest=digest_of(handle),
            agent=agent,
            task=task or new_id("task"),
            purpose=purpose,
            on_behalf_of=on_behalf_of or None,
            issued_at=now,
            not_after=now + ttl,
            issued_by=issued_by,
        )
        await self._store.add_handle(row)
        return handle, row

    async def find(self, handle: str, now: float) -> HandleRow | None:
        """The row of a handle that is live at `now`; None if nobody issued it; refuses an expired or revoked one.

        The same work is done for every text: one hash, and one look-up by that hash.
        """
        row = await self._row(digest_of(handle))
        if row is None or not _SYNTAX.fullmatch(handle):
            return None
        if row.revoked_at is not None:
            raise unproven("identity_revoked", f"handle {row.id} was revoked by {row.revoked_by}")
        if not now < row.not_after:
            raise unproven("identity_expired", f"handle {row.id} expired")
        return row

    async def _row(self, digest: str) -> HandleRow | None:
        row = self._cache.get(digest)
        if row is not None:
            self._cache.move_to_end(digest)
            return row
        generation = self._generation
        row = await self._store.handle_by_digest(digest)
        if row is not None and generation == self._generation:
            self._cache[digest] = row
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return row

    def forget(self) -> None:
        """Something changed in the store: drop what is remembered, and what is being read right now."""
        self._generation += 1
        self._cache.clear()

    async def revoke(self, handle_id: str, *, by: str, reason: str, now: float) -> bool:
        """End a handle and everything that runs under it. False if it is unknown or was revoked before."""
        row = await self._store.handle_by_id(handle_id)
        if row is None:
            return False
        # Running connections first: they do the harm. Repeated for a handle revoked before, which may
        # be one whose first revocation failed half-way.
        await self._revoke_scope(f"handle:{handle_id}", by, reason, now)
        return await self.mark_revoked(handle_id, by=by, reason=reason, now=now)

    async def mark_revoked(self, handle_id: str, *, by: str, reason: str, now: float) -> bool:
        """Write on the handle's row that it is over, when its scope is ended already. False if that was written before.

        The row keeps the handle from being used again should the scope be lifted.
        """
        revoked = await self._store.revoke_handle(handle_id, now, by, reason)
        self.forget()
        return revoked

    async def list(self, query: HandleQuery = EVERY_HANDLE) -> list[HandleRow]:
        """The rows of handles, without digests."""
        return [replace(row, digest="") for row in await self._store.list_handles(query)]

    async def agents_of(self, handle_ids: Collection[str]) -> dict[str, str]:
        """The agent of each handle that was issued."""
        return await self._store.agents_of_handles(handle_ids) if handle_ids else {}

    async def agents_under(self, tasks: Collection[str]) -> dict[str, frozenset[str]]:
        """The agents of the handles under each task."""
        return await self._store.agents_under(tasks) if tasks else {}
