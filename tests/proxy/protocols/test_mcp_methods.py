"""Which MCP methods there are, and that none is forgotten or two things at once."""

import mcp_types
import pytest

from proxy.protocols.mcp_methods import BUILT_IN, LIFECYCLE, NOTIFICATIONS

FROM_SERVERS = {"elicitation/create", "sampling/createMessage", "roots/list"}


def known_methods() -> set[str]:
    """Every method that the SDK has a request type for."""
    found = set()
    for value in vars(mcp_types).values():
        fields = getattr(value, "model_fields", {})
        default = fields["method"].default if "method" in fields else None
        if isinstance(default, str):
            found.add(default)
    return found


def test_every_request_of_a_client_is_housekeeping_or_a_tool() -> None:
    """No client method of the SDK is unknown to us, and none is both."""
    requests = {method for method in known_methods() if not method.startswith("notifications/")}
    assert requests - FROM_SERVERS - {"tools/call"} <= LIFECYCLE | BUILT_IN.keys()
    assert not LIFECYCLE & BUILT_IN.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tools_say_what_they_take(name: str) -> None:
    """Each built-in tool has an effect and a schema, so that policies can be written about it."""
    operation = BUILT_IN[name]
    assert operation.tool.effect in {"read", "write"}
    assert operation.schema is not None
    assert set(operation.schema["required"]) <= set(operation.properties)  # type: ignore[arg-type]  # a list of names


def test_notifications_are_only_notifications() -> None:
    """Everything sent without an id has a name that says so."""
    assert all(name.startswith("notifications/") for name in NOTIFICATIONS)
