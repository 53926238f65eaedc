"""The embedded store: one SQLite file that holds everything which must outlive a process."""

from pathlib import Path
from typing import Self

from proxy.storage.database import Database
from proxy.storage.migrations import VERSION, prepare
from proxy.storage.sqlite_bundles import SqliteBundles
from proxy.storage.sqlite_handles import SqliteHandles
from proxy.storage.sqlite_history import SqliteHistory
from proxy.storage.sqlite_holds import SqliteHolds
from proxy.storage.sqlite_ownership import SqliteOwnership
from proxy.storage.sqlite_people import SqlitePeople
from proxy.storage.sqlite_replays import SqliteReplays
from proxy.storage.sqlite_revocations import SqliteRevocations
from proxy.storage.sqlite_signals import SqliteSignals
from proxy.storage.sqlite_tasks import SqliteTasks

BUSY_SECONDS = 3.0


class SqliteStore(
    SqliteHandles,
    SqliteRevocations,
    SqlitePeople,
    SqliteHolds,
    SqliteTasks,
    SqliteReplays,
    SqliteOwnership,
    SqliteSignals,
    SqliteBundles,
    SqliteHistory,
):
    """Every store of the house in one file. Several processes may have it open at once."""

    @classmethod
    def open(cls, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """The store in this file, made and brought up to date if need be; raises `StoreUnavailable`."""
        prepare(path, busy_seconds)
        writer = Database(path, VERSION, busy_seconds=busy_seconds, writes=True)
        reader = Database(path, VERSION, busy_seconds=busy_seconds, writes=False)
        watcher = Database(path, VERSION, busy_seconds=busy_seconds, writes=False)
        store = cls(writer, reader, watcher)
        try:
            reader.warm()
            watcher.warm()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Everything that was begun is finished; nothing can be asked any more."""
        self._writer.close()
        self._reader.close()
        self._watcher.close()
