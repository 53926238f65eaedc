"""What a catalogue finds, what it tells the policies, and which inventories it refuses to be made of."""

from dataclasses import replace

import pytest

from proxy.errors import ConfigurationError, Refused
from proxy.facts import Dataset, Paths, Route, Selector, Service, Tool
from proxy.protocols.catalog import Catalog
from proxy.protocols.mcp_methods import BUILT_IN
from tests.fakes.wire_calls import CATALOG, CRM, NOTES, REFUND, compiled, inventory, no_documents, request

ROOT = Service(id="root", owner="bob", url="https://one.example.com")
API = Service(id="api", owner="bob", url="https://one.example.com/api/")
DEEP = Service(id="deep", owner="bob", url="https://one.example.com/api/v2")
PORT = Service(id="port", owner="bob", url="https://one.example.com:8443")
PLAIN = Service(id="plain", owner="bob", url="http://one.example.com")
SHARED = compiled(ROOT, API, DEEP, PORT, PLAIN)

PLACES: list[tuple[str, str, int, str, str | None]] = [
    ("https", "one.example.com", 443, "/", "root"),
    ("https", "one.example.com", 443, "/apiary", "root"),
    ("https", "one.example.com", 443, "/api", "api"),
    ("https", "one.example.com", 443, "/api/", "api"),
    ("https", "one.example.com", 443, "/api/v1", "api"),
    ("https", "one.example.com", 443, "/api/v2/x", "deep"),
    ("https", "one.example.com", 8443, "/api", "port"),
    ("http", "one.example.com", 80, "/api", "plain"),
    ("http", "one.example.com", 443, "/", None),
    ("https", "two.example.com", 443, "/", None),
    ("https", "ONE.example.com", 443, "/", None),
    ("https", "one.example.com", 443, "/API/v1", None),
    ("https", "one.example.com", 443, "/api;x/v1", None),
    ("https", "one.example.com", 443, "/%61pi/v1", None),
    ("https", "one.example.com", 443, "//api", None),
    ("https", "one.example.com", 443, "/x/../api", None),
]


@pytest.mark.parametrize(("scheme", "host", "port", "path", "expected"), PLACES)
def test_the_longest_url_path_wins(scheme: str, host: str, port: int, path: str, expected: str | None) -> None:
    """A place belongs to the service with the longest URL path; scheme, host and port must be exact."""
    found = SHARED.service_for(scheme, host, port, path)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("two.example.com/", "service_unknown"),
        ("one.example.com/API/v1", "path_ambiguous"),
        ("one.example.com/api/V2", "path_ambiguous"),
        ("one.example.com/%61pi", "path_ambiguous"),
    ],
)
def test_a_place_of_no_single_service_is_refused(url: str, reason: str) -> None:
    """What is no known service, or could be two, has a reason."""
    with pytest.raises(Refused) as caught:
        SHARED.entry_for(request("GET", url))
    assert caught.value.refusal.reason == reason


def test_nothing_configured_is_nothing_known() -> None:
    """An empty catalogue serves nobody."""
    empty = compiled()
    assert empty.service_for("https", "crm.example.com", 443, "/") is None
    assert not empty.serves("crm.example.com", 443)
    assert empty.policy_catalogue().services == ()


def test_services_and_tools_are_found_by_name() -> None:
    """Exact ids and names, nothing else."""
    assert CATALOG.service("crm") == CRM
    assert CATALOG.service("CRM") is None
    assert CATALOG.service(None) is None
    assert CATALOG.serves("crm.example.com", 443)
    assert not CATALOG.serves("crm.example.com", 80)
    tool = CATALOG.tool_for("crm", "create_refund")
    assert tool is not None
    assert tool.effect == "pay"
    assert CATALOG.tool_for("crm", "Create_Refund") is None
    assert CATALOG.tool_for("none", "create_refund") is None
    assert CATALOG.tool_for("notes", "resources/read") is not None
    assert CATALOG.tool_for("crm", "resources/read") is None


