"""What the console needs: a door that turns a session into a desk, and what that desk lets one person see and do."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, Protocol

from policies.model import Json
from proxy.facts import Agent, Person
from proxy.holds.model import VoteDecision
from proxy.holds.view import HoldView
from proxy.identity.interfaces import HandleRow
from proxy.tasks.interfaces import Revocation

type Story = dict[str, Json]


class Caller(Protocol):
    @property
    def person(self) -> Person | None: ...


class SignOff(Protocol):
    async def list(self, state: Literal["pending", "all"] = "pending") -> list[HoldView]: ...

    async def get(self, hold_id: str) -> HoldView: ...

    async def vote(
        self,
        hold_id: str,
        decision: VoteDecision,
        *,
        row_version: int,
        action_digest: str,
        display_digest: str = "",
        reason: str = "",
    ) -> HoldView: ...


class Calls(Protocol):
    async def recent(
        self, *, limit: int = 100, agent: str | None = None, outcome: str | None = None, task: str | None = None
    ) -> list[Story]: ...

    async def get(self, call_id: str) -> tuple[Story, list[Mapping[str, Any]]]: ...


class AgentCard(Protocol):
    """`standing` is empty, or a code for why none of the agent's calls pass; `detail` says it in a sentence.

    `deputy` answers for it in the stead of an owner who left; `restraint` says why its calls wait for a person.
    """

    @property
    def agent(self) -> Agent: ...
    @property
    def owner(self) -> Person | None: ...
    @property
    def standing(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def deputy(self) -> str: ...
    @property
    def restraint(self) -> str: ...
    @property
    def due(self) -> date | None: ...
    @property
    def ended(self) -> Revocation | None: ...
    @property
    def may_end(self) -> bool: ...
    @property
    def may_freeze(self) -> bool: ...
    @property
    def may_lift(self) -> bool: ...


class Agents(Protocol):
    def list(self) -> Sequence[AgentCard]: ...

    def get(self, agent_id: str) -> AgentCard: ...

    def names(self) -> dict[str, str]: ...


class Done(Protocol):
    """What was open under a scope when it was stopped; `note` says what of it does not hold."""

    @property
    def connections(self) -> int: ...
    @property
    def note(self) -> str: ...


class Review(Protocol):
    """One agent or business process that is to be reviewed; what is shown of it is the template's to choose."""

    @property
    def soon(self) -> bool: ...
    @property
    def standing(self) -> str: ...
    @property
    def may_attest(self) -> bool: ...


class Reviews(Protocol):
    def list(self, *, every: bool = False) -> Sequence[Review]: ...

    def get(self, what: str) -> Review: ...

    def orphans(self) -> Sequence[object]: ...

    async def attest(self, what: str, digest: str, note: str) -> object: ...

    async def end(self, what: str, reason: str) -> None: ...


class Ending(Protocol):
    async def list(self) -> Sequence[Revocation]: ...

    async def may(self, scope: str) -> bool: ...

    def unstored(self) -> frozenset[str]: ...

    async def revoke(self, scope: str, reason: str) -> Done: ...

    async def freeze(self, scope: str, reason: str) -> Done: ...

    async def lift(self, scope: str, reason: str) -> None: ...


class Handles(Protocol):
    async def list(self, *, agent: str | None, live: bool) -> list[HandleRow]: ...


class Desk(Protocol):
    """One person's view and levers. Whatever is not theirs raises `Declined`."""

    @property
    def caller(self) -> Caller: ...
    @property
    def sign_off(self) -> SignOff: ...
    @property
    def calls(self) -> Calls: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def reviews(self) -> Reviews: ...
    @property
    def ending(self) -> Ending: ...
    @property
    def handles(self) -> Handles: ...


class Opened(Protocol):
    """A new session: the cookie's value, and its end."""

    @property
    def secret(self) -> str: ...
    @property
    def not_after(self) -> float: ...


class Door(Protocol):
    """Proves people. Every method gives nothing for what does not hold."""

    @property
    def cookie(self) -> str: ...

    async def with_session(self, cookie: str) -> Desk | None: ...

    async def open_with_token(self, token: str, replaces: str) -> Opened | None: ...

    async def open_with_code(self, code: str, replaces: str) -> Opened | None: ...

    async def close(self, cookie: str) -> None: ...
