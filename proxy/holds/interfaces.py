"""What holds need from a store. Each method is one transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from policies.model import Json
from proxy.holds.model import ActionKey, Hold, State, Transition


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold about to be created. `sealed_card` opens only under the hold's id.

    `scopes` are the revocation keys whose revocation ends it; `facts` go into its first event.
    """

    hold: Hold
    sealed_card: bytes
    scopes: tuple[str, ...]
    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """How much one agent may ask of people."""

    open_per_agent: int
    new_per_minute: int


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The agent already asks too much; nothing was created."""

    limit: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a hold that is not in the audit log yet, with what the record says about the hold."""

    seq: int
    id: str
    hold: Hold
    type: str
    actor: str
    at: float
    data: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class HoldQuery:
    """Which holds to list, newest first. Empty `states` means all of them."""

    states: frozenset[State] = frozenset()
    limit: int = 100
    overdue_at: float | None = None


class HoldStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def create_hold(self, new: NewHold, limits: HoldLimits) -> Hold | LimitReached:
        """The new hold, durable with its event; or the open hold that has this key already; or the limit."""
        ...

    async def apply_transition(self, transition: Transition) -> Hold | None:
        """The hold with its next `row_version`, durable with its events; None if it is no longer as `before`."""
        ...

    async def load_hold(self, hold_id: str) -> Hold | None: ...

    async def sealed_cards(self, hold_ids: Collection[str]) -> Mapping[str, bytes]:
        """The sealed cards of these holds; one that is unknown is not in the answer."""
        ...

    async def latest_hold(self, key: ActionKey) -> Hold | None:
        """The open hold of this key, else its newest one."""
        ...

    async def last_denial(self, key: ActionKey, task: str, since: float) -> Hold | None:
        """The newest hold of this key and task that was denied after `since`."""
        ...

    async def last_executed(self, key: ActionKey) -> Hold | None: ...

    async def mark_told(self, hold_id: str, at: float) -> bool:
        """True for the first caller only: the agent has now been told how this hold ended."""
        ...

    async def list_holds(self, query: HoldQuery) -> list[Hold]: ...

    async def holds_under(self, scopes: Collection[str]) -> list[Hold]:
        """The open holds that a revocation of one of these scopes ends."""
        ...

    async def scopes_of_open_holds(self) -> frozenset[str]:
        """Every scope whose revocation ends an open hold."""
        ...

    async def holds_in_flight(self, node: str | None, reserved_before: float, sent_before: float) -> list[Hold]:
        """Holds being released: every one of `node`, and anyone's older than these times."""
        ...

    async def unrecorded_events(self, hold_id: str | None, before: float) -> list[StoredEvent]:
        """Events up to `before` that are not in the audit log yet, oldest first."""
        ...

    async def mark_recorded(self, indexes: Mapping[int, int]) -> None:
        """These events (by `seq`) are in the audit log, at these indexes."""
        ...

    async def hold_changes(self, after: int | None) -> tuple[int, frozenset[str]]:
        """The newest event's number, and the holds with an event after `after` (None: no holds)."""
        ...
