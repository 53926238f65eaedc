"""Connection handles in SQLite."""

import sqlite3
from dataclasses import astuple

from proxy.identity.interfaces import HandleRow
from proxy.storage.sqlite_area import SqliteArea

_COLUMNS = """id, digest, agent, task, purpose, on_behalf_of, issued_at, not_after, issued_by, revoked_at,
    revoked_by, revoked_reason"""


class SqliteHandles(SqliteArea):
    """A `HandleStore`."""

    async def add_handle(self, row: HandleRow) -> None:
        def add(connection: sqlite3.Connection) -> None:
            connection.execute(
                f"INSERT INTO handles ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - columns
                astuple(row),
            )

        await self._writer.run(add)

    async def handle_by_digest(self, digest: str) -> HandleRow | None:
        return await self._handle("digest", digest)

    async def handle_by_id(self, handle_id: str) -> HandleRow | None:
        return await self._handle("id", handle_id)

    async def list_handles(self, *, agent: str | None = None, live_at: float | None = None) -> list[HandleRow]:
        def rows(connection: sqlite3.Connection) -> list[HandleRow]:
            found = connection.execute(
                f"""SELECT {_COLUMNS} FROM handles
                    WHERE (:agent IS NULL OR agent = :agent)
                      AND (:at IS NULL OR (not_after > :at AND revoked_at IS NULL))
                    ORDER BY issued_at, id""",  # noqa: S608 - columns
                {"agent": agent, "at": live_at},
            )
            return [HandleRow(*row) for row in found]

        return await self._reader.run(rows)

    async def revoke_handle(self, handle_id: str, at: float, by: str, reason: str) -> bool:
        def revoke(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                """UPDATE handles SET revoked_at = ?, revoked_by = ?, revoked_reason = ?
                   WHERE id = ? AND revoked_at IS NULL""",
                (at, by, reason, handle_id),
            )
            return changed.rowcount == 1

        return await self._writer.run(revoke)

    async def _handle(self, column: str, value: str) -> HandleRow | None:
        def one(connection: sqlite3.Connection) -> HandleRow | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM handles WHERE {column} = ?",  # noqa: S608 - columns named above
                (value,),
            ).fetchone()
            return HandleRow(*row) if row else None

        return await self._reader.run(one)
