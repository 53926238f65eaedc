"""What can be done to a hold: the proposals that `machine.apply` accepts or refuses."""

from dataclasses import dataclass

from policies.model import Requirement
from proxy.holds.model import Vote
from proxy.holds.rules import Eligibility


@dataclass(frozen=True, slots=True)
class Tick:
    """Only time has passed."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A person votes. `eligibility` is today's."""

    vote: Vote
    eligibility: Eligibility


@dataclass(frozen=True, slots=True)
class Recheck:
    """The world may have changed: who answers for the agent now, who is still active, what is required.

    `owner` None means that the agent is gone or has no owner. `active` are the voters who still are.
    """

    owner: str | None
    requirement: Requirement
    eligibility: Eligibility
    active: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reserve:
    """A call takes the approval's one use."""

    attempt: str
    node: str
    call: str


@dataclass(frozen=True, slots=True)
class MarkSent:
    """The first byte is about to go upstream."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The upstream has answered, whatever the status."""

    attempt: str
    status: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Not one byte went upstream."""

    attempt: str
    why: str


@dataclass(frozen=True, slots=True)
class LoseTrack:
    """Bytes may have gone upstream and no complete answer came."""

    attempt: str
    why: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """A person has found out whether a call with unknown outcome happened."""

    person: str
    executed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The agent no longer wants its call."""

    agent: str


@dataclass(frozen=True, slots=True)
class Revoke:
    """A person, or the kill switch, ends it: `reason` is a code, `text` their words."""

    by: str
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Invalidate:
    """What was asked for no longer exists in this form."""

    reason: str


type Move = (
    Tick
    | Cast
    | Recheck
    | Reserve
    | MarkSent
    | Finish
    | GiveBack
    | LoseTrack
    | Reconcile
    | Withdraw
    | Revoke
    | Invalidate
)
