"""The life of a hold, pure: `apply(hold, move, now)` says what it becomes, and what happened.

    PENDING -> APPROVED -> RELEASING -> EXECUTED
                                     -> OUTCOME_UNKNOWN -> EXECUTED | NOT_EXECUTED
    PENDING -> DENIED | EXPIRED | CANCELLED | INVALIDATED
    APPROVED -> LAPSED | REVOKED | INVALIDATED | PENDING (the ground of a vote is gone)
    RELEASING -> APPROVED (nothing was sent) | REVOKED (before anything was sent)

A terminal state never changes. Time is looked at first, whatever the move: two clocks, `decide_by` until
the approval and `use_by` after it, and both end in no.
"""

from dataclasses import replace
from typing import assert_never

from policies.model import Json
from proxy.holds.mistakes import (
    AlreadyDecided,
    HoldError,
    HoldNotFound,
    NotEligible,
    ReasonRequired,
    ReservationLost,
    Stale,
    TooLate,
)
from proxy.holds.model import Attempt, Event, Hold, State, Transition, Vote
from proxy.holds.moves import (
    Cast,
    Finish,
    GiveBack,
    Invalidate,
    LoseTrack,
    MarkSent,
    Move,
    Recheck,
    Reconcile,
    Reserve,
    Revoke,
    Tick,
    Withdraw,
)
from proxy.holds.rules import satisfied

PROXY = "proxy"


class Impossible(RuntimeError):
    """Our own code proposed what can never be."""

    def __init__(self, what: str, hold: Hold) -> None:
        super().__init__(f"{what} while hold {hold.id} is {hold.state} (this is a bug)")


def apply(hold: Hold, move: Move, now: float) -> Transition:
    """What this move makes of the hold. Raises `HoldError` for a strange proposal; then nothing changes.

    When time alone has already ended the hold, the result is that end, and the move has no effect.
    """
    timed = _elapse(hold, now)
    if timed.changed and not isinstance(move, Cast):
        return timed
    match move:
        case Tick():
            return timed
        case Cast():
            return _then(timed, _cast(timed.after, move, now))
        case Recheck():
            return _recheck(hold, move, now)
        case Reserve():
            return _reserve(hold, move, now)
        case MarkSent() | Finish() | GiveBack() | LoseTrack():
            return _attempt(hold, move, now)
        case Reconcile():
            return _reconcile(hold, move, now)
        case Withdraw() | Revoke() | Invalidate():
            return _end(hold, move, now)
        case _:
            assert_never(move)


def _elapse(hold: Hold, now: float) -> Transition:
    if hold.state is State.PENDING and now > hold.decide_by:
        return _ran_out(_close(hold, State.EXPIRED, "hold.expired", now, by=PROXY, reason="expired"), hold.decide_by)
    if hold.state is State.APPROVED and (hold.use_by is None or now > hold.use_by):
        return _ran_out(_close(hold, State.LAPSED, "grant.lapsed", now, by=PROXY, reason="lapsed"), hold.use_by)
    return Transition(hold, hold)


def _ran_out(closed: Transition, at: float | None) -> Transition:
    """It ended when its clock ran out, not when somebody noticed."""
    return replace(closed, after=replace(closed.after, closed_at=closed.after.closed_at if at is None else at))


# --- people decide -----------------------------------------------------------------------------------


def _cast(hold: Hold, move: Cast, now: float) -> Transition:
    vote = move.vote
    if vote.decision not in {"approve", "deny"}:
        raise HoldError(f"`{vote.decision}` is not a decision: use approve or deny")
    roles = move.eligibility.roles_of(vote.person)
    if not roles:
        raise NotEligible("you may not decide this hold; it needs someone in one of its roles")
    earlier = hold.vote_of(vote.person)
    stands = ("counted",) if hold.state is State.PENDING else ("counted", "late")
    if earlier is not None and earlier.standing in stands:
        if earlier.decision == vote.decision:
            return Transition(hold, hold)  # a double click: one vote, the same answer
        raise AlreadyDecided(f"you have already voted `{earlier.decision}` on this hold")
    if vote.action_digest != hold.key.action_digest or vote.display_digest != hold.display_digest:
        raise Stale("this hold is not the one you looked at: load it again")
    if vote.decision == "deny" and not vote.reason.strip():
        raise ReasonRequired("say why: the agent acts on the reason, and asks again without one")
    return _count(hold, replace(vote, roles=roles, at=now), move, now)


def _count(hold: Hold, vote: Vote, move: Cast, now: float) -> Transition:
    if hold.state is not State.PENDING:
        return _with_vote(hold, replace(vote, standing="late"), now)  # kept, and changes nothing
    voted = _with_vote(hold, replace(vote, standing="counted"), now)
    actor = f"person:{vote.person}"
    if vote.decision == "deny":
        denied = _close(
            voted.after, State.DENIED, "hold.denied", now, by=actor, reason="denied", text=vote.reason.strip()
        )
        return _then(voted, denied)
    if satisfied(move.eligibility, voted.after.approvals):
        return _then(voted, _approve(voted.after, actor, now))
    return voted


