"""What a task permits of one call: by its state, by what it declared, by its budget.

A task that nobody began here, such as a name that an operator made up for a handle, bounds nothing.
"""

import asyncio
import logging

from proxy.errors import Refused, StoreUnavailable, refuse
from proxy.stages import Call, Described
from proxy.tasks.bounds import covers_tool, touches_service, undeclared_dataset
from proxy.tasks.budget import CALLS, Charge
from proxy.tasks.interfaces import TaskStore
from proxy.tasks.service import TaskService
from proxy.tasks.task import Task

log = logging.getLogger("countersign.tasks")


class TaskGuard:
    """Asked twice for each call: whether the task bounds it, and, once it may happen, whether the budget bears it.

    What is counted is durable before the call goes upstream, and given back only when not one byte went there.
    A process that dies in between, or a caller who leaves at that moment, has counted too much, never too little.
    """

    def __init__(self, tasks: TaskService, store: TaskStore) -> None:
        self._tasks = tasks
        self._store = store
        self._counted: dict[str, tuple[Charge, ...]] = {}
        self._under_way: dict[str, str] = {}
        self._over: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()

    def require_running(self, scopes: tuple[str, ...]) -> None:
        """Refuses what runs under a suspended task, without looking into the store."""
        if self._tasks.suspended(scopes):
            raise _suspended()

    async def bound(self, described: Described, now: float) -> None:
        """Refuses a call that its task does not cover, or that its task no longer permits."""
        family = await self._tasks.family(described.attributed.identity.proven.task)
        if not family:
            return
        if family[0].agent != described.attributed.identity.agent.id:
            raise refuse("task_of_another", 403, "This task belongs to another agent.")
        self._under_way[described.attributed.arrived.call_id] = family[0].id
        for task in family:
            _require_state(task, now)
        _require_declared(family[0], described.call)

    async def count(self, described: Described) -> None:
        """Counts this call against the budgets of its task and of all tasks above; refuses it if one is spent."""
        arrived, call = described.attributed.arrived, described.call
        if call.lifecycle:
            return
        charges = _charges(await self._tasks.family(described.attributed.identity.proven.task), call)
        if not charges:
            return
        spent = await self._store.charge(charges)
        if spent is not None:
            what = "calls" if spent.name == CALLS else f"amount of `{spent.name}`"
            raise refuse(
                "task_budget_spent",
                403,
                f"The {what} that this task may use does not bear this call. Do not split or retry it; report it.",
                internal=f"task {spent.task}: {spent.name} by {spent.amount}",
            )
        self._counted[arrived.call_id] = charges

    def heard_of(self) -> set[str]:
        """The tasks under which something goes on, or was over since this was asked last."""
        over, self._over = self._over, set()
        return over.union(self._under_way.values())

    def settle(self, call_id: str, *, sent: bool) -> None:
        """The call is over. If nothing of it went upstream, what was counted is given back, in the background."""
        if call_id in self._under_way:
            self._over.add(self._under_way.pop(call_id))
        charges = self._counted.pop(call_id, ())
        if charges and not sent:
            task = asyncio.get_running_loop().create_task(self._give_back(charges))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def drain(self) -> None:
        """Wait until everything is given back."""
        while self._background:
            begun = set(self._background)
            await asyncio.gather(*begun)
            self._background -= begun  # if all have ended, gather waits for nothing, not even for their callbacks

    async def _give_back(self, charges: tuple[Charge, ...]) -> None:
        try:
            await self._store.discharge(charges)
        except StoreUnavailable as error:
            log.warning("what an unsent call cost its task is not given back: %s", error)


def _require_state(task: Task, now: float) -> None:
    if task.state == "suspended":
        raise _suspended(task.id)
    if not task.runs_at(now):
        raise refuse(
            "task_ended",
            403,
            "The task that this call belongs to has ended. Stop, and report what is left to do.",
            internal=f"task {task.id} is {task.state}",
        )


def _suspended(task_id: str = "") -> Refused:
    return refuse(
        "task_suspended",
        403,
        "The task that this call belongs to is suspended. Wait until it is resumed, or report it.",
        "wait",
        internal=task_id,
    )


def _require_declared(task: Task, call: Call) -> None:
    service = call.service.id
    if call.lifecycle:
        covered = touches_service(task.tools, service)
    else:
        covered = covers_tool(task.tools, service, call.tool.name if call.tool else None)
    if not covered:
        raise refuse(
            "task_tool_undeclared",
            403,
            f"The task was not begun for {call.operation}. Go on without it, or ask for a task that declares it.",
            internal=f"task {task.id} declares {len(task.tools)} tools",
        )
    dataset = undeclared_dataset(task.datasets, call.datasets)
    if dataset is not None:
        raise refuse(
            "task_dataset_undeclared",
            403,
            f"The task was not begun for {dataset}, which this call touches. "
            "Go on without it, or ask for a task that declares it.",
            internal=f"task {task.id}",
        )


def _charges(family: tuple[Task, ...], call: Call) -> tuple[Charge, ...]:
    tool = f"{call.service.id}/{call.tool.name}" if call.tool else None
    try:
        return tuple(
            Charge(task.id, name, amount) for task in family for name, amount in task.budget.costs(tool, call.arguments)
        )
    except ValueError as error:
        raise refuse(
            "task_amount_unreadable",
            400,
            f"The task limits an amount of {call.operation}, and this call does not name one plain amount there.",
            "fix_request",
        ) from error
