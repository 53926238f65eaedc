"""What waits to be told to receivers of events, in SQLite."""

import json
import sqlite3
from collections.abc import Collection, Sequence

from proxy.control.signals.model import Outgoing, Telling
from proxy.storage.sqlite_area import SqliteArea

_COLUMNS = "receiver, token_id, made_at, claims"


class SqliteSignals(SqliteArea):
    """An `Outbox`."""

    async def tell(self, tellings: Sequence[Telling]) -> int:
        def put(connection: sqlite3.Connection) -> int:
            new = 0
            for one in tellings:
                told = connection.execute(
                    """INSERT INTO signal_told (receiver, scope, at) VALUES (?, ?, ?)
                       ON CONFLICT (receiver, scope) DO UPDATE
                       SET at = excluded.at WHERE excluded.at > signal_told.at""",
                    (one.receiver, one.scope, one.at),
                )
                if told.rowcount == 1:
                    new += 1
                    _add(connection, one.tokens)
            return new

        return await self._writer.run(put)

    async def told(self, receiver: str) -> dict[str, float]:
        def rows(connection: sqlite3.Connection) -> dict[str, float]:
            found = connection.execute("SELECT scope, at FROM signal_told WHERE receiver = ?", (receiver,))
            return {row["scope"]: row["at"] for row in found}

        return await self._reader.run(rows)

    async def forget_told(self, in_force: Collection[str]) -> None:
        kept = json.dumps(sorted(in_force))

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM signal_told WHERE scope NOT IN (SELECT value FROM json_each(?))", (kept,))

        await self._writer.run(forget)

    async def add_outgoing(self, token: Outgoing) -> None:
        await self._writer.run(lambda connection: _add(connection, [token]))

    async def outgoing(self, receiver: str, limit: int) -> list[Outgoing]:
        return await self._outgoing("receiver = ? ORDER BY seq LIMIT ?", receiver, limit)

    async def outgoing_before(self, at: float, limit: int) -> list[Outgoing]:
        return await self._outgoing("made_at < ? ORDER BY seq LIMIT ?", at, limit)

    async def drop_outgoing(self, receiver: str, token_ids: Collection[str]) -> int:
        if not token_ids:
            return 0

        def drop(connection: sqlite3.Connection) -> int:
            return sum(
                connection.execute(
                    "DELETE FROM signal_outbox WHERE receiver = ? AND token_id = ?", (receiver, one)
                ).rowcount
                for one in token_ids
            )

        return await self._writer.run(drop)

    async def waiting(self) -> dict[str, int]:
        def count(connection: sqlite3.Connection) -> dict[str, int]:
            found = connection.execute("SELECT receiver, count(*) AS n FROM signal_outbox GROUP BY receiver")
            return {row["receiver"]: row["n"] for row in found}

        return await self._reader.run(count)

    async def _outgoing(self, condition: str, *values: object) -> list[Outgoing]:
        def rows(connection: sqlite3.Connection) -> list[Outgoing]:
            found = connection.execute(f"SELECT {_COLUMNS} FROM signal_outbox WHERE {condition}", values)  # noqa: S608 - ours
            return [
                Outgoing(row["receiver"], row["token_id"], row["made_at"], json.loads(row["claims"])) for row in found
            ]

        return await self._reader.run(rows)


def _add(connection: sqlite3.Connection, tokens: Sequence[Outgoing]) -> None:
    connection.executemany(
        f"INSERT INTO signal_outbox ({_COLUMNS}) VALUES (?, ?, ?, ?)",  # noqa: S608 - columns
        [(one.receiver, one.token_id, one.made_at, json.dumps(one.claims)) for one in tokens],
    )
