"""Spans, from records."""

import pytest
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from telemetry import names
from telemetry.spans import SpanBuilder
from tests.fakes.audit_records import AT, SPAN, TRACE, UP, approval_decided, as_stored, completed, decided, resumed

INBOUND = {"inbound": "a" * 32, "inbound_span": "b" * 16}


def spans_of(records):
    builder = SpanBuilder({names.SERVICE_NAME: "countersign"})
    return [span for record in as_stored(records) for span in builder.feed(record)]


def mcp(record, **changes):
    action = {"proto": "mcp", "method": "tools/call", "service": "files", "tool": "read_file", "rpc_id": "7"}
    return record | {"action": action} | changes


def test_an_allowed_call_is_two_spans():
    """An allowed call is a SERVER span from its arrival to its end, with a CLIENT span for the upstream inside."""
    client, server = spans_of([decided(), completed()])
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert f"{server.context.trace_id:032x}" == f"{client.context.trace_id:032x}" == TRACE
    assert f"{server.context.span_id:016x}" == SPAN == f"{client.parent.span_id:016x}"
    assert f"{client.context.span_id:016x}" == UP
    assert server.parent is None
    assert client.start_time - server.start_time == 1_500_000
    assert server.end_time == client.end_time == int((AT + 0.035) * 1e6) * 1000
    assert (server.name, client.name) == ("POST refund", "POST")
    assert server.status.status_code is StatusCode.UNSET
    assert client.attributes[names.SERVER_ADDRESS] == "crm.internal"
    assert client.attributes[names.SERVER_PORT] == 443
    assert client.attributes[names.HTTP_STATUS] == 200


def test_what_a_span_says():
    """The SERVER span says who, for whom, through whom, what, the decision and why, and where the record is."""
    _, server = spans_of([decided(), completed()])
    assert dict(server.attributes) == {
        "client.address": "127.0.0.1",
        "countersign.agent.identity.id": "handle:h_1",
        "countersign.agent.identity.source": "handle",
        "countersign.agent.instance_id": "i-1",
        "countersign.agent.owner": "bob",
        "countersign.audit.index": 1,
        "countersign.audit.log": "test.example/audit/n1",
        "countersign.call.args_bytes": 14,
        "countersign.call.args_commitment": "hmac-sha256:" + "cd" * 32,
        "countersign.call.datasets": ("write:refunds",),
        "countersign.call.effect": "write",
        "countersign.call.id": "call_1",
        "countersign.call.operation": "crm/refund",
        "countersign.call.protocol": "rest",
        "countersign.call.result_bytes": 1234,
        "countersign.decision.duration_us": 180,
        "countersign.decision.mode": "enforce",
        "countersign.decision.outcome": "allow",
        "countersign.decision.reason_code": "permitted",
        "countersign.decision.would": "allow",
        "countersign.delegation.chain": ("human:alice", "agent:researcher"),
        "countersign.delegation.depth": 1,
        "countersign.delegation.integrity": "verified",
        "countersign.destination.class": "internal",
        "countersign.policy.digest": "sha256:" + "ef" * 32,
        "countersign.principal.id": "alice",
        "countersign.principal.type": "human",
        "countersign.server.name": "crm",
        "countersign.task.id": "task-77",
        "countersign.trace.origin": "generated",
        "gen_ai.agent.id": "researcher",
        "gen_ai.tool.name": "refund",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "security_rule.name": ("r-12",),
        "url.path": "/v1/refunds",
    }
    assert server.instrumentation_scope.schema_url == names.SCHEMA_URL


@pytest.mark.parametrize(
    "record",
    [
        decided(outcome="deny", error={"reason": "large_refund", "status": 403}),
        decided(outcome="hold", error={"reason": "held", "status": 428}),
        {
            "type": "call.refused",
            "call": "call_1",
            "trace": {"id": TRACE, "span": SPAN},
            "error": {"reason": "x", "status": 413},
        },
        {"type": "identity.refused", "trace": {"id": TRACE, "span": SPAN}, "error": {"reason": "x", "status": 407}},
    ],
)
def test_a_call_that_did_not_go_upstream_is_one_span(record):
    """A denied, held or refused call is one SERVER span at once; by the HTTP convention its status stays unset."""
    (server,) = spans_of([record])
    assert server.kind is SpanKind.SERVER
    assert server.status.status_code is StatusCode.UNSET
    assert server.attributes[names.ERROR_TYPE] == record["error"]["reason"]
    assert server.attributes[names.HTTP_STATUS] == record["error"]["status"]


