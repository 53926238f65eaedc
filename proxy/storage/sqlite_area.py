"""What every area of the SQLite store has: a thread that writes, one that reads meanwhile, and one that watches."""

from proxy.storage.database import Database


class SqliteArea:
    """A part of the store. Reads never wait for writes, and see everything that was written before.

    The watcher is for what the gate must hear within a second, and for nothing else: whoever reads a long list must
    not make every call be refused.
    """

    def __init__(self, writer: Database, reader: Database, watcher: Database) -> None:
        self._writer = writer
        self._reader = reader
        self._watcher = watcher
