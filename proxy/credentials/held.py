"""Credentials that were obtained: one for each binding and delegation, renewed in time, ended with their task."""

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proxy.credentials.interfaces import Held, Source
from proxy.credentials.references import unavailable
from proxy.errors import Refused
from proxy.facts import Obtained
from proxy.stages import Identity, Principal

log = logging.getLogger("countersign.credentials")

RENEW_AT = 0.8
USABLE_UNTIL = 0.95
MOST = 4096
# After a failure nothing is asked again for so long: a source that is down is not helped by every call asking it.
QUIET_SECONDS = 1.0
REVOKE_AGAIN_SECONDS = 5.0
# A service that answers 401 may mean the call, or its own mood: it has no new credential made more often than this.
DOUBT_AFTER_SECONDS = 30.0
CLOSE_WITHIN_SECONDS = 15.0
_AT_ONCE = 16

type Ended = Callable[[Identity, str], bool]  # of whom, and under which binding
type _Key = tuple[str, str, tuple[Principal, ...], str]


@dataclass(slots=True)
class _Entry:
    """What one delegation has by one binding, or what is under way for it."""

    source: Source[Any, Any]
    binding: Obtained
    identity: Identity
    held: Held[Any] | None = None
    flight: asyncio.Task[Held[Any]] | None = None
    quiet_until: float = float("-inf")
    failed: Refused | None = None
    forgotten: bool = False


@dataclass(slots=True, eq=False)
class _Past:
    """A credential that is not given out any more, and is to be ended: `now`, or with its identity."""

    entry: _Entry
    held: Held[Any]
    at_once: bool
    again_at: float = float("-inf")
    under_way: bool = False


class HeldCredentials:
    """Obtains each credential once for each delegation (agent, everyone in its chain, task), never per host.

    From 80 % of its life on, a new one is fetched while the old one still serves. A failed fetch refuses only
    those who have none left.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._past: dict[_Past, None] = {}
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))

    async def get[B: Obtained, V](self, source: Source[B, V], binding: B, identity: Identity, now: float) -> V:
        """The credential of this delegation; whoever asks at the same time waits for the same fetch."""
        entry = self._entry(source, binding, identity)
        known: Held[V] | None = entry.held
        if known is not None and now < _share(known, USABLE_UNTIL):
            if now >= _share(known, RENEW_AT) and entry.flight is None and now >= entry.quiet_until:
                self._begin(entry, now)
            return known.value
        if entry.flight is None:
            if entry.failed is not None and now < entry.quiet_until:
                raise Refused(entry.failed.refusal)
            self._begin(entry, now)
        assert entry.flight is not None  # begun above
        held: Held[V] = await asyncio.shield(entry.flight)  # one caller who leaves must not take it from the others
        _require_usable(binding, held, now)
        return held.value

    def doubt(self, binding: Obtained, identity: Identity, now: float) -> None:
        """The service did not take the credential of this delegation: whoever asks next gets a new one."""
        entry = self._entries.get(_key(binding, identity))
        if entry is None or entry.held is None or now - entry.held.obtained_at < DOUBT_AFTER_SECONDS:
            return
        self._put_aside(entry, at_once=False)  # others may be using it, and it may be good after all
        entry.held = None

    def _entry[B: Obtained, V](self, source: Source[B, V], binding: B, identity: Identity) -> _Entry:
        key = _key(binding, identity)
        entry = self._entries.get(key)
        if entry is None:
            while len(self._entries) >= self._most:
                self._retire(self._entries.popitem(last=False)[1])
            entry = self._entries[key] = _Entry(source, binding, identity)
        else:
            self._entries.move_to_end(key)
            if identity.proven.not_after > entry.identity.proven.not_after:
                entry.identity = identity
        return entry

    def _begin(self, entry: _Entry, now: float) -> None:
        entry.flight = asyncio.get_running_loop().create_task(self._fetch(entry, now))
        entry.flight.add_done_callback(_heard)

    async def _fetch(self, entry: _Entry, now: float) -> Held[Any]:
        try:
            held = await entry.source.fetch(entry.binding, entry.identity, now)
            _require_usable(entry.binding, held, now)
        except Refused as refused:
            entry.failed, entry.quiet_until = refused, now + QUIET_SECONDS
            raise
        finally:
            entry.flight = None
        # What the old one is in use for may go on until it expires, unless its task ends before.
        self._put_aside(entry, at_once=False)
        entry.held, entry.failed = held, None
        if entry.forgotten:
            self._retire(entry)
        return held

    def _retire(self, entry: _Entry) -> None:
        self._put_aside(entry, at_once=True)
        entry.held, entry.forgotten = None, True

    def _put_aside(self, entry: _Entry, *, at_once: bool) -> None:
        if entry.held is not None and entry.held.revocable:
            self._past[_Past(entry, entry.held, at_once)] = None

    async def sweep(self, now: float, ended: Ended) -> None:
        """Ends, at their sources, the credentials of whoever and whatever has ended; forgets those that expired.

        One that cannot be ended is tried again until it expires by itself. Sweeps may overlap.
        """

        def over(entry: _Entry) -> bool:
            return now >= entry.identity.proven.not_after or ended(entry.identity, entry.binding.id)

        for key, entry in list(self._entries.items()):
            if entry.flight is None and (over(entry) or entry.held is None or now >= entry.held.expires_at):
                del self._entries[key]
                self._retire(entry)
        self._past = {past: None for past in self._past if now < past.held.expires_at}
        open_now = [past for past in self._past if not past.under_way and now >= past.again_at]
        due = [past for past in open_now if past.at_once or over(past.entry)]
        await asyncio.gather(*(self._revoke(past, now) for past in due))

    async def _revoke(self, past: _Past, now: float) -> None:
        if past.under_way:
            return
        past.under_way = True
        try:
            async with self._turns[past.entry.binding.id]:
                await past.entry.source.revoke(past.entry.binding, past.held, now)
            self._past.pop(past, None)
        except Refused as refused:
            past.again_at = now + REVOKE_AGAIN_SECONDS
            log.warning("a credential of binding %s is not ended yet: %s", past.entry.binding.id, refused)
        finally:
            past.under_way = False

    async def close(self, now: float) -> None:
        """Ends everything that can be ended, once what is under way has come in; what takes too long ends by itself."""
        flights = [entry.flight for entry in self._entries.values() if entry.flight is not None]
        try:
            async with asyncio.timeout(CLOSE_WITHIN_SECONDS):
                await asyncio.gather(*flights, return_exceptions=True)
                await self.sweep(now, lambda *_: True)
        except TimeoutError:
            log.warning("%d obtained credentials could not be ended in time; they expire", len(self._past))


def _key(binding: Obtained, identity: Identity) -> _Key:
    return binding.model_dump_json(), identity.agent.id, identity.chain.members, identity.proven.task


def _require_usable(binding: Obtained, held: Held[Any], now: float) -> None:
    if not now < _share(held, USABLE_UNTIL):
        raise unavailable(binding.reference, f"binding {binding.id}: what was obtained has expired already")


def _share(held: Held[Any], share: float) -> float:
    """The moment at which this share of its life is over."""
    return held.obtained_at + share * (held.expires_at - held.obtained_at)


def _heard(flight: asyncio.Task[Held[Any]]) -> None:
    """A failure that nobody waits for any more is no news: the next caller asks again."""
    if not flight.cancelled():
        flight.exception()
