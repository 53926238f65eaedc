"""What ended long ago is taken out of the store, beside the calls."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from policies.model import Json
from proxy.tasks.forgetting import STEADY_SECONDS, SteadyClock
from proxy.tasks.history import DAY, History
from telemetry.errors import AuditUnavailable

NOW = 1_800_000_000.0


class Store:
    """So many rows of each kind, in pieces of two; and in which order what happened."""

    def __init__(self, **rows: int) -> None:
        self.rows = rows
        self.done: list[Any] = []
        self.broken = False

    async def has_ended_before(self, before: float) -> bool:
        return any(self.rows.values())

    async def forget_ended(self, kind: str, before: float) -> int:
        piece = min(2, self.rows[kind])
        self.rows[kind] -= piece
        self.done.append((kind, piece, before))
        return piece

    async def record(self, record: Mapping[str, Json]) -> int:
        if self.broken:
            raise AuditUnavailable("the disk is full")
        self.done.append(record["type"])
        return 0

    async def sleep(self, _: float) -> None:
        self.done.append("pause")


def sweep(store: Store, *, steady: bool = True) -> None:
    ticks = [0.0]
    history = History(store, ("a", "b"), store.record, SteadyClock(lambda: ticks[0]), days=30)

    async def story() -> None:
        await history.sweep(NOW - STEADY_SECONDS, store.sleep)
        ticks[0] += STEADY_SECONDS if steady else 60.0
        await history.sweep(NOW, store.sleep)

    asyncio.run(story())


def test_it_goes_in_pieces_with_pauses_after_one_record() -> None:
    """What is older than so many days, kind by kind; whoever waits for the store has a turn between two pieces."""
    store = Store(a=3, b=1)
    sweep(store)
    before = NOW - 30 * DAY
    assert store.done == [
        "history.forgotten", ("a", 2, before), "pause", ("a", 1, before), "pause", ("a", 0, before),
        ("b", 1, before), "pause", ("b", 0, before),
    ]  # fmt: skip


def test_nothing_to_forget_is_not_recorded() -> None:
    """An hour without news leaves no trace."""
    store = Store(a=0, b=0)
    sweep(store)
    assert store.done == []


def test_what_cannot_be_recorded_is_kept() -> None:
    """The log is what remains."""
    store = Store(a=1, b=0)
    store.broken = True
    with pytest.raises(AuditUnavailable):
        sweep(store)
    assert store.rows == {"a": 1, "b": 0}


def test_a_clock_that_jumped_forgets_nothing() -> None:
    """By a wrong clock everything ended long ago."""
    store = Store(a=1, b=0)
    sweep(store, steady=False)
    assert store.done == []
