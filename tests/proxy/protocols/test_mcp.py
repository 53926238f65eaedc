"""MCP messages as calls, in every revision that we read, and why some are refused."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from policies.model import DatasetUse, Json
from proxy.errors import Refused
from proxy.facts import Dataset, Selector
from proxy.protocols.registry import describe
from proxy.stages import Headers, Reply, Request
from tests.fakes.mcp_session import session
from tests.fakes.wire_calls import (
    CATALOG,
    CRM,
    NOTES,
    STATELESS,
    attributed,
    call,
    compiled,
    posted,
    refusal,
    request,
    rpc,
    stateless,
    with_header,
)

OLD = (("mcp-protocol-version", "2025-11-25"),)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SEARCH = rpc("tools/call", {"name": "search", "arguments": {"query": "x"}})


def both(method: str, params: dict[str, Json], name: str | None = None) -> list[Request]:
    """The same request as clients of the two eras send it."""
    return [posted(rpc(method, params), OLD), stateless(method, params, name)]


@pytest.mark.parametrize("sent", both("tools/call", {"name": "search", "arguments": {"query": "x"}}, "search"))
def test_a_tool_call_is_the_tool_of_that_name(sent: Request) -> None:
    """`tools/call` is a call of the inventory's tool, with its arguments, under the message's id."""
    found = call(sent)
    assert found.tool is not None
    assert (found.tool.name, found.operation, found.arguments) == ("search", "notes/search", {"query": "x"})
    assert (found.protocol, found.lifecycle, found.rpc_id) == ("mcp", False, 7)
    assert found.rpc_version in {"2025-11-25", STATELESS}


BUILT_IN: list[tuple[str, dict[str, Json], str | None]] = [
    ("resources/read", {"uri": "note://a"}, "note://a"),
    ("resources/subscribe", {"uri": "note://a"}, None),
    ("resources/unsubscribe", {"uri": "note://a"}, None),
    ("prompts/get", {"name": "greet", "arguments": {"who": "b"}}, "greet"),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "g"}, "argument": {"name": "a"}}, None),
    ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["note://a"]}}, None),
    ("tasks/get", {"taskId": "t1"}, "t1"),
    ("tasks/result", {"taskId": "t1"}, "t1"),
    ("tasks/cancel", {"taskId": "t1"}, "t1"),
    ("tasks/update", {"taskId": "t1"}, "t1"),
    ("tasks/list", {}, None),
]


@pytest.mark.parametrize(("method", "params", "name"), BUILT_IN, ids=lambda value: str(value)[:30])
def test_methods_that_do_something_are_tools(method: str, params: dict[str, Json], name: str | None) -> None:
    """Reading a resource or a prompt is a call that policy judges, with its parameters as arguments."""
    for sent in both(method, params, name):
        found = call(sent)
        assert found.tool is not None
        assert (found.tool.name, found.arguments, found.lifecycle) == (method, params, False)


LIFECYCLE: list[tuple[str, dict[str, Json]]] = [
    ("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}}),
    ("ping", {}),
    ("tools/list", {"cursor": "x"}),
    ("prompts/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("server/discover", {}),
    ("logging/setLevel", {"level": "info"}),
    ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}),
]


@pytest.mark.parametrize(("method", "params"), LIFECYCLE, ids=lambda value: str(value)[:30])
def test_housekeeping_is_marked(method: str, params: dict[str, Json]) -> None:
    """Connecting and listing are housekeeping: no tool, no arguments, no datasets."""
    for sent in both(method, params):
        found = call(sent)
        assert (found.tool, found.lifecycle, found.arguments, found.datasets) == (None, True, {}, ())
        assert found.operation == f"notes/{method}"


OTHER_HOUSEKEEPING: list[tuple[Request, str]] = [
    (posted(rpc("notifications/initialized", None, None), OLD), "notes/notifications/initialized"),
    (posted(rpc("notifications/cancelled", {"requestId": 7}, None), OLD), "notes/notifications/cancelled"),
    (posted({"jsonrpc": "2.0", "id": 3, "result": {"action": "accept"}}, OLD), "notes/answer"),
    (posted({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": ""}}, OLD), "notes/answer"),
    (request("GET", "notes.example.com/mcp", headers=OLD), "notes/stream"),
    (request("DELETE", "notes.example.com/mcp", headers=OLD), "notes/end"),
]


@pytest.mark.parametrize(("sent", "operation"), OTHER_HOUSEKEEPING, ids=lambda value: str(value)[:20])
def test_notifications_answers_and_streams_are_housekeeping(sent: Request, operation: str) -> None:
    """What needs no answer, or only opens and ends a session, is housekeeping without an id to answer under."""
    found = call(sent)
    assert (found.operation, found.lifecycle, found.tool) == (operation, True, None)


def test_trace_context_comes_from_the_message() -> None:
    """`_meta.traceparent` is taken from the message, as text that nobody trusts yet."""
    sent = stateless("tools/call", {"name": "search", "_meta": {"traceparent": TRACE}}, "search")
    assert call(sent).traceparent == TRACE
    assert call(posted(SEARCH, OLD)).traceparent is None
    assert call(posted(rpc("ping", {"_meta": {"traceparent": 7}}), OLD)).traceparent is None


def test_a_tool_call_needs_no_arguments() -> None:
    """Without `arguments` there are none."""
    assert call(posted(rpc("tools/call", {"name": "search"}))).arguments == {}


def test_datasets_are_recognised_in_arguments() -> None:
    """The selectors look at tools and arguments of MCP calls as well, and never at housekeeping."""
    selectors = (
        Selector(service="notes", tools=("search",), arguments={"query": "salaries"}, access="read"),
        Selector(service="notes", tools=("resources/read",), access="read"),
    )
    catalog = compiled(CRM, NOTES, datasets=(Dataset(id="hr", owner="alice", selectors=selectors),))
    salaries = rpc("tools/call", {"name": "search", "arguments": {"query": "Salaries"}})
    assert call(posted(salaries), catalog).datasets == (DatasetUse("hr", "read"),)
    assert call(posted(SEARCH), catalog).datasets == ()
    assert call(posted(rpc("resources/read", {"uri": "x"})), catalog).datasets == (DatasetUse("hr", "read"),)


def raw(body: bytes, content_type: str | None = "application/json", headers: Headers = OLD) -> Request:
    return request("POST", "notes.example.com/mcp", body, content_type, headers)


REFUSED: dict[str, tuple[Request, str, int]] = {
    "unknown tool": (posted(rpc("tools/call", {"name": "drop_all"})), "tool_unknown", 403),
    "tool in another letter case": (posted(rpc("tools/call", {"name": "Search"})), "tool_unknown", 403),
    "method as tool": (posted(rpc("tools/call", {"name": "resources/read"})), "tool_unknown", 403),
    "tool without name": (posted(rpc("tools/call", {"arguments": {}})), "rpc_invalid", 400),
    "name that is no text": (posted(rpc("tools/call", {"name": ["search"]})), "rpc_invalid", 400),
    "list of arguments": (posted(rpc("tools/call", {"name": "search", "arguments": []})), "rpc_invalid", 400),
    "arguments null": (posted(rpc("tools/call", {"name": "search", "arguments": None})), "rpc_invalid", 400),
    "unknown parameter": (posted(rpc("tools/call", {"name": "search", "Arguments": {}})), "rpc_invalid", 400),
    "unknown parameter of a method": (posted(rpc("resources/read", {"uri": "a", "URL": "b"})), "rpc_invalid", 400),
    "look-alike argument": (
        posted(rpc("tools/call", {"name": "search", "arguments": {"Query": "x"}})), "argument_lookalike", 400),
    "unknown method": (posted(rpc("tools/destroy", {})), "rpc_method_unknown", 404),
    "method in another letter case": (posted(rpc("Tools/call", {"name": "search"})), "rpc_method_unknown", 404),
    "server's method": (posted(rpc("sampling/createMessage", {})), "rpc_method_unknown", 404),
    "unknown notification": (posted(rpc("notifications/evil", {}, None)), "rpc_method_unknown", 400),
    "tool call as notification": (posted(rpc("tools/call", {"name": "search"}, None)), "rpc_method_unknown", 400),
    "notification with an id": (posted(rpc("notifications/cancelled", {})), "rpc_method_unknown", 404),
    "batch": (posted([SEARCH]), "rpc_batch", 400),
    "empty batch": (posted([]), "rpc_batch", 400),
    "no JSON-RPC": (posted({"id": 1, "method": "ping"}), "rpc_invalid", 400),
    "JSON-RPC 1": (posted({**SEARCH, "jsonrpc": "1.0"}), "rpc_invalid", 400),
    "null id": (posted({**SEARCH, "id": None}), "rpc_invalid", 400),
    "true id": (posted({**SEARCH, "id": True}), "rpc_invalid", 400),
    "float id": (posted({**SEARCH, "id": 1.5}), "rpc_invalid", 400),
    "object id": (posted({**SEARCH, "id": {}}), "rpc_invalid", 400),
    "method and result": (posted({**SEARCH, "result": {}}), "rpc_invalid", 400),
    "result and error": (posted({"jsonrpc": "2.0", "id": 1, "result": 1, "error": {}}), "rpc_invalid", 400),
    "answer without id": (posted({"jsonrpc": "2.0", "result": 1}), "rpc_invalid", 400),
    "extra member": (posted({**SEARCH, "Method": "ping"}), "body_invalid", 400),
    "unknown member": (posted({**SEARCH, "auth": "x"}), "rpc_invalid", 400),
    "positional parameters": (posted({**SEARCH, "params": ["search"]}), "rpc_invalid", 400),
    "null parameters": (posted({**SEARCH, "params": None}), "rpc_invalid", 400),
    "empty method": (posted({**SEARCH, "method": ""}), "rpc_invalid", 400),
    "method that is no text": (posted({**SEARCH, "method": 7}), "rpc_invalid", 400),
    "_meta that is no object": (posted(rpc("ping", {"_meta": []})), "rpc_invalid", 400),
    "text": (posted("tools/call"), "rpc_invalid", 400),
    "no body": (raw(b""), "content_type_unknown", 415),
    "form": (raw(b"a=1", "application/x-www-form-urlencoded"), "content_type_unknown", 415),
    "other JSON type": (raw(b"{}", "application/vnd.x+json"), "content_type_unknown", 415),
    "no type": (raw(b"{}", None), "content_type_unknown", 415),
    "broken JSON": (raw(b"{"), "body_invalid", 400),
    "other path": (request("POST", "notes.example.com/mcp/x"), "endpoint_unknown", 403),
    "final slash": (request("POST", "notes.example.com/mcp/"), "endpoint_unknown", 403),
    "query": (request("POST", "notes.example.com/mcp?debug=1"), "endpoint_unknown", 403),
    "outside the URL": (request("GET", "notes.example.com/.well-known/x"), "service_unknown", 403),
    "PUT": (request("PUT", "notes.example.com/mcp"), "method_unknown", 405),
    "HEAD": (request("HEAD", "notes.example.com/mcp"), "method_unknown", 405),
    "GET with a body": (
        request("GET", "notes.example.com/mcp", b"{}", "application/json"), "body_invalid", 400),
    "override header": (with_header(posted(SEARCH), "x-method-override", "GET"), "method_override", 400),
    "unknown revision": (
        with_header(posted(SEARCH), "mcp-protocol-version", "2027-01-01"), "protocol_version_unsupported", 400),
    "revision of another transport": (
        with_header(posted(SEARCH), "mcp-protocol-version", "2024-11-05"), "protocol_version_unsupported", 400),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "reason", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_one_known_message_is_refused(sent: Request, reason: str, status: int) -> None:
    """Anything but one well-formed message with a known meaning has a reason, and goes nowhere."""
    found = refusal(sent)
    assert (found.reason, found.status) == (reason, status)


@pytest.mark.parametrize("mode", ["legacy", STATELESS, "auto"])
def test_a_real_client_is_understood(mode: str) -> None:
    """Every request of the SDK's own client, in both eras, is described, and none is refused."""
    operations: list[str] = []

    def judge(sent: Request) -> Reply | None:
        operations.append(call(sent).operation)
        return None

    async def story(client: Client) -> None:
        await client.list_tools()
        result = await client.call_tool("search", {"query": "x"})
        assert not result.is_error
        await client.read_resource("note://a")
        await client.get_prompt("greet", {"who": "b"})

    asyncio.run(session(mode, judge, story))
    assert {"notes/tools/list", "notes/search", "notes/resources/read", "notes/prompts/get"} <= set(operations)
    assert ("notes/initialize" in operations) is (mode == "legacy")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | ANY,
        "id": st.integers() | ANY,
        "method": st.sampled_from(["tools/call", "ping", "resources/read", "notifications/cancelled"]) | ANY,
        "params": st.fixed_dictionaries(
            {},
            optional={
                "name": st.just("search") | ANY,
                "arguments": ANY,
                "_meta": ANY,
                "uri": ANY,
                "task": ANY,
                "inputResponses": ANY,
            },
        )
        | ANY,
        "result": ANY,
    },
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region", "mcp-session-id"]),
        st.sampled_from(["2025-11-25", STATELESS, "tools/call", "search", "=?base64?!?="]) | st.text(max_size=5),
    ),
    max_size=3,
).map(tuple)


@given(st.binary(max_size=50) | MEMBERS.map(lambda value: json.dumps(value).encode()), HEADERS)
def test_any_message_is_described_or_refused(body: bytes, headers: Headers) -> None:
    """Whatever the bytes and headers, the end is a described call or a refusal; never another exception."""
    try:
        found = describe(attributed(raw(body, headers=headers)), CATALOG).call
    except Refused as refused:
        assert 400 <= refused.refusal.status < 500  # noqa: PT017 - either outcome is right
    else:
        assert found.lifecycle is (found.tool is None)
