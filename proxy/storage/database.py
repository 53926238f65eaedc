"""One SQLite connection on its own thread. Whatever SQLite cannot do is a `StoreUnavailable`, and passes."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proxy.errors import StoreUnavailable

type Work[T] = Callable[[sqlite3.Connection], T]


class Database:
    """Runs functions on a connection, one after the other, away from the event loop.

    After an error of SQLite the connection is dropped and opened afresh for the next function: a full
    disk or a lock is over when it is over, without a restart. The file itself is never made here, so
    that a lost file is an error and not an empty store that has forgotten every revocation.
    """

    def __init__(self, path: Path, version: int, *, busy_seconds: float, writes: bool) -> None:
        self._path = path
        self._version = version
        self._busy_seconds = busy_seconds
        self._writes = writes
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._generation = 0
        self._closed = False
        self._thread = ThreadPoolExecutor(1, f"sqlite-{'writer' if writes else 'reader'}")

    async def run[T](self, work: Work[T]) -> T:
        """What this function returns; all that it writes is one transaction, durable on return."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._perform, work)

    def warm(self) -> None:
        """Connect now: on a disk that is full later, a new connection could not even read."""
        self._thread.submit(self._perform, lambda _: None).result()

    @property
    def generation(self) -> int:
        """How many connections there have been. Read on the database's own thread."""
        return self._generation

    def require_in_place(self) -> None:
        """Raises unless the file is the one that was opened at first. On the database's own thread.

        What is gone, or another by now, is still read by whoever has it open, and lost with them.
        """
        if self._found() != self._file:
            raise StoreUnavailable(f"the store `{self._path}` is gone, or another file: put it back, or restart")

    def _found(self) -> tuple[int, int] | None:
        """Which file is at our path now, as the kernel knows it."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Ends what is under way, then the connection and its thread."""
        if not self._closed:
            self._closed = True
            self._thread.submit(self._drop).result()
            self._thread.shutdown()

    def _perform[T](self, work: Work[T]) -> T:
        try:
            connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")
            if self._writes:
                self.require_in_place()  # else it would be told as stored, and lost with the next restart
            result = work(connection)
            connection.execute("COMMIT")
        except sqlite3.ProgrammingError as error:
            self._drop()
            raise RuntimeError(f"the store was asked for nonsense (this is a bug): {error}") from error
        except sqlite3.Error as error:
            self._drop()
            raise StoreUnavailable(f"the store `{self._path}` does not answer: {error}") from error
        except BaseException:
            self._drop()
            raise
        return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            cached_statements=256,
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA synchronous = FULL")
            if not self._writes:
                connection.execute("PRAGMA query_only = ON")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found != self._version:
                raise StoreUnavailable(
                    f"the store `{self._path}` has version {found} where {self._version} is needed: restart"
                )
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._file = self._file or self._found()
        self._generation += 1
        return connection

    def _drop(self) -> None:
        """Closing rolls back what was begun."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
