"""MCP over streamable HTTP into a call, for the revisions 2025-03-26 to 2026-07-28.

One JSON-RPC message in each POST. `tools/call` is a tool of the inventory; other methods that read or do
something are built-in tools; the rest is housekeeping. What is neither is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.errors import Refused, refuse
from proxy.protocols.bodies import Body, read_body
from proxy.protocols.catalog import Entry
from proxy.protocols.datasets import datasets_of
from proxy.protocols.envelope import body_part, exact_json, http_part, seal
from proxy.protocols.mcp_headers import check_method, check_parameters, mcp_headers, protocol_version
from proxy.protocols.mcp_methods import BUILT_IN, EXCHANGE, LIFECYCLE, NOTIFICATIONS, PASSING_META, SEALED
from proxy.protocols.operations import Operation, check_lookalikes
from proxy.stages import Attributed, Call, Request

_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
_ANSWER_MEMBERS = (frozenset({"jsonrpc", "id", "result"}), frozenset({"jsonrpc", "id", "error"}))
_LISTENING = frozenset({"toolsListChanged", "promptsListChanged", "resourcesListChanged"})
_CALL_PARAMS = EXCHANGE | {"name", "arguments"}


@dataclass(frozen=True, slots=True)
class Message:
    """One JSON-RPC message from the client. `method` is empty for an answer to a request of the server.

    `plain`: see `strict_json.Document`.
    """

    method: str
    id: str | int | None
    params: Mapping[str, Json]
    meta: Mapping[str, Json]
    plain: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a message asks for. No operation: housekeeping."""

    name: str
    operation: Operation | None
    arguments: Mapping[str, Json]


def describe_mcp(attributed: Attributed, entry: Entry) -> Call:
    """The call that this request is, or its refusal."""
    request = attributed.arrived.request
    if request.path != entry.endpoint or request.query:
        raise refuse("endpoint_unknown", 403, f"The MCP endpoint of this service is {entry.endpoint}, without a query.")
    headers = mcp_headers(request.headers)
    if request.method != "POST":
        return _stream_or_end(attributed, entry, protocol_version(headers, {}, is_request=False))
    body = _json(request)
    message = read_message(body.value, plain=body.plain)
    version = protocol_version(headers, message.meta, is_request=message.method != "" and message.id is not None)
    check_method(headers, version, message.method, message.params)
    asked = _asked(message, entry)
    if asked.operation is not None:
        check_parameters(headers, version, asked.operation, asked.arguments)
        if asked.operation.shape is not None:
            check_lookalikes(asked.operation.shape, dict(asked.arguments))
    return _call(attributed, entry, asked, message, version)


def _json(request: Request) -> Body:
    body = read_body(request)
    if body.kind == "json" and body.media.partition(";")[0] == "application/json":
        return body
    raise refuse("content_type_unknown", 415, "An MCP message must be sent as application/json.", "fix_request")


def read_message(value: Json, *, plain: bool = False) -> Message:
    """The one JSON-RPC message that this value is; refused if it is several, or none exactly."""
    if isinstance(value, list):
        raise _invalid("rpc_batch", "it is a batch; send one message in each request")
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise _invalid("rpc_invalid", 'it is no object with `"jsonrpc": "2.0"`')
    rpc_id = value.get("id")
    if "id" in value and (isinstance(rpc_id, bool) or not isinstance(rpc_id, str | int)):
        raise _invalid("rpc_invalid", "its `id` is neither a string nor an integer")
    number = rpc_id if isinstance(rpc_id, str | int) else None
    if "method" not in value:
        if value.keys() not in _ANSWER_MEMBERS:
            raise _invalid("rpc_invalid", "it is neither a request, a notification nor an answer")
        return Message("", number, {}, {}, plain)
    method, params = value["method"], value.get("params", {})
    if not isinstance(method, str) or not method or not value.keys() <= _MEMBERS or not isinstance(params, dict):
        raise _invalid("rpc_invalid", "its members are not those of a request with named parameters")
    meta = params.get("_meta", {})
    if not isinstance(meta, dict):
        raise _invalid("rpc_invalid", "its `_meta` is no object")
    return Message(method, number, params, meta, plain)