def test_policies_see_every_tool_with_its_schema() -> None:
    """The policies' catalogue has people, agents, datasets, and all tools, built-in MCP methods included."""
    facts = CATALOG.policy_catalogue()
    tools = {service.id: {tool.name: tool for tool in service.tools} for service in facts.services}
    assert set(tools["crm"]) == {"create_refund", "get_customer", "list_customers"}
    assert set(tools["notes"]) == {"search", "delete_note", *BUILT_IN}
    assert tools["crm"]["get_customer"].input_schema is None
    assert tools["notes"]["resources/read"].input_schema is not None
    assert [(agent.id, agent.trust_zone, agent.partner) for agent in facts.agents] == [("bot", "", "")]
    zoned = CATALOG.inventory.agents["bot"].model_copy(update={"trust_zone": "dmz", "partner": "acme"})
    other = replace(CATALOG, inventory=CATALOG.inventory.model_copy(update={"agents": {"bot": zoned}}))
    assert [(one.trust_zone, one.partner) for one in other.policy_catalogue().agents] == [("dmz", "acme")]
    assert [person.id for person in facts.people] == ["alice", "bob"]
    assert len(CATALOG.version) == 64
    assert facts.version == CATALOG.version


def test_policies_see_who_stands_in_as_the_owner() -> None:
    """Of an agent, a service and a dataset: whoever answers for it today."""
    stand_ins = {
        "agent:bot": "bob",
        "service:crm": "bob",
        **{f"dataset:{name}": "bob" for name in CATALOG.inventory.datasets},
    }
    facts = replace(CATALOG, inventory=CATALOG.inventory.model_copy(update={"stand_ins": stand_ins})).policy_catalogue()
    owners = {one.id: one.owner for one in (*facts.agents, *facts.services, *facts.datasets)}
    before = {one.id: one.owner for one in CATALOG.policy_catalogue().services}
    assert (owners["bot"], owners["crm"], owners["notes"]) == ("bob", "bob", before["notes"])
    assert {owners[name] for name in CATALOG.inventory.datasets} == {"bob"}


