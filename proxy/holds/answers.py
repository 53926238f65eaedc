"""What the agent is told about a hold: refusals on the path of a call, and the status resource.

The words follow a few rules: what is awaited and until when, how to go on, that variants and other routes
are no way out, and always a reason. Never an approver's name or address, never a link to decide.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from policies.model import Json
from proxy.errors import NextAction, Refused, refuse
from proxy.holds.card import moment, visible
from proxy.holds.interfaces import LimitReached
from proxy.holds.mistakes import HoldError
from proxy.holds.model import STATUS, Attempt, Hold, State
from proxy.stages import Reply, Request

STATUS_BASE = "http://countersign.internal/v1/holds/"
POLL_SECONDS = 15

_AGAIN = "Send the request again to ask again, at most once."
_OVER = "Do not retry, rephrase, split or use another tool for the same goal. Report it and go on without it."

_INVALID = {
    "owner_missing": "the agent no longer has an accountable owner",
    "tool_changed": "the tool has changed since",
    "policy_denied": "the rules no longer allow it",
}

# What is frozen, where that is not the agent, or somebody on whose side it calls.
_FROZEN = {
    "global": "All access",
    "service": "Access to this service",
    "tool": "The use of this tool",
    "credential": "The use of this service's credential",
    "connection": "This connection",
}


def parked(hold: Hold, line: str, restraints: Sequence[str] = ()) -> Refused:
    """428: durable, waiting for people. `line` is the request as people read it.

    `restraints` are the codes of what holds back calls that policy would let pass: the agent hears that each of its
    calls waits until a person lifts it, and that this one is no exception.
    """
    until = moment(hold.decide_by)
    whom = "the accountable owner's" if _owner_alone(hold) else "a human"
    detail = (
        f"{line} is waiting for {whom} approval until {until}. Do not change the request and do not try another "
        f"route to the same effect. When approved, send the identical request again. Check status_url no more "
        f"often than every {POLL_SECONDS} s. Until then, continue with work that does not depend on it, or stop "
        f"and report that approval {hold.id} is pending."
    )
    extra: dict[str, Json] = {
        "decide_by": until,
        "status_url": STATUS_BASE + hold.id,
        "poll_after_seconds": POLL_SECONDS,
    }
    if restraints:
        detail, extra["reason_code"] = _held_back(restraints) + detail, restraints[0]
    return _refused(hold, "approval_pending", 428, detail, "wait", title="Held for human approval", **extra)


def _held_back(restraints: Sequence[str]) -> str:
    """Why calls wait that did not before, in words for the agent: no name, and nobody's reason."""
    if not restraints:
        return ""
    frozen = next((code.removesuffix("_frozen") for code in restraints if code.endswith("_frozen")), None)
    if frozen is None:
        what, end = "A review by the accountable owner is overdue", "until that is done"
    else:
        of = _FROZEN.get(frozen, "The access of this agent")
        what, end = f"{of} is frozen", "until a person lifts that"
    return f"{what}: {end}, nothing of this kind passes without a person's approval of that very call. "


def ended(hold: Hold) -> Refused:
    """The refusal that says how a hold ended, or that its one use is taken."""
    match hold.state:
        case State.DENIED:
            return _denied(hold)
        case State.EXPIRED:
            detail = f"Nobody approved this call by {moment(hold.decide_by)}, so it is refused. {_AGAIN}"
            return _refused(hold, "approval_expired", 403, detail, "request", title="Approval expired")
        case State.LAPSED:
            detail = f"This call was approved, and the approval was not used in time. {_AGAIN}"
            return _refused(hold, "approval_lapsed", 403, detail, "request", title="Approval lapsed")
        case State.RELEASING | State.EXECUTED:
            return _consumed(hold)
        case State.OUTCOME_UNKNOWN:
            return _unknown(hold)
        case _:
            return _invalidated(hold)


