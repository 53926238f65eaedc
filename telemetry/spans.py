"""Spans, built from records after the fact. Every call has one: there is no sampler that an agent could steer.

A denied or held call is one SERVER span; an allowed one a SERVER span with a CLIENT span inside; an approval
that was waited for is an INTERNAL span under the held call's, made when it ends.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from telemetry import names
from telemetry.record import unix_nanoseconds

type Attribute = str | bool | int | Sequence[str]
type Attributes = dict[str, Attribute]

_MOST_OPEN = 10_000
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET = Status(StatusCode.UNSET)
_SCOPE: Final = InstrumentationScope(names.SCOPE, schema_url=names.SCHEMA_URL)
_FROM_SECTIONS: Final = (
    (names.PRINCIPAL_ID, "principal", "id"),
    (names.PRINCIPAL_TYPE, "principal", "kind"),
    (names.DELEGATION_CHAIN, "delegation", "chain"),
    (names.DELEGATION_DEPTH, "delegation", "depth"),
    (names.DELEGATION_INTEGRITY, "delegation", "integrity"),
    (names.GENAI_AGENT, "agent", "id"),
    (names.AGENT_INSTANCE, "agent", "instance"),
    (names.AGENT_OWNER, "agent", "owner"),
    (names.AGENT_IDENTITY, "agent", "identity"),
    (names.AGENT_IDENTITY_SOURCE, "agent", "src"),
    (names.CLIENT_ADDRESS, "client", "ip"),
    (names.CALL_PROTOCOL, "action", "proto"),
    (names.CALL_OPERATION, "action", "operation"),
    (names.CALL_EFFECT, "action", "effect"),
    (names.SERVICE, "action", "service"),
    (names.DATASETS, "action", "datasets"),
    (names.DESTINATION_CLASS, "action", "dst_class"),
    (names.JSONRPC_ID, "action", "rpc_id"),
    (names.MCP_VERSION, "action", "rpc_version"),
    (names.DECISION_OUTCOME, "decision", "outcome"),
    (names.DECISION_WOULD, "decision", "would"),
    (names.DECISION_REASON, "decision", "reason"),
    (names.DECISION_MODE, "decision", "mode"),
    (names.DECISION_MICROSECONDS, "decision", "eval_us"),
    (names.POLICY_DIGEST, "decision", "policy"),
    (names.RULE_NAME, "decision", "rules"),
    (names.APPROVAL_ID, "approval", "id"),
    (names.APPROVAL_STATE, "approval", "state"),
    (names.APPROVER_ID, "approval", "by"),
    (names.APPROVAL_CHANNEL, "approval", "channel"),
    (names.APPROVAL_WAIT, "approval", "wait_ms"),
    (names.TRACE_ORIGIN, "trace", "origin"),
    (names.TRACE_INBOUND, "trace", "inbound"),
)


class SpanBuilder:
    """Feed records in order; each may complete spans. Holds only what is under way, and not too much of it."""

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._resource = Resource(dict(resource))
        self._open: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._held: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._approved: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self.forgotten = 0

    def feed(self, record: Mapping[str, Any]) -> list[ReadableSpan]:
        call = str(record.get("call", ""))
        hold = str(_of(record, "approval", "id") or "")
        match record.get("type"):
            case "call.completed" | "call.aborted":
                begun = self._open.pop(call, None)
                return [self._client(begun, record), self._server(begun, record)] if begun is not None else []
            case "call.decided" if _of(record, "decision", "outcome") == "allow":
                self._remember(self._open, call, record)
                return []
            case "call.resumed":
                return self._resumed(call, hold, record)
            case "call.held":
                self._remember(self._held, hold, record)
                return [self._server({}, record)]
            case "call.refused":
                return [self._server(self._open.pop(call, {}), record)]
            case "call.decided" | "identity.refused":
                return [self._server({}, record)]
            case "approval.decided":
                held = self._held.get(hold)
                if held is not None:
                    return [self._approval(record, held.get("trace") or {})]
                self._remember(self._approved, hold, record)
                return []
            case _:
                return []

    def _remember(self, kept: OrderedDict[str, Mapping[str, Any]], key: str, record: Mapping[str, Any]) -> None:
        kept[key] = record
        if len(kept) > _MOST_OPEN:
            kept.popitem(last=False)
            self.forgotten += 1

    def _resumed(self, call: str, hold: str, record: Mapping[str, Any]) -> list[ReadableSpan]:
        """A release: linked to the held call, or, if the caller waited on the line, with the wait inside its span."""
        trace = dict(record.get("trace") or {})
        held = self._held.get(hold)
        if held is not None:
            before = held.get("trace") or {}
            trace |= {"resumes": before.get("span"), "resumes_trace": before.get("id")}
        self._remember(self._open, call, {**record, "trace": trace})
        decided = self._approved.pop(hold, None)
        return [self._approval(decided, trace)] if decided is not None else []

    def _server(self, begun: Mapping[str, Any], ended: Mapping[str, Any]) -> ReadableSpan:
        """The call as the agent sees it. `begun` is what was known when it went upstream, if it did."""
        known = _merged(begun, ended)
        trace = known.get("trace") or {}
        first = begun or ended
        start = unix_nanoseconds(first["ts"]) - int(first.get("elapsed_us", 0)) * 1_000
        attributes = _attributes(known)
        status = _of(known, "error", "status") or _of(known, "upstream", "status")
        if status:
            attributes[names.HTTP_STATUS] = int(status)
        _result(attributes, known)
        mcp = _of(known, "action", "proto") == "mcp"
        failed = names.ERROR_TYPE in attributes and (mcp or not status or int(status) >= 500)
        parent = None
        if trace.get("origin") == "continued" and trace.get("inbound_span"):
            parent = _context(trace["id"], trace["inbound_span"], remote=True)
        return ReadableSpan(
            name=_name(known, server=True),
            context=_context(trace.get("id"), trace.get("span")),
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            links=_links(trace),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR, str(attributes[names.ERROR_TYPE])) if failed else _UNSET,
            start_time=start,
            end_time=max(start, unix_nanoseconds(ended["ts"])),
            instrumentation_scope=_SCOPE,
        )

    def _client(self, begun: Mapping[str, Any], ended: Mapping[str, Any]) -> ReadableSpan:
        """The call as the upstream sees it."""
        trace = begun.get("trace") or {}
        action = begun.get("action") or {}
        start = unix_nanoseconds(begun["ts"])
        attributes: Attributes = {names.CALL_ID: str(begun.get("call", ""))}
        host, _, port = str(action.get("dst", "")).rpartition(":")
        if host and port.isdigit():
            attributes |= {names.SERVER_ADDRESS: host.strip("[]"), names.SERVER_PORT: int(port)}
        _protocol(attributes, begun)
        status = _of(ended, "upstream", "status")
        if status:
            attributes[names.HTTP_STATUS] = int(status)
        _result(attributes, ended)
        if status and int(status) >= 400:
            attributes.setdefault(names.ERROR_TYPE, str(status))
        failed = names.ERROR_TYPE in attributes
        return ReadableSpan(
            name=_name(begun, server=False),
            context=_context(trace.get("id"), trace.get("up")),
            parent=_context(trace.get("id"), trace.get("span")),
            resource=self._resource,
            attributes=attributes,
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, str(attributes[names.ERROR_TYPE])) if failed else _UNSET,
            start_time=start,
            end_time=max(start, unix_nanoseconds(ended["ts"])),
            instrumentation_scope=_SCOPE,
        )

    def _approval(self, record: Mapping[str, Any], trace: Mapping[str, Any]) -> ReadableSpan:
        """The wait for a person, under the span of the call that waited."""
        end = unix_nanoseconds(record["ts"])
        wait = int(_of(record, "approval", "wait_ms") or 0) * 1_000_000
        return ReadableSpan(
            name="approval",
            context=_context(trace.get("id"), os.urandom(8).hex()),
            parent=_context(trace.get("id"), trace.get("span")),
            resource=self._resource,
            attributes=_attributes(record),
            kind=SpanKind.INTERNAL,
            start_time=end - wait,
            end_time=end,
            instrumentation_scope=_SCOPE,
        )


def _merged(begun: Mapping[str, Any], ended: Mapping[str, Any]) -> dict[str, Any]:
    """All that two records say, section by section; where both speak, the later."""
    known = dict(begun)
    for name, value in ended.items():
        before = known.get(name)
        known[name] = {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return known


def _of(record: Mapping[str, Any], section: str, key: str) -> Any:  # noqa: ANN401 - JSON as it stands in the record
    part = record.get(section)
    return part.get(key) if isinstance(part, Mapping) else None


def _attributes(record: Mapping[str, Any]) -> Attributes:
    attributes: Attributes = {names.CALL_ID: str(record.get("call", "")), names.AUDIT_LOG: str(record.get("log", ""))}
    for name, section, key in _FROM_SECTIONS:
        value = _of(record, section, key)
        if value not in (None, "", []):
            attributes[name] = tuple(value) if isinstance(value, list) else value
    if record.get("task"):
        attributes[names.TASK_ID] = str(record["task"])
    if isinstance(record.get("idx"), int):
        attributes[names.AUDIT_INDEX] = record["idx"]
    args = _of(record, "action", "args")
    if isinstance(args, Mapping) and args.get("commit"):
        attributes[names.ARGS_COMMITMENT] = str(args["commit"])
        attributes[names.ARGS_BYTES] = int(args.get("bytes", 0))
    _protocol(attributes, record)
    return attributes


def _protocol(attributes: Attributes, record: Mapping[str, Any]) -> None:
    action = record.get("action") or {}
    if action.get("proto") == "mcp":
        if action.get("method"):
            attributes[names.MCP_METHOD] = str(action["method"])
        if action.get("tool"):
            attributes[names.GENAI_TOOL] = str(action["tool"])
            attributes[names.GENAI_OPERATION] = "execute_tool"
    else:
        for name, key in ((names.HTTP_METHOD, "method"), (names.URL_PATH, "path"), (names.GENAI_TOOL, "tool")):
            if action.get(key):
                attributes[name] = str(action[key])


def _result(attributes: Attributes, record: Mapping[str, Any]) -> None:
    if isinstance(size := _of(record, "upstream", "bytes"), int):
        attributes[names.RESULT_BYTES] = size
    reason = _of(record, "error", "reason")
    if reason:
        attributes[names.ERROR_TYPE] = str(reason)
    elif _of(record, "decision", "outcome") == "deny":
        attributes[names.ERROR_TYPE] = str(_of(record, "decision", "reason") or "denied")


def _name(record: Mapping[str, Any], *, server: bool) -> str:
    """Of low cardinality: never a raw path."""
    action = record.get("action") or {}
    method = str(action.get("method") or "call")
    tool = str(action.get("tool") or "")
    if action.get("proto") == "mcp" or server:
        return f"{method} {tool}".rstrip()
    return method


def _context(trace: str | None, span: str | None, *, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace or "0", 16), int(span or "0", 16), is_remote=remote, trace_flags=_SAMPLED)


def _links(trace: Mapping[str, Any]) -> list[Link]:
    links: list[Link] = []
    if trace.get("origin") == "restarted" and trace.get("inbound") and trace.get("inbound_span"):
        inbound = _context(trace["inbound"], trace["inbound_span"], remote=True)
        links.append(Link(inbound, {names.LINK_TYPE: "inbound_untrusted"}))
    if trace.get("resumes"):
        held = _context(trace.get("resumes_trace") or trace.get("id"), trace["resumes"])
        links.append(Link(held, {names.LINK_TYPE: "resume"}))
    return links
