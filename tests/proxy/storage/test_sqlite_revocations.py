"""The SQLite store is a RevocationStore."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from tests.conformance.revocation_store import RevocationStoreConformance
from tests.proxy.storage.opening import opened


class TestSqliteRevocationStore(RevocationStoreConformance):
    """The whole suite, on a real file."""

    def opened(self, place: Path) -> AbstractAsyncContextManager[SqliteStore]:
        return opened(place)
