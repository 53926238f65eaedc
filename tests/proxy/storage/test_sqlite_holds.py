"""The SQLite store is a HoldStore."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from tests.conformance.hold_store import HoldStoreConformance
from tests.proxy.storage.opening import opened


class TestSqliteHoldStore(HoldStoreConformance):
    """The whole suite, on a real file."""

    def opened(self, place: Path) -> AbstractAsyncContextManager[SqliteStore]:
        return opened(place)
