"""The methods of the Model Context Protocol: housekeeping, and those that are tools of every MCP service."""

from collections.abc import Mapping

from policies.model import Json
from proxy.facts import Effect, Tool
from proxy.protocols.operations import Operation, prepare

STATELESS = "2026-07-28"
VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25", STATELESS)
ASSUMED_VERSION = "2025-03-26"  # what a server assumes where no header says otherwise

LIFECYCLE = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "logging/setLevel",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    }
)
NOTIFICATIONS = frozenset(
    {
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
        "notifications/tasks/status",
        "notifications/elicitation/complete",
    }
)
# Method -> the member of `params` that the header `Mcp-Name` repeats.
NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
    "tasks/result": "taskId",
}
# Members of `params` that are about the exchange, not arguments. Those in SEALED are part of what is approved.
EXCHANGE = frozenset({"_meta", "task", "inputResponses", "requestState"})
SEALED = frozenset({"task", "inputResponses"})
# Keys of `_meta` that differ between two sendings of one action; all others are part of what is approved.
PASSING_META = frozenset(
    {
        "progressToken",
        "traceparent",
        "tracestate",
        "baggage",
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/logLevel",
    }
)

_TEXT: Json = {"type": "string"}
_ANY: Json = {"type": "object"}


def _built_in(name: str, effect: Effect, properties: Mapping[str, Json], *required: str) -> Operation:
    schema: dict[str, Json] = {"type": "object", "properties": dict(properties), "required": list(required)}
    return prepare(Tool(name=name, effect=effect, description=f"The MCP method {name}", input_schema=schema), schema)


BUILT_IN: Mapping[str, Operation] = {
    operation.tool.name: operation
    for operation in (
        _built_in("resources/read", "read", {"uri": _TEXT}, "uri"),
        _built_in("resources/subscribe", "read", {"uri": _TEXT}, "uri"),
        _built_in("resources/unsubscribe", "read", {"uri": _TEXT}, "uri"),
        _built_in("subscriptions/listen", "read", {"notifications": _ANY}, "notifications"),
        _built_in("prompts/get", "read", {"name": _TEXT, "arguments": _ANY}, "name"),
        _built_in("completion/complete", "read", {"ref": _ANY, "argument": _ANY, "context": _ANY}, "ref", "argument"),
        _built_in("tasks/get", "read", {"taskId": _TEXT}, "taskId"),
        _built_in("tasks/result", "read", {"taskId": _TEXT}, "taskId"),
        _built_in("tasks/list", "read", {"cursor": _TEXT}),
        _built_in("tasks/update", "write", {"taskId": _TEXT}, "taskId"),
        _built_in("tasks/cancel", "write", {"taskId": _TEXT}, "taskId"),
    )
}
