"""Tasks, as one caller may begin, see, suspend and end them."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from proxy.control.callers import Caller, answers_for, may_see_agent, seen_agents
from proxy.control.journal import required_reason
from proxy.control.needs import ControlDeps
from proxy.control.process_roots import process_root
from proxy.errors import Declined
from proxy.facts import Person
from proxy.identity.interfaces import HandleQuery, HandleRow
from proxy.inventory.ownership import standing
from proxy.stages import Principal
from proxy.tasks.bounds import checked_datasets, checked_tools
from proxy.tasks.budget import Budget
from proxy.tasks.delegation import Proof
from proxy.tasks.known import require_known
from proxy.tasks.task import End, NewTask, Task

DEFAULT_LIFE = 3600.0


@dataclass(frozen=True, slots=True)
class AskedTask:
    """A task as it is asked for. Without `ttl` it lives for an hour, or as long as its parent.

    It is for a person (`on_behalf_of`), for a business process (`process`), or for nobody but the agent.
    """

    agent: str
    purpose: str
    tools: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    ticket: str = ""
    budget: Budget = field(default_factory=Budget)
    on_behalf_of: str | None = None
    process: str | None = None
    parent: str | None = None
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task with all that hangs on it. `below` are the tasks that this caller may see, `hidden` counts the others."""

    task: Task
    used: dict[str, int]
    owner: Person | None
    below: list[Task]
    hidden: int
    handles: list[HandleRow]
    may_change: bool
    may_resume: bool


