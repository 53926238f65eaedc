"""What revocation and tasks need from a store."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from proxy.tasks.budget import Charge
from proxy.tasks.task import Task, TaskState

type RevocationKind = Literal["revoke", "freeze"]

KINDS: tuple[RevocationKind, ...] = ("revoke", "freeze")


@dataclass(frozen=True, slots=True)
class Revocation:
    """Everything under `scope` is dead until lifted, or frozen: then nothing goes on without a person's word.

    A scope may have one of each: what is not dead of it is then frozen.

    Scopes: `global`, `team:x`, `owner:x`, `principal:x`, `process:x`, `partner:x`, `agent:x`, `instance:agent/x`,
    `class:x`, `task:x`, `token:iss|jti`, `handle:x`, `credential:x`, `service:x`, `tool:service/name`,
    `connection:x`. Of a principal only what was issued at or before `at` is dead.
    """

    scope: str
    at: float
    by: str
    reason: str
    kind: RevocationKind = "revoke"

    @property
    def ended_task(self) -> str | None:
        """The task that it ends; None if it is about anything else, or a freeze."""
        kind, _, name = self.scope.partition(":")
        return name if kind == "task" and self.kind == "revoke" else None

    @property
    def over(self) -> bool:
        """A single piece of work that has ended, as each does, or a sign-in that its identity provider ended.

        There are many, and hardly one is worth a look.
        """
        kind = self.scope.partition(":")[0]
        single = kind in {"task", "handle", "token"} or (kind == "principal" and self.by.startswith("transmitter:"))
        return self.kind == "revoke" and single


@dataclass(frozen=True, slots=True)
class Counts:
    """How often anything was revoked or lifted, and how often tasks and handles came to stand otherwise.

    Numbers of one `reading` that are equal mean that nothing changed. Each put and each lift counts one.
    """

    reading: int
    revocations: int
    standings: int


class RevocationStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def put_revocation(self, revocation: Revocation) -> None:
        """Durable when it returns. One row a scope and kind: a later one replaces an earlier one of its kind."""
        ...

    async def lift_revocation(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool:
        """Everything of these kinds is gone from this scope when it returns; False if nothing was there."""
        ...

    async def forget_revocations(self, revocations: Sequence[Revocation]) -> int:
        """Take these out, each only if it is as it was read; says how many were."""
        ...

    async def all_revocations(self) -> list[Revocation]: ...

    async def revocations_put(self, after: int, up_to: int) -> list[Revocation]:
        """Those that were last put after `Counts.revocations` was the one number, and when it became the other."""
        ...

    async def change_token(self) -> int:
        """A number that differs after any change by any process; cheap enough for every 50 ms."""
        ...

    async def counts(self) -> Counts:
        """What of that concerns whether a call may go on."""
        ...


class TaskStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def add_task(self, task: Task) -> bool:
        """Store a new task, with what it counts at zero. False, and nothing is stored, if its parent is not active."""
        ...

    async def task(self, task_id: str) -> Task | None: ...

    async def tasks(self, *, agents: Collection[str] | None = None, live: bool = False, limit: int = 200) -> list[Task]:
        """The newest first; of these agents, or those that have not ended, if asked."""
        ...

    async def agents_of_tasks(self, task_ids: Collection[str]) -> dict[str, str]:
        """The agent of each; one that is unknown is not in the answer."""
        ...

    async def over_before(self, task_ids: Collection[str], deadline: float) -> frozenset[str]:
        """Which of these have ended, and had a deadline before this."""
        ...

    async def suspended_tasks(self) -> list[str]: ...

    async def live_below(self, task_id: str) -> list[Task]:
        """All its descendants that have not ended, however deep."""
        ...

    async def tasks_below(self, task_id: str, limit: int = 200) -> list[Task]:
        """Its descendants, those that have ended too, in the order in which they began."""
        ...

    async def live_via(self) -> frozenset[str]:
        """The scopes of all credentials with which a task was begun that has not ended."""
        ...

    async def overdue_tasks(self, now: float) -> list[Task]:
        """Tasks that have not ended, and whose deadline has come."""
        ...

    async def resting_tasks(self) -> list[str]:
        """The active tasks below which nothing lives, and for none of whose calls people are asked."""
        ...

    async def tasks_begun(self, agents: Collection[str], after: float, by: float) -> list[Task]:
        """Tasks of these agents that have not ended, and began later than `after` and not later than `by`."""
        ...

    async def move_task(self, task: Task, expected: TaskState) -> bool:
        """Store the task's new state, if it still is in the expected one; False, and nothing changes, if not."""
        ...

    async def charge(self, charges: Sequence[Charge]) -> Charge | None:
        """Count all of these, or, if one has no room left (or is not counted at all), none and name that one."""
        ...

    async def discharge(self, charges: Sequence[Charge]) -> None:
        """Give back what was counted and not used."""
        ...

    async def spent(self, task_id: str) -> dict[str, int]:
        """What was counted so far, by name."""
        ...
