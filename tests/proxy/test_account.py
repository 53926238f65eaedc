"""What each stage puts into the record, and what never gets there."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Decision, Mode, Outcome, Reason
from proxy.account import Known, arrived_of, completed, decided, refused, unreadable
from proxy.errors import Refusal
from proxy.facts import StaticBinding
from proxy.protocols.registry import describe
from proxy.stages import (
    Answered,
    Arrived,
    Attributed,
    Chain,
    Claim,
    Decided,
    Hop,
    Injection,
    Principal,
    Released,
    Request,
    Secret,
)
from telemetry.record import MAX_RECORD_BYTES, canonical, restricted, validate
from telemetry.redaction import redact
from telemetry.trace_context import begin
from tests.fakes.wire_calls import CATALOG, IDENTITY, attributed, request, stateless

TRACE = begin("00-" + "a" * 32 + "-" + "b" * 16 + "-01")
NO = Refusal("no_permit", 403, "No.", internal="rule 7")
DECISION = Decision(
    Outcome.ALLOW,
    (Reason("permitted", "r1"), Reason("permitted", "r1"), Reason("permitted")),
    "v1",
    would=Outcome.ALLOW,
)
SENT = request("GET", "crm.example.com/v1/customers/ada?full=yes")


def stage(sent: Request = SENT) -> Decided:
    return Decided(describe(attributed(sent), CATALOG), DECISION)


def known(reached, **more) -> Known:
    return Known(reached, TRACE, **more)


def as_stored(record) -> dict:
    """The record as the recorder would store it, valid in form and shape."""
    fixed = {"v": 1, "canon": "rfc8785", "log": "x", "idx": 0, "id": "rec_1", "ts": "2026-01-01T00:00:00.000000Z"}
    stored = {**{name: value for name, value in record.items() if name != "at"}, **fixed}
    assert restricted(stored)
    assert len(canonical(stored)) <= MAX_RECORD_BYTES
    return dict(validate(orjson.loads(canonical(stored))))


def test_a_record_has_what_was_known_by_then():
    """Each stage adds its sections to those of the stage before."""
    whole = stage()
    reached = {
        "arrived": whole.described.attributed.arrived,
        "attributed": whole.described.attributed,
        "described": whole.described,
        "decided": whole,
    }
    seen = {name: as_stored(refused(known(one), NO, 1.5)) for name, one in reached.items()}
    for record in seen.values():
        assert (record["type"], record["call"], record["elapsed_us"]) == ("call.refused", "call_1", 1_500_000)
        assert record["error"] == {"reason": "no_permit", "status": 403, "internal": "rule 7"}
        assert record["trace"]["inbound"] == "a" * 32
    assert "agent" not in seen["arrived"]
    assert seen["attributed"]["agent"]["owner"] == "alice"
    assert "service" not in seen["attributed"]["action"]
    assert seen["described"]["action"]["datasets"] == ["read:customers"]
    assert "decision" not in seen["described"]
    assert seen["decided"]["decision"]["rules"] == ["r1"]
    assert all(arrived_of(one) is reached["arrived"] for one in reached.values())


def test_no_secret_and_no_value_of_an_argument_is_recorded():
    """Neither the injected secret, nor an argument, nor what the agent brought along."""
    binding = StaticBinding(id="key", secret="env:CRM_KEY", methods=("GET",), paths=("/*",))
    injection = Injection(
        (("authorization", "Bearer s3cret-value"),), (Secret("env:CRM_KEY", "s3cret-value"),), binding
    )
    sent = replace(SENT, headers=(*SENT.headers, ("authorization", "Bearer agents-own"), ("x_api_key", "agents-own")))
    whole = stage(sent)
    record = as_stored(decided(known(whole, arguments=redact(whole.described.call.arguments)), injection, 1.0))
    text = orjson.dumps(record)
    for value in (b"s3cret", b"agents-own", b'"ada"', b"/ada", b"=yes", b'"yes"'):
        assert value not in text
    assert record["credential"] == {"id": "key", "reference": "env:CRM_KEY"}
    assert record["client"]["stripped"] == ["authorization", "x_api_key"]
    assert record["action"]["args"]["shape"] == ["customer:string(3)", "full:string(3)"]
    assert record["action"]["args"]["commit"].startswith("hmac-sha256:")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/customers/ada", "/v1/customers/{customer}"),
        ("/v1/customers/ada/orders", "/v1/customers/ada/orders"),
        ("/v1/people/4711", "/v1/people/*"),
        ("/bot123:token/send", "/*/send"),
        ("/a%2e%2e/b", "/*/b"),
        ("/" + "x" * 30, "/*"),
        ("/", "/"),
    ],
)
def test_the_path_of_a_call_that_was_not_described(path, shown):
    """Its route where one fits; else only what is plainly a word, since what is logged can never be erased."""
    arrived = attributed(request("GET", "crm.example.com" + path)).arrived
    record = as_stored(refused(known(arrived, catalog=CATALOG), NO, 0.0))
    assert record["action"] == {"method": "GET", "dst": "crm.example.com:443", "path": shown}


def test_without_a_catalogue_the_path_has_its_words():
    """Where not even the world could be had, the record still says where the call went."""
    record = as_stored(refused(known(attributed(SENT).arrived), NO, 0.0))
    assert record["action"]["path"] == "/v1/customers/ada"


def test_a_held_call_is_on_record_as_held():
    """A refusal for sign-off is `call.held`, with the hold; how a hold ended stands with the refusal."""
    for status, kind, state in (
        ("pending", "call.held", "requested"),
        ("denied", "call.refused", "denied"),
        ("consumed", "call.refused", "executed"),
        ("strange", "call.refused", "expired"),
    ):
        reason = "approval_pending" if status == "pending" else "approval_ended"
        refusal = Refusal(reason, 428, "Wait.", extra={"hold_id": "hld_1", "approval_status": status})
        record = as_stored(refused(known(stage()), refusal, 0.0))
        assert (record["type"], record["approval"]) == (kind, {"id": "hld_1", "state": state})


def test_a_release_after_sign_off_names_who_approved():
    """`call.resumed` has the hold, the attempt and the people; a refusal after that has hold and attempt."""
    claim = Claim("hld_1", "att_1", ("olivia",))
    record = as_stored(decided(known(stage(), claim=claim), Injection(), 0.0))
    assert record["type"] == "call.resumed"
    assert record["approval"] == {"id": "hld_1", "attempt": "att_1", "state": "granted", "by": ["olivia"]}
    gone = as_stored(refused(known(stage(), claim=claim), NO, 0.0))
    assert gone["approval"] == {"id": "hld_1", "attempt": "att_1"}


def test_what_an_internal_service_was_told_is_on_record_by_its_id():
    """The released call names the token that accounts for it; a call without one, and a refused one, name none."""
    assert as_stored(decided(known(stage(), txn="txn_1"), Injection(), 0.0))["downstream"] == {"txn": "txn_1"}
    assert "downstream" not in decided(known(stage()), Injection(), 0.0)
    assert "downstream" not in refused(known(stage(), txn="txn_1"), NO, 0.0)


def test_mcp_has_its_id_and_revision():
    """A JSON-RPC call is on record with its id, its revision and its tool."""
    record = as_stored(
        refused(known(stage(stateless("tools/call", {"name": "search", "arguments": {}}, "search"))), NO, 0.0)
    )
    action = record["action"]
    assert (action["proto"], action["rpc_id"], action["rpc_version"]) == ("mcp", "7", "2026-07-28")
    assert (action["tool"], action["operation"], action["path"]) == ("search", "notes/search", "/mcp")
    listed = as_stored(refused(known(stage(stateless("tools/list", {}))), NO, 0.0))
    assert listed["action"]["lifecycle"] is True


def test_observing_and_the_reasons_are_on_record():
    """What enforcement would have said, the mode, and the first reason."""
    decision = replace(DECISION, would=Outcome.DENY, mode=Mode.OBSERVE, reasons=(), duration_us=7)
    part = as_stored(refused(known(replace(stage(), decision=decision)), NO, 0.0))["decision"]
    assert part == {
        "outcome": "allow", "would": "deny", "mode": "observe", "policy": "v1", "reason": "", "rules": [], "eval_us": 7,
    }  # fmt: skip


def test_a_rule_that_only_watches_is_recorded_apart():
    """It had no part in the outcome, and is not told as if it had."""
    reasons = (Reason("held", "large"), Reason("observed", "night"), Reason("observed", "night"))
    part = as_stored(refused(known(replace(stage(), decision=replace(DECISION, reasons=reasons))), NO, 0.0))["decision"]
    assert (part["reason"], part["rules"], part["observed"]) == ("held", ["large"], ["night"])


@pytest.mark.parametrize(
    ("levels", "complete", "integrity"),
    [
        (("verified",), True, "verified"),
        (("verified", "endorsed"), True, "endorsed"),
        (("asserted", "endorsed"), True, "asserted"),
        (("verified",), False, "incomplete"),
        ((), True, "verified"),
    ],
)
def test_a_chain_is_as_good_as_its_weakest_hop(levels, complete, integrity):
    """The record says how well the whole chain is proven, and each hop of it."""
    root, me = Principal("human", "alice"), Principal("agent", "bot")
    chain = Chain(root, tuple(Hop(root, me, level, "handle", "sha256:1") for level in levels), complete)
    reached = Attributed(attributed(SENT).arrived, replace(IDENTITY, chain=chain))
    part = as_stored(refused(known(reached), NO, 0.0))["delegation"]
    assert (part["integrity"], part["levels"], part["depth"]) == (integrity, list(levels), len(levels))


def released(**more) -> Released:
    return Released(stage(), SENT, Injection(), None, 1, TRACE.trace, TRACE.span, 2.0, **more)


def test_an_ending_counts_from_the_release():
    """What the upstream took, without the time in which people thought about it."""
    record = as_stored(completed(Answered(released(), 200, 5, 2.25, 2.5)))
    assert record["type"] == "call.completed"
    assert record["upstream"] == {
        "status": 200, "bytes": 5, "total_us": 500_000, "sent": True, "first_byte_us": 250_000,
    }  # fmt: skip
    unsent = as_stored(completed(Answered(released(), 0, 0, 0.0, 2.5, error="x" * 900, sent=False)))
    assert unsent["type"] == "call.aborted"
    assert unsent["upstream"] == {"status": 0, "bytes": 0, "total_us": 500_000, "sent": False}
    assert len(unsent["error"]["internal"]) == 512


def test_a_clock_that_went_back_gives_no_negative_time():
    """Times in a record are never negative."""
    assert as_stored(refused(known(stage()), NO, -5.0))["elapsed_us"] == 0
    assert as_stored(completed(Answered(released(), 200, 5, 0.5, 1.0)))["upstream"]["total_us"] == 0


def test_what_was_never_a_request_is_on_record():
    """A refusal of the identity is told apart from any other."""
    for reason, kind in (("identity_invalid", "identity.refused"), ("request_ambiguous", "call.refused")):
        record = as_stored(
            unreadable(Refusal(reason, 400, "No."), "conn_1", "::1", "GET " + "x" * 900, "call_1", TRACE, 0.0)
        )
        assert record["type"] == kind
        assert len(record["action"]["operation"]) == 512


odd = st.text(max_size=600)


@given(
    path=odd,
    host=odd,
    method=odd,
    internal=odd,
    names=st.lists(st.sampled_from(["cookie", "x_api_key", "x-a"]), max_size=300),
)
def test_whatever_the_wire_brings_the_record_can_be_written(path, host, method, internal, names):
    """Any text from outside makes a valid record of bounded size: a refusal is never lost for an odd byte."""
    sent = Request(method, "https", host, 443, "/" + path, "", tuple((name, "v") for name in names), b"")
    arrived = Arrived("call_1", 0.0, "conn_1", "connect", "127.0.0.1", sent)
    as_stored(refused(known(arrived, catalog=CATALOG), replace(NO, internal=internal), 0.0))


def test_the_partner_that_hosts_an_agent_is_on_record():
    """Of our own agents there is none to name."""
    own = as_stored(decided(known(stage()), Injection(), 1.0))
    assert "partner" not in own["agent"]
    made = stage()
    attributed_ = made.described.attributed
    hosted = replace(IDENTITY, agent=IDENTITY.agent.model_copy(update={"partner": "acme"}))
    described = replace(made.described, attributed=replace(attributed_, identity=hosted))
    assert as_stored(decided(known(replace(made, described=described)), Injection(), 1.0))["agent"]["partner"] == "acme"


def test_a_deputy_is_on_record_with_whom_they_answer_for():
    """`owner` is who answers today; without a deputy, nobody is named."""
    reached = stage()
    attributed = reached.described.attributed
    stood_in = replace(attributed, identity=replace(IDENTITY, deputy_for="olga"))
    deputised = replace(reached, described=replace(reached.described, attributed=stood_in))
    agents = [as_stored(decided(known(one), Injection(), 1.0))["agent"] for one in (reached, deputised)]
    assert [agent.get("deputy_for") for agent in agents] == [None, "olga"]
    assert agents[1]["owner"] == IDENTITY.owner.id
