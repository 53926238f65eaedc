"""Plain HTTP requests as calls: their tool, their arguments, and why some are refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import DatasetUse, Json
from proxy.errors import Refused
from proxy.facts import Route, Tool
from proxy.protocols.catalog import Catalog
from proxy.protocols.registry import describe
from proxy.stages import Described, Request
from tests.fakes.wire_calls import CATALOG, CRM, attributed, call, compiled, inventory, refusal, request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HOST = "crm.example.com"

DESCRIBED: dict[str, tuple[Request, str | None, dict[str, Json]]] = {
    "JSON body": (
        request("POST", f"{HOST}/v1/refunds", b'{"customer":"c1","amount":5}', JSON),
        "create_refund",
        {"customer": "c1", "amount": 5},
    ),
    "form body, typed by the schema": (
        request("POST", f"{HOST}/v1/refunds", b"customer=c1&amount=5&urgent=true&tags=a&tags=b", FORM),
        "create_refund",
        {"customer": "c1", "amount": 5, "urgent": True, "tags": ["a", "b"]},
    ),
    "query and body": (
        request("POST", f"{HOST}/v1/refunds?urgent=false", b'{"customer":"c1","amount":5}', JSON),
        "create_refund",
        {"urgent": False, "customer": "c1", "amount": 5},
    ),
    "path": (request("GET", f"{HOST}/v1/customers/c%201"), "get_customer", {"customer": "c 1"}),
    "path and query": (
        request("GET", f"{HOST}/v1/customers/c1?expand=plan+x"),
        "get_customer",
        {"customer": "c1", "expand": "plan x"},
    ),
    "GET with a body": (
        request("GET", f"{HOST}/v1/customers", b'{"limit":7}', JSON),
        "list_customers",
        {"limit": 7},
    ),
    "no tool": (request("DELETE", f"{HOST}/v1/customers/c1?force=1"), None, {"force": "1"}),
    "no tool, list body": (request("POST", f"{HOST}/v2/bulk", b"[1,2]", JSON), None, {"body": [1, 2]}),
    "no tool, scalar body": (request("POST", f"{HOST}/v2/bulk", b"null", JSON), None, {"body": None}),
    "the service itself": (request("GET", f"{HOST}/"), None, {}),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "tool", "arguments"), DESCRIBED.values(), ids=DESCRIBED.keys())
def test_arguments_are_one_object_whatever_their_place(
    sent: Request, tool: str | None, arguments: dict[str, Json]
) -> None:
    """Path, query and body become one typed object, for a tool or for the API question."""
    found = call(sent)
    assert (found.tool.name if found.tool else None) == tool
    assert found.arguments == arguments
    assert (found.protocol, found.service, found.lifecycle, found.rpc_id) == ("rest", CRM, False, None)


def test_operations_are_named_for_people() -> None:
    """A tool reads `service/tool`; without one, the method and path are named."""
    assert call(request("GET", f"{HOST}/v1/customers/7")).operation == "crm/get_customer"
    assert call(request("GET", f"{HOST}/v1/orders/7")).operation == "crm GET /v1/orders/7"


def test_datasets_are_recognised() -> None:
    """The selectors of the inventory name the datasets that a call touches."""
    assert call(request("GET", f"{HOST}/v1/customers/7")).datasets == (DatasetUse("customers", "read"),)
    assert call(request("GET", f"{HOST}/v1/customers")).datasets == ()


REFUND = b'{"customer":"c1","amount":5}'
REFUSED: dict[str, tuple[Request, str, int]] = {
    "unknown host": (request("GET", "evil.example.com/"), "service_unknown", 403),
    "argument in query and body": (
        request("POST", f"{HOST}/v1/refunds?amount=1", REFUND, JSON), "argument_conflict", 400),
    "argument in path and query": (
        request("GET", f"{HOST}/v1/customers/7?customer=8"), "argument_conflict", 400),
    "the same value twice is still twice": (
        request("GET", f"{HOST}/v1/customers/7?customer=7"), "argument_conflict", 400),
    "repeated query": (request("GET", f"{HOST}/v1/customers?a=1&a=2"), "argument_conflict", 400),
    "repeated form": (
        request("POST", f"{HOST}/v1/refunds", b"customer=a&customer=b", FORM), "argument_conflict", 400),
    "twins in query": (request("GET", f"{HOST}/v1/customers?id=1&ID=2"), "argument_conflict", 400),
    "twins in query and body": (
        request("POST", f"{HOST}/v1/refunds?Amount=1", REFUND, JSON), "argument_conflict", 400),
    "list body beside a `body` parameter": (
        request("POST", f"{HOST}/x?body=1", b"[]", JSON), "argument_conflict", 400),
    "look-alike of a declared argument": (
        request("POST", f"{HOST}/v1/refunds", b'{"customer":"c1","Amount":5000}', JSON), "argument_lookalike", 400),
    "look-alike inside": (
        request("POST", f"{HOST}/v1/refunds", b'{"customer":"c1","amount":5,"address":{"City":"x"}}', JSON),
        "argument_lookalike", 400),
    "look-alike in the query": (
        request("POST", f"{HOST}/v1/refunds?URGENT=true", REFUND, JSON), "argument_lookalike", 400),
    "text that is no number": (
        request("POST", f"{HOST}/v1/refunds", b"customer=c1&amount=5.0", FORM), "argument_invalid", 400),
    "list in the body of one": (
        request("POST", f"{HOST}/v1/refunds?urgent=yes", REFUND, JSON), "argument_invalid", 400),
    "query with a semicolon": (request("GET", f"{HOST}/v1/customers?a=1;b=2"), "query_ambiguous", 400),
    "query that is not UTF-8": (request("GET", f"{HOST}/v1/customers?a=%ff"), "query_ambiguous", 400),
    "other letter case": (request("GET", f"{HOST}/v1/Customers"), "route_ambiguous", 400),
    "final slash": (request("GET", f"{HOST}/v1/customers/"), "route_ambiguous", 400),
    "path parameters": (request("POST", f"{HOST}/v1/refunds;v=1", REFUND, JSON), "route_ambiguous", 400),
    "dot segments": (request("GET", f"{HOST}/v1/x/../customers"), "path_ambiguous", 400),
    "encoded slash": (request("GET", f"{HOST}/v1/customers%2f7"), "path_ambiguous", 400),
    "encoded letter": (request("GET", f"{HOST}/v1/%63ustomers"), "path_ambiguous", 400),
    "unknown method": (request("PURGE", f"{HOST}/v1/customers"), "method_unknown", 405),
    "lower-case method": (request("get", f"{HOST}/v1/customers"), "method_unknown", 405),
    "method override header": (
        request("POST", f"{HOST}/v1/x", headers=(("x-http-method-override", "DELETE"),)), "method_override", 400),
    "method override header, underscores": (
        request("POST", f"{HOST}/v1/x", headers=(("x_http_method_override", "DELETE"),)), "method_override", 400),
    "method override in the query": (request("POST", f"{HOST}/v1/x?_method=DELETE"), "method_override", 400),
    "method override in a form": (request("POST", f"{HOST}/v1/x", b"_METHOD=PUT", FORM), "method_override", 400),
    "method override in JSON": (
        request("POST", f"{HOST}/v1/x", b'{"_method":"PUT"}', JSON), "method_override", 400),
    "unknown content": (request("POST", f"{HOST}/v1/x", b"x", "text/plain"), "content_type_unknown", 415),
    "broken JSON": (request("POST", f"{HOST}/v1/x", b"{", JSON), "body_invalid", 400),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "reason", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_two_readings_is_refused(sent: Request, reason: str, status: int) -> None:
    """Each ambiguity has its own reason, and says how to mend the request."""
    found = refusal(sent)
    assert (found.reason, found.status) == (reason, status)
    assert found.detail.endswith(".")


DOCUMENT = b"""
openapi: 3.1.0
paths:
  /customers/{id}:
    put:
      operationId: put_customer
      parameters: [{name: id, in: path, schema: {type: integer}}]
      requestBody:
        content: {application/json: {schema: {type: object, properties: {id: {type: string}, name: {type: string}}}}}
