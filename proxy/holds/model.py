"""The nouns of sign-off: a hold, its votes and attempts, and the moves that can be made. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from policies.model import Json, Requirement


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    RELEASING = "releasing"
    OUTCOME_UNKNOWN = "outcome_unknown"
    EXECUTED = "executed"
    NOT_EXECUTED = "not_executed"
    DENIED = "denied"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"
    REVOKED = "revoked"
    INVALIDATED = "invalidated"


OPEN = frozenset({State.PENDING, State.APPROVED, State.RELEASING})
TERMINAL = frozenset(State) - OPEN - {State.OUTCOME_UNKNOWN}

# The task statuses of the AuthZEN Access Request and Approval Profile, which the status resource speaks.
STATUS: Mapping[State, str] = {
    State.PENDING: "pending",
    State.APPROVED: "approved",
    State.RELEASING: "approved",
    State.EXECUTED: "approved",
    State.NOT_EXECUTED: "failed",
    State.OUTCOME_UNKNOWN: "failed",
    State.INVALIDATED: "failed",
    State.DENIED: "denied",
    State.EXPIRED: "expired",
    State.LAPSED: "expired",
    State.CANCELLED: "cancelled",
    State.REVOKED: "cancelled",
}

type VoteDecision = Literal["approve", "deny"]
type Standing = Literal["counted", "late", "void"]
type AttemptState = Literal["reserved", "sent", "finished", "unknown", "not_sent"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's answer. `roles` are those under which they could sign at that moment.

    A `late` vote came after the end and a `void` one lost its ground; both are kept, neither counts.
    """

    person: str
    decision: VoteDecision
    at: float
    reason: str = ""
    roles: tuple[str, ...] = ()
    channel: str = ""
    assurance: str = ""
    action_digest: str = ""
    display_digest: str = ""
    standing: Standing = "counted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One use of an approval by one call. `node` is the gate that made it."""

    id: str
    node: str
    call: str
    reserved_at: float
    state: AttemptState = "reserved"
    sent_at: float | None = None
    ended_at: float | None = None
    status: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class ActionKey:
    """Whose call it is, and exactly which: at most one open hold has it."""

    agent: str
    chain_digest: str
    action_digest: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A call that waits for sign-off. Times are UNIX seconds.

    `owner` is accountable now; `root` is the person at the root of the chain, or empty. `closed_reason`
    is a stable code, `closed_text` the words of the person who decided. `instance` is the running copy that asked, if
    somebody else than the agent's owner answers for that copy.
    """

    id: str
    key: ActionKey
    task: str
    root: str
    service: str
    operation: str
    datasets: tuple[str, ...]
    owner: str
    display_digest: str
    policy_version: str
    requirement: Requirement
    created_at: float
    decide_by: float
    previous: str = ""
    state: State = State.PENDING
    row_version: int = 1
    use_by: float | None = None
    closed_at: float | None = None
    closed_by: str = ""
    closed_reason: str = ""
    closed_text: str = ""
    votes: tuple[Vote, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    instance: str = ""

    def vote_of(self, person: str) -> Vote | None:
        """This person's vote, whatever its standing."""
        return next((vote for vote in self.votes if vote.person == person), None)

    @property
    def approvals(self) -> dict[str, frozenset[str]]:
        """Who has approved with effect, and under which roles."""
        return {
            vote.person: frozenset(vote.roles)
            for vote in self.votes
            if vote.decision == "approve" and vote.standing == "counted"
        }

    @property
    def code(self) -> str:
        """A short code that people compare by eye between console, chat and terminal: `9F2C-41`."""
        digits = self.key.action_digest.rpartition(":")[2][:6].upper()
        return f"{digits[:4]}-{digits[4:]}"


# --- what happened ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a hold. `actor` is `person:x`, `agent:x` or `proxy`."""

    type: str
    actor: str
    at: float
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """A hold as it was and as it becomes. The store writes it only if the hold still is as it was."""

    before: Hold
    after: Hold
    events: tuple[Event, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.events)
