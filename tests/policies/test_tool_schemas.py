"""What policies can know of a tool's arguments, from its JSON Schema."""

import pytest

from policies.model import Json
from policies.tool_schemas import arguments_shape


def cedar_type(**properties: Json) -> str:
    shape = arguments_shape({"type": "object", "properties": properties, "required": ["a"]})
    assert shape is not None
    return shape.cedar_type


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, '{"a": String}'),
        ({"type": "integer", "minimum": 1}, '{"a": Long}'),
        ({"type": "number"}, '{"a": __cedar::decimal}'),
        ({"type": ["integer", "number"]}, '{"a": __cedar::decimal}'),
        ({"type": "boolean"}, '{"a": Bool}'),
        ({"enum": ["x", "y"]}, '{"a": String}'),
        ({"const": "x"}, '{"a": String}'),
        ({"type": "array", "items": {"type": "string"}}, '{"a": Set<String>}'),
        ({"type": "object", "properties": {"b": {"type": "integer"}}}, '{"a": {"b"?: Long}}'),
        ({"type": ["string", "null"]}, '{"a"?: String}'),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, '{"a"?: String}'),
        ({"allOf": [{"type": "string"}]}, '{"a": String}'),
    ],
)
def test_a_plain_schema_is_a_type(schema: Json, expected: str) -> None:
    """As generators write them; what may be null is optional though required."""
    assert cedar_type(a=schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "null"},
        {"type": ["string", "integer"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": ["x", 1]},
        {"type": "array"},
        {"type": "array", "items": {"type": ["string", "null"]}},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"$ref": "https://elsewhere.example/schema"},
        {"$ref": "#/$defs/missing"},
        {"type": 7},
    ],
)
def test_what_is_not_plain_is_hidden(schema: Json) -> None:
    """A policy cannot name it, so cannot be wrong about it; any value passes."""
    assert cedar_type(a=schema) == "{}"


def test_local_references_are_followed() -> None:
    """Also several in a row; one that leads to itself is untyped."""
    shape = arguments_shape(
        {
            "type": "object",
            "properties": {"line": {"$ref": "#/$defs/a~1b"}, "tree": {"$ref": "#/$defs/tree"}},
            "$defs": {
                "a/b": {"$ref": "#/$defs/line"},
                "line": {"type": "object", "properties": {"sku": {"type": "string"}}},
                "tree": {"$ref": "#/$defs/tree"},
            },
        }
    )
    assert shape is not None
    assert shape.cedar_type == '{"line"?: {"sku"?: String}}'


def test_a_recursive_schema_ends() -> None:
    """A tree is typed to a depth that no policy reaches."""
    node: Json = {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}, "name": {"type": "string"}}}
    shape = arguments_shape({"$ref": "#/$defs/node", "$defs": {"node": node}})
    assert shape is not None
    assert shape.cedar_type.startswith('{"child"?: {"child"?: ')
    assert len(shape.cedar_type) < 2_000


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"type": "string"}, {"oneOf": []}])
def test_a_schema_that_lists_no_arguments_leaves_them_untyped(schema: dict[str, Json] | None) -> None:
    """Then nothing is checked, and policies cannot name any."""
    assert arguments_shape(schema) is None


@pytest.mark.parametrize(
    ("extra", "is_open"),
    [
        ({}, False),
        ({"additionalProperties": False}, False),
        ({"additionalProperties": True}, True),
        ({"additionalProperties": {"type": "string"}}, True),
        ({"patternProperties": {"^x-": {}}}, True),
        ({"oneOf": [{"required": ["a"]}]}, True),
    ],
)
def test_an_unnamed_argument_passes_only_where_the_schema_says_so(extra: dict[str, Json], is_open: bool) -> None:
    """Stricter than JSON Schema: what nobody declared, nobody wrote a policy for."""
    shape = arguments_shape({"type": "object", "properties": {"a": {}}, **extra})
    assert shape is not None
    assert shape.open is is_open


def test_a_required_argument_without_a_type_is_still_required() -> None:
    """It is there, whatever it is."""
    shape = arguments_shape({"type": "object", "properties": {}, "required": ["x"]})
    assert shape is not None
    assert shape.members["x"].required


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_names_that_cedar_reads_otherwise_are_hidden(name: str) -> None:
    """An argument called `__entity` would let the agent name any entity it likes."""
    assert cedar_type(**{name: {"type": "object", "properties": {"type": {"type": "string"}}}}) == "{}"


def test_a_frozen_document_reads_the_same() -> None:
    """Its arrays are tuples."""
    frozen: dict = {"type": ("object",), "properties": {"a": {"anyOf": ({"enum": ("x",)}, {"type": "null"})}}}
    shape = arguments_shape({**frozen, "required": ("a", "b")})
    assert shape is not None
    assert (shape.cedar_type, shape.members["b"].required) == ('{"a"?: String}', True)
