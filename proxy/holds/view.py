"""A hold as people are shown it: the card as it was made, with clocks, votes and who may still decide."""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.holds.card import moment
from proxy.holds.model import STATUS, Attempt, Hold, State, Vote
from proxy.holds.rules import Eligibility


@dataclass(frozen=True, slots=True)
class Need:
    """One clause of what is required, and who could fill it today."""

    roles: tuple[str, ...]
    at_least: int
    people: tuple[str, ...]
    approved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldView:
    """Everything that the console, the API and the terminal show of a hold. Times are UNIX seconds.

    `card` is what the approver signs; it is empty when it cannot be opened, and then nobody can approve.
    `problem` is `no_eligible_approver`, `card_unreadable`, or empty. `owner` was accountable when this was decided, or
    is since the last change of what waits; `answers` is who is today, or empty.
    """

    id: str
    code: str
    state: State
    row_version: int
    agent: str
    owner: str
    task: str
    service: str
    operation: str
    action_digest: str
    display_digest: str
    policy_version: str
    card: Mapping[str, Json]
    created_at: float
    decide_by: float
    use_by: float | None
    closed_at: float | None
    closed_by: str
    closed_reason: str
    closed_text: str
    votes: tuple[Vote, ...]
    attempts: tuple[Attempt, ...]
    needs: tuple[Need, ...]
    may_decide: tuple[str, ...]
    problem: str = ""
    waiting: int = 0
    answers: str = ""

    @property
    def status(self) -> str:
        """The state in the words of the status resource."""
        return STATUS[self.state]

    def answerable_by(self, person: str) -> bool:
        """Whether this person has a say after the votes: the accountable owner, or whoever could sign it today."""
        return (bool(person) and person == self.answers) or any(person in need.people for need in self.needs)

    def as_json(self) -> dict[str, Json]:
        """The view as one JSON object, for APIs and `--json`."""
        return {
            "id": self.id,
            "code": self.code,
            "state": self.state.value,
            "approval_status": self.status,
            "row_version": self.row_version,
            "agent": self.agent,
            "owner": self.owner,
            "answers": self.answers,
            "task": self.task,
            "service": self.service,
            "operation": self.operation,
            "action_digest": self.action_digest,
            "display_digest": self.display_digest,
            "policy_version": self.policy_version,
            "card": dict(self.card),
            "created_at": moment(self.created_at),
            "decide_by": moment(self.decide_by),
            "use_by": _moment(self.use_by),
            "closed_at": _moment(self.closed_at),
            "closed_by": self.closed_by,
            "closed_reason": self.closed_reason,
            "closed_text": self.closed_text,
            "votes": [_vote(vote) for vote in self.votes],
            "attempts": [_attempt(attempt) for attempt in self.attempts],
            "needs": [_need(need) for need in self.needs],
            "may_decide": list(self.may_decide),
            "problem": self.problem,
            "waiting": self.waiting,
        }


def view_of(hold: Hold, card: Mapping[str, Json], eligibility: Eligibility, answers: str, waiting: int) -> HoldView:
    """The view of a hold today, for which `answers` is accountable. An empty card means that it cannot be opened."""
    undecided = hold.state is State.PENDING
    voted = {vote.person for vote in hold.votes if vote.standing != "void"}
    problem = "" if card else "card_unreadable"
    if undecided and not problem and not eligibility.possible:
        problem = "no_eligible_approver"
    return HoldView(
        id=hold.id,
        code=hold.code,
        state=hold.state,
        row_version=hold.row_version,
        agent=hold.key.agent,
        owner=hold.owner,
        task=hold.task,
        service=hold.service,
        operation=hold.operation,
        action_digest=hold.key.action_digest,
        display_digest=hold.display_digest,
        policy_version=hold.policy_version,
        card=card,
        created_at=hold.created_at,
        decide_by=hold.decide_by,
        use_by=hold.use_by,
        closed_at=hold.closed_at,
        closed_by=hold.closed_by,
        closed_reason=hold.closed_reason,
        closed_text=hold.closed_text,
        votes=hold.votes,
        attempts=hold.attempts,
        needs=_needs(hold, eligibility),
        may_decide=tuple(sorted(eligibility.people - voted)) if undecided else (),
        problem=problem,
        waiting=waiting,
        answers=answers,
    )


def _needs(hold: Hold, eligibility: Eligibility) -> tuple[Need, ...]:
    needs = []
    for clause in eligibility.clauses:
        roles = frozenset(clause.roles)
        people = frozenset().union(*(eligibility.by_role.get(role, frozenset()) for role in roles))
        approved = tuple(sorted(person for person, signed in hold.approvals.items() if signed & roles))
        needs.append(Need(clause.roles, clause.at_least, tuple(sorted(people)), approved))
    return tuple(needs)


def _moment(at: float | None) -> str | None:
    return None if at is None else moment(at)


def _vote(vote: Vote) -> dict[str, Json]:
    return {
        "person": vote.person,
        "decision": vote.decision,
        "reason": vote.reason,
        "at": moment(vote.at),
        "roles": list(vote.roles),
        "channel": vote.channel,
        "assurance": vote.assurance,
        "standing": vote.standing,
    }


def _attempt(attempt: Attempt) -> dict[str, Json]:
    return {
        "id": attempt.id,
        "state": attempt.state,
        "call": attempt.call,
        "reserved_at": moment(attempt.reserved_at),
        "sent_at": _moment(attempt.sent_at),
        "ended_at": _moment(attempt.ended_at),
        "status": attempt.status,
        "error": attempt.error,
    }


def _need(need: Need) -> dict[str, Json]:
    return {
        "roles": list(need.roles),
        "at_least": need.at_least,
        "people": list(need.people),
        "approved": list(need.approved),
    }
