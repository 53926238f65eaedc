"""Tasks as rows."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.storage.task_rows import COLUMNS, values
from tests.conformance.task_store import CHILD, PARENT
from tests.fakes.held_calls import store_path
from tests.proxy.storage import opening


def test_each_column_has_its_value() -> None:
    """There are as many values as columns, and the body does not repeat where the task stands."""
    row = dict(zip(COLUMNS.split(", "), values(CHILD), strict=True))
    assert (row["id"], row["parent"], row["state"]) == ("task_c", "task_p", "active")
    assert '"state":"created"' in str(row["body"])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tasks SET body = replace(body, 'alice', 'mallory')",
        "UPDATE tasks SET body = replace(body, 'payments/refund', 'payments/*')",
        "UPDATE tasks SET body = replace(body, '\"verified\"', '\"endorsed\"')",
        "UPDATE tasks SET deadline = deadline + 9999",
        "UPDATE tasks SET agent = 'builder'",
        "UPDATE tasks SET body = '{}'",
        "UPDATE tasks SET body = 'x'",
    ],
)
def test_a_row_that_was_changed_by_hand_is_no_task(tmp_path: Path, change: str) -> None:
    """Somebody else at the root, more tools in a hop, another deadline or agent: the store refuses to answer."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.add_task(PARENT)
        with closing(sqlite3.connect(store_path(tmp_path))) as connection:
            connection.execute(change)
            connection.commit()
        async with opening.opened(tmp_path) as store:
            with pytest.raises(StoreUnavailable):
                await store.task("task_p")

    asyncio.run(story())
