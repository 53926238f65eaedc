"""How long a key document is believed, when it is asked for again, and when what it took away counts no more."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from proxy.errors import Refused, StoreUnavailable, refuse
from proxy.identity.origins import Fetched, FetchFailed, Origin

log = logging.getLogger("countersign.identity")

_LAST_GOOD = 3600.0
_RETRY_WITHOUT_KEYS = 5.0
_PATIENCE = 0.5


class Document(Protocol):
    """Keys by fingerprint, so that it can be told whether one was taken away."""

    @property
    def fingerprints(self) -> frozenset[str]: ...

    @property
    def names(self) -> frozenset[str]:
        """Those of the keys, as proxy.identity.lineage gives them."""
        ...


class Refreshable(Protocol):
    """What can be kept current, though nobody asks for it. `used`: somebody has asked before."""

    @property
    def used(self) -> bool: ...

    async def current(self, now: float) -> object: ...


async def keep_current(sources: Sequence[Refreshable], now: float) -> None:
    """What has been used is read again when it is due. What cannot be read is refused to whoever asks for it.

    A slow origin is not waited for: what it answers is taken when it comes, and the others are not held up.
    """
    asked = (asyncio.wait_for(source.current(now), _PATIENCE) for source in sources if source.used)
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, Refused | TimeoutError):
            raise outcome


class Source[D: Document]:
    """One document of keys. The last good one outlives a failing origin for an hour; then whoever it is of is refused.

    `name` is whose keys these are. `epoch` moves whenever a key is taken away: what was verified before counts no more.
    """

    def __init__(self, name: str, origin: Origin, read: Callable[[bytes], D]) -> None:
        self.name = name
        self._origin = origin
        self._read = read
        self._lock = asyncio.Lock()
        self._fetching: asyncio.Future[None] | None = None
        self._document: D | None = None
        self._body = b""
        self._good_at = self._fresh_until = 0.0
        self._aged_attempt = self._unknown_attempt = float("-inf")
        self._missed = False
        self._trouble = ""
        self.epoch = 0

    @property
    def used(self) -> bool:
        """Whether there has ever been a document: what was verified by it may still be bound to a connection.

        Or whether one was missed: what was verified before the start may be what others hang on.
        """
        return self._document is not None or self._missed

    def holds(self, name: str, now: float) -> bool | None:
        """Whether the key of this name is in the document that counts at `now`; None if there is none.

        If none was read yet, it will be.
        """
        if self._document is None:
            self._missed = True
        return name in self._document.names if self._document is not None and self._counts(now) else None

    def _counts(self, now: float) -> bool:
        """Whether the last document is fresh enough at `now`."""
        return abs(now - self._good_at) <= _LAST_GOOD

    async def current(self, now: float) -> D:
        """The document that counts at `now`; refuses (503) if there is none, or none fresh enough."""
        if self._document is None or not self._good_at <= now < self._fresh_until:
            await self._refresh_aged(now)
        if self._document is None or not self._counts(now):
            raise refuse(
                "identity_unavailable",
                503,
                "The keys of this credential's issuer cannot be had at the moment, so it cannot be verified.",
                "retry",
                internal=f"no keys of {self.name}",
            )
        return self._document

    async def renewed(self, lacking: D, now: float) -> D:
        """The document that counts at `now`, asked for anew (at most once an interval) if it is still this one."""
        async with self._lock:
            if self._document is lacking and not abs(now - self._unknown_attempt) < self._origin.interval:
                self._unknown_attempt = now
                await self._fetch(now)
        return self._document or lacking

    async def _refresh_aged(self, now: float) -> None:
        if self._document is not None and self._lock.locked():
            return  # somebody asks already; a slow origin must not hold up those for whom the last good one counts
        async with self._lock:  # one fetch at a time; those who waited find it done
            wait = self._origin.interval if self._document is not None else _RETRY_WITHOUT_KEYS
            if abs(now - self._aged_attempt) < min(wait, self._origin.interval):
                return
            self._aged_attempt = now
            await self._fetch(now)

    async def _fetch(self, now: float) -> None:
        """Not given up when the caller is: else whoever hangs up early could keep the keys from being read.

        And none beside it, since the older answer could come last, and bring back what was taken away.
        """
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.ensure_future(self._fetch_now(now))
        await asyncio.shield(self._fetching)

    async def _fetch_now(self, now: float) -> None:
        try:
            await self._prepare()
            fetched = await self._origin.fetch()
            if fetched.body != self._body or self._document is None:
                document = self._read(fetched.body)
                await self._admit(document, fetched.body, now)
                self._adopt(document)
                self._body = fetched.body
        except (FetchFailed, ValueError, StoreUnavailable) as error:
            if str(error) != self._trouble:  # a file is looked at each second, and may be away for days
                log.warning("%s: keys could not be read, the last good ones count: %s", self.name, error)
            self._trouble = str(error)
            return
        if self._trouble:
            log.warning("%s: keys can be read again", self.name)
        self._trouble = ""
        self._good_at, self._fresh_until = now, now + self._fresh_for(fetched)

    async def _prepare(self) -> None:
        """What must be known before the origin is asked."""

    async def _admit(self, document: D, body: bytes, now: float) -> None:
        """Raises `ValueError` for a document that must not be taken."""

    def _fresh_for(self, fetched: Fetched) -> float:
        return fetched.fresh_for

    def _adopt(self, document: D) -> None:
        if self._document is not None and not self._document.fingerprints <= document.fingerprints:
            self.epoch += 1
        self._document = document
