"""What may be used once, in SQLite."""

import sqlite3

from proxy.storage.sqlite_area import SqliteArea


class SqliteReplays(SqliteArea):
    """A `ReplayStore`."""

    async def use_once(self, key: str, until: float, now: float) -> bool:
        def use(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM used_once WHERE until <= ?", (now,))
            used = connection.execute(
                "INSERT INTO used_once (key, until) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (key, until)
            )
            return used.rowcount == 1

        return await self._writer.run(use)

    async def was_used(self, key: str, now: float) -> bool:
        def used(connection: sqlite3.Connection) -> bool:
            found = connection.execute("SELECT 1 FROM used_once WHERE key = ? AND until > ?", (key, now))
            return found.fetchone() is not None

        return await self._reader.run(used)
