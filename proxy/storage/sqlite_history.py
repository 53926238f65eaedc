"""What ended long ago, taken out of SQLite in small pieces. The audit log keeps the story."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

from proxy.holds.model import TERMINAL, State
from proxy.storage.sqlite_area import SqliteArea

_PIECE = 100
_EXECUTED_FOR = 400 * 86_400.0  # whoever is asked to sign the same again is told that it was done before


def _names(states: Iterable[str]) -> str:
    return "('" + "', '".join(sorted(states)) + "')"


_SETTLED = """
    AND NOT EXISTS (SELECT 1 FROM hold_events WHERE hold_id = holds.id AND recorded_index IS NULL)
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE hold_id = holds.id AND state IN ('reserved', 'sent', 'unknown'))"""

# What anything still rests on stays: an end in force, a hold that is open or of unknown outcome, an event that is not
# in the log yet, a task that has not ended (whose budget counts), and whatever is above one that stays. What names
# others comes before what it names.
_ENDED: Final = {
    "handles": """SELECT id FROM handles WHERE not_after < :before
        AND NOT EXISTS (SELECT 1 FROM revocations WHERE scope = 'handle:' || handles.id)""",
    "person_credentials": "SELECT id FROM person_credentials WHERE not_after < :before",
    "holds": f"""SELECT id FROM holds WHERE closed_at < :before
        AND state IN {_names(TERMINAL - {State.EXECUTED})} {_SETTLED}""",  # noqa: S608 - states
    "holds executed": f"SELECT id FROM holds WHERE closed_at < :executed AND state = 'executed' {_SETTLED}",  # noqa: S608 - ours
    "tasks": f"""SELECT id FROM tasks WHERE deadline < :before AND changed_at < :before
        AND state NOT IN ('created', 'active', 'suspended')
        AND NOT EXISTS (SELECT 1 FROM tasks AS child WHERE child.parent = tasks.id)
        AND NOT EXISTS (SELECT 1 FROM task_ancestors WHERE ancestor = tasks.id)
        AND NOT EXISTS (SELECT 1 FROM handles WHERE task = tasks.id)
        AND NOT EXISTS (SELECT 1 FROM holds WHERE task = tasks.id AND state NOT IN {_names(TERMINAL)})
        AND NOT EXISTS (SELECT 1 FROM revocations WHERE scope = 'task:' || tasks.id)""",  # noqa: S608 - states
}

_PARTS: Final = {
    "holds": (("votes", "hold_id"), ("attempts", "hold_id"), ("hold_scopes", "hold_id"), ("hold_events", "hold_id")),
    "tasks": (("task_ancestors", "task"), ("task_budgets", "task")),
}

HISTORIES: Final = tuple(_ENDED)


class SqliteHistory(SqliteArea):
    """A `HistoryStore`."""

    async def has_ended_before(self, before: float) -> bool:
        def any_of_it(connection: sqlite3.Connection) -> bool:
            return any(_ended(connection, kind, before, 1) for kind in HISTORIES)

        return await self._reader.run(any_of_it)

    async def forget_ended(self, kind: str, before: float) -> int:
        return await self._writer.run(_forgetting(kind, before))


def _forgetting(kind: str, before: float) -> Callable[[sqlite3.Connection], int]:
    def forget(connection: sqlite3.Connection) -> int:
        ids, whole = _ended(connection, kind, before, _PIECE), kind.partition(" ")[0]
        for table, column in (*_PARTS.get(whole, ()), (whole, "id")):
            connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", ids)  # noqa: S608 - named above
        return len(ids)

    return forget


def _ended(connection: sqlite3.Connection, kind: str, before: float, piece: int) -> list[tuple[str]]:
    moments = {"before": before, "executed": before - _EXECUTED_FOR, "piece": piece}
    return [(row["id"],) for row in connection.execute(f"{_ENDED[kind]} LIMIT :piece", moments)]
