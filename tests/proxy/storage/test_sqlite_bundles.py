"""The last bundles of trust domains, in SQLite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.storage.sqlite import SqliteStore
from tests.conformance.bundle_store import BundleStoreConformance
from tests.proxy.storage import opening


class TestSqliteBundles(BundleStoreConformance):
    """The suite on the real file."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[SqliteStore]:
        async with opening.opened(place) as store:
            yield store


def test_a_store_that_is_down_keeps_nothing(tmp_path: Path) -> None:
    """An error, never a yes."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            pass
        with pytest.raises(StoreUnavailable):
            await store.keep_bundle("a.example", 0, 1, b"", 1.0)
        with pytest.raises(StoreUnavailable):
            await store.last_bundle("a.example", 0)

    asyncio.run(story())
