"""Tasks in SQLite, and what they count."""

import json
import logging
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from proxy.errors import StoreUnavailable
from proxy.holds.model import OPEN
from proxy.storage.database import Database
from proxy.storage.sqlite_area import SqliteArea
from proxy.storage.task_rows import COLUMNS, task_of, values
from proxy.tasks.budget import Charge
from proxy.tasks.task import Task, TaskState

log = logging.getLogger("countersign.storage")

_LIVE = "state IN ('created', 'active', 'suspended')"
_OPEN = "('" + "', '".join(sorted(OPEN)) + "')"
# `_LIVE` by its own words, and `+`: what ended in a month is not looked at, by the index of the live ones
_RESTING: Final = f"""SELECT id FROM tasks WHERE {_LIVE} AND state = 'active'
    AND NOT EXISTS (SELECT 1 FROM tasks AS child WHERE child.parent = tasks.id AND child.{_LIVE})
    AND NOT EXISTS (SELECT 1 FROM holds WHERE task = tasks.id AND state IN {_OPEN})
    ORDER BY +id"""  # noqa: S608 - ours


class SqliteTasks(SqliteArea):
    """A `TaskStore`."""

    def __init__(self, writer: Database, reader: Database, watcher: Database) -> None:
        super().__init__(writer, reader, watcher)
        self._unreadable: set[str] = set()

    async def add_task(self, task: Task) -> bool:
        def add(connection: sqlite3.Connection) -> bool:
            # a parent that ends at this moment has no new children
            made = connection.execute(
                f"""INSERT INTO tasks ({COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
                    WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM tasks WHERE id = ?3 AND state = 'active')""",  # noqa: S608 - columns
                values(task),
            )
            if made.rowcount != 1:
                return False
            connection.executemany(
                "INSERT INTO task_ancestors (ancestor, task) VALUES (?, ?)", [(one, task.id) for one in task.lineage]
            )
            connection.executemany(
                "INSERT INTO task_budgets (task, name, most, used) VALUES (?, ?, ?, 0)",
                [(task.id, name, most) for name, most in task.budget.limits().items()],
            )
            return True

        return await self._writer.run(add)

    async def task(self, task_id: str) -> Task | None:
        def one(connection: sqlite3.Connection) -> Task | None:
            row = connection.execute(f"SELECT {COLUMNS} FROM tasks WHERE id = ?", (task_id,)).fetchone()  # noqa: S608 - ours
            return task_of(row) if row is not None else None

        return await self._reader.run(one)

    async def tasks(self, *, agents: Collection[str] | None = None, live: bool = False, limit: int = 200) -> list[Task]:
        # only what is asked for is in the statement: the live ones are few and have an index of their own
        conditions, values = ["1"], dict[str, object]()
        if agents is not None:
            conditions.append("agent IN (SELECT value FROM json_each(:agents))")
            values["agents"] = json.dumps(sorted(agents))
        if live:
            conditions.append(_LIVE)
        first = "+created_at" if live else "created_at"
        return await self._tasks(
            f"{' AND '.join(conditions)} ORDER BY {first} DESC, id DESC LIMIT :limit", {**values, "limit": limit}
        )

    async def agents_of_tasks(self, task_ids: Collection[str]) -> dict[str, str]:
        named = json.dumps(sorted(task_ids))

        def agents(connection: sqlite3.Connection) -> dict[str, str]:
            found = connection.execute(
                "SELECT id, agent FROM tasks WHERE id IN (SELECT value FROM json_each(?))", (named,)
            )
            return {row["id"]: row["agent"] for row in found}

        return await self._reader.run(agents)

    async def over_before(self, task_ids: Collection[str], deadline: float) -> frozenset[str]:
        named = json.dumps(sorted(task_ids))

        def over(connection: sqlite3.Connection) -> frozenset[str]:
            found = connection.execute(
                f"""SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?))
                    AND deadline < ? AND NOT {_LIVE}""",  # noqa: S608 - ours
                (named, deadline),
            )
            return frozenset(row["id"] for row in found)

        return await self._reader.run(over)

    async def suspended_tasks(self) -> list[str]:
        def ids(connection: sqlite3.Connection) -> list[str]:
            return [row[0] for row in connection.execute("SELECT id FROM tasks WHERE state = 'suspended'")]

        return await self._watcher.run(ids)

    async def live_below(self, task_id: str) -> list[Task]:
        return await self._tasks(
            f"{_LIVE} AND id IN (SELECT task FROM task_ancestors WHERE ancestor = :id) ORDER BY created_at, id",  # noqa: S608 - ours
            {"id": task_id},
        )

    async def tasks_below(self, task_id: str, limit: int = 200) -> list[Task]:
        return await self._tasks(
            "id IN (SELECT task FROM task_ancestors WHERE ancestor = :id) ORDER BY created_at, id LIMIT :limit",
            {"id": task_id, "limit": limit},
        )

    async def live_via(self) -> frozenset[str]:
        def scopes(connection: sqlite3.Connection) -> frozenset[str]:
            # a row that cannot be read is no task that could go on, and keeps nothing from being forgotten
            rows = connection.execute(
                f"""SELECT DISTINCT one.value
                    FROM tasks, json_each(iif(json_valid(tasks.body), tasks.body, '{{}}'), '$.via') AS one
                    WHERE {_LIVE}"""  # noqa: S608 - ours
            )
            return frozenset(row[0] for row in rows)

        return await self._reader.run(scopes)

    async def overdue_tasks(self, now: float) -> list[Task]:
        return await self._tasks(f"{_LIVE} AND deadline <= :now ORDER BY deadline, id LIMIT 500", {"now": now})

    async def resting_tasks(self) -> list[str]:
        def ids(connection: sqlite3.Connection) -> list[str]:
            return [row["id"] for row in connection.execute(_RESTING)]

        return await self._reader.run(ids)

    async def tasks_begun(self, agents: Collection[str], after: float, by: float) -> list[Task]:
        # by agent and time, not by state: what an agent began in a few hours is less than all that lives
        begun = "agent IN (SELECT value FROM json_each(:agents)) AND created_at > :after AND created_at <= :by"
        return await self._tasks(
            f"{begun} AND {_LIVE} ORDER BY created_at, id LIMIT 500",
            {"agents": json.dumps([*agents]), "after": after, "by": by},
        )

    async def move_task(self, task: Task, expected: TaskState) -> bool:
        def move(connection: sqlite3.Connection) -> bool:
            moved = connection.execute(
                "UPDATE tasks SET state = ?, changed_at = ?, changed_by = ?, reason = ? WHERE id = ? AND state = ?",
                (task.state, task.changed_at, task.changed_by, task.reason, task.id, expected),
            )
            return moved.rowcount == 1

        return await self._writer.run(move)

    async def charge(self, charges: Sequence[Charge]) -> Charge | None:
        def count(connection: sqlite3.Connection) -> Charge | None:
            done: list[Charge] = []
            for one in charges:
                counted = connection.execute(
                    "UPDATE task_budgets SET used = used + ?1 WHERE task = ?2 AND name = ?3 AND used + ?1 <= most",
                    (one.amount, one.task, one.name),
                )
                if counted.rowcount != 1:
                    _give_back(connection, done)
                    return one
                done.append(one)
            return None

        return await self._writer.run(count)

    async def discharge(self, charges: Sequence[Charge]) -> None:
        await self._writer.run(lambda connection: _give_back(connection, charges))

    async def spent(self, task_id: str) -> dict[str, int]:
        def used(connection: sqlite3.Connection) -> dict[str, int]:
            rows = connection.execute("SELECT name, used FROM task_budgets WHERE task = ? ORDER BY name", (task_id,))
            return {row["name"]: row["used"] for row in rows}

        return await self._reader.run(used)

    async def _tasks(self, condition: str, parameters: dict[str, object]) -> list[Task]:
        def rows(connection: sqlite3.Connection) -> list[Task]:
            found = connection.execute(f"SELECT {COLUMNS} FROM tasks WHERE {condition}", parameters)  # noqa: S608 - ours
            return [task for row in found if (task := self._readable(row)) is not None]

        return await self._reader.run(rows)

    def _readable(self, row: sqlite3.Row) -> Task | None:
        """One row that is no task must not keep the others from being seen, or from being ended. Named once."""
        try:
            return task_of(row)
        except StoreUnavailable as error:
            if row["id"] not in self._unreadable:
                self._unreadable.add(row["id"])
                log.error("%s: it is left out of lists, and refused when asked for", error)  # noqa: TRY400 - in words
            return None


def _give_back(connection: sqlite3.Connection, charges: Sequence[Charge]) -> None:
    connection.executemany(
        "UPDATE task_budgets SET used = max(0, used - ?) WHERE task = ? AND name = ?",
        [(one.amount, one.task, one.name) for one in charges],
    )