def test_a_schema_gets_the_path_parameters_it_forgot() -> None:
    """Policies can rely on a path parameter whose schema does not mention it."""
    tool = Tool(
        name="t",
        route=Route(method="PUT", path="/c/{customer}/{id}"),
        input_schema={"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    )
    found = compiled(CRM.model_copy(update={"tools": (tool,)})).tool_for("crm", "t")
    assert found is not None
    assert found.input_schema == {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "customer": {"type": "string"}},
        "required": ["id", "customer"],
    }


DOCUMENT = b"""
openapi: 3.1.0
paths:
  /v1/refunds: {post: {operationId: create_refund, summary: Refund, description: more}}
  /v1/ping: {get: {operationId: ping}}
"""


def test_the_inventory_annotates_documented_tools() -> None:
    """Effect and labels of the inventory win; route and description come from the document."""
    own = Tool(name="create_refund", effect="pay", labels=("money",))
    service = CRM.model_copy(update={"openapi": "crm.yaml", "tools": (own,)})
    catalog = Catalog.compile(inventory(service), lambda _: DOCUMENT)
    tool = catalog.tool_for("crm", "create_refund")
    assert tool is not None
    assert (tool.effect, tool.labels, tool.description) == ("pay", ("money",), "Refund")
    assert tool.route == Route(method="POST", path="/v1/refunds")
    assert catalog.tool_for("crm", "ping") is not None


def test_the_version_changes_with_the_document() -> None:
    """Another document is another catalogue, even under the same inventory."""
    service = CRM.model_copy(update={"openapi": "crm.yaml", "tools": ()})
    one = Catalog.compile(inventory(service), lambda _: DOCUMENT)
    two = Catalog.compile(inventory(service), lambda _: DOCUMENT + b"\n# more\n")
    assert one.version != two.version


def tools(*found: Tool) -> Service:
    return CRM.model_copy(update={"tools": found})


def get(name: str, path: str, method: str = "GET") -> Tool:
    return Tool(name=name, route=Route(method=method, path=path))


MISTAKEN: dict[str, tuple[tuple[Service, ...], tuple[Dataset, ...], str]] = {
    "no route": ((tools(Tool(name="t")),), (), "no call would be seen as this tool"),
    "bad route": ((tools(get("t", "/{a}{b}")),), (), "two parameters"),
    "bad method": ((tools(get("t", "/a", "get")),), (), "not a method"),
    "same route": ((tools(get("t", "/a/{x}"), get("u", "/a/{y}")),), (), "is the route of `t` already"),
    "same name": ((tools(get("t", "/a"), get("t", "/b")),), (), "named twice"),
    "same place": ((CRM, CRM.model_copy(update={"id": "again"})),
                   (), "is the place of the service `crm` already"),
    "same place by letter case": ((API, API.model_copy(update={"id": "b", "url": "https://one.example.com/API"})),
                                  (), "is the place of the service `api` already"),
    "odd URL": ((CRM.model_copy(update={"url": "https://crm.example.com/%61"}),), (), "percent-encoded"),
    "route on MCP": ((NOTES.model_copy(update={"tools": (get("t", "/a"),)}),), (), "have only names"),
    "openapi on MCP": ((NOTES.model_copy(update={"openapi": "x.yaml"}),), (), "list the tools by name"),
    "built-in name": ((NOTES.model_copy(update={"tools": (Tool(name="resources/read"),)}),), (), "MCP method"),
    "selector of no service": (
        (CRM,),
        (Dataset(id="d", owner="alice", selectors=(Selector(service="x", access="read"),)),),
        "`x` is not a service",
    ),
    "selector of no tool": (
        (CRM,),
        (Dataset(id="d", owner="alice", selectors=(Selector(service="crm", tools=("x",), access="read"),)),),
        "`x` is not a tool of `crm`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("services", "datasets", "why"), MISTAKEN.values(), ids=MISTAKEN.keys())
def test_an_inventory_with_two_readings_is_a_mistake(
    services: tuple[Service, ...], datasets: tuple[Dataset, ...], why: str
) -> None:
    """What could not be enforced as it is written is reported, and no catalogue is made."""
    with pytest.raises(ConfigurationError) as caught:
        Catalog.compile(inventory(*services, datasets=datasets), no_documents)
    assert any(why in str(mistake) for mistake in caught.value.mistakes)


def test_every_mistake_is_reported_at_once() -> None:
    """Two services with a mistake each are two mistakes, and a broken document is one more."""
    documented = Service(id="doc", owner="bob", url="https://doc.example.com", openapi="doc.yaml")
    services = (tools(Tool(name="t")), NOTES.model_copy(update={"tools": (get("t", "/a"),)}), documented)
    with pytest.raises(ConfigurationError) as caught:
        Catalog.compile(inventory(*services), lambda _: b"openapi: 2")
    assert len(caught.value.mistakes) == 3


def test_a_selector_may_name_documented_and_built_in_tools() -> None:
    """Tools of an OpenAPI document and MCP methods can mark a dataset."""
    service = CRM.model_copy(update={"openapi": "crm.yaml", "tools": (REFUND,)})
    dataset = Dataset(
        id="d",
        owner="alice",
        selectors=(
            Selector(service="crm", tools=("ping",), access="read"),
            Selector(service="notes", tools=("resources/read",), access="read"),
        ),
    )
    assert Catalog.compile(inventory(service, NOTES, datasets=(dataset,)), lambda _: DOCUMENT)


def test_an_open_schema_stays_open() -> None:
    """A schema that lists no properties, of a tool without path parameters, is not closed by being compiled."""
    tool = Tool(name="t", route=Route(method="POST", path="/open"), input_schema={"type": "object"})
    found = compiled(CRM.model_copy(update={"tools": (tool,)})).tool_for("crm", "t")
    assert found is not None
    assert found.input_schema == {"type": "object"}


def test_an_encoded_slash_leads_to_no_other_service() -> None:
    """Only a service that takes one is found by such a path, and never in place of another that a decoder finds."""
    catalog = compiled(
        Service(id="root", owner="bob", url="https://a.test", paths=Paths(encoded_slash="allowed")),
        Service(id="deep", owner="bob", url="https://a.test/api/v2"),
    )
    found = catalog.service_for("https", "a.test", 443, "/x%2Fy")
    assert found is not None
    assert found.id == "root"
    assert catalog.service_for("https", "a.test", 443, "/api/v2/x") is not None
    for path in ("/api%2Fv2/x", "/api%2fV2", "/api/v2/x%2Fy", "/api/v2%2Fx", "/api%2Fv2%2Fx"):
        assert catalog.service_for("https", "a.test", 443, path) is None, path
