"""Tasks as rows, and back. What a task is made of never changes; where it stands does, and has columns of its own."""

import sqlite3
from dataclasses import replace
from typing import Final

from pydantic import TypeAdapter, ValidationError

from proxy.errors import StoreUnavailable
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import Task

COLUMNS = "id, agent, parent, state, created_at, deadline, changed_at, changed_by, reason, body"

_BODY: Final[TypeAdapter[Task]] = TypeAdapter(Task)


def values(task: Task) -> tuple[object, ...]:
    """The values of `COLUMNS`."""
    made = replace(task, state="created", changed_at=0.0, changed_by="", reason="")
    return (
        task.id,
        task.agent,
        task.parent,
        task.state,
        task.created_at,
        task.deadline,
        task.changed_at,
        task.changed_by,
        task.reason,
        _BODY.dump_json(made).decode(),
    )


def task_of(row: sqlite3.Row) -> Task:
    """The task in this row, whose delegation is whole; a row that tells anything else is no task."""
    try:
        made = _BODY.validate_json(row["body"])
        made.delegation.require_whole()
        if made.delegation.links:
            made.authority.require_within(made.delegation.links[-1].authority)
    except (ValidationError, TaskMistake) as error:
        raise StoreUnavailable(f"task `{row['id']}` cannot be read back: {type(error).__name__}") from error
    if (made.id, made.agent, made.parent, made.deadline) != (row["id"], row["agent"], row["parent"], row["deadline"]):
        raise StoreUnavailable(f"task `{row['id']}` contradicts itself")
    return replace(
        made,
        state=row["state"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
        reason=row["reason"],
    )
