"""Records on their way to the disk, and those who wait for them."""

import asyncio
import concurrent.futures
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from telemetry.errors import AuditUnavailable

type Waiter = asyncio.Future[int] | concurrent.futures.Future[int]


class Entry:
    """One record in the queue. `lazy`: nobody's call waits for it, and it outlives a full disk."""

    __slots__ = ("future", "lazy", "loop", "record")

    def __init__(
        self, record: Mapping[str, Any], future: Waiter, loop: asyncio.AbstractEventLoop | None, *, lazy: bool
    ) -> None:
        self.record = record
        self.future = future
        self.loop = loop
        self.lazy = lazy


def deliver(entries: Sequence[Entry], results: Sequence[int | AuditUnavailable]) -> None:
    """Tell each caller, with one wake-up for each event loop. From any thread."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[Waiter, int | AuditUnavailable]]] = {}
    for entry, result in zip(entries, results, strict=True):
        by_loop.setdefault(entry.loop, []).append((entry.future, result))
    for loop, pairs in by_loop.items():
        if loop is None:
            _resolve(pairs)
        else:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, pairs)


def refuse(entries: Sequence[Entry], reason: str) -> None:
    """Tell each that its record is not durable."""
    deliver(entries, [AuditUnavailable(reason) for _ in entries])


def fail(future: Waiter, reason: str) -> None:
    """From the future's own loop."""
    if not future.done():
        future.set_exception(AuditUnavailable(reason))
        future.exception()  # seen: asyncio need not complain if nobody asks


def _resolve(pairs: Sequence[tuple[Waiter, int | AuditUnavailable]]) -> None:
    for future, result in pairs:
        if isinstance(result, AuditUnavailable):
            fail(future, str(result))
        elif not future.done():
            future.set_result(result)
