"""The last bundle of each trust domain, in SQLite."""

import sqlite3

from proxy.storage.sqlite_area import SqliteArea


class SqliteBundles(SqliteArea):
    """A `BundleStore`. A sequence is text: it may be larger than SQLite's integers."""

    async def keep_bundle(
        self, trust_domain: str, generation: int, sequence: int | None, body: bytes, at: float
    ) -> bool:
        def keep(connection: sqlite3.Connection) -> bool:
            found = connection.execute(
                "SELECT sequence FROM bundles WHERE trust_domain = ? AND generation = ?", (trust_domain, generation)
            ).fetchone()
            last = None if found is None or found[0] is None else int(found[0])
            if last is not None and (sequence is None or sequence < last):
                return False
            connection.execute(
                """INSERT INTO bundles (trust_domain, generation, sequence, body, at) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (trust_domain, generation)
                DO UPDATE SET sequence = excluded.sequence, body = excluded.body, at = excluded.at""",
                (trust_domain, generation, None if sequence is None else str(sequence), body, at),
            )
            return True

        return await self._writer.run(keep)

    async def last_bundle(self, trust_domain: str, generation: int) -> bytes | None:
        def read(connection: sqlite3.Connection) -> bytes | None:
            found = connection.execute(
                "SELECT body FROM bundles WHERE trust_domain = ? AND generation = ?", (trust_domain, generation)
            ).fetchone()
            return None if found is None else bytes(found[0])

        return await self._reader.run(read)
