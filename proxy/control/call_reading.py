"""Calls as the audit log tells of them, from the newest to the oldest, for lists that are read page by page."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from proxy.control.needs import Place, Records
from proxy.control.stories import Story, story_of

WINDOW = 4_000  # records that are read at a time: about a thousand calls
MOST_WINDOWS = 4  # for one page, however little of it matches
_MOST_SOUGHT = 10  # calls of one page whose other records are looked for in the whole log

_OPENING = frozenset({"call.decided", "call.refused", "call.held", "call.received", "identity.refused"})
_UNDER_WAY = frozenset({"call.received", "call.decided", "call.resumed", "call.forwarded"})

type _Row = Mapping[str, Any]


class CallReader:
    """Each call once, at the place of its newest record. `ended` says afterwards whether that was all there is.

    `reached` is the place from which a later reader goes on.
    """

    def __init__(self, records: Records, before: Place | None) -> None:
        self._records = records
        self._before = before
        self._rows: list[tuple[_Row, Place]] = []
        self._of: dict[str, list[_Row]] = {}
        self._passed: set[str] = set()
        self._sought = 0
        self.reached: Place | None = before
        self.ended = False

    async def calls(self) -> AsyncIterator[tuple[Story, Place]]:
        """Each call, with the place from which a reader goes on behind it."""
        if self._before is not None:
            # What has a record on a newer page was told there.
            self._passed |= await self._records.calls_since(self._before, WINDOW)
        told = 0
        for _ in range(MOST_WINDOWS):
            fresh = await self._read()
            # One window ahead of what is told: most calls have all of their records within it.
            until = len(self._rows) if not fresh else len(self._rows) - fresh
            while told < until:
                row, place = self._rows[told]
                told += 1
                self.reached = place
                call = row["call"]
                if call in self._passed:
                    continue
                self._passed.add(call)
                rows = await self._whole(row, self._of[call])
                if rows:
                    yield story_of(rows), place
            if not fresh:
                self.ended = True
                return

    async def _read(self) -> int:
        """Reads a window on; how many records came."""
        at = self._rows[-1][1] if self._rows else self._before
        fresh = await self._records.older(at, WINDOW)
        self._rows += fresh
        for row, _ in fresh:
            self._of.setdefault(row["call"], []).append(row)
        return len(fresh)

    async def _whole(self, newest: _Row, known: list[_Row]) -> list[_Row]:
        """All records of this call; none if it has newer ones than this, which a newer page has told."""
        opened = any(row.get("type") in _OPENING for row in known)
        may_go_on = self._before is not None and newest.get("type") in _UNDER_WAY
        if (opened and not may_go_on) or self._sought >= _MOST_SOUGHT:
            return known
        self._sought += 1
        every = list(await self._records.of_call(newest["call"]))
        if self._before is not None and any(row.get("idx", 0) > newest.get("idx", 0) for row in every):
            return []
        return every or known
