"""The credentials of people in SQLite."""

import sqlite3

from proxy.control.interfaces import PersonCredential
from proxy.storage.sqlite_area import SqliteArea

_COLUMNS = "id, digest, kind, person, issued_at, not_after, issued_by, used_at, revoked_at"


class SqlitePeople(SqliteArea):
    """A `PersonCredentialStore`."""

    async def add_credential(self, row: PersonCredential) -> None:
        values = (
            row.id,
            row.digest,
            row.kind,
            row.person,
            row.issued_at,
            row.not_after,
            row.issued_by,
            row.used_at,
            row.revoked_at,
        )

        def add(connection: sqlite3.Connection) -> None:
            connection.execute(
                f"INSERT INTO person_credentials ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - columns
                values,
            )

        await self._writer.run(add)

    async def credential_by_digest(self, digest: str) -> PersonCredential | None:
        return await self._reader.run(lambda connection: _by_digest(connection, digest))

    async def use_sign_in_code(self, digest: str, at: float) -> PersonCredential | None:
        def use(connection: sqlite3.Connection) -> PersonCredential | None:
            used = connection.execute(
                """UPDATE person_credentials SET used_at = ?
                   WHERE digest = ? AND kind = 'sign_in_code' AND used_at IS NULL AND revoked_at IS NULL
                     AND not_after > ?""",
                (at, digest, at),
            )
            return _by_digest(connection, digest) if used.rowcount == 1 else None

        return await self._writer.run(use)

    async def revoke_credential(self, credential_id: str, at: float) -> bool:
        def revoke(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE person_credentials SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (at, credential_id)
            )
            return changed.rowcount == 1

        return await self._writer.run(revoke)

    async def list_credentials(self, person: str) -> list[PersonCredential]:
        def rows(connection: sqlite3.Connection) -> list[PersonCredential]:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM person_credentials WHERE person = ? ORDER BY issued_at, id",  # noqa: S608 - columns
                (person,),
            )
            return [PersonCredential(*row) for row in found]

        return await self._reader.run(rows)


def _by_digest(connection: sqlite3.Connection, digest: str) -> PersonCredential | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM person_credentials WHERE digest = ?",  # noqa: S608 - columns
        (digest,),
    ).fetchone()
    return PersonCredential(*row) if row else None