def over_limit(limit: LimitReached) -> Refused:
    """429: this agent already asks people for too much."""
    what = (
        f"This agent already has {limit.count} calls that wait for human approval."
        if limit.limit == "open_per_agent"
        else f"This agent asked for human approval {limit.count} times within a minute."
    )
    detail = f"{what} This one was not asked for. Wait until some are decided, and ask for less."
    extra: dict[str, Json] = {"title": "Too many approvals asked for", "executed": False, "limit": limit.limit}
    return refuse("hold_limit", 429, detail, "wait", extra=extra)


def _denied(hold: Hold) -> Refused:
    by_owner = hold.closed_by == f"person:{hold.owner}"
    reason = visible(hold.closed_text).rstrip(".")
    detail = (
        f"{'The owner' if by_owner else 'An approver'} denied this call. Reason: {reason}. This refusal covers "
        f"the goal, not only these exact arguments. {_OVER}"
    )
    extra: dict[str, Json] = {"reason_code": hold.closed_reason, "refusal_scope": "exact"}
    return _refused(hold, "approval_denied", 403, detail, "none", title="Approval denied", **extra)


def _consumed(hold: Hold) -> Refused:
    """Not 409 or 429, which clients send again by themselves; and not the other call's answer, which was not kept."""
    attempt = _use_of(hold)
    how = f"was answered with status {attempt.status}" if attempt and attempt.status else "is under way"
    detail = (
        f"This request was not sent: an identical one used approval {hold.id} and {how}. "
        "Do not send it again unless the same effect is wanted a second time; that needs a new approval."
    )
    used: dict[str, Json] = {"title": "Approval already used", "used_by": _told_of(attempt)}
    return _refused(hold, "approval_consumed", 422, detail, "none", **used)


def _use_of(hold: Hold) -> Attempt | None:
    """The call that has, or had, the approval's one use."""
    taken = [attempt for attempt in hold.attempts if attempt.state != "not_sent"]
    return taken[-1] if taken else None


def _told_of(attempt: Attempt | None) -> Json:
    """Which call it was and what became of it, so that whoever sent the second one can find the first."""
    if attempt is None:
        return None
    outcome = {"finished": "answered", "unknown": "unknown"}.get(attempt.state, "under_way")
    at = attempt.ended_at or attempt.sent_at or attempt.reserved_at
    return {
        "attempt_id": attempt.id,
        "call_id": attempt.call,
        "outcome": outcome,
        "status": attempt.status or None,
        "at": moment(at),
    }


def _unknown(hold: Hold) -> Refused:
    detail = (
        f"This request was not sent: an identical one was, under approval {hold.id}, and no complete answer came, "
        "so that its effect may or may not have happened. Do not repeat it by any route; a person must first "
        "find out. Report it."
    )
    title = "Outcome of an identical call unknown"
    used: dict[str, Json] = {"title": title, "executed": None, "used_by": _told_of(_use_of(hold))}
    return _refused(hold, "approval_outcome_unknown", 422, detail, "none", **used)


def _invalidated(hold: Hold) -> Refused:
    ours = hold.state is State.INVALIDATED
    why = _INVALID.get(hold.closed_reason, "")
    if hold.closed_reason.endswith("_revoked"):
        detail = f"The request for approval {hold.id} was ended: access was revoked. {_OVER}"
        return _void(hold, detail, "none")
    if hold.closed_reason.endswith("_frozen"):
        detail = f"The request for approval {hold.id} was ended: access was frozen, and its approval is void. {_AGAIN}"
    elif hold.state is State.REVOKED:
        detail = f"The approval of this call was taken back before it was used. {_AGAIN}"
    elif hold.closed_reason == "withdrawn":
        detail = f"This call's request for approval was withdrawn. {_AGAIN}"
    elif ours and why:
        detail = f"The request for approval {hold.id} no longer stands: {why}. {_AGAIN}"
    else:
        detail = f"The request for approval {hold.id} was ended before the call was made. {_AGAIN}"
    return _void(hold, detail, "request")


