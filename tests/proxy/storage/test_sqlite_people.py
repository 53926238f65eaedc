"""The SQLite store is a PersonCredentialStore."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from tests.conformance.person_credential_store import PersonCredentialStoreConformance
from tests.proxy.storage.opening import opened


class TestSqlitePersonCredentialStore(PersonCredentialStoreConformance):
    """The whole suite, on a real file."""

    def opened(self, place: Path) -> AbstractAsyncContextManager[SqliteStore]:
        return opened(place)
