"""Attestations and the states of people in SQLite."""

import sqlite3

from proxy.facts import Attestation, Held, PersonState
from proxy.storage.sqlite_area import SqliteArea

_COLUMNS = "id, what, owner, agent_class, digest, person, at, note"
_CHANGED = "UPDATE ownership_token SET token = token + 1"


class SqliteOwnership(SqliteArea):
    """An `OwnershipStore`."""

    async def add_attestation(self, attestation: Attestation, after: str) -> bool:
        one = attestation
        values = (one.id, one.what, one.owner, one.agent_class, one.digest, one.person, one.at, one.note, after)

        def add(connection: sqlite3.Connection) -> bool:
            added = connection.execute(
                f"""INSERT INTO attestations ({_COLUMNS}) SELECT ?, ?2, ?, ?, ?, ?, ?, ?
                    WHERE ?9 = coalesce(
                        (SELECT id FROM attestations WHERE what = ?2 ORDER BY seq DESC LIMIT 1), '')""",  # noqa: S608 - columns
                values,
            )
            if added.rowcount == 1:
                connection.execute(_CHANGED)
            return added.rowcount == 1

        return await self._writer.run(add)

    async def attestations(self, what: str, limit: int = 20) -> list[Attestation]:
        def rows(connection: sqlite3.Connection) -> list[Attestation]:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM attestations WHERE what = ? ORDER BY seq DESC LIMIT ?",  # noqa: S608 - columns
                (what, limit),
            )
            return [_attestation(row) for row in found]

        return await self._reader.run(rows)

    async def put_person_state(self, state: PersonState) -> None:
        def put(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT INTO person_states (person, source, active, at, by, reason) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (person, source) DO UPDATE
                   SET active = excluded.active, at = excluded.at, by = excluded.by, reason = excluded.reason""",
                (state.person, state.source, int(state.active), state.at, state.by, state.reason),
            )
            connection.execute(_CHANGED)

        await self._writer.run(put)

    async def person_states(self, person: str) -> list[PersonState]:
        def rows(connection: sqlite3.Connection) -> list[PersonState]:
            found = connection.execute(
                "SELECT person, source, active, at, by, reason FROM person_states WHERE person = ? ORDER BY source",
                (person,),
            )
            return [PersonState(**{**dict(row), "active": bool(row["active"])}) for row in found]

        return await self._reader.run(rows)

    async def held(self) -> tuple[int, Held]:
        def read(connection: sqlite3.Connection) -> tuple[int, Held]:
            newest = connection.execute(
                f"""SELECT {_COLUMNS} FROM attestations
                    WHERE seq IN (SELECT max(seq) FROM attestations GROUP BY what)"""  # noqa: S608 - columns
            )
            said = {row["what"]: _attestation(row) for row in newest}
            gone = connection.execute("SELECT person FROM person_states WHERE NOT active")
            people = frozenset(row["person"] for row in gone)
            return _token(connection), Held(attestations=said, deactivated=people)

        return await self._watcher.run(read)

    async def held_token(self) -> int:
        return await self._watcher.run(_token)


def _attestation(row: sqlite3.Row) -> Attestation:
    return Attestation(**dict(row))


def _token(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT token FROM ownership_token").fetchone()[0])
