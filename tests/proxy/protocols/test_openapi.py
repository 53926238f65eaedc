"""What an OpenAPI document becomes, and what in it is a mistake."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Json
from proxy.errors import Mistake
from proxy.protocols.openapi import read_operations
from proxy.protocols.operations import Operation

DOCUMENT = """
openapi: 3.0.3
info: {title: CRM, version: "1"}
paths:
  /customers/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
    get:
      operationId: getCustomer
      summary: Read one customer
      parameters:
        - {name: fields, in: query, schema: {type: array, items: {type: string}}}
        - {name: X-Trace, in: header, schema: {type: string}}
    put:
      operationId: putCustomer
      parameters:
        - {name: version, in: query, schema: {type: integer}}
      requestBody: {$ref: "#/components/requestBodies/Customer"}
    x-internal: true
  /bulk:
    post:
      requestBody:
        content:
          application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Customer"}}}
    delete: {}
components:
  requestBodies:
    Customer:
      required: true
      content: {application/json: {schema: {$ref: "#/components/schemas/Customer"}}}
  schemas:
    Base: {type: object, required: [name], properties: {name: {type: string, nullable: true}}}
    Customer:
      allOf:
        - {$ref: "#/components/schemas/Base"}
        - {type: object, properties: {id: {type: string}, version: {type: integer},
           parent: {$ref: "#/components/schemas/Customer"}}}
"""


def read(text: str | bytes) -> tuple[dict[str, Operation], list[Mistake]]:
    mistakes: list[Mistake] = []
    raw = text.encode() if isinstance(text, str) else text
    return {one.tool.name: one for one in read_operations(raw, "crm.yaml", mistakes)}, mistakes


def test_each_operation_is_a_tool_with_a_route() -> None:
    """A tool is named by its operation id, else by method and path, and takes its effect from the method."""
    found, mistakes = read(DOCUMENT)
    assert mistakes == []
    assert {
        name: (one.tool.route.method, one.tool.route.path, one.tool.effect)
        for name, one in found.items()
        if one.tool.route
    } == {
        "getCustomer": ("GET", "/customers/{id}", "read"),
        "putCustomer": ("PUT", "/customers/{id}", "write"),
        "POST /bulk": ("POST", "/bulk", "write"),
        "DELETE /bulk": ("DELETE", "/bulk", "delete"),
    }
    assert found["getCustomer"].tool.description == "Read one customer"


def test_arguments_come_from_path_query_and_body() -> None:
    """Path and query parameters are arguments; headers are not."""
    found, _ = read(DOCUMENT)
    assert found["getCustomer"].schema == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "fields": {"type": "array", "items": {"type": "string"}}},
        "required": ["id"],
    }


def test_names_that_collide_are_prefixed_by_their_place() -> None:
    """The path keeps a shared name; query and body get a prefix, and the call is read the same way."""
    operation = read(DOCUMENT)[0]["putCustomer"]
    assert set(operation.properties) == {"id", "version", "name", "body_id", "body_version", "parent"}
    assert operation.argument("path", "id") == "id"
    assert operation.argument("body", "id") == "body_id"
    assert operation.argument("body", "version") == "body_version"
    assert operation.schema is not None
    assert operation.schema["required"] == ["id", "name"]


def test_references_are_inlined_until_they_recurse() -> None:
    """A recursive schema ends in one that says nothing, and `nullable` becomes a type."""
    operation = read(DOCUMENT)[0]["putCustomer"]
    assert operation.properties["name"] == {"type": ["string", "null"]}
    assert operation.properties["parent"] == {}


def test_a_body_that_is_no_object_is_one_argument() -> None:
    """A list as body is the argument `body`."""
    operation = read(DOCUMENT)[0]["POST /bulk"]
    assert list(operation.properties) == ["body"]
    assert operation.properties["body"]["type"] == "array"


def test_json_documents_are_read_as_well() -> None:
    """The same document as JSON gives the same tools."""
    document = {"openapi": "3.1.0", "paths": {"/x": {"get": {"operationId": "x"}}}}
    found, mistakes = read(json.dumps(document))
    assert (list(found), mistakes) == (["x"], [])


BAD: dict[str, tuple[str, str]] = {
    "swagger 2": ("swagger: '2.0'\npaths: {/x: {get: {}}}", "3.0.x or 3.1.x"),
    "no paths": ("openapi: 3.1.0\npaths: {}", "at least one path"),
    "path without methods": ("openapi: 3.1.0\npaths: {/x: 7}", "mapping of methods"),
    "remote reference": (
        "openapi: 3.1.0\npaths: {/x: {post: {requestBody: {$ref: 'https://evil.example/x'}}}}",
        "only references inside the document",
    ),
    "reference to nothing": (
        "openapi: 3.1.0\npaths: {/x: {post: {requestBody: {$ref: '#/components/no'}}}}",
        "which is not in the document",
    ),
    "nameless parameter": ("openapi: 3.1.0\npaths: {/x: {get: {parameters: [{in: query}]}}}", "without `name`"),
    "prefix collides": (
        """