"""


def test_documented_arguments_are_renamed_and_typed() -> None:
    """A name that path and body share is two arguments, below the path of the service's URL."""
    service = CRM.model_copy(update={"url": "https://crm.example.com/api", "openapi": "crm.yaml", "tools": ()})
    catalog = Catalog.compile(inventory(service), lambda _: DOCUMENT)
    found = call(request("PUT", f"{HOST}/api/customers/7", b'{"id":"x","name":"y"}', JSON), catalog)
    assert found.tool is not None
    assert found.tool.name == "put_customer"
    assert found.arguments == {"id": 7, "body_id": "x", "name": "y"}
    body = b'{"body_id":"x","id":"y"}'
    assert refusal(request("PUT", f"{HOST}/api/customers/7", body, JSON), catalog).reason == "argument_conflict"


@pytest.mark.parametrize("path", ["/api", "/api/"])
def test_the_root_of_a_service_has_two_spellings(path: str) -> None:
    """A service at `/api` is asked for its root with and without a final slash, and both are the same tool."""
    root = Tool(name="root", effect="read", route=Route(method="GET", path="/"))
    catalog = compiled(CRM.model_copy(update={"url": "https://crm.example.com/api", "tools": (root,)}))
    assert call(request("GET", HOST + path), catalog).tool == root


def test_a_service_without_tools_asks_about_its_api() -> None:
    """Without a catalogue of tools, each request is an API question with its arguments."""
    found = call(request("POST", f"{HOST}/x?a=1", b'{"b":2}', JSON), compiled(CRM.model_copy(update={"tools": ()})))
    assert (found.tool, found.arguments) == (None, {"a": "1", "b": 2})


TYPES = st.sampled_from([JSON, FORM, "application/json; charset=utf-8", "text/plain", "application/x+json"])


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.sampled_from(["/v1/refunds", "/v1/customers", "/v1/customers/7", "/x"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    st.binary(max_size=60)
    | st.dictionaries(st.text(), st.integers() | st.text()).map(lambda x: json.dumps(x).encode()),
    TYPES,
)
def test_any_request_is_described_or_refused(
    method: str, path: str, query: str, body: bytes, content_type: str
) -> None:
    """Whatever the bytes, the end is a described call or a refusal; never another exception."""
    sent = request(method, HOST + path, body, content_type)
    sent = Request(method, "https", HOST, 443, path, query, sent.headers, body)
    try:
        described = describe(attributed(sent), CATALOG)
    except Refused as refused:
        assert 400 <= refused.refusal.status < 500  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(described, Described)
