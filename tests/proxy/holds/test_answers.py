"""What the agent is told about a hold."""

import asyncio
import json
from typing import Any

import pytest

from policies.model import Clause, Requirement
from proxy.errors import Refusal
from proxy.holds import answers
from proxy.holds.card import moment
from proxy.holds.interfaces import LimitReached
from proxy.holds.mistakes import AlreadyDecided
from proxy.holds.model import Attempt, AttemptState, Hold, State
from proxy.stages import Reply, Request
from tests.fakes.held_calls import NOW, TEAM_SIGNS, hold

LINE = "POST api.example.com/v1/refunds"


def ended(state: State, **changes: Any) -> Refusal:
    return answers.ended(hold(state=state, **changes)).refusal


def test_the_parked_answer_is_the_one_of_the_specification() -> None:
    """428, the id and clocks in headers and body, and no word of how or by whom it is decided."""
    of = hold(requirement=Requirement((Clause(("owner",)),), 900, 600))
    told = answers.parked(of, LINE).refusal
    assert (told.reason, told.status, told.next_action) == ("approval_pending", 428, "wait")
    assert told.detail.startswith(f"{LINE} is waiting for the accountable owner's approval until 2026-09-21T14:28:20Z.")
    assert dict(told.headers) == {
        "Approval-Id": of.id,
        "Approval-Status": "pending",
        "Link": f'<http://countersign.internal/v1/holds/{of.id}>; rel="status"',
    }
    assert dict(told.extra) == {
        "title": "Held for human approval",
        "hold_id": of.id,
        "approval_status": "pending",
        "executed": False,
        "action_digest": "sha256:9f2c41aa",
        "decide_by": "2026-09-21T14:28:20Z",
        "status_url": f"http://countersign.internal/v1/holds/{of.id}",
        "poll_after_seconds": 15,
        "next_action": "wait",
    }
    assert "resume" not in told.detail
    assert "a human approval" in answers.parked(hold(requirement=TEAM_SIGNS), LINE).refusal.detail


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (
            ["agent_frozen"],
            "The access of this agent is frozen: until a person lifts that, nothing of this kind passes",
        ),
        (["owner_frozen"], "The access of this agent is frozen: "),
        (["principal_frozen"], "The access of this agent is frozen: "),
        (["service_frozen"], "Access to this service is frozen: "),
        (["tool_frozen"], "The use of this tool is frozen: "),
        (["global_frozen"], "All access is frozen: "),
        (["agent_review_overdue"], "A review by the accountable owner is overdue: until that is done, nothing"),
        (["agent_review_overdue", "class_frozen"], "The access of this agent is frozen: "),
    ],
)
def test_a_call_that_is_held_back_hears_why(codes: list[str], said: str) -> None:
    """Frozen, or overdue, with a stable code, that a person lifts it or approves this call; nobody's name or words."""
    told = answers.parked(hold(requirement=Requirement((Clause(("owner",)),), 900, 600)), LINE, codes).refusal
    assert (told.reason, told.status, told.next_action) == ("approval_pending", 428, "wait")
    assert told.detail.startswith(said)
    assert f"{LINE} is waiting for the accountable owner's approval" in told.detail
    assert told.extra["reason_code"] == codes[0]


def test_an_approval_that_a_freeze_ended_says_so() -> None:
    """The agent may ask again, and then waits for somebody who knows of it."""
    for state in (State.REVOKED, State.CANCELLED):
        told = ended(state, closed_by="person:olga", closed_reason="agent_frozen")
        assert "access was frozen, and its approval is void" in told.detail
        assert (told.reason, told.next_action) == ("approval_invalidated", "request")


def test_a_denial_carries_the_reason_and_no_way_round() -> None:
    """403 with the words of who denied, made visible, for the goal and not only for these arguments."""
    told = ended(State.DENIED, closed_by="person:olga", closed_reason="denied", closed_text="needs a \u202eticket.")
    assert (told.reason, told.status, told.next_action) == ("approval_denied", 403, "none")
    assert told.detail.startswith(
        "The owner denied this call. Reason: needs a \\u{202E}ticket. This refusal covers the"
    )
    assert "olga" not in told.detail
    assert told.extra["refusal_scope"] == "exact"
    assert ended(State.DENIED, closed_by="person:dan", closed_text="x").detail.startswith("An approver denied")


@pytest.mark.parametrize(
    ("state", "closed", "reason", "next_action", "code"),
    [
        (State.EXPIRED, "expired", "approval_expired", "request", None),
        (State.LAPSED, "lapsed", "approval_lapsed", "request", None),
        (State.INVALIDATED, "owner_missing", "approval_invalidated", "request", "owner_missing"),
        (State.INVALIDATED, "tool_changed", "approval_invalidated", "request", "tool_changed"),
        (State.REVOKED, "revoked", "approval_invalidated", "request", "revoked"),
        (State.CANCELLED, "withdrawn", "approval_invalidated", "request", "withdrawn"),
        (State.CANCELLED, "agent_revoked", "approval_invalidated", "none", "agent_revoked"),
        (State.REVOKED, "agent_revoked", "approval_invalidated", "none", "revoked"),
        (State.CANCELLED, "something", "approval_invalidated", "request", "something"),
    ],
)
def test_every_other_end_is_a_403_with_its_reason(
    state: State, closed: str, reason: str, next_action: str, code: str | None
) -> None:
    """The agent learns why, and whether asking again can help."""
    told = ended(state, closed_reason=closed)
    assert (told.status, told.reason, told.next_action) == (403, reason, next_action)
    assert told.extra.get("reason_code") == code
    assert told.extra["executed"] is False


