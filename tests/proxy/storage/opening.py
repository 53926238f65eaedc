"""How the tests open the SQLite store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from tests.fakes.held_calls import store_path


@asynccontextmanager
async def opened(place: Path) -> AsyncIterator[SqliteStore]:
    """The store in this folder, closed at the end."""
    store = SqliteStore.open(store_path(place))
    try:
        yield store
    finally:
        store.close()
