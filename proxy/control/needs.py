"""What the control API needs from the rest of the house. Each is passed in by `app`; none is looked up."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Unpack

from policies.model import Json
from proxy.control.ownership import Ownership
from proxy.control.people import PeopleService
from proxy.errors import Mistake
from proxy.facts import Inventory
from proxy.holds.model import VoteDecision
from proxy.holds.view import HoldView
from proxy.holds.voting import VoteDetails
from proxy.identity.interfaces import HandleQuery, HandleRow
from proxy.inventory.documents import BeforeKept, Kept
from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind
from proxy.tasks.revocations import Stopped
from proxy.tasks.task import End, NewTask, Task


class Holds(Protocol):
    """Raises `HoldError` for a person's mistake; then nothing has changed."""

    async def list(self, state: str | None = None, person: str | None = None, limit: int = 200) -> list[HoldView]: ...

    async def get(self, hold_id: str) -> HoldView: ...

    async def vote(
        self, hold_id: str, person_id: str, decision: VoteDecision, **details: Unpack[VoteDetails]
    ) -> HoldView: ...

    async def revoke(self, hold_id: str, person_id: str, *, reason: str, now: float) -> HoldView: ...

    async def reconcile(
        self, hold_id: str, person_id: str, *, executed: bool, evidence: str, now: float
    ) -> HoldView: ...


class Handles(Protocol):
    async def issue(
        self, *, agent: str, purpose: str, ttl: float, issued_by: str, now: float,
        task: str | None = None, on_behalf_of: str | None = None,
    ) -> tuple[str, HandleRow]: ...  # fmt: skip

    async def mark_revoked(self, handle_id: str, *, by: str, reason: str, now: float) -> bool: ...

    async def list(self, query: HandleQuery) -> Sequence[HandleRow]: ...

    async def agents_of(self, handle_ids: Collection[str]) -> Mapping[str, str]: ...

    async def agents_under(self, tasks: Collection[str]) -> Mapping[str, frozenset[str]]: ...


class Tasks(Protocol):
    """Raises `TaskMistake` for a person's mistake; then nothing has changed."""

    async def create(self, new: NewTask, *, parent: str | None = None, by: str, now: float) -> Task: ...

    async def find(self, task_id: str) -> Task | None: ...

    async def family(self, task_id: str) -> Sequence[Task]: ...

    async def list(
        self, *, agents: Collection[str] | None = None, live: bool = False, limit: int = 200
    ) -> Sequence[Task]: ...

    async def agents_of(self, task_ids: Collection[str]) -> Mapping[str, str]: ...

    async def below(self, task_id: str) -> Sequence[Task]: ...

    async def spent(self, task_id: str) -> dict[str, int]: ...

    async def end(self, task_id: str, state: End, *, by: str, reason: str, now: float) -> Task: ...

    async def suspend(self, task_id: str, *, by: str, reason: str, now: float) -> Task: ...

    async def resume(self, task_id: str, *, by: str, reason: str, now: float) -> Task: ...


class Revocations(Protocol):
    """What is stopped is in force in this process when the call returns; what is lifted is durably so."""

    async def stop(
        self, scope: str, by: str, reason: str, now: float, *, kind: RevocationKind, entry: Mapping[str, Json]
    ) -> Stopped: ...

    async def lift(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool: ...

    @property
    def epochs(self) -> Epochs: ...

    def unstored(self) -> frozenset[Revocation]: ...


class Reach(Protocol):
    """What is open under a scope, as far as this process knows."""

    @property
    def connections(self) -> int: ...

    @property
    def calls(self) -> int: ...


type Place = tuple[int, ...]  # in the audit logs: one index for each of them


class Records(Protocol):
    """The audit log, as it is read back. Records are as they stand in the log, oldest first for a call."""

    async def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """The last `limit` records of calls, newest first."""
        ...

    async def older(self, place: Place | None, limit: int) -> Sequence[tuple[Mapping[str, Any], Place]]:
        """The last `limit` records of calls before this place, newest first, each with the place just below it."""
        ...

    async def calls_since(self, place: Place, limit: int) -> frozenset[str]:
        """The calls that the first `limit` records from this place on belong to."""
        ...

    async def of_call(self, call_id: str) -> Sequence[Mapping[str, Any]]: ...

    async def of_transaction(self, txn: str) -> Sequence[Mapping[str, Any]]:
        """The records of the call that a service was told of under this `txn`, which say so themselves."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """One entry of the inventory in force: where it is written, and which source said it (empty: the files)."""

    section: str
    id: str
    place: str
    source: str


class Inventories(Protocol):
    """What the inventory in force is made of."""

    def entries(self) -> Sequence[Written]: ...

    def kept(self) -> Sequence[Kept]: ...

    async def accept(self, source: str, raw: bytes, before_kept: BeforeKept) -> Sequence[Mistake]:
        """With mistakes it is not kept, and only who has left by it is gone. `CountersignError`: no such source."""
        ...


type Record = Callable[[Mapping[str, Json]], Awaitable[int]]


class SigningKeys(Protocol):
    """Keys of one use that we sign with."""

    @property
    def key_id(self) -> str: ...

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of all of them: that signed, signs, or will."""
        ...

    def rotate(self, now: float, *, withdraw: bool) -> None:
        """Another signs from now on. Raises `OSError`; then nothing has changed."""
        ...


@dataclass(frozen=True, slots=True)
class ControlDeps:
    """`origins` are the addresses, scheme included, under which browsers may reach us; the first goes into links.

    `auditors` are the teams whose people see every agent's calls and holds, `responders` those whose people may
    end anything, and lift what they themselves ended; none by default. `status` tells what runs and what is in
    force; `ready` is None, or why we cannot serve. `record` is durable when it returns. A handle lives for
    `handle_ttl` seconds if nothing else is asked for. `jwks` are the keys that internal services verify the
    accounts of their calls with; None if they are told nothing. `reach` tells what is open under a scope, where
    calls pass through this process. `operator_may_sign`: also in the name of people, who are then not asked.
    `keys` are those that we sign with, by what for: `calls` are those of task tokens too, if there is a `token_issuer`.
    """

    holds: Holds
    handles: Handles
    tasks: Tasks
    revocations: Revocations
    records: Records
    people: PeopleService
    ownership: Ownership
    inventories: Inventories
    inventory: Callable[[], Inventory]
    record: Record
    status: Callable[[], Awaitable[Mapping[str, Json]]]
    ready: Callable[[], Awaitable[str | None]]
    metrics: Callable[[], str]
    clock: Callable[[], float]
    origins: tuple[str, ...]
    auditors: frozenset[str] = field(default_factory=frozenset)
    responders: frozenset[str] = field(default_factory=frozenset)
    operator_may_sign: bool = False
    keys: Mapping[str, SigningKeys] = field(default_factory=dict)
    handle_ttl: float = 3600.0
    jwks: Callable[[], Mapping[str, Json]] | None = None
    reach: Callable[[str], Reach] | None = None
    token_issuer: str = ""

    @property
    def secure(self) -> bool:
        """True if browsers reach us over TLS only."""
        return bool(self.origins) and all(origin.startswith("https://") for origin in self.origins)
