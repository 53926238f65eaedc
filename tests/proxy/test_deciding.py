"""A described call as a question, and a denial or a failure as words."""

from dataclasses import replace

import pytest

from policies.model import DatasetUse, Decision, Outcome, Reason
from proxy.deciding import AUDIT_DOWN, BROKEN, STORE_DOWN, denial, failure, inquiry
from proxy.errors import StoreUnavailable, refuse
from proxy.protocols.registry import describe
from proxy.stages import Chain, Decided, Hop, HopLevel, Presence, Principal
from telemetry.errors import AuditUnavailable
from tests.fakes.wire_calls import CATALOG, attributed, request

DESCRIBED = describe(attributed(request("GET", "crm.example.com/v1/customers/7?full=yes")), CATALOG)


def test_policy_is_asked_about_verified_facts():
    """The question has who, for whom, what, where and when, as they were proven and read."""
    asked = inquiry(DESCRIBED, 5.0)
    assert (asked.agent, asked.on_behalf_of, asked.task) == ("bot", "alice", "task-1")
    assert (asked.chain, asked.chain_complete) == (("human:alice", "agent:bot"), True)
    assert (asked.service, asked.tool, asked.method, asked.host) == ("crm", "get_customer", "GET", "crm.example.com")
    assert (asked.path, asked.protocol, asked.lifecycle) == ("/v1/customers/7", "rest", False)
    assert asked.arguments == {"customer": "7", "full": "yes"}
    assert asked.datasets == (DatasetUse("customers", "read"),)
    assert asked.now == 5.0


def test_policy_is_told_of_the_sign_in_of_the_person_at_the_root():
    """As their token said it; where nothing is known, nothing is told."""
    asked = inquiry(DESCRIBED, 5.0)
    assert (asked.auth_time, asked.acr, asked.amr) == (None, "", ())
    known = replace(DESCRIBED.attributed.identity.chain, presence=Presence(4, "gold", ("otp",)))
    identity = replace(DESCRIBED.attributed.identity, chain=known)
    asked = inquiry(replace(DESCRIBED, attributed=replace(DESCRIBED.attributed, identity=identity)), 5.0)
    assert (asked.auth_time, asked.acr, asked.amr) == (4, "gold", ("otp",))


@pytest.mark.parametrize(
    ("levels", "complete", "verified"),
    [
        ((), True, True),
        (("verified",), True, True),
        (("verified", "verified"), True, True),
        (("endorsed",), True, False),
        (("verified", "endorsed"), True, False),
        (("endorsed", "verified"), True, False),
        (("verified", "asserted"), True, False),
        (("verified",), False, False),
        ((), False, False),
    ],
)
def test_a_chain_is_verified_if_each_of_its_hops_is(
    levels: tuple[HopLevel, ...], complete: bool, verified: bool
) -> None:
    """One hop on somebody else's word, or a gap, and policy is not told that all of it was shown."""
    party = Principal("agent", "bot")
    chain = Chain(party, tuple(Hop(party, party, level, "handle", "") for level in levels), complete)
    attributed = DESCRIBED.attributed
    changed = replace(attributed, identity=replace(attributed.identity, chain=chain))
    assert inquiry(replace(DESCRIBED, attributed=changed), 0.0).chain_verified is verified


def test_a_call_without_a_tool_asks_about_the_api():
    """Where no route fits there is no tool, and none is made up."""
    assert inquiry(describe(attributed(request("GET", "crm.example.com/other")), CATALOG), 0.0).tool is None


def test_a_denial_names_the_question_and_never_the_rule():
    """The agent hears the code and the question; the rules and their texts are for the record."""
    reasons = (
        Reason("forbidden", "no-exports", "the board said so", "read customers"),
        Reason("no_permit", question="crm/get_customer"),
    )
    refusal = denial(Decided(DESCRIBED, Decision(Outcome.DENY, reasons, "v1"))).refusal
    assert (refusal.reason, refusal.status, refusal.next_action) == ("forbidden", 403, "none")
    assert "read customers" in refusal.detail
    assert "no-exports" not in refusal.detail
    assert "board" not in refusal.detail
    assert refusal.internal == "forbidden no-exports the board said so; no_permit"


def test_a_denied_request_that_is_no_tool_is_told_so():
    """A mistyped path is the likeliest reason, which the agent's developer then sees."""
    reasons = (Reason("no_permit", question="GET crm"),)
    untold = describe(attributed(request("GET", "crm.example.com/other")), CATALOG)
    refusal = denial(Decided(untold, Decision(Outcome.DENY, reasons, "v1"))).refusal
    assert "GET crm for this agent, and no tool of crm has this method and path." in refusal.detail
    refusal = denial(Decided(DESCRIBED, Decision(Outcome.DENY, reasons, "v1"))).refusal
    assert "no tool" not in refusal.detail


def test_a_denial_without_a_reason_is_a_denial():
    """A decision that gives no reason still refuses, in words about the call itself."""
    refusal = denial(Decided(DESCRIBED, Decision(Outcome.DENY, (), "v1"))).refusal
    assert (refusal.reason, refusal.status) == ("no_permit", 403)
    assert "crm/get_customer" in refusal.detail


@pytest.mark.parametrize(
    ("error", "expected"),
    [(StoreUnavailable("disk"), STORE_DOWN), (AuditUnavailable("disk"), AUDIT_DOWN)],
)
def test_what_is_down_is_named(error, expected, caplog):
    """A store or a log that is down refuses with its own code; why it is down is for the record only."""
    told = failure(error, "call_1")
    assert (told.reason, told.status, told.next_action) == (expected.reason, 503, "retry")
    assert told.internal == "disk"
    assert "disk" not in told.detail
    assert caplog.text == ""


def test_a_bug_is_told_to_the_operator_alone(caplog):
    """The unforeseen refuses; the operator reads what and where, nobody its text, which may quote the request."""
    try:
        raise KeyError("ada")
    except KeyError as error:
        told = failure(error, "call_1")
    assert (told.reason, told.status) == (BROKEN.reason, 503)
    assert told.internal == "KeyError"
    assert "ada" not in repr(told)
    assert f"cannot judge call_1: KeyError at {__file__}" in caplog.text
    assert "ada" not in caplog.text


def test_a_refusal_is_itself():
    """What was refused on purpose keeps its own words."""
    refused = refuse("agent_unknown", 403, "No.", internal="x")
    assert failure(refused, "call_1") is refused.refusal
