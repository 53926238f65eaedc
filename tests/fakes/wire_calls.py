"""Requests as they come off the wire, and a small catalogue that knows what they mean."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from policies.model import Json
from proxy.errors import Refusal, Refused
from proxy.facts import Agent, Dataset, Inventory, Person, Route, Selector, Service, Tool
from proxy.protocols.catalog import Catalog
from proxy.protocols.registry import describe
from proxy.stages import Arrived, Attributed, Call, Chain, Headers, Hop, Identity, Principal, Proven, Request

FAR = dt.date(2099, 1, 1)
STATELESS = "2026-07-28"

REFUND = Tool(
    name="create_refund",
    effect="pay",
    route=Route(method="POST", path="/v1/refunds"),
    input_schema={
        "type": "object",
        "required": ["customer", "amount"],
        "properties": {
            "customer": {"type": "string"},
            "amount": {"type": "integer"},
            "urgent": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    },
)
CRM = Service(
    id="crm",
    owner="bob",
    url="https://crm.example.com",
    tools=(
        REFUND,
        Tool(name="get_customer", effect="read", route=Route(method="GET", path="/v1/customers/{customer}")),
        Tool(name="list_customers", effect="read", route=Route(method="GET", path="/v1/customers")),
    ),
)
NOTES = Service(
    id="notes",
    owner="bob",
    url="https://notes.example.com/mcp",
    protocol="mcp",
    tools=(
        Tool(
            name="search",
            effect="read",
            input_schema={
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "region": {"type": "string", "x-mcp-header": "Region"},
                },
            },
        ),
        Tool(name="delete_note", effect="delete"),
    ),
)
CUSTOMERS = Dataset(
    id="customers", owner="alice", selectors=(Selector(service="crm", tools=("get_customer",), access="read"),)
)

AGENT = Agent(id="bot", owner="alice", purpose="tests", expires=FAR, review_due=FAR)
ALICE = Person(id="alice", name="Alice")
BOB = Person(id="bob", name="Bob")


def inventory(*services: Service, datasets: tuple[Dataset, ...] = ()) -> Inventory:
    """An inventory of these services and datasets, with two people and one agent."""
    return Inventory(
        version="1",
        people={"alice": ALICE, "bob": BOB},
        teams={},
        agents={"bot": AGENT},
        services={service.id: service for service in services},
        datasets={dataset.id: dataset for dataset in datasets},
    )


def no_documents(service: Service) -> bytes:
    """For inventories in which no service has an OpenAPI document."""
    raise AssertionError(service.id)


def compiled(*services: Service, datasets: tuple[Dataset, ...] = ()) -> Catalog:
    return Catalog.compile(inventory(*services, datasets=datasets), no_documents)


CATALOG = compiled(CRM, NOTES, datasets=(CUSTOMERS,))

IDENTITY = Identity(
    AGENT,
    ALICE,
    Chain(
        Principal("human", "alice"),
        (Hop(Principal("human", "alice"), Principal("agent", "bot"), "verified", "handle", "sha256:1"),),
    ),
    Proven("bot", "handle", "handle:1", 0.0, 1.0, "task-1", on_behalf_of="alice"),
    (),
)


def request(
    method: str, url: str, body: bytes = b"", content_type: str | None = None, headers: Headers = ()
) -> Request:
    """A canonical request; `url` is host and path and query, over HTTPS."""
    place, _, query = url.partition("?")
    host, slash, path = place.partition("/")
    typed = () if content_type is None else (("content-type", content_type),)
    return Request(method, "https", host, 443, slash + path or "/", query, (("host", host), *typed, *headers), body)


def attributed(sent: Request) -> Attributed:
    return Attributed(Arrived("call_1", 0.0, "conn_1", "connect", "127.0.0.1:1", sent), IDENTITY)


def call(sent: Request, catalog: Catalog = CATALOG) -> Call:
    """The described call of this request."""
    return describe(attributed(sent), catalog).call


def refusal(sent: Request, catalog: Catalog = CATALOG) -> Refusal:
    """The refusal that this request gets; fails the test if it is described."""
    with pytest.raises(Refused) as caught:
        describe(attributed(sent), catalog)
    return caught.value.refusal


def rpc(method: str, params: Mapping[str, Json] | None = None, rpc_id: str | int | None = 7) -> dict[str, Json]:
    """A JSON-RPC message; without an id it is a notification."""
    message: dict[str, Json] = {"jsonrpc": "2.0", "method": method}
    if rpc_id is not None:
        message["id"] = rpc_id
    if params is not None:
        message["params"] = dict(params)
    return message


def posted(message: Json, headers: Headers = ()) -> Request:
    """This JSON as a POST to the MCP endpoint."""
    accepted = ("accept", "application/json, text/event-stream")
    return request(
        "POST", "notes.example.com/mcp", json.dumps(message).encode(), "application/json", (accepted, *headers)
    )


def stateless(method: str, params: Mapping[str, Json], name: str | None = None, rpc_id: str | int = 7) -> Request:
    """As a client of revision 2026-07-28 sends it: version, client and capabilities in `_meta`, and the headers."""
    meta: dict[str, Json] = {
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    given = params.get("_meta")
    meta |= given if isinstance(given, dict) else {}
    named = () if name is None else (("mcp-name", name),)
    headers = (("mcp-protocol-version", STATELESS), ("mcp-method", method), *named)
    return posted(rpc(method, {**params, "_meta": meta}, rpc_id), headers)


def with_header(sent: Request, name: str, value: str | None) -> Request:
    """The same request with this header replaced, or removed."""
    others = tuple(header for header in sent.headers if header[0] != name)
    return replace(sent, headers=others if value is None else (*others, (name, value)))