def _with_vote(hold: Hold, vote: Vote, now: float) -> Transition:
    others = tuple(kept for kept in hold.votes if kept.person != vote.person)
    data: dict[str, Json] = {
        "decision": vote.decision,
        "standing": vote.standing,
        "reason": vote.reason,
        "roles": list(vote.roles),
        "channel": vote.channel,
        "assurance": vote.assurance,
        "action_digest": vote.action_digest,
        "display_digest": vote.display_digest,
    }
    return _become(replace(hold, votes=(*others, vote)), hold, "hold.vote_recorded", f"person:{vote.person}", now, data)


def _approve(hold: Hold, actor: str, now: float) -> Transition:
    after = replace(hold, state=State.APPROVED, use_by=now + hold.requirement.use_within)
    data: dict[str, Json] = {"by": _names(hold), "wait_ms": round((now - hold.created_at) * 1000)}
    return _become(after, hold, "hold.approved", actor, now, data)


def _recheck(hold: Hold, move: Recheck, now: float) -> Transition:
    """§3.6 of the specification of approvals: what was approved must still stand on its ground."""
    if hold.state not in {State.PENDING, State.APPROVED}:
        return Transition(hold, hold)
    if move.owner is None:
        return _close(hold, State.INVALIDATED, "hold.invalidated", now, by=PROXY, reason="owner_missing")
    moved = move.owner != hold.owner
    clauses = move.requirement.clauses
    votes = tuple(_revalued(vote, move, void=moved, regain=clauses != hold.requirement.clauses) for vote in hold.votes)
    requirement = replace(hold.requirement, clauses=clauses, rules=move.requirement.rules)
    after = replace(hold, owner=move.owner, votes=votes, requirement=requirement)
    enough = satisfied(move.eligibility, after.approvals)
    if hold.state is State.APPROVED and not enough:
        after = replace(after, state=State.PENDING, use_by=None)
    if after == hold and not (enough and hold.state is State.PENDING):
        return Transition(hold, hold)
    what = "hold.rerouted" if moved else "hold.requirements_changed"
    data: dict[str, Json] = {"owner": move.owner, "void": [vote.person for vote in votes if vote.standing == "void"]}
    changed = _become(after, hold, what, PROXY, now, data)
    return _then(changed, _approve(after, PROXY, now)) if enough and after.state is State.PENDING else changed


def _revalued(vote: Vote, move: Recheck, *, void: bool, regain: bool) -> Vote:
    """Void if its ground is gone; under changed clauses it also counts for the roles that these name."""
    if vote.standing != "counted":
        return vote
    if void or vote.person not in move.active:
        return replace(vote, standing="void")
    if not regain:
        return vote
    return replace(vote, roles=tuple(dict.fromkeys((*vote.roles, *move.eligibility.roles_of(vote.person)))))


def _reconcile(hold: Hold, move: Reconcile, now: float) -> Transition:
    if hold.state is not State.OUTCOME_UNKNOWN:
        raise AlreadyDecided(f"the outcome of this hold is known: it is {hold.state.value}")
    if not move.evidence.strip():
        raise ReasonRequired("say how you know whether the call happened")
    state = State.EXECUTED if move.executed else State.NOT_EXECUTED
    actor = f"person:{move.person}"
    return _close(hold, state, "attempt.reconciled", now, by=actor, reason="reconciled", text=move.evidence.strip())


def _end(hold: Hold, move: Withdraw | Revoke | Invalidate, now: float) -> Transition:
    if isinstance(move, Withdraw) and move.agent != hold.key.agent:
        raise HoldNotFound("there is no such hold")
    attempt = hold.attempts[-1] if hold.attempts else None
    if isinstance(move, Revoke) and attempt and hold.state is State.RELEASING and attempt.state == "sent":
        raise TooLate(f"too late: attempt {attempt.id} was sent and cannot be called back")
    match move, hold.state:
        case Withdraw(), State.PENDING:
            actor = f"agent:{move.agent}"
            return _close(hold, State.CANCELLED, "hold.cancelled", now, by=actor, reason="withdrawn")
        case Revoke(), State.PENDING:
            return _close(
                hold, State.CANCELLED, "hold.cancelled", now, by=move.by, reason=move.reason, text=move.text.strip()
            )
        case Revoke(), State.APPROVED | State.RELEASING:
            unsent = hold
            if attempt and attempt.state == "reserved":
                unsent = _with_attempt(hold, replace(attempt, state="not_sent", ended_at=now, error="revoked"))
            closed = _close(
                unsent, State.REVOKED, "grant.revoked", now, by=move.by, reason=move.reason, text=move.text.strip()
            )
            return replace(closed, before=hold)
        case Invalidate(), State.PENDING | State.APPROVED:
            return _close(hold, State.INVALIDATED, "hold.invalidated", now, by=PROXY, reason=move.reason)
        case _:
            raise AlreadyDecided(f"this hold is already {hold.state.value}")


