"""Connection handles in SQLite."""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import astuple

from proxy.identity.interfaces import EVERY_HANDLE, HandleQuery, HandleRow
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

    async def list_handles(self, query: HandleQuery = EVERY_HANDLE) -> list[HandleRow]:
        # only what is asked for is in the statement, so that it is found by an index and not by looking at every row
        conditions, values = ["1"], list[object]()
        if query.agents is not None:
            conditions.append("agent IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(sorted(query.agents)))
        if query.task is not None:
            conditions.append("task = ?")
            values.append(query.task)
        if query.live_at is not None:
            conditions.append("not_after > ? AND revoked_at IS NULL")
            values.append(query.live_at)
        if query.before is not None:
            conditions.append("(issued_at, id) < (?, ?)")
            values += query.before
        # the live ones are few and found by their end: they are sorted, rather than everything looked at in order
        first = "issued_at" if query.live_at is None else "+issued_at"

        def rows(connection: sqlite3.Connection) -> list[HandleRow]:
            found = connection.execute(
                f"""SELECT {_COLUMNS} FROM handles WHERE {" AND ".join(conditions)}
                    ORDER BY {first} DESC, id DESC LIMIT ?""",  # noqa: S608 - ours
                (*values, query.limit),
            )
            return [HandleRow(*row) for row in found]

        return await self._reader.run(rows)

    async def agents_of_handles(self, handle_ids: Collection[str]) -> dict[str, str]:
        named = json.dumps(sorted(handle_ids))

        def agents(connection: sqlite3.Connection) -> dict[str, str]:
            found = connection.execute(
                "SELECT id, agent FROM handles WHERE id IN (SELECT value FROM json_each(?))", (named,)
            )
            return {row["id"]: row["agent"] for row in found}

        return await self._reader.run(agents)

    async def agents_under(self, tasks: Collection[str]) -> dict[str, frozenset[str]]:
        named = json.dumps(sorted(tasks))

        def agents(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
            found = connection.execute(
                "SELECT DISTINCT task, agent FROM handles WHERE task IN (SELECT value FROM json_each(?))", (named,)
            )
            under: dict[str, set[str]] = {}
            for row in found:
                under.setdefault(row["task"], set()).add(row["agent"])
            return {task: frozenset(names) for task, names in under.items()}

        return await self._reader.run(agents)

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