class TaskDesk:
    """The operator may begin any task; a person those of agents that they answer for, in their own name or nobody's,
    and those of the business processes that they own.

    What is begun, changed and ended is written down by the tasks themselves, before it takes effect.
    """

    def __init__(self, caller: Caller, deps: ControlDeps) -> None:
        self._caller = caller
        self._deps = deps

    async def create(self, asked: AskedTask) -> Task:
        """An active task of this agent, as asked for."""
        now = self._deps.clock()
        if asked.process is None:
            self._require_answering(asked.agent)
        self._check_agent(asked.agent)
        parent = await self._own(asked.parent) if asked.parent is not None else None
        life = self._life(asked.agent, asked.ttl)
        deadline = now + life
        if parent is not None and asked.ttl is None:
            deadline = min(deadline, parent.deadline)
        tools, datasets = checked_tools(asked.tools), checked_datasets(asked.datasets)
        require_known(tools, datasets, asked.budget, self._deps.inventory())
        new = NewTask(
            agent=asked.agent,
            purpose=asked.purpose,
            deadline=deadline,
            tools=tools,
            datasets=datasets,
            ticket=asked.ticket,
            budget=asked.budget,
            principal=self._principal(asked, now),
            proof=self._proof(asked),
            grant="task_spawn" if parent is not None else "consent" if asked.process is None else "registry",
        )
        return await self._deps.tasks.create(new, parent=asked.parent, by=self._caller.name, now=now)

    def _life(self, agent: str, ttl: float | None) -> float:
        inventory = self._deps.inventory()
        known, most = inventory.agents.get(agent), inventory.rules.privileged_task_seconds
        if known is None or known.agent_class != "privileged":
            return DEFAULT_LIFE if ttl is None else ttl
        if ttl is not None and ttl > most:
            raise Declined(422, "ttl_out_of_range", f"a task of a privileged agent runs at most {most} seconds")
        return min(DEFAULT_LIFE, most) if ttl is None else ttl

    async def list(self, *, agent: str | None, live: bool) -> list[Task]:
        """The newest tasks that this caller may see."""
        deps = self._deps
        agents = seen_agents(self._caller, agent, deps.inventory(), deps.auditors, deps.clock())
        return [*await deps.tasks.list(agents=agents, live=live)]

    async def get(self, task_id: str) -> Task:
        """This task. Unknown and not visible are the same answer."""
        task = await self._deps.tasks.find(task_id)
        if task is None or not self._sees(task.agent):
            raise _unknown()
        return task

    async def spent(self, task: Task) -> dict[str, int]:
        """What the task has used of its budget."""
        return await self._deps.tasks.spent(task.id)

    async def view(self, task_id: str) -> TaskView:
        """This task, who answers for it, what it has used, what is below it, and the handles that live under it."""
        task, inventory, now = await self.get(task_id), self._deps.inventory(), self._deps.clock()
        below = list(await self._deps.tasks.below(task.id))
        seen = [one for one in below if self._sees(one.agent)]
        handles = await self._deps.handles.list(HandleQuery(task=task.id, live_at=now))
        agent = inventory.agents.get(task.agent)
        own = self._answers(task.agent)
        return TaskView(
            task=task,
            used=await self.spent(task),
            owner=inventory.people.get(agent.owner) if agent is not None and agent.owner else None,
            below=seen,
            hidden=len(below) - len(seen),
            handles=[row for row in handles if row.agent == task.agent],
            may_change=own and not task.ended,
            may_resume=own and task.state == "suspended" and not self._kept_by_operator(task),
        )

    async def end(self, task_id: str, state: End, reason: str) -> Task:
        """The task is over, and all that runs under it is cut."""
        await self._own(task_id)
        why = required_reason(reason)
        return await self._deps.tasks.end(task_id, state, by=self._caller.name, reason=why, now=self._deps.clock())

    async def pause(self, task_id: str, what: Literal["suspend", "resume"], reason: str) -> Task:
        """Nothing goes on under the task until it is resumed; by the operator, if the operator suspended it."""
        task = await self._own(task_id)
        if what == "resume" and self._kept_by_operator(task):
            raise Declined(
                409, "suspended_by_operator", "the operator has suspended this; only the operator resumes it"
            )
        act = self._deps.tasks.suspend if what == "suspend" else self._deps.tasks.resume
        return await act(task_id, by=self._caller.name, reason=required_reason(reason), now=self._deps.clock())

    def _sees(self, agent: str) -> bool:
        return may_see_agent(self._caller, agent, self._deps.inventory(), self._deps.auditors, self._deps.clock())

    async def _own(self, task_id: str) -> Task:
        task = await self.get(task_id)
        self._require_answering(task.agent)
        return task

    def _require_answering(self, agent_id: str) -> None:
        if not self._answers(agent_id):
            raise Declined(403, "not_yours", "you may begin and end tasks only of agents that you answer for")

    def _answers(self, agent_id: str) -> bool:
        caller, agent = self._caller, self._deps.inventory().agents.get(agent_id)
        if caller.is_operator:
            return True
        return agent is not None and caller.person is not None and answers_for(caller.person, agent, self._deps.clock())

    def _kept_by_operator(self, task: Task) -> bool:
        suspended = task.state == "suspended" and not task.changed_by.startswith("person:")
        return suspended and not self._caller.is_operator

    def _check_agent(self, agent_id: str) -> None:
        inventory = self._deps.inventory()
        agent = inventory.agents.get(agent_id)
        if agent is None:
            raise Declined(404, "agent_unknown", f"there is no agent `{agent_id}` in the inventory")
        found = standing(agent, inventory, datetime.fromtimestamp(self._deps.clock(), UTC).date())
        if not found.ok:
            raise Declined(409, found.reason, found.detail)

    def _principal(self, asked: AskedTask, now: float) -> Principal | None:
        on_behalf_of = asked.on_behalf_of
        if asked.process is not None:
            if on_behalf_of is not None:
                raise Declined(422, "two_roots", "a task is for a person or for a process: name one of them")
            return process_root(asked.process, asked.agent, self._caller, self._deps.inventory(), now)
        if on_behalf_of is None:
            return None
        person = self._deps.inventory().people.get(on_behalf_of)
        if person is None or not person.active:
            raise Declined(404, "person_unknown", f"there is no active person `{on_behalf_of}` in the inventory")
        if not self._caller.is_operator and person != self._caller.person:
            raise Declined(403, "not_yours", "you may begin a task in your own name, and in nobody else's")
        return Principal("human", person.id)

    def _proof(self, asked: AskedTask) -> Proof:
        """A person who is here in their own name was verified; anybody else's word on others is an endorsement.

        So is any word on an agent that a partner hosts, which has shown nothing to us.
        """
        caller, agent = self._caller, self._deps.inventory().agents[asked.agent]
        evidence = "sha256:" + hashlib.sha256(caller.proof.encode()).hexdigest()
        delegated = asked.parent is not None or asked.process is not None or agent.partner is not None
        own = caller.person is not None and caller.assurance != "local_operator" and not delegated
        return Proof(caller.assurance, "verified" if own else "endorsed", evidence)


def handle_life(task: Task, now: float, life: float, *, asked: bool) -> float:
    """How long a handle under this task lives: never longer than the task, and refused if that was asked for."""
    left = math.floor(task.deadline - now)
    if life <= left:
        return life
    if asked or left < 1:
        raise Declined(422, "ttl_beyond_task", f"the task ends in {max(left, 0)} seconds, and its handles with it")
    return left


def require_usable(family: Sequence[Task], agent: str, on_behalf_of: str | None, now: float) -> None:
    """Raises unless a handle of this agent, for this person, may be issued under this task now."""
    task = family[0]
    if task.agent != agent:
        raise Declined(409, "task_of_another", f"the task is of agent `{task.agent}`; begin a child task for `{agent}`")
    if not all(one.runs_at(now) for one in family):
        raise Declined(409, "task_not_active", "the task, or one above it, is suspended or over")
    human = task.root.id if task.root.kind == "human" else None
    if on_behalf_of not in {None, human}:
        raise Declined(409, "principal_differs", "a handle acts for whom its task acts")


def _unknown() -> Declined:
    return Declined(404, "task_unknown", "there is no such task, or it is not yours to see")
