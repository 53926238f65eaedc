"""A refusal in the shape that the caller's protocol understands. Rendering never raises.

Plain HTTP gets an RFC 9457 problem document; MCP gets a tool result with `isError`, which reaches the model, or
a JSON-RPC error. Each says first that nothing was executed, then why, and what to do next.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from policies.model import Json
from proxy import strict_json
from proxy.errors import Refusal
from proxy.protocols.catalog import Catalog
from proxy.protocols.mcp_methods import STATELESS
from proxy.stages import Headers, Reply, Request

PROBLEM = "urn:countersign:problem:"
CALL = "urn:countersign:call:"
REFUSAL_META = "dev.countersign/refusal"
APPROVAL_META = "dev.countersign/approval"

# Outside the range that MCP reserves for itself (-32020 to -32099).
_REFUSED = -32001
# JSON-RPC and MCP errors of the message itself: code and HTTP status.
_RPC_ERRORS = {
    "header_mismatch": (-32020, 400),
    "protocol_version_unsupported": (-32022, 400),
    "rpc_invalid": (-32600, 400),
    "rpc_method_unknown": (-32601, 200),
}
_TITLES = {
    "approval_pending": "Held for human approval",
    "approval_denied": "Approval denied",
    "approval_expired": "Nobody decided in time",
    "internal_error": "The proxy failed, and refused",
}
# What an answer to a call never carries: clients resend on `Retry-After` whatever the status.
_NEVER = frozenset({"retry-after", "content-type", "content-length", "cache-control", "x-should-retry"})


@dataclass(frozen=True, slots=True)
class Wire:
    """How to answer a request. The default is plain HTTP."""

    protocol: Literal["rest", "mcp"] = "rest"
    head: bool = False
    rpc_id: str | int | None = None
    rpc_method: str = ""
    rpc_version: str = ""


def wire_of(request: Request, catalog: Catalog) -> Wire:
    """How this request wants to be answered, from its bytes alone. For words only: nothing here is judged."""
    if request.method != "POST" or not _speaks_mcp(request, catalog):
        return Wire(head=request.method == "HEAD")
    try:
        message = strict_json.loads(request.body)
    except ValueError:
        return Wire("mcp")
    if not isinstance(message, dict):
        return Wire("mcp")
    rpc_id, method = message.get("id"), message.get("method")
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get("io.modelcontextprotocol/protocolVersion") if isinstance(meta, dict) else None
    return Wire(
        "mcp",
        rpc_id=rpc_id if isinstance(rpc_id, str | int) and not isinstance(rpc_id, bool) and method else None,
        rpc_method=method if isinstance(method, str) else "",
        rpc_version=version if isinstance(version, str) else request.header("mcp-protocol-version") or "",
    )


def _speaks_mcp(request: Request, catalog: Catalog) -> bool:
    service = catalog.service_for(request.scheme, request.host, request.port, request.path)
    if service is not None:
        return service.protocol == "mcp"
    if any(name in {"mcp-protocol-version", "mcp-method"} for name, _ in request.headers):
        return True
    return "text/event-stream" in (request.header("accept") or "") and b'"jsonrpc"' in request.body


def render(refusal: Refusal, *, wire: Wire, call_id: str, trace_id: str) -> Reply:
    """The answer to a refused call."""
    # Who you are is settled in HTTP, where clients look for a challenge; and what has no id gets no answer.
    if wire.protocol == "rest" or wire.rpc_id is None or refusal.status in {401, 407}:
        return _problem(refusal, wire, call_id, trace_id)
    return _rpc(refusal, wire, call_id, trace_id)


def _problem(refusal: Refusal, wire: Wire, call_id: str, trace_id: str) -> Reply:
    document: dict[str, Json] = {
        **_public(refusal.extra),
        "type": PROBLEM + refusal.reason,
        "title": _TITLES.get(refusal.reason) or refusal.reason.replace("_", " ").capitalize(),
        "status": refusal.status,
        "detail": _words(refusal),
        "instance": CALL + call_id,
        **_facts(refusal, call_id, trace_id),
        "error": {"type": refusal.reason, "code": refusal.reason, "message": _words(refusal)},
    }
    body = b"" if wire.head else _dumped(document)
    return Reply(refusal.status, _headers(refusal, "application/problem+json"), body)


def _rpc(refusal: Refusal, wire: Wire, call_id: str, trace_id: str) -> Reply:
    facts = _facts(refusal, call_id, trace_id)
    message: dict[str, Json] = {"jsonrpc": "2.0", "id": wire.rpc_id}
    code, status = _RPC_ERRORS.get(refusal.reason, (_REFUSED, 200))
    if wire.rpc_method == "tools/call" and code == _REFUSED:
        message["result"] = _tool_result(refusal, facts, wire.rpc_version)
    else:
        if code == -32601 and wire.rpc_version == STATELESS:
            status = 404
        own = refusal.extra.get("rpc_data")
        data: dict[str, Json] = {**_public(refusal.extra), **facts, **(own if isinstance(own, dict) else {})}
        message["error"] = {"code": code, "message": _words(refusal), "data": data}
    return Reply(status, _headers(refusal, "application/json"), _dumped(message))


def _tool_result(refusal: Refusal, facts: dict[str, Json], version: str) -> dict[str, Json]:
    text = f"{_words(refusal)} [reason: {refusal.reason}; call: {facts['call_id']}]"
    meta: dict[str, Json] = {REFUSAL_META: facts}
    extra = _public(refusal.extra)
    if "hold_id" in extra:
        status = extra.pop("approval_status", None)
        meta[APPROVAL_META] = {**extra, "status": status, "executed": facts["executed"]}
    elif extra:
        meta[REFUSAL_META] = {**extra, **facts}
    result: dict[str, Json] = {"content": [{"type": "text", "text": text}], "isError": True, "_meta": meta}
    if version == STATELESS:
        result["resultType"] = "complete"
    return result


def _facts(refusal: Refusal, call_id: str, trace_id: str) -> dict[str, Json]:
    return {
        "reason": refusal.reason,
        "next_action": refusal.next_action,
        "call_id": call_id,
        "trace_id": trace_id,
        "executed": _executed(refusal),
    }


def _executed(refusal: Refusal) -> bool | None:
    """False, unless the refusal itself says that nobody knows (None)."""
    return None if refusal.extra.get("executed", False) is None else False


def _words(refusal: Refusal) -> str:
    first = "NOT EXECUTED." if _executed(refusal) is False else "OUTCOME UNKNOWN."
    return refusal.detail if refusal.detail.startswith(first) else f"{first} {refusal.detail}"


def _public(extra: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in extra.items() if name not in {"rpc_data", "executed"}}


def _headers(refusal: Refusal, media: str) -> Headers:
    own = tuple((name, value) for name, value in refusal.headers if name.lower() not in _NEVER)
    return (("content-type", media), ("cache-control", "no-store"), ("x-should-retry", "false"), *own)


def _dumped(document: Mapping[str, Json]) -> bytes:
    """ASCII JSON of whatever it is given: a refusal must reach the agent, odd characters or not."""
    return json.dumps(document, separators=(",", ":"), default=str, skipkeys=True).encode("ascii")
