"""Tasks in SQLite."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.holds.model import OPEN, State
from proxy.storage.sqlite import SqliteStore
from tests.conformance.hold_store import LIMITS, change, new
from tests.conformance.task_store import CHILD, OTHER, PARENT, TaskStoreConformance
from tests.fakes.held_calls import hold, store_path
from tests.proxy.storage import opening


class TestSqliteTasks(TaskStoreConformance):
    """The suite on the real file."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[SqliteStore]:
        async with opening.opened(place) as store:
            yield store


def test_a_store_that_is_closed_answers_nothing(tmp_path: Path) -> None:
    """A charge on a store that is gone is an error, never "there is room"."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.add_task(PARENT)
        with pytest.raises(StoreUnavailable):
            await store.charge([])

    asyncio.run(story())


@pytest.mark.parametrize("held", list(State))
def test_a_task_does_not_rest_while_people_are_asked_for_its_calls(tmp_path: Path, held: State) -> None:
    """Nor while what they approved is not used yet; what is settled keeps nobody waiting."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.add_task(PARENT)
            asked = hold(task=PARENT.id)
            await store.create_hold(new(asked), LIMITS)
            await store.apply_transition(change(asked, state=held))
            assert await store.resting_tasks() == ([] if held in OPEN else [PARENT.id])

    asyncio.run(story())


def test_the_file_itself_refuses_more_than_the_budget(tmp_path: Path) -> None:
    """Even a statement that forgot to ask for room cannot count past the limit."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.add_task(PARENT)
        with closing(sqlite3.connect(store_path(tmp_path))) as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE task_budgets SET used = most + 1")

    asyncio.run(story())


def test_a_row_that_is_no_task_keeps_no_other_from_being_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Left out of every list, so that others are listed, expire and are forgotten; named once; refused by id."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.add_task(PARENT)
            await store.add_task(CHILD)
            await store.add_task(OTHER)
        with closing(sqlite3.connect(store_path(tmp_path))) as connection:
            connection.execute("UPDATE tasks SET body = 'x' WHERE id = 'task_c'")
            connection.commit()
        async with opening.opened(tmp_path) as store:
            assert {task.id for task in await store.tasks()} == {"task_p", "task_o"}
            assert {task.id for task in await store.overdue_tasks(PARENT.deadline + 1)} == {"task_p", "task_o"}
            assert await store.live_below("task_p") == []
            assert await store.tasks_below("task_p") == []
            assert await store.live_via() == frozenset()
            with pytest.raises(StoreUnavailable, match="task_c"):
                await store.task("task_c")

    asyncio.run(story())
    (said,) = [record.getMessage() for record in caplog.records]
    assert "task_c" in said
