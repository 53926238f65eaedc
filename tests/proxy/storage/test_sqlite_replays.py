"""What may be used once, in SQLite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.storage.sqlite import SqliteStore
from tests.conformance.replay_store import ReplayStoreConformance
from tests.proxy.storage import opening


class TestSqliteReplays(ReplayStoreConformance):
    """The suite on the real file."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[SqliteStore]:
        async with opening.opened(place) as store:
            yield store


def test_a_store_that_is_down_lets_nothing_be_used(tmp_path: Path) -> None:
    """An error, never the first use."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            pass
        with pytest.raises(StoreUnavailable):
            await store.use_once("a", 100.0, 10.0)

    asyncio.run(story())
