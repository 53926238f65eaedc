"""The audit logs of this machine's processes, read off the event loop."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from telemetry import reader


class LogRecords:
    """Reads the records of calls from every log directory there is when it is asked."""

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

    async def of_call(self, call_id: str) -> Sequence[Mapping[str, Any]]:
        """Every record of this call, oldest first."""

        def read() -> list[Mapping[str, Any]]:
            found: list[Mapping[str, Any]] = []
            for place in self._directories():
                found += reader.find(place, call=call_id)
            return sorted(found, key=_when)

        return await asyncio.to_thread(read) if call_id else []


def _when(record: Mapping[str, Any]) -> tuple[str, int]:
    return record.get("ts", ""), record.get("idx", 0)
