"""Tasks as rows."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import StoreUnavailable
from proxy.storage.task_rows import COLUMNS, task_of, values
from proxy.tasks.task import Task
from tests.conformance.task_store import CHILD, PARENT
from tests.fakes.held_calls import store_path
from tests.proxy.storage import opening


def test_each_column_has_its_value() -> None:
    """There are as many values as columns, and the body does not repeat where the task stands."""
    row = dict(zip(COLUMNS.split(", "), values(CHILD), strict=True))
    assert (row["id"], row["parent"], row["state"]) == ("task_c", "task_p", "active")
    assert '"state":"created"' in str(row["body"])


def test_a_row_from_before_a_field_was_there_is_read() -> None:
    """Stored shapes only grow: a task of an earlier version was begun with nothing that we know of."""
    row = dict(zip(COLUMNS.split(", "), values(PARENT), strict=True))
    body = json.loads(str(row["body"]))
    del body["via"]
    assert task_of(cast("sqlite3.Row", row | {"body": json.dumps(body)})) == PARENT


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


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where in this document a single value stands."""
    if isinstance(value, dict):
        return [place for name, part in value.items() for place in places(part, (*at, name))]
    if isinstance(value, list):
        return [place for index, part in enumerate(value) for place in places(part, (*at, index))]
    return [at]


BODY = json.loads(str(dict(zip(COLUMNS.split(", "), values(CHILD), strict=True))["body"]))
IN_CHAIN = [("delegation", *place) for place in places(BODY["delegation"])]


def read_back(body: dict[str, Any]) -> Task:
    row = dict(zip(COLUMNS.split(", "), values(CHILD), strict=True)) | {"body": json.dumps(body)}
    return task_of(cast("sqlite3.Row", row))


def other(value: Any) -> Any:
    match value:
        case str():
            return value + "x"
        case bool() | None:
            return "x"
        case _:
            return value + 1


@given(st.sampled_from(IN_CHAIN), st.sampled_from(["other", "gone"]))
def test_no_field_of_a_stored_chain_changes_unseen(place: tuple[str | int, ...], how: str) -> None:
    """Whichever is changed, or taken out: what is read back is refused, and never another chain.

    What rows of before do not have at all says as much as nothing.
    """
    body = json.loads(json.dumps(BODY))
    *way, last = place
    part = body
    for step in way:
        part = part[step]
    if how == "other":
        part[last] = other(part[last])
    else:
        del part[last]
    if (last, how) == ("presence", "gone"):
        assert read_back(body) == CHILD
        return
    with pytest.raises(StoreUnavailable):
        read_back(body)


def test_a_stored_task_does_no_more_than_its_last_hop_was_given() -> None:
    """Tools, datasets or time that were added beside the chain are seen too."""
    read_back(BODY)
    for change in ({"tools": ["payments/*"]}, {"datasets": ["write:everything"]}):
        with pytest.raises(StoreUnavailable):
            read_back(BODY | change)
