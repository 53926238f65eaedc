"""Tasks as they live: begun, suspended, and ended with everything that hangs on them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace

from policies.model import Json
from proxy.errors import StoreUnavailable
from proxy.facts import Inventory
from proxy.stages import TaskBasis
from proxy.tasks.interfaces import Revocation, TaskStore
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import MAX_LIFE, End, NewTask, Task, TaskState, begin
from telemetry.ids import new_id

_CACHED = 1 << 14  # above the 10,000 live ones of a large house: cycled through, a smaller cache misses every time
HOUSE = "countersign"
_ROUNDS = 5

type Record = Callable[[Mapping[str, Json]], Awaitable[int]]
type RevokeScope = Callable[[str, str, str, float], Awaitable[object]]


class TaskService:
    """Begins tasks and ends them. Every transition is on record before it takes effect.

    `revoke_scope(scope, by, reason, now)` makes a revocation durable and effective everywhere: it ends what was
    issued under a task and cuts its connections. The state in the store keeps it from beginning anew. By `inventory`
    tasks of privileged agents end sooner: every deadline that is told here is what holds now, not what was asked for.
    """

    def __init__(
        self, store: TaskStore, revoke_scope: RevokeScope, record: Record, inventory: Callable[[], Inventory]
    ) -> None:
        self._inventory = inventory
        self._store = store
        self._revoke_scope = revoke_scope
        self._record = record
        self._cache: OrderedDict[str, Task | None] = OrderedDict()
        self._generation = 0
        self._suspended: frozenset[str] = frozenset()
        self._ending: dict[str, asyncio.Event] = {}

    # --- what is known ------------------------------------------------------------------------------

    async def find(self, task_id: str) -> Task | None:
        """The task of this id; None for one that was never begun here, such as a name that somebody made up."""
        return next(iter(await self.family(task_id)), None)

    async def _read(self, task_id: str) -> Task | None:
        """As it was stored, from memory if it is there."""
        if task_id in self._cache:
            self._cache.move_to_end(task_id)
            return self._cache[task_id]
        generation = self._generation
        task = await self._store.task(task_id)
        if generation == self._generation:
            self._cache[task_id] = task
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return task

    async def family(self, task_id: str) -> tuple[Task, ...]:
        """The task and its ancestors, itself first; nothing for a task that was never begun here."""
        task = await self._read(task_id)
        if task is None:
            return ()
        above = [await self._read(one) for one in reversed(task.lineage)]
        if any(one is None for one in above):
            raise StoreUnavailable(f"an ancestor of task `{task_id}` is not in the store")
        return self._as_they_stand((task, *(one for one in above if one is not None)))

    def _as_they_stand(self, family: tuple[Task, ...]) -> tuple[Task, ...]:
        """With the deadlines that hold by the classes of now: no task outlives the one above it."""
        inventory, end, found = self._inventory(), float("inf"), list[Task]()
        for task in reversed(family):
            end = min(end, inventory.task_end(task.agent, task.created_at))
            found.append(task if task.deadline <= end else replace(task, deadline=end))
        return tuple(reversed(found))

    async def basis(self, task_id: str) -> TaskBasis | None:
        """What this task proves of who acts under it, and for whom; None for a task that was never begun here."""
        family = await self.family(task_id)
        if not family:
            return None
        task, *parents = family
        chain, behind = task.delegation.chain(), task.delegation.behind()
        above = tuple((one.agent, one.created_at) for one in parents)
        return TaskBasis(task.agent, chain, task.created_at, task.deadline, task.scopes, behind, above)

    def suspended(self, scopes: tuple[str, ...]) -> bool:
        """Whether one of these scopes is a task that is suspended, as far as this process has heard."""
        return bool(self._suspended) and not self._suspended.isdisjoint(scopes)

    def forget(self) -> None:
        """Something changed in the store: drop what is remembered, and what is being read right now."""
        self._generation += 1
        self._cache.clear()

    async def hear(self) -> None:
        """Learn which tasks are suspended now."""
        self._suspended = frozenset(f"task:{one}" for one in await self._store.suspended_tasks())

    async def below(self, task_id: str) -> list[Task]:
        """The tasks below this one, those that have ended too, the oldest first."""
        return [one for task in await self._store.tasks_below(task_id) for one in self._as_they_stand((task,))]

    async def list(self, *, agents: Collection[str] | None = None, live: bool = False, limit: int = 200) -> list[Task]:
        """The newest tasks: of these agents, or those that have not ended, if asked."""
        tasks = await self._store.tasks(agents=agents, live=live, limit=limit)
        return [one for task in tasks for one in self._as_they_stand((task,))]

    async def agents_of(self, task_ids: Collection[str]) -> dict[str, str]:
        """The agent of each of these tasks that was begun here."""
        return await self._store.agents_of_tasks(task_ids) if task_ids else {}

    async def spent(self, task_id: str) -> dict[str, int]:
        """What the task has used of its budget, by name."""
        return await self._store.spent(task_id)

    # --- what is done -------------------------------------------------------------------------------

    async def create(self, new: NewTask, *, parent: str | None = None, by: str, now: float) -> Task:
        """A task that is active, and on record; `TaskMistake` if it is not sound, or more than its parent is."""
        task = begin(new, new_id("task"), await self._parent(parent), by=by, now=now)
        if not await self._store.add_task(task):
            raise TaskMistake("parent_not_active", "the parent task has ended; only an active one has children")
        await self._write("task.created", task, by, task.purpose, details=_declared(task))
        active = task.moved("active", at=now, by=by, reason="")
        if not await self._store.move_task(active, "created"):
            raise TaskMistake("task_state", "the task was ended while it began")
        self.forget()
        return active

    async def _parent(self, task_id: str | None) -> Task | None:
        if task_id is None:
            return None
        self.forget()  # what another process has just ended has no children
        found = await self.find(task_id)
        if found is None:
            raise TaskMistake("task_unknown", "the parent task is not known")
        return found

    async def suspend(self, task_id: str, *, by: str, reason: str, now: float) -> Task:
        """Nothing goes on under the task, or below it, until it is resumed."""
        task = await self._move(await self._known(task_id), "suspended", by=by, reason=reason, now=now)
        await self.hear()
        return task

    async def resume(self, task_id: str, *, by: str, reason: str, now: float) -> Task:
        """The task goes on."""
        task = await self._move(await self._known(task_id), "active", by=by, reason=reason, now=now)
        await self.hear()
        return task

    async def end(self, task_id: str, state: End, *, by: str, reason: str, now: float) -> Task:
        """The task is over, with all tasks below it, and with everything that was issued under any of them."""
        task = await self._known(task_id)
        task.moved(state, at=now, by=by, reason=reason)  # what cannot end is told before anything is cut
        # What runs is cut first: it does the harm. Whoever fails between the two is finished by the sweep.
        ending = self._ending.setdefault(task.id, asyncio.Event())
        try:
            await self._revoke_scope(f"task:{task.id}", by, reason, now)
            ended = await self._move(task, state, by=by, reason=reason, now=now)
            await self._end_below(task.id, state, by=by, now=now)
        finally:
            self._ending.pop(task.id, None)
            ending.set()
        return ended

    async def unfinished(self, revocations: Iterable[Revocation]) -> frozenset[str]:
        """The scopes of the tasks that these end, and that are not over yet: for `ended_by`."""
        named = {row.ended_task for row in revocations if row.ended_task is not None}
        over = await self._store.over_before(named, float("inf")) if named else frozenset[str]()
        return frozenset(f"task:{task}" for task in named - over)

    async def ended_by(self, revocation: Revocation) -> None:
        """Somebody ended the task's scope: the task is over too, and stays so should the scope be lifted again."""
        task_id = revocation.ended_task
        if task_id is None:
            return
        if task_id in self._ending:  # it is our own doing, half done: only if that fails is there anything to finish
            await self._ending[task_id].wait()
        task = await self._store.task(task_id)
        if task is None:
            return
        if not task.ended:
            await self._move(task, "revoked", by=revocation.by, reason=revocation.reason, now=revocation.at)
        # of one that has ended, too: whoever ended it may not have come to what is below
        await self._end_below(task_id, "revoked", by=revocation.by, now=revocation.at)

    async def sweep(self, now: float) -> None:
        """Tasks whose deadline has come are expired, and those that a privileged agent may not have any longer."""
        for task in await self._store.overdue_tasks(now):
            await self._move_if_there(task, "expired", by=HOUSE, reason="its deadline has come", now=now)
        inventory = self._inventory()
        agents = [one.id for one in inventory.agents.values() if one.agent_class == "privileged"]
        begun_by = now - inventory.rules.privileged_task_seconds
        if not agents or begun_by <= now - MAX_LIFE:  # then their deadline came first
            return
        for task in await self._store.tasks_begun(agents, now - MAX_LIFE, begun_by):
            try:
                # What is below may be of others, and end later by itself: it is cut with this one.
                await self.end(task.id, "expired", by=HOUSE, reason="its agent is privileged by now", now=now)
            except TaskMistake:
                self.forget()  # it has ended otherwise meanwhile

    # --- transitions --------------------------------------------------------------------------------

    async def _end_below(self, task_id: str, state: End, *, by: str, now: float) -> None:
        """All of them: one that began, or was suspended or resumed, while we wrote stands otherwise, and is read again.

        Nothing passes under one that is left, since the one above it has ended; it would only be told to be live.
        """
        for _ in range(_ROUNDS):
            below = await self._store.live_below(task_id)
            for child in below:
                await self._move_if_there(child, state, by=by, reason=f"task {task_id} has ended", now=now)
            if not below:
                return

    async def _known(self, task_id: str) -> Task:
        task = await self._store.task(task_id)
        if task is None:
            raise TaskMistake("task_unknown", "there is no such task")
        return task

    async def _move(self, task: Task, state: TaskState, *, by: str, reason: str, now: float) -> Task:
        moved = task.moved(state, at=now, by=by, reason=reason)
        await self._write("task.changed", moved, by, reason, before=task.state)
        if not await self._store.move_task(moved, task.state):
            raise TaskMistake("task_state", "somebody else changed the task at this moment; look at it again")
        self.forget()
        return moved

    async def _move_if_there(self, task: Task, state: End, *, by: str, reason: str, now: float) -> None:
        try:
            await self._move(task, state, by=by, reason=reason, now=now)
        except TaskMistake:
            self.forget()  # it has ended otherwise meanwhile

    async def _write(
        self, type_: str, task: Task, by: str, reason: str, *, before: str = "", details: tuple[str, ...] = ()
    ) -> None:
        change: dict[str, Json] = {
            "what": f"task:{task.id}",
            "by": by,
            "reason": reason,
            "kind": "task",
            "before": before,
            "after": task.state,
            "details": [f"agent={task.agent}", *details],
        }
        await self._record({"type": type_, "task": task.id, "change": change})


def _declared(task: Task) -> tuple[str, ...]:
    """What the record keeps of a new task, each part in one line."""
    digest = task.delegation.links[-1].digest if task.delegation.links else ""
    return (
        f"parent={task.parent or ''}",
        f"ticket={task.ticket}",
        f"tools={' '.join(task.tools)}"[:2000],
        f"datasets={' '.join(task.datasets)}"[:2000],
        f"budget={' '.join(f'{name}={most}' for name, most in task.budget.limits().items())}"[:2000],
        f"deadline={task.deadline:.3f}",
        f"chain={' '.join(f'{one.kind}:{one.id}' for one in task.delegation.members)}"[:2000],
        f"delegation={digest}",
    )
