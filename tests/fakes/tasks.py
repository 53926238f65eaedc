"""Tasks for tests."""

from dataclasses import replace
from typing import Any

from proxy.stages import Principal
from proxy.tasks.budget import Budget
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask, Task, begin

NOW = 1_795_000_000.0
ALICE = Principal("human", "alice")
SHOWN = Proof("personal_token", "verified", "sha256:aa")


def new_task(**changes: Any) -> NewTask:
    """A sound request: the support bot refunds for Alice."""
    good = NewTask(
        agent="support-bot",
        purpose="refund the orders of today",
        ticket="OPS-7",
        tools=("payments/refund", "crm/*"),
        datasets=("read:customers", "write:ledger"),
        deadline=NOW + 600,
        principal=ALICE,
        proof=SHOWN,
    )
    return replace(good, **changes)


def task(task_id: str = "task_1", parent: Task | None = None, **changes: Any) -> Task:
    """An active task, and with `parent` a child of it that declares a part."""
    part: dict[str, Any] = {"tools": ("crm/find",), "datasets": (), "deadline": NOW + 300} if parent else {}
    begun = begin(new_task(**(part | changes)), task_id, parent, by="operator:uid=0", now=NOW)
    return begun.moved("active", at=NOW, by="operator:uid=0", reason="")


CALLS = Budget(calls=2)