openapi: 3.1.0
paths:
  /x/{id}:
    post:
      parameters: [{name: id, in: path}, {name: body_id, in: query}]
      requestBody: {content: {application/json: {schema: {properties: {id: {}}}}}}
""",
        "the argument `body_id`",
    ),
    "duplicate key": ("openapi: 3.1.0\npaths: {/x: {}}\npaths: {/y: {}}", "paths"),
    "duplicate JSON key": ('{"openapi":"3.1.0","paths":{},"paths":{}}', "twice"),
    "broken YAML": ("openapi: [", "crm.yaml"),
}


@pytest.mark.parametrize(("text", "why"), BAD.values(), ids=BAD.keys())
def test_a_document_that_cannot_be_used_is_a_mistake(text: str, why: str) -> None:
    """What cannot be used is reported with the file's name, never left out in silence."""
    _, mistakes = read(text)
    assert any(why in str(mistake) and mistake.file == "crm.yaml" for mistake in mistakes), mistakes


def test_references_that_multiply_are_cut_off() -> None:
    """A small document whose references unfold without end is still read at once."""
    schemas: dict[str, Json] = {
        f"S{level}": {
            "type": "object",
            "properties": {f"p{n}": {"$ref": f"#/components/schemas/S{level + 1}"} for n in range(10)},
        }
        for level in range(10)
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    document = {
        "openapi": "3.1.0",
        "paths": {"/x": {"post": {"operationId": "x", "requestBody": body}}},
        "components": {"schemas": {**schemas, "S10": {}}},
    }
    found, mistakes = read(json.dumps(document))
    assert mistakes == []
    assert len(found["x"].properties) == 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("#/paths"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "schema", "properties", "allOf", "parameters", "name", "in", "content", "required"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_operation_is_read_or_reported(node: Json) -> None:
    """Whatever stands in an operation, reading it ends with tools or mistakes, never with an error."""
    read(json.dumps({"openapi": "3.1.0", "paths": {"/x": {"post": node, "parameters": node}}}))
    read(json.dumps({"openapi": "3.1.0", "paths": {"/x": {"post": {"requestBody": node, "parameters": [node]}}}}))


def test_a_parameter_that_a_credential_fills_is_no_argument() -> None:
    """A query parameter of that name, required or not, is not asked of the agent; one elsewhere is another thing."""
    document = b"""{"openapi": "3.1.0", "info": {}, "paths": {"/find/{key}": {"get": {"operationId": "find",
      "parameters": [{"name": "key", "in": "path", "required": true}, {"name": "Key", "in": "query", "required": true},
      {"name": "q", "in": "query", "required": true}]}}}}"""
    (plain,) = read_operations(document, "f", [])
    assert plain.schema is not None
    assert plain.schema["required"] == ["key", "Key", "q"]
    (bound,) = read_operations(document, "f", [], frozenset({"key"}))
    assert bound.schema is not None
    assert bound.schema["required"] == ["key", "q"]
