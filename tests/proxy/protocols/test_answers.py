"""Refusals in the shapes that agents understand."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.shared.exceptions import MCPError

from proxy.errors import NextAction, Refusal
from proxy.protocols.answers import Wire, render, wire_of
from proxy.stages import Headers, Reply, Request
from tests.fakes.mcp_session import session
from tests.fakes.wire_calls import CATALOG, STATELESS, posted, refusal, request, rpc, stateless, with_header

DENIED = Refusal("no_permit", 403, "The rules do not allow this.", "none", internal="rule secret-7")
HELD = Refusal(
    "approval_pending",
    428,
    "Waiting for approval hld_1.",
    "wait",
    headers=(("Approval-Id", "hld_1"), ("Approval-Status", "pending"), ("Retry-After", "15")),
    extra={
        "hold_id": "hld_1",
        "approval_status": "pending",
        "action_digest": "sha256:1",
        "decide_by": "2026-11-22T10:15:00Z",
        "status_url": "http://countersign.invalid/v1/holds/hld_1",
        "poll_after_seconds": 15,
    },
)
CALL = Wire("mcp", rpc_id=7, rpc_method="tools/call", rpc_version="2025-11-25")


def answer(found: Refusal, wire: Wire) -> Reply:
    return render(found, wire=wire, call_id="call_1", trace_id="trace_1")


def document(reply: Reply) -> Any:
    return json.loads(reply.body)


def test_plain_http_gets_a_problem_document() -> None:
    """RFC 9457, with what SDKs show (`error.message`), and never the internal words."""
    reply = answer(DENIED, Wire())
    assert reply.status == 403
    assert reply.headers == (
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("x-should-retry", "false"),
    )
    assert document(reply) == {
        "type": "urn:countersign:problem:no_permit",
        "title": "No permit",
        "status": 403,
        "detail": "NOT EXECUTED. The rules do not allow this.",
        "instance": "urn:countersign:call:call_1",
        "reason": "no_permit",
        "next_action": "none",
        "call_id": "call_1",
        "trace_id": "trace_1",
        "executed": False,
        "error": {
            "type": "no_permit",
            "code": "no_permit",
            "message": "NOT EXECUTED. The rules do not allow this.",
        },
    }
    assert b"secret-7" not in reply.body


def test_a_hold_over_http_says_how_to_go_on() -> None:
    """The hold's own members and headers are there, but never `Retry-After`, which makes clients resend."""
    reply = answer(HELD, Wire())
    found = document(reply)
    assert reply.status == 428
    assert found["title"] == "Held for human approval"
    assert (found["hold_id"], found["approval_status"], found["poll_after_seconds"]) == ("hld_1", "pending", 15)
    names = [name.lower() for name, _ in reply.headers]
    assert "approval-id" in names
    assert "retry-after" not in names


def test_a_tool_call_gets_a_result_that_reaches_the_model() -> None:
    """HTTP 200 and a tool result with `isError`, since models never see HTTP statuses."""
    reply = answer(DENIED, CALL)
    assert reply.status == 200
    assert ("content-type", "application/json") in reply.headers
    found = document(reply)
    assert (found["jsonrpc"], found["id"]) == ("2.0", 7)
    assert found["result"]["isError"] is True
    assert found["result"]["content"][0]["text"].startswith("NOT EXECUTED. The rules do not allow this.")
    assert found["result"]["_meta"]["dev.countersign/refusal"]["reason"] == "no_permit"
    assert "resultType" not in found["result"]


def test_only_the_newest_revision_gets_a_result_type() -> None:
    """`resultType` exists from 2026-07-28 on."""
    reply = answer(DENIED, Wire("mcp", rpc_id="a", rpc_method="tools/call", rpc_version=STATELESS))
    assert document(reply)["result"]["resultType"] == "complete"


