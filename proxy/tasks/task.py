"""A task: a bounded piece of work, and the states that it goes through. Pure; nothing here looks at a clock.

`created -> active <-> suspended`, and from each of them to an end: completed, expired, revoked or failed. A task that
is only created is not on record yet, and permits nothing. An end is final.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from proxy.stages import Principal
from proxy.tasks.bounds import checked_datasets, checked_tools
from proxy.tasks.budget import Budget
from proxy.tasks.delegation import Authority, Delegation, Grant, Proof
from proxy.tasks.mistakes import TaskMistake

type TaskState = Literal["created", "active", "suspended", "completed", "expired", "revoked", "failed"]
type End = Literal["completed", "expired", "revoked", "failed"]

STATES: frozenset[TaskState] = frozenset(get_args(TaskState.__value__))
ENDS: frozenset[TaskState] = frozenset(get_args(End.__value__))

_NEXT: dict[TaskState, frozenset[TaskState]] = {
    "created": ENDS | {"active"},
    "active": ENDS | {"suspended"},
    "suspended": ENDS | {"active"},
}

MAX_DEPTH = 8
MAX_LIFE = 8 * 3600.0
MAX_PURPOSE = 500
MAX_TICKET = 200
MAX_VIA = 48


@dataclass(frozen=True, slots=True)
class Task:
    """`lineage` are its ancestors, the root first. `deadline` and the other times are UNIX seconds.

    `via` are the scopes of the credentials that it was begun with on somebody's behalf: with one of them it ends.
    """

    id: str
    agent: str
    purpose: str
    ticket: str
    tools: tuple[str, ...]
    datasets: tuple[str, ...]
    budget: Budget
    delegation: Delegation
    created_at: float
    created_by: str
    deadline: float
    lineage: tuple[str, ...] = ()
    state: TaskState = "created"
    changed_at: float = 0.0
    changed_by: str = ""
    reason: str = ""
    via: tuple[str, ...] = ()

    @property
    def parent(self) -> str | None:
        return self.lineage[-1] if self.lineage else None

    @property
    def root(self) -> Principal:
        return self.delegation.root

    @property
    def authority(self) -> Authority:
        return Authority(self.tools, self.datasets, self.deadline)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The revocation scopes that end it: its own, those of its ancestors, and of what they were begun with."""
        return (*(f"task:{one}" for one in (self.id, *self.lineage)), *self.via)

    @property
    def ended(self) -> bool:
        return self.state in ENDS

    def runs_at(self, now: float) -> bool:
        """Whether something may be done under it now, as far as it alone can tell."""
        return self.state == "active" and now < self.deadline

    def moved(self, state: TaskState, *, at: float, by: str, reason: str) -> "Task":
        """The task in its next state; `TaskMistake` if it cannot get there from where it is."""
        if state not in _NEXT.get(self.state, frozenset()):
            raise TaskMistake("task_state", f"the task is {self.state}, and cannot become {state}")
        return replace(self, state=state, changed_at=at, changed_by=by, reason=reason)


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is asked for. `principal` is who the agent acts for, and `proof` how that was shown; None: for itself.

    `through` are the parties between the two, the first one first, each with how its hop was shown. `via` are the
    scopes of what was shown for that.
    """

    agent: str
    purpose: str
    deadline: float
    tools: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    ticket: str = ""
    budget: Budget = field(default_factory=Budget)
    principal: Principal | None = None
    proof: Proof | None = None
    grant: Grant = "consent"
    through: tuple[tuple[Principal, Proof], ...] = ()
    via: tuple[str, ...] = ()


def begin(new: NewTask, task_id: str, parent: Task | None, *, by: str, now: float) -> Task:
    """The task that is asked for, `created`; `TaskMistake` if it is not sound, or more than its parent is."""
    _check_text(new)
    tools, datasets = checked_tools(new.tools), checked_datasets(new.datasets)
    if not tools:
        raise TaskMistake("tools_missing", "a task without tools can do nothing: declare the tools that it needs")
    new.budget.require_sound(tools)
    if not now < new.deadline <= now + MAX_LIFE:
        raise TaskMistake("deadline_invalid", f"a task ends within {MAX_LIFE / 3600:.0f} hours from now")
    authority = Authority(tools, datasets, new.deadline)
    if parent is not None:
        _check_parent(parent, new, authority, now)
    via = tuple(dict.fromkeys((*(parent.via if parent is not None else ()), *new.via)))
    if len(via) > MAX_VIA:
        raise TaskMistake("delegation_credentials", "too many credentials are behind this task")
    return Task(
        id=task_id,
        agent=new.agent,
        purpose=new.purpose,
        ticket=new.ticket,
        tools=tools,
        datasets=datasets,
        budget=new.budget if parent is None else new.budget.under(parent.budget),
        delegation=_delegation(new, parent, authority, now),
        created_at=now,
        created_by=by,
        deadline=new.deadline,
        lineage=(*parent.lineage, parent.id) if parent is not None else (),
        changed_at=now,
        changed_by=by,
        via=via,
    )


def _check_text(new: NewTask) -> None:
    if not new.purpose.strip():
        raise TaskMistake("purpose_missing", "say what the task is for; it is written down")
    if len(new.purpose) > MAX_PURPOSE or len(new.ticket) > MAX_TICKET:
        raise TaskMistake("text_too_long", f"a purpose has at most {MAX_PURPOSE} characters, a ticket {MAX_TICKET}")


def _check_parent(parent: Task, new: NewTask, authority: Authority, now: float) -> None:
    if not parent.runs_at(now):
        raise TaskMistake("parent_not_active", f"the parent task is {parent.state}; only an active one has children")
    if len(parent.lineage) + 2 > MAX_DEPTH:
        raise TaskMistake("task_too_deep", f"tasks nest at most {MAX_DEPTH} deep")
    authority.require_within(parent.authority)
    new.budget.require_within(parent.budget)


def _delegation(new: NewTask, parent: Task | None, authority: Authority, now: float) -> Delegation:
    agent = Principal("agent", new.agent)
    if new.through and (parent is not None or new.principal is None):
        raise TaskMistake("principal_missing", "a chain begins with whom the agent acts for, and with no other task")
    if parent is not None:
        if new.principal is not None and new.principal != parent.root:
            raise TaskMistake("principal_differs", "a child task acts for whom its parent acts")
        if agent == parent.delegation.last:
            return parent.delegation
        return parent.delegation.handed_to(agent, new.grant, _proof(new), authority, at=now)
    if new.principal is None:
        return Delegation(agent)
    chain = Delegation(new.principal)
    for party, proof in new.through:
        chain = chain.handed_to(party, new.grant, proof, authority, at=now)
    return chain.handed_to(agent, new.grant, _proof(new), authority, at=now)


def _proof(new: NewTask) -> Proof:
    if new.proof is None:
        raise TaskMistake("proof_missing", "it was not shown that this was delegated to the agent")
    return new.proof
