"""How each source of the inventory is: since when it is wrong, and an alarm when it has said nothing good for too long.

A feed of people that is dead says of nobody that they have left; everybody in it would go on for good.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.model import Json
from proxy.settings import InventorySource

log = logging.getLogger("countersign.inventory")

LOOK_SECONDS = 1.0
_LEAST = 3600.0  # of a source that we ask, where the settings say nothing else
_LOOKS = 10

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]


@dataclass(slots=True)
class _Source:
    """`good_at` is when it last said what could be used; since the start, if that is not known to be earlier."""

    bound: float | None
    good_at: float
    wrong_at: float | None = None
    why: str = ""
    silent: bool = False


class SourceHealth:
    """What was heard of each source. When it was last good outlives a restart: else each would put the alarm off."""

    def __init__(
        self, sources: Sequence[InventorySource], folder: Path, record: Record, clock: Callable[[], float]
    ) -> None:
        self._folder = folder
        self._record = record
        self._clock = clock
        self._sources = {one.id: _Source(patience(one), _heard_at(folder, one.id, clock())) for one in sources}

    def good(self, source: str, at: float | None = None) -> None:
        """What it says can be used; `at` is when it said so, if that is longer ago."""
        now, known = self._clock(), self._sources[source]
        known.good_at, known.wrong_at, known.why = min(now, now if at is None else at), None, ""
        path = self._folder / f"{source}.heard"
        try:
            path.touch(mode=0o600)
            os.utime(path, (known.good_at, known.good_at))
        except OSError as error:  # it only counts after a restart, and then the alarm comes a little later
            log.warning("%s cannot be written: %s", path, error.strerror)

    def wrong(self, source: str, why: str) -> None:
        """It says nothing, or nothing that can be used."""
        known = self._sources[source]
        known.wrong_at, known.why = self._clock() if known.wrong_at is None else known.wrong_at, why

    async def follow(self) -> None:
        """One look, after a while."""
        await asyncio.sleep(LOOK_SECONDS)
        await self.look()

    async def look(self) -> None:
        """Raises the alarm for each source that has been good for too long ago; and says when it is good again."""
        for name, known in self._sources.items():
            age = self._age(known)
            silent = known.bound is not None and age > known.bound
            if silent and not known.silent:
                text = f"nothing that can be used came for {age:.0f} s; at least every {known.bound:.0f} s is expected"
                log.error("inventory source %s is silent: %s: who has left by it is not known here", name, text)
                await self._write("inventory.silent", name, text)
            elif known.silent and not silent:
                log.warning("inventory source %s is heard again", name)
                await self._write("inventory.heard_again", name, "it says what can be used again")
            known.silent = silent  # only once that stands in the record

    def ages(self) -> dict[str, float]:
        """Seconds since each source was last good."""
        return {name: self._age(known) for name, known in self._sources.items()}

    def troubles(self) -> dict[str, float]:
        """By source: 1 if it is wrong now, or silent for too long; else 0."""
        return {name: float(known.wrong_at is not None or known.silent) for name, known in self._sources.items()}

    def status(self) -> dict[str, Json]:
        """What `countersign status` says; nothing where there are no sources."""
        now = self._clock()
        lines: list[Json] = []
        for name, known in self._sources.items():
            wrong = f"wrong for {now - known.wrong_at:.0f} s ({known.why}), " if known.wrong_at is not None else ""
            lines.append(f"{name}: {'SILENT, ' if known.silent else ''}{wrong}last good {self._age(known):.0f} s ago")
        return {"inventory_sources": lines} if lines else {}

    def _age(self, known: _Source) -> float:
        return max(0.0, self._clock() - known.good_at)

    async def _write(self, kind: str, source: str, reason: str) -> None:
        change: dict[str, Json] = {
            "what": f"inventory:{source}",
            "by": "countersign",
            "kind": "source",
            "reason": reason,
        }
        await self._record({"type": kind, "at": self._clock(), "change": change})


def patience(source: InventorySource) -> float | None:
    """For how long it may say nothing good. Of a source that is only brought, nobody knows when it should come."""
    if source.silent_after_seconds is not None:
        return float(source.silent_after_seconds)
    if source.file is None and source.url is None:
        return None
    return max(_LEAST, float(_LOOKS * source.every_seconds))


def _heard_at(folder: Path, source: str, now: float) -> float:
    try:
        return min(now, (folder / f"{source}.heard").stat().st_mtime)
    except OSError:
        return now
