"""Revocations in SQLite, and the number that tells that anything changed."""

import json
import sqlite3
from collections.abc import Collection, Sequence

from proxy.storage.sqlite_area import SqliteArea
from proxy.tasks.interfaces import KINDS, Counts, Revocation, RevocationKind


class SqliteRevocations(SqliteArea):
    """A `RevocationStore`."""

    async def put_revocation(self, revocation: Revocation) -> None:
        # a clock that is behind must not bring back what was issued before an earlier revocation
        def put(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT INTO revocations (scope, at, by, reason, kind, seq) VALUES (?, ?, ?, ?, ?,
                       (SELECT changes + 1 FROM change_counts WHERE area = 'revocations'))
                   ON CONFLICT (scope, kind) DO UPDATE SET at = max(revocations.at, excluded.at),
                       by = excluded.by, reason = excluded.reason, seq = excluded.seq""",
                (revocation.scope, revocation.at, revocation.by, revocation.reason, revocation.kind),
            )

        await self._writer.run(put)

    async def lift_revocation(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool:
        lifted = json.dumps([*kinds])

        def lift(connection: sqlite3.Connection) -> bool:
            found = connection.execute(
                "DELETE FROM revocations WHERE scope = ? AND kind IN (SELECT value FROM json_each(?))", (scope, lifted)
            )
            return found.rowcount > 0

        return await self._writer.run(lift)

    async def forget_revocations(self, revocations: Sequence[Revocation]) -> int:
        def forget(connection: sqlite3.Connection) -> int:
            return sum(
                connection.execute(
                    "DELETE FROM revocations WHERE scope = ? AND at = ? AND by = ? AND reason = ? AND kind = ?",
                    (one.scope, one.at, one.by, one.reason, one.kind),
                ).rowcount
                for one in revocations
            )

        return await self._writer.run(forget)

    async def all_revocations(self) -> list[Revocation]:
        def rows(connection: sqlite3.Connection) -> list[Revocation]:
            found = connection.execute("SELECT scope, at, by, reason, kind FROM revocations ORDER BY scope, kind")
            return [Revocation(*row) for row in found]

        return await self._watcher.run(rows)

    async def revocations_put(self, after: int, up_to: int) -> list[Revocation]:
        def rows(connection: sqlite3.Connection) -> list[Revocation]:
            found = connection.execute(
                "SELECT scope, at, by, reason, kind FROM revocations WHERE seq > ? AND seq <= ?", (after, up_to)
            )
            return [Revocation(*row) for row in found]

        return await self._watcher.run(rows)

    async def change_token(self) -> int:
        """Moves with every commit of anyone: all are another connection's to the one that only reads.

        `data_version` starts anew with a connection, so the count of connections goes above it.
        """
        watcher = self._watcher

        def token(connection: sqlite3.Connection) -> int:
            watcher.require_in_place()
            version = int(connection.execute("PRAGMA data_version").fetchone()[0])
            return (watcher.generation << 33) + version

        return await watcher.run(token)

    async def counts(self) -> Counts:
        watcher = self._watcher

        def count(connection: sqlite3.Connection) -> Counts:
            rows = connection.execute("SELECT area, changes FROM change_counts")
            found = {row["area"]: row["changes"] for row in rows}
            return Counts(watcher.generation, found["revocations"], found["standings"])

        return await watcher.run(count)
