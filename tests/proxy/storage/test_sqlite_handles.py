"""The SQLite store is a HandleStore."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from tests.conformance.handle_store import HandleStoreConformance
from tests.proxy.storage.opening import opened


class TestSqliteHandleStore(HandleStoreConformance):
    """The whole suite, on a real file."""

    def opened(self, place: Path) -> AbstractAsyncContextManager[SqliteStore]:
        return opened(place)