def test_a_hold_over_mcp_is_in_the_metadata() -> None:
    """The hold's id, state and times are machine-readable under our own key."""
    found = document(answer(HELD, CALL))["result"]
    assert found["_meta"]["dev.countersign/approval"] == {
        "hold_id": "hld_1",
        "status": "pending",
        "executed": False,
        "action_digest": "sha256:1",
        "decide_by": "2026-11-22T10:15:00Z",
        "status_url": "http://countersign.invalid/v1/holds/hld_1",
        "poll_after_seconds": 15,
    }


def test_other_methods_get_a_json_rpc_error() -> None:
    """Where no tool result fits, the error carries the same facts."""
    reply = answer(HELD, Wire("mcp", rpc_id=7, rpc_method="resources/read"))
    found = document(reply)
    assert reply.status == 200
    assert found["error"]["code"] == -32001
    assert found["error"]["message"].startswith("NOT EXECUTED.")
    assert found["error"]["data"]["hold_id"] == "hld_1"


RPC_ERRORS: list[tuple[Request, int, int]] = [
    (with_header(stateless("tools/call", {"name": "search"}, "search"), "mcp-name", "x"), 400, -32020),
    (with_header(posted(rpc("ping")), "mcp-protocol-version", "2099-01-01"), 400, -32022),
    (posted({**rpc("ping"), "extra": 1}), 400, -32600),
    (posted(rpc("tools/evil")), 200, -32601),
    (stateless("tools/evil", {}), 404, -32601),
]


@pytest.mark.parametrize(("sent", "status", "code"), RPC_ERRORS)
def test_faults_of_the_message_have_their_own_codes(sent: Request, status: int, code: int) -> None:
    """A client can tell a fault of its message from a refusal, as the specifications number them."""
    reply = answer(refusal(sent), wire_of(sent, CATALOG))
    assert (reply.status, document(reply)["error"]["code"]) == (status, code)
    if code == -32022:
        assert document(reply)["error"]["data"]["requested"] == "2099-01-01"
        assert STATELESS in document(reply)["error"]["data"]["supported"]


@pytest.mark.parametrize("status", [401, 407])
def test_who_you_are_is_settled_in_http(status: int) -> None:
    """A missing or wrong identity keeps its status and challenge, over MCP as well."""
    challenge = (("proxy-authenticate", 'Basic realm="countersign"'),)
    reply = answer(Refusal("identity_missing", status, "Who are you?", "authenticate", headers=challenge), CALL)
    assert reply.status == status
    assert challenge[0] in reply.headers
    assert document(reply)["status"] == status


def test_a_notification_is_refused_in_http() -> None:
    """What has no id can have no JSON-RPC answer."""
    sent = posted(rpc("notifications/cancelled", {}, None))
    reply = answer(DENIED, wire_of(sent, CATALOG))
    assert (reply.status, document(reply)["type"]) == (403, "urn:countersign:problem:no_permit")


def test_head_has_no_body() -> None:
    """The answer to HEAD is a status and headers."""
    reply = answer(DENIED, wire_of(request("HEAD", "crm.example.com/x"), CATALOG))
    assert (reply.status, reply.body) == (403, b"")


