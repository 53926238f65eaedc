"""The audit logs of this machine's processes, read off the event loop."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain, islice
from pathlib import Path
from typing import Any

from proxy.control.needs import Place
from proxy.errors import Declined
from telemetry import reader


class LogRecords:
    """Reads the records of calls from every log directory there is when it is asked.

    A place in them is one index for each log: what has a smaller one is older than the place.
    """

    def __init__(self, directories: Callable[[], Sequence[Path]]) -> None:
        self._directories = directories

    async def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """The last `limit` records that belong to calls, newest first."""

        def read() -> list[Mapping[str, Any]]:
            found: list[Mapping[str, Any]] = []
            for place in self._directories():
                found += [row for row in reader.tail(place, limit) if row.get("call")]
            return sorted(found, key=_when, reverse=True)[:limit]

        return await asyncio.to_thread(read)

    async def older(self, place: Place | None, limit: int) -> Sequence[tuple[Mapping[str, Any], Place]]:
        """The last `limit` records of calls before this place, newest first, each with the place just below it."""

        def read() -> list[tuple[Mapping[str, Any], Place]]:
            logs = [reader.newest(one, before) for one, before in self._from(place)]
            tops = [next(log, None) for log in logs]
            at = list(place) if place is not None else [0 if top is None else top.get("idx", 0) + 1 for top in tops]
            numbered = [
                [(_when(row), number, row) for row in _with_first(top, log, limit)]
                for number, (top, log) in enumerate(zip(tops, logs, strict=True))
            ]
            found = []
            for _, number, row in islice(merge(*numbered, key=lambda one: one[0], reverse=True), limit):
                at[number] = row.get("idx", 0)
                found.append((row, tuple(at)))
            return found

        return await asyncio.to_thread(read)

    async def calls_since(self, place: Place, limit: int) -> frozenset[str]:
        """The calls that the first `limit` records from this place on belong to."""

        def read() -> frozenset[str]:
            found: set[str] = set()
            for one, start in self._from(place):
                found.update(row.get("call", "") for row in islice(reader.records(one, start or 0), limit))
            return frozenset(found)

        return await asyncio.to_thread(read)

    async def of_call(self, call_id: str) -> Sequence[Mapping[str, Any]]:
        """Every record of this call, oldest first."""
        return await self._found(lambda place: reader.find(place, call=call_id)) if call_id else []

    async def of_transaction(self, txn: str) -> Sequence[Mapping[str, Any]]:
        """The records of the call that a service was told of under this `txn`, oldest first."""
        return await self._found(lambda place: reader.find(place, txn=txn)) if txn else []

    async def _found(self, find: Callable[[Path], Sequence[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
        def read() -> list[Mapping[str, Any]]:
            return sorted(chain.from_iterable(map(find, self._directories())), key=_when)

        return await asyncio.to_thread(read)

    def _from(self, place: Place | None) -> list[tuple[Path, int | None]]:
        directories = self._directories()
        if place is None:
            return [(one, None) for one in directories]
        if len(place) != len(directories):
            raise Declined(422, "place_unknown", "`before` names no place in this log; begin again without it")
        return list(zip(directories, place, strict=True))


def _with_first(
    top: Mapping[str, Any] | None, rest: Iterator[Mapping[str, Any]], limit: int
) -> list[Mapping[str, Any]]:
    """The records of calls among these, at most `limit`."""
    rows = () if top is None else chain((top,), rest)
    return list(islice((row for row in rows if row.get("call")), limit))


def _when(record: Mapping[str, Any]) -> tuple[str, int]:
    return record.get("ts", ""), record.get("idx", 0)