def _void(hold: Hold, detail: str, next_action: NextAction) -> Refused:
    code = "revoked" if hold.state is State.REVOKED else hold.closed_reason
    title = "Approval no longer valid"
    return _refused(hold, "approval_invalidated", 403, detail, next_action, title=title, reason_code=code)


def _refused(hold: Hold, reason: str, status: int, detail: str, next_action: NextAction, **extra: Json) -> Refused:
    state = STATUS[hold.state]
    headers = (
        ("Approval-Id", hold.id),
        ("Approval-Status", state),
        ("Link", f'<{STATUS_BASE}{hold.id}>; rel="status"'),
    )
    members: dict[str, Json] = {
        "hold_id": hold.id,
        "approval_status": state,
        "executed": False,
        "action_digest": hold.key.action_digest,
        "next_action": next_action,
    }
    internal = f"hold {hold.id} is {hold.state}" + (f": {hold.closed_reason}" if hold.closed_reason else "")
    return refuse(reason, status, detail, next_action, internal=internal, headers=headers, extra=members | extra)


def _owner_alone(hold: Hold) -> bool:
    clauses = hold.requirement.clauses
    return len(clauses) == 1 and clauses[0].at_least == 1 and clauses[0].roles == ("owner",)


# --- the status resource ---------------------------------------------------------------------------


class AgentHolds(Protocol):
    """What the status resource needs of the holds."""

    async def find(self, hold_id: str) -> Hold | None: ...

    async def withdraw(self, hold_id: str, agent: str) -> Hold: ...


async def status_reply(holds: AgentHolds, request: Request, agent: str) -> Reply:
    """`GET` (how does it stand) and `DELETE` (withdraw) of `/v1/holds/<id>`, for the agent that asked."""
    root, _, hold_id = request.path.rpartition("/")
    hold = await holds.find(hold_id) if root == "/v1/holds" and hold_id else None
    if hold is None or hold.key.agent != agent:
        return _reply(404, {"error": "not_found", "detail": "This agent has no such hold."})
    if request.method == "DELETE":
        try:
            hold = await holds.withdraw(hold_id, agent)
        except HoldError as error:
            return _reply(409, {"error": error.code, "detail": str(error)})
    elif request.method not in {"GET", "HEAD"}:
        return _reply(405, {"error": "method_not_allowed"}, (("allow", "GET, DELETE"),))
    waiting = (("retry-after", str(POLL_SECONDS)),) if hold.state is State.PENDING else ()
    return _reply(200, status_of(hold), waiting)


def status_of(hold: Hold) -> dict[str, Json]:
    """How a hold stands, in words for the agent."""
    status: dict[str, Json] = {
        "hold_id": hold.id,
        "approval_status": STATUS[hold.state],
        "state": hold.state.value,
        "action_digest": hold.key.action_digest,
        "decide_by": moment(hold.decide_by),
        "use_by": None if hold.use_by is None else moment(hold.use_by),
        "executed": {State.EXECUTED: True, State.OUTCOME_UNKNOWN: None}.get(hold.state, False),
    }
    if hold.state is State.PENDING:
        return status | {"next_action": "wait", "poll_after_seconds": POLL_SECONDS}
    if hold.state is State.APPROVED:
        return status | {"next_action": "retry", "detail": "Approved. Send the identical request again now."}
    if hold.state is State.NOT_EXECUTED:
        return status | {"next_action": "request", "detail": "A person found that the call did not happen."}
    refusal = ended(hold).refusal
    used = {"used_by": told} if (told := refusal.extra.get("used_by")) else {}
    return status | {"next_action": refusal.next_action, "reason": refusal.reason, "detail": refusal.detail, **used}


def _reply(status: int, body: Mapping[str, Json], headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    fixed = (("content-type", "application/json"), ("cache-control", "no-store"))
    return Reply(status, (*fixed, *headers), json.dumps(body).encode())