def test_a_used_approval_says_how_it_was_used() -> None:
    """422, not retried by clients: the call is under way, or was answered."""
    attempt = Attempt("att_1", "gate-0", "call_1", NOW, "finished", NOW, NOW, 201)
    used = ended(State.EXECUTED, attempts=(attempt,))
    assert (used.status, used.reason) == (422, "approval_consumed")
    assert "answered with status 201" in used.detail
    assert used.extra["used_by"] == {
        "attempt_id": "att_1", "call_id": "call_1", "outcome": "answered", "status": 201, "at": moment(NOW),
    }  # fmt: skip
    assert "under way" in ended(State.RELEASING).detail


@pytest.mark.parametrize(
    ("state", "of", "outcome"),
    [
        (State.RELEASING, "reserved", "under_way"),
        (State.RELEASING, "sent", "under_way"),
        (State.OUTCOME_UNKNOWN, "unknown", "unknown"),
    ],
)
def test_the_call_that_used_it_can_be_found(state: State, of: AttemptState, outcome: str) -> None:
    """By its attempt and its call, with no more than is known of it; a use that was given back was none."""
    back = Attempt("att_0", "gate-0", "call_0", NOW - 9, "not_sent", None, NOW - 8)
    attempt = Attempt("att_1", "gate-0", "call_1", NOW, of, NOW + 1)
    used = ended(state, attempts=(attempt, back)).extra["used_by"]
    assert isinstance(used, dict)
    assert (used["attempt_id"], used["call_id"], used["outcome"], used["status"]) == ("att_1", "call_1", outcome, None)
    assert ended(state).extra["used_by"] is None


def test_an_unknown_outcome_claims_neither() -> None:
    """`executed` is null: nobody knows."""
    told = ended(State.OUTCOME_UNKNOWN)
    assert (told.status, told.reason, told.next_action) == (422, "approval_outcome_unknown", "none")
    assert told.extra["executed"] is None


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_every_state_has_an_answer(state: State) -> None:
    """Whatever became of a hold, the answer is a full refusal that names it."""
    of = hold(state=state)
    told = answers.ended(of).refusal
    assert told.status in {403, 422}
    assert told.detail.endswith(".")
    assert told.extra["hold_id"] == of.id


def test_too_many_questions_are_refused() -> None:
    """429 says which limit it was."""
    told = answers.over_limit(LimitReached("open_per_agent", 10)).refusal
    assert (told.status, told.reason, told.next_action) == (429, "hold_limit", "wait")
    assert "already has 10 calls" in told.detail
    assert "6 times within a minute" in answers.over_limit(LimitReached("new_per_minute", 6)).refusal.detail


# --- the status resource ------------------------------------------------------------------------------


class OneHold:
    """Holds with one hold in them."""

    def __init__(self, of: Hold) -> None:
        self.of = of
        self.withdrawn = False

    async def find(self, hold_id: str) -> Hold | None:
        return self.of if hold_id == self.of.id else None

    async def withdraw(self, hold_id: str, agent: str) -> Hold:
        if self.of.state is not State.PENDING:
            raise AlreadyDecided("this hold is already approved")
        self.withdrawn = True
        return hold(id=hold_id, state=State.CANCELLED, closed_reason="withdrawn")


def ask(of: Hold, method: str = "GET", path: str = "", agent: str = "refunds") -> tuple[Reply, Any, OneHold]:
    holds = OneHold(of)
    request = Request(method, "http", "countersign.internal", 80, path or f"/v1/holds/{of.id}", "", (), b"")
    reply = asyncio.run(answers.status_reply(holds, request, agent))
    return reply, json.loads(reply.body), holds


def test_the_status_of_a_pending_hold_says_when_to_look_again() -> None:
    """200, not cached, with the interval."""
    reply, body, _ = ask(hold())
    assert reply.status == 200
    assert ("retry-after", "15") in reply.headers
    assert ("cache-control", "no-store") in reply.headers
    assert (body["approval_status"], body["next_action"], body["executed"]) == ("pending", "wait", False)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_status(state: State) -> None:
    """The status resource answers for each state, and never says executed when it was not."""
    reply, body, _ = ask(hold(state=state, use_by=NOW + 1))
    assert reply.status == 200
    assert body["state"] == state.value
    assert body["executed"] is {State.EXECUTED: True, State.OUTCOME_UNKNOWN: None}.get(state, False)
    assert body["next_action"]


@pytest.mark.parametrize("path", ["/v1/holds/hld_other", "/v1/holds/", "/v1/holds", "/", "/v2/holds/x"])
def test_an_unknown_hold_is_not_found(path: str) -> None:
    """404, whatever else the path is."""
    assert ask(hold(), path=path)[0].status == 404


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_another_agents_hold_does_not_exist(method: str) -> None:
    """An id is no authority: only the agent that asked sees or withdraws its hold."""
    reply, _, holds = ask(hold(), method, agent="other")
    assert reply.status == 404
    assert not holds.withdrawn


def test_an_agent_withdraws_its_pending_hold() -> None:
    """DELETE ends it while it waits; once decided it is a conflict."""
    reply, body, holds = ask(hold(), "DELETE")
    assert (reply.status, body["state"], holds.withdrawn) == (200, "cancelled", True)
    assert ask(hold(state=State.APPROVED), "DELETE")[0].status == 409


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_other_method_does_anything(method: str) -> None:
    """There is no way to decide a hold from the agent's side."""
    reply, _, holds = ask(hold(), method)
    assert reply.status == 405
    assert not holds.withdrawn
