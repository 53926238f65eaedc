"""The starter inventory as policies see it: a support agent, its owner, a CRM and a store of notes."""

from dataclasses import replace

from policies.model import (
    AgentFacts,
    Catalogue,
    DatasetFacts,
    DatasetUse,
    Inquiry,
    Json,
    PersonFacts,
    ServiceFacts,
    ToolFacts,
)


def arguments(required: list[str], **properties: Json) -> dict[str, Json]:
    """A tool's input schema: an object with these properties."""
    return {"type": "object", "properties": properties, "required": list[Json](required)}


REFUND = arguments(
    ["customer", "amount"],
    customer={"type": "string"},
    amount={"type": "integer"},
    currency={"type": "string", "enum": ["EUR", "USD"]},
    note={"type": "string"},
)

CRM = ServiceFacts(
    "crm",
    owner="alice",
    trust="internal",
    environment="production",
    tools=(
        ToolFacts("get_customer", "read", arguments(["id"], id={"type": "string"})),
        ToolFacts("create_refund", "pay", REFUND),
        ToolFacts("export_customers", "read"),
    ),
)
NOTES = ServiceFacts(
    "notes",
    owner="bob",
    tools=(
        ToolFacts("search_notes", "read", arguments(["query"], query={"type": "string"})),
        ToolFacts("delete_note", "delete", arguments(["id"], id={"type": "string"})),
    ),
)
STARTER = Catalogue(
    version="starter",
    people=(PersonFacts("alice", ("support",)), PersonFacts("bob", ("security",)), PersonFacts("gone", active=False)),
    agents=(
        AgentFacts("support-bot", "alice", team="support", environment="production"),
        AgentFacts("admin-bot", "bob", environment="production", agent_class="privileged"),
    ),
    services=(CRM, NOTES),
    datasets=(
        DatasetFacts("customers", "alice", "confidential", ("pii",)),
        DatasetFacts("customer-exports", "alice", "restricted", ("pii",)),
    ),
    teams=("support", "security"),
)

NOON = 1_782_993_600.0  # Thursday, 2 July 2026, 12:00 UTC

REFUND_CALL = Inquiry(
    agent="support-bot",
    service="crm",
    tool="create_refund",
    method="POST",
    path="/v1/refunds",
    host="api.crm.example",
    protocol="rest",
    arguments={"customer": "c-7", "amount": 1200, "currency": "EUR"},
    chain=("agent:support-bot",),
    now=NOON,
)
READ_CALL = replace(
    REFUND_CALL,
    tool="get_customer",
    method="GET",
    path="/v1/customers/c-7",
    arguments={"id": "c-7"},
    datasets=(DatasetUse("customers", "read"),),
)
