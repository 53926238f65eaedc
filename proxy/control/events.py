"""What has changed, told as it happens: holds and calls, by looking at the store while anybody listens.

Gates are other processes, so the store is the only place where every change is seen. One look serves all
listeners; without listeners nobody looks.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from proxy.blame import blame
from proxy.control.needs import Holds, Records
from proxy.control.stories import Story, stories_of
from proxy.errors import CountersignError, Declined
from proxy.holds.model import TERMINAL
from proxy.holds.view import HoldView
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.control")

type EventType = Literal["hold.created", "hold.updated", "hold.closed", "call.changed", "resync"]
type News = tuple[EventType, HoldView | Story]

LOOK_EVERY = 0.5
HEARTBEAT = 15.0
MAX_LISTENERS = 256
_KEPT = 256
_RECORDS = 200


@dataclass(frozen=True, slots=True)
class Event:
    """`id` lets a listener go on where it stopped; `subject` is what changed, as it stands now."""

    number: int
    id: str
    type: EventType
    subject: HoldView | Story | None


class EventFeed:
    """Numbers the changes, and wakes those who wait for them."""

    def __init__(self, holds: Holds, records: Records) -> None:
        self._holds = holds
        self._records = records
        self._run = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[Event] = deque(maxlen=_KEPT)
        self._changed = asyncio.Condition()
        self._listeners = 0
        self._beginning = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._versions: dict[str, int] | None = None
        self._read_up_to: dict[str, int] | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """While inside, somebody looks for changes."""
        if self._listeners >= MAX_LISTENERS:
            raise Declined(503, "too_many_listeners", "too many pages listen for changes; reload to see what is new")
        self._listeners += 1
        try:
            async with self._beginning:  # two that come at once share one look
                if self._looking is None or self._looking.done():
                    await self.look()
                    self._looking = asyncio.get_running_loop().create_task(self._look_on())
            yield
        finally:
            self._listeners -= 1
            if self._listeners == 0 and self._looking is not None:
                looking, self._looking = self._looking, None
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)  # it has ended, and not only been told to

    def resume(self, last_id: str) -> int | None:
        """The number to go on from; None if what came after this id is not kept any more."""
        if not last_id:
            return self._number
        run, _, number = last_id.partition("-")
        if run != self._run or not number.isdecimal() or len(number) > 12:
            return None
        oldest = self._kept[0].number if self._kept else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else None

    def resync(self) -> Event:
        """Tells a listener to look at everything anew."""
        return Event(self._number, f"{self._run}-{self._number}", "resync", None)

    async def after(self, number: int, patience: float) -> list[Event]:
        """What came after `number`, as soon as there is anything; nothing when patience runs out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience), self._changed:
                await self._changed.wait_for(lambda: self._number > number)
        return [event for event in self._kept if event.number > number]

    async def look(self) -> None:
        """Compares the store with what was seen before; the first look only remembers."""
        views = await self._holds.list(None)
        records = await self._records.recent(_RECORDS)
        fresh = self._news_of_holds(views) + self._news_of_calls(records)
        if fresh:
            async with self._changed:
                for type_, subject in fresh:
                    self._number += 1
                    self._kept.append(Event(self._number, f"{self._run}-{self._number}", type_, subject))
                self._changed.notify_all()

    def _news_of_holds(self, views: Sequence[HoldView]) -> list[News]:
        news: list[News] = []
        seen, self._versions = self._versions, {}
        for view in views:
            self._versions[view.id] = view.row_version
            if seen is None or seen.get(view.id) == view.row_version:
                continue
            known: EventType = "hold.updated" if view.id in seen else "hold.created"
            news.append(("hold.closed" if view.state in TERMINAL else known, view))
        return news

    def _news_of_calls(self, records: Sequence[Mapping[str, Any]]) -> list[News]:
        before = self._read_up_to
        self._read_up_to = dict(before or {})
        for record in records:
            log_name, index = record.get("log", ""), record.get("idx", 0)
            self._read_up_to[log_name] = max(index, self._read_up_to.get(log_name, -1))
        if before is None:
            return []
        changed = {record["call"] for record in records if record.get("idx", 0) > before.get(record.get("log", ""), -1)}
        return [("call.changed", story) for story in reversed(stories_of(records)) if story["call"] in changed]

    async def _look_on(self) -> None:
        """Whatever fails is told once, and once when it is over: listeners that stay would never hear of it."""
        told = ""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look is taken
                if told != (cause := f"{type(error).__name__}: {error}"):
                    why = error if isinstance(error, CountersignError | AuditUnavailable) else blame(error)
                    log.warning("cannot look for changes; the pages still work by reload: %s", why)
                told = cause
            else:
                if told:
                    log.warning("changes are seen again")
                told = ""


class Subscription:
    """The changes that one caller may see."""

    def __init__(
        self, feed: EventFeed, sees_hold: Callable[[HoldView], bool], sees_call: Callable[[Story], bool]
    ) -> None:
        self._feed = feed
        self._sees_hold = sees_hold
        self._sees_call = sees_call

    async def events(self, last_id: str = "") -> AsyncGenerator[Event | None]:
        """Each change as it happens, and None when nothing has for a while."""
        async with self._feed.listening():
            number = self._feed.resume(last_id)
            if number is None:
                event = self._feed.resync()
                number = event.number
                yield event
            while True:
                fresh = await self._feed.after(number, HEARTBEAT)
                if not fresh:
                    yield None
                for event in fresh:
                    number = event.number
                    if self.sees(event):
                        yield event

    def sees(self, event: Event) -> bool:
        """Whether this caller may see what changed, as they were when they were proven."""
        subject = event.subject
        if subject is None:
            return True
        return self._sees_hold(subject) if isinstance(subject, HoldView) else self._sees_call(subject)