def _asked(message: Message, entry: Entry) -> _Asked:
    method, params = message.method, message.params
    if not method:
        return _Asked("answer", None, {})
    if message.id is None:
        if method not in NOTIFICATIONS:
            raise _invalid("rpc_method_unknown", f"{method[:60]!a} is no notification of a client")
        return _Asked(method, None, {})
    if method == "tools/call":
        return _tool_call(params, entry)
    if method in LIFECYCLE or (method == "subscriptions/listen" and _only_listens(params)):
        return _Asked(method, None, {})
    operation = BUILT_IN.get(method)
    if operation is None:
        raise refuse("rpc_method_unknown", 404, f"The method {method[:60]!a} cannot be judged here.", "none")
    arguments = {name: value for name, value in params.items() if name not in EXCHANGE}
    if not arguments.keys() <= operation.properties.keys():
        raise _invalid("rpc_invalid", f"{method} has parameters that are not its own")
    return _Asked(method, operation, arguments)


def _tool_call(params: Mapping[str, Json], entry: Entry) -> _Asked:
    name, arguments = params.get("name"), params.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict) or not params.keys() <= _CALL_PARAMS:
        raise _invalid("rpc_invalid", "tools/call needs a `name`, an object of `arguments`, and nothing unknown")
    operation = entry.operations.get(name)
    if operation is None or name in BUILT_IN:
        raise refuse("tool_unknown", 403, f"The service {entry.service.id} has no tool {name[:60]!a} that may be used.")
    return _Asked(name, operation, arguments)


def _only_listens(params: Mapping[str, Json]) -> bool:
    """Whether the client only wants to hear that lists have changed, as on the stream of older revisions."""
    wanted = params.get("notifications")
    return isinstance(wanted, dict) and wanted.keys() <= _LISTENING and params.keys() <= {"notifications", "_meta"}


def _stream_or_end(attributed: Attributed, entry: Entry, version: str) -> Call:
    """GET opens the stream of server messages, DELETE ends the session: housekeeping, without a body."""
    method = attributed.arrived.request.method
    if method not in {"GET", "DELETE"}:
        raise refuse("method_unknown", 405, "An MCP endpoint takes POST, GET and DELETE only.")
    if attributed.arrived.request.body:
        raise refuse("body_invalid", 400, f"A {method} on an MCP endpoint has no body.", "fix_request")
    name = "stream" if method == "GET" else "end"
    return _call(attributed, entry, _Asked(name, None, {}), Message("", None, {}, {}), version)


def _call(attributed: Attributed, entry: Entry, asked: _Asked, message: Message, version: str) -> Call:
    request, service = attributed.arrived.request, entry.service
    tool = asked.operation.tool if asked.operation else None
    canon, exact = exact_json(dict(asked.arguments), plain=message.plain)
    sealed: dict[str, Json] = {
        "service": service.id,
        "tool": tool.name if tool else None,
        "credential": entry.credential_pin,
        "http": http_part(request, ()),
        "mcp": {
            "method": message.method or asked.name,
            "definition": asked.operation.definition if asked.operation else None,
            "arguments": body_part("", canon, exact),
            "exchange": _exchange(message, everything=tool is None),
        },
    }
    envelope, digest = seal(attributed.identity, sealed)
    traceparent = message.meta.get("traceparent")
    return Call(
        protocol="mcp",
        service=service,
        tool=tool,
        operation=f"{service.id}/{asked.name}",
        arguments=asked.arguments,
        datasets=datasets_of(entry.selectors, tool.name, request.path, asked.arguments) if tool else (),
        digest=digest,
        envelope=envelope,
        lifecycle=tool is None,
        rpc_id=message.id,
        rpc_version=version,
        traceparent=traceparent if isinstance(traceparent, str) else None,
    )


def _exchange(message: Message, *, everything: bool) -> Json:
    """What else the server may act on: the answers to its questions, a task's terms, unknown metadata."""
    names = message.params.keys() - {"_meta"} if everything else message.params.keys() & SEALED
    found: dict[str, Json] = {name: message.params[name] for name in names}
    meta = {name: value for name, value in message.meta.items() if name not in PASSING_META}
    if meta:
        found["_meta"] = meta
    if not found:
        return None
    canon, exact = exact_json(found, plain=message.plain)
    return body_part("", canon, exact)


def _invalid(reason: str, why: str) -> Refused:
    return refuse(reason, 400, f"The body is not one JSON-RPC message that can be judged: {why}.", "fix_request")