# --- one use of an approval ------------------------------------------------------------------------------


def _reserve(hold: Hold, move: Reserve, now: float) -> Transition:
    if hold.state is not State.APPROVED:
        raise Impossible("reserving a use", hold)
    # INVARIANT: storage keeps a unique index on live attempts of a hold, should this line ever be wrong
    if any(attempt.state != "not_sent" for attempt in hold.attempts):
        raise Impossible("reserving a second use", hold)
    attempt = Attempt(move.attempt, move.node, move.call, now)
    after = replace(hold, state=State.RELEASING, attempts=(*hold.attempts, attempt))
    data: dict[str, Json] = {"attempt": move.attempt, "node": move.node, "call": move.call, "by": _names(hold)}
    return _become(after, hold, "grant.reserved", PROXY, now, data)


def _attempt(hold: Hold, move: MarkSent | Finish | GiveBack | LoseTrack, now: float) -> Transition:
    attempt = next((attempt for attempt in hold.attempts if attempt.id == move.attempt), None)
    if attempt is None:
        raise Impossible(f"an unknown attempt `{move.attempt}`", hold)
    match move:
        case MarkSent():
            return _mark_sent(hold, attempt, now)
        case Finish():
            return _finish(hold, attempt, move, now)
        case GiveBack():
            return _give_back(hold, attempt, move, now)
        case LoseTrack():
            return _lose_track(hold, attempt, move, now)


def _mark_sent(hold: Hold, attempt: Attempt, now: float) -> Transition:
    if hold.state is not State.RELEASING or attempt.state != "reserved":
        raise ReservationLost(f"attempt {attempt.id} is {attempt.state} and may not be sent")
    after = _with_attempt(hold, replace(attempt, state="sent", sent_at=now))
    return _become(after, hold, "attempt.sent", PROXY, now, {"attempt": attempt.id})


def _finish(hold: Hold, attempt: Attempt, move: Finish, now: float) -> Transition:
    if attempt.state == "finished":
        return Transition(hold, hold)
    if hold.state not in {State.RELEASING, State.OUTCOME_UNKNOWN} or attempt.state == "not_sent":
        raise Impossible(f"an answer to attempt `{attempt.id}` that is {attempt.state}", hold)
    ended = replace(attempt, state="finished", ended_at=now, status=move.status, error=move.error)
    after = _with_attempt(hold, ended)
    closed = replace(after, state=State.EXECUTED, closed_at=now, closed_by=PROXY, closed_reason="executed")
    data: dict[str, Json] = {"attempt": attempt.id, "status": move.status, "error": move.error}
    return _become(closed, hold, "attempt.finished", PROXY, now, data)


def _give_back(hold: Hold, attempt: Attempt, move: GiveBack, now: float) -> Transition:
    if hold.state is not State.RELEASING or attempt.state not in {"reserved", "sent"}:
        return Transition(hold, hold)
    after = _with_attempt(hold, replace(attempt, state="not_sent", ended_at=now, error=move.why))
    data: dict[str, Json] = {"attempt": attempt.id, "why": move.why}
    return _become(replace(after, state=State.APPROVED), hold, "attempt.not_sent", PROXY, now, data)


def _lose_track(hold: Hold, attempt: Attempt, move: LoseTrack, now: float) -> Transition:
    if hold.state is not State.RELEASING or attempt.state not in {"reserved", "sent"}:
        return Transition(hold, hold)
    after = _with_attempt(hold, replace(attempt, state="unknown", ended_at=now, error=move.why))
    data: dict[str, Json] = {"attempt": attempt.id, "why": move.why}
    return _become(replace(after, state=State.OUTCOME_UNKNOWN), hold, "attempt.unknown", PROXY, now, data)


# --- how a hold is rewritten -------------------------------------------------------------------------------


def _names(hold: Hold) -> list[Json]:
    return [*sorted(hold.approvals)]


def _with_attempt(hold: Hold, renewed: Attempt) -> Hold:
    return replace(hold, attempts=tuple(renewed if kept.id == renewed.id else kept for kept in hold.attempts))


def _become(after: Hold, before: Hold, what: str, actor: str, now: float, data: dict[str, Json]) -> Transition:
    return Transition(before, after, (Event(what, actor, now, data),))


def _close(hold: Hold, state: State, what: str, now: float, *, by: str, reason: str, text: str = "") -> Transition:
    after = replace(hold, state=state, closed_at=now, closed_by=by, closed_reason=reason, closed_text=text)
    return _become(after, hold, what, by, now, {"reason": reason, "text": text})


def _then(first: Transition, second: Transition) -> Transition:
    return Transition(first.before, second.after, (*first.events, *second.events))