def test_an_unknown_outcome_is_not_called_unexecuted() -> None:
    """Where nobody knows whether the call happened, the answer does not say that it did not."""
    found = document(answer(Refusal("outcome_unknown", 502, "The upstream hung up.", extra={"executed": None}), Wire()))
    assert found["executed"] is None
    assert found["detail"] == "OUTCOME UNKNOWN. The upstream hung up."


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ACCEPT = ("accept", "application/json, text/event-stream")
WIRES: dict[str, tuple[Request, Wire]] = {
    "REST": (request("POST", "crm.example.com/x", PING, "application/json"), Wire()),
    "MCP call": (posted(rpc("tools/call", {"name": "x"})), Wire("mcp", rpc_id=7, rpc_method="tools/call")),
    "MCP call, stateless": (
        stateless("tools/call", {"name": "x"}, "x", "id-1"),
        Wire("mcp", rpc_id="id-1", rpc_method="tools/call", rpc_version=STATELESS),
    ),
    "MCP answer": (posted({"jsonrpc": "2.0", "id": 1, "result": {}}), Wire("mcp")),
    "MCP, unreadable": (request("POST", "notes.example.com/mcp", b"{", "application/json"), Wire("mcp")),
    "MCP, batch": (posted([rpc("ping")]), Wire("mcp")),
    "MCP stream": (request("GET", "notes.example.com/mcp"), Wire()),
    "unknown place that speaks MCP": (
        request("POST", "x.example.com/mcp", PING, "application/json", (ACCEPT,)),
        Wire("mcp", rpc_id=1, rpc_method="ping"),
    ),
    "unknown place with an MCP header": (
        request("POST", "x.example.com/mcp", b'{"id":1,"method":"ping"}', headers=(("mcp-method", "ping"),)),
        Wire("mcp", rpc_id=1, rpc_method="ping"),
    ),
    "unknown place": (request("POST", "x.example.com/mcp", b'{"id":1}', "application/json"), Wire()),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "expected"), WIRES.values(), ids=WIRES.keys())
def test_the_shape_is_known_before_the_call_is(sent: Request, expected: Wire) -> None:
    """Even a request that cannot be described is answered in its own protocol, under its own id."""
    assert wire_of(sent, CATALOG) == expected


@pytest.mark.parametrize("mode", ["legacy", STATELESS])
def test_a_real_client_hands_our_words_to_the_model(mode: str) -> None:
    """The SDK's client takes a refused tool call as a result with `isError`, and other refusals as errors."""

    def judge(sent: Request) -> Reply | None:
        wire = wire_of(sent, CATALOG)
        return answer(HELD, wire) if wire.rpc_method in {"tools/call", "resources/read"} else None

    async def story(client: Client) -> None:
        result = await client.call_tool("search", {"query": "x"})
        assert result.is_error
        assert "NOT EXECUTED. Waiting for approval hld_1." in str(result.content[0])
        assert result.meta is not None
        assert result.meta["dev.countersign/approval"]["status"] == "pending"
        with pytest.raises(MCPError, match="NOT EXECUTED"):
            await client.read_resource("note://a")

    asyncio.run(session(mode, judge, story))


TEXT = st.text() | st.just("\ud800")
ACTIONS: list[NextAction] = ["none", "wait", "request", "authenticate", "retry", "fix_request"]
REFUSALS = st.builds(
    Refusal,
    reason=st.sampled_from(["no_permit", "header_mismatch", "rpc_method_unknown", "approval_pending"]),
    status=st.sampled_from([400, 403, 428, 503]),
    detail=TEXT,
    next_action=st.sampled_from(ACTIONS),
    extra=st.dictionaries(TEXT | st.sampled_from(["hold_id", "status", "reason", "executed"]), TEXT | st.floats()),
)
HEADERS: st.SearchStrategy[Headers] = st.lists(
    st.tuples(st.sampled_from(["accept", "mcp-method", "mcp-protocol-version"]), st.text()), max_size=3
).map(tuple)


@given(REFUSALS, st.sampled_from(["crm.example.com", "notes.example.com", "x"]), st.binary(), HEADERS)
def test_every_refusal_of_every_request_can_be_said(found: Refusal, host: str, body: bytes, headers: Headers) -> None:
    """Whatever was refused and however it is worded, an answer comes out that says NOT EXECUTED."""
    sent = request("POST", f"{host}/mcp", body, "application/json", headers)
    reply = answer(found, wire_of(sent, CATALOG))
    assert reply.status in {found.status, 200, 400, 404}
    assert b"NOT EXECUTED." in reply.body
    told = document(reply)
    if "status" in told:
        assert (told["status"], told["reason"], told["executed"]) == (found.status, found.reason, False)
