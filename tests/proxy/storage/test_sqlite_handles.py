"""The SQLite store is a HandleStore, and finds the few handles that live among all that ever did."""

import asyncio
import sqlite3
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.identity.interfaces import HandleQuery
from proxy.storage.sqlite import SqliteStore
from tests.conformance.handle_store import ROW, HandleStoreConformance
from tests.proxy.storage.opening import opened


class TestSqliteHandleStore(HandleStoreConformance):
    """The whole suite, on a real file."""

    def opened(self, place: Path) -> AbstractAsyncContextManager[SqliteStore]:
        return opened(place)


@pytest.mark.parametrize(
    "query",
    [
        HandleQuery(live_at=3000.0),
        HandleQuery(agents=["refund-bot"], live_at=3000.0),
        HandleQuery(task="task_7", live_at=3000.0),
        HandleQuery(limit=5),
        HandleQuery(before=(1500.0, "x"), limit=5),
    ],
)
def test_what_is_asked_for_is_found_without_reading_the_rest(tmp_path: Path, query: HandleQuery) -> None:
    """Steps of the database, which do not depend on the machine: few, beside 5000 handles that are over."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            rows = [replace(ROW, id=f"hnd_{n}", digest=str(n), task=f"task_{n}") for n in range(5000)]
            for row in rows[:1]:
                await store.add_handle(row)

            def fill(connection: sqlite3.Connection) -> None:
                connection.executemany(
                    """INSERT INTO handles SELECT ?1, ?1, agent, ?2, purpose, on_behalf_of, issued_at, not_after,
                       issued_by, revoked_at, revoked_by, revoked_reason FROM handles WHERE id = 'hnd_0'""",
                    [(row.id, row.task) for row in rows[1:]],
                )

            await store._writer.run(fill)
            steps = 0

            def step() -> int:
                nonlocal steps
                steps += 1
                return 0

            await store._reader.run(lambda connection: connection.set_progress_handler(step, 100))
            await store.list_handles(query)
            assert steps < 50, "more than 5000 steps"

    asyncio.run(story())