def test_a_denied_mcp_call_is_an_error():
    """Over MCP a denial is an error of the span, named by its reason."""
    (server,) = spans_of([mcp(decided(outcome="deny"))])
    assert server.name == "tools/call read_file"
    assert (server.status.status_code, server.status.description) == (StatusCode.ERROR, "large_refund")
    assert server.attributes[names.MCP_METHOD] == "tools/call"
    assert server.attributes[names.GENAI_OPERATION] == "execute_tool"
    assert names.HTTP_METHOD not in server.attributes


@pytest.mark.parametrize(
    ("status", "server_error", "client_error"), [(404, False, True), (502, False, True), (200, False, False)]
)
def test_an_upstream_error(status, server_error, client_error):
    """An answer of 400 and more is an error of the CLIENT span."""
    client, server = spans_of([decided(), completed(status=status)])
    assert (client.status.status_code is StatusCode.ERROR) is client_error
    assert (server.status.status_code is StatusCode.ERROR) is server_error


def test_a_cut_call():
    """A call that was cut ends both spans with the reason."""
    aborted = {"type": "call.aborted", "at": AT + 1, "call": "call_1", "error": {"reason": "revoked", "status": 503}}
    client, server = spans_of([decided(), aborted])
    assert client.attributes[names.ERROR_TYPE] == server.attributes[names.ERROR_TYPE] == "revoked"
    assert server.status.status_code is StatusCode.ERROR


def test_a_held_call_that_is_released():
    """Hold, wait and release are a SERVER span, an INTERNAL span of the wait under it, and a linked pair of spans."""
    held, wait, client, server = spans_of(
        [decided(outcome="hold", approval={"id": "hold_1"}), approval_decided(), resumed(), completed(at=AT + 12.5)]
    )
    assert (wait.kind, wait.parent.span_id) == (SpanKind.INTERNAL, held.context.span_id)
    assert wait.end_time - wait.start_time == 12_300_000_000
    assert wait.attributes[names.APPROVER_ID] == ("bob",)
    (link,) = server.links
    assert link.context.span_id == held.context.span_id
    assert link.attributes[names.LINK_TYPE] == "resume"
    assert client.parent.span_id == server.context.span_id


def test_a_caller_that_waits_on_the_line():
    """If the call was released while its caller waited, the wait is inside the call's own span, without a link."""
    wait, _, server = spans_of([approval_decided(), resumed(), completed(at=AT + 12.5)])
    assert (wait.kind, wait.parent.span_id) == (SpanKind.INTERNAL, server.context.span_id)
    assert server.links == ()
    assert server.attributes[names.APPROVER_ID] == ("bob",)


def test_the_end_does_not_hide_the_beginning():
    """What the last record says of a section is added to what the first said."""
    end = completed() | {"trace": {"id": TRACE, "span": SPAN}, "approval": {"attempt": "attempt_1"}}
    begun = decided(trace={"id": TRACE, "span": SPAN, "up": UP, "origin": "restarted", **INBOUND})
    _, server = spans_of([begun, end])
    assert len(server.links) == 1
    assert server.attributes[names.TRACE_ORIGIN] == "restarted"


def test_an_inbound_trace_is_a_link_or_a_parent():
    """An untrusted inbound context is a link; only a continued trace has it as its remote parent."""
    restarted = decided(outcome="deny", trace={"id": TRACE, "span": SPAN, "origin": "restarted", **INBOUND})
    continued = decided(outcome="deny", trace={"id": TRACE, "span": SPAN, "origin": "continued", **INBOUND})
    (first,), (second,) = spans_of([restarted]), spans_of([continued])
    assert (first.parent, first.links[0].attributes[names.LINK_TYPE]) == (None, "inbound_untrusted")
    assert (f"{second.parent.span_id:016x}", second.parent.is_remote, second.links) == ("b" * 16, True, ())


def test_other_records_make_no_span():
    """Administrative records, and ends without a beginning, make no span."""
    assert spans_of([{"type": "proxy.started"}, completed("unknown"), {"type": "approval.decided"}]) == []


def test_calls_without_an_end_are_forgotten(monkeypatch):
    """Calls that never end do not fill the memory; how many were forgotten is known."""
    monkeypatch.setattr("telemetry.spans._MOST_OPEN", 2)
    builder = SpanBuilder({})
    for record in as_stored([decided(f"call_{number}") for number in range(5)]):
        builder.feed(record)
    assert builder.forgotten == 3
