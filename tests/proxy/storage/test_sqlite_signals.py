"""What waits to be told, in SQLite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.storage.sqlite import SqliteStore
from tests.conformance.outbox import OutboxConformance, names, telling, token
from tests.proxy.storage import opening


class TestSqliteSignals(OutboxConformance):
    """The suite on the real file."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[SqliteStore]:
        async with opening.opened(place) as store:
            yield store


def test_a_telling_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """If one token cannot be put in line, its end is not known as told, and nothing of it waits."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.add_outgoing(token("taken"))
            with pytest.raises(StoreUnavailable):
                await store.tell([telling("agent:a", 5.0, "s1", "taken")])
            assert await names(store) == ["taken"]
            assert await store.told("crm") == {}

    asyncio.run(story())


def test_a_store_that_is_down_says_so(tmp_path: Path) -> None:
    """An error, never an empty line."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            pass
        for asked in (store.outgoing("crm", 1), store.tell([]), store.told("crm"), store.waiting()):
            with pytest.raises(StoreUnavailable):
                await asked

    asyncio.run(story())
