"""What every area of the SQLite store has: a thread that writes, and one that reads meanwhile."""

from proxy.storage.database import Database


class SqliteArea:
    """A part of the store. Reads never wait for writes, and see everything that was written before."""

    def __init__(self, writer: Database, reader: Database) -> None:
        self._writer = writer
        self._reader = reader
