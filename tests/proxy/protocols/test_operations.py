"""What a tool's schema says of its arguments, and what is refused by it."""

import pytest

from policies.model import Json
from proxy.errors import Refused
from proxy.facts import Tool
from proxy.protocols.operations import Schema, check_lookalikes, from_text, prepare

SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer"},
        "customer": {"type": "object", "properties": {"iban": {"type": "string"}}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "broken": "not a schema",
    },
}


def reason(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.refusal.reason


LOOKALIKES: list[Json] = [
    {"Amount": 1},
    {"AMOUNT": 1},
    {"\uff41mount": 1},
    {"amount[]": 1},
    {"Amount [0]": 1},
    {" amount": 1},
    {"customer": {"IBAN": "x"}},
    {"lines": [{"sku": "a"}, {"Sku": "b"}]},
]


@pytest.mark.parametrize("arguments", LOOKALIKES)
def test_a_name_that_lax_readers_take_for_a_declared_one_is_refused(arguments: Json) -> None:
    """An argument cannot hide from policy under another spelling of its name, at any depth."""
    shape = prepare(Tool(name="t"), SCHEMA).shape
    assert shape is not None
    with pytest.raises(Refused) as caught:
        check_lookalikes(shape, arguments)
    assert reason(caught) == "argument_lookalike"


def test_declared_and_unrelated_names_pass() -> None:
    """Exact names, and names that resemble none, are left to policy."""
    shape = prepare(Tool(name="t"), SCHEMA).shape
    assert shape is not None
    check_lookalikes(shape, {"amount": 1, "customer": {"iban": "x", "bic": "y"}, "note": {"IBAN": 1}, "lines": 7})


TYPED: list[tuple[Json, list[str], Json]] = [
    (None, ["7"], "7"),
    ({"type": "string"}, ["7"], "7"),
    ({"type": "integer"}, ["7"], 7),
    ({"type": "integer"}, ["-7"], -7),
    ({"type": ["integer", "null"]}, ["7"], 7),
    ({"type": ["string", "integer"]}, ["7"], "7"),
    ({"type": "number"}, ["7.5"], 7.5),
    ({"type": "number"}, ["7"], 7),
    ({"type": "boolean"}, ["true"], True),
    ({"type": "boolean"}, ["false"], False),
    ({"type": "array"}, ["a"], ["a"]),
    ({"type": "array", "items": {"type": "integer"}}, ["1", "2"], [1, 2]),
    ({"type": "object"}, ["{}"], "{}"),
    ({}, ["x"], "x"),
]


@pytest.mark.parametrize(("schema", "texts", "expected"), TYPED)
def test_text_becomes_the_declared_type(schema: Schema | None, texts: list[str], expected: Json) -> None:
    """A parameter that travelled as text is what its schema says, so that policies compare numbers with numbers."""
    value = from_text(schema, "x", texts)
    assert value == expected
    assert type(value) is type(expected)


MISTYPED: list[tuple[Schema, str]] = [
    ({"type": "integer"}, "7.0"),
    ({"type": "integer"}, "07"),
    ({"type": "integer"}, "+7"),
    ({"type": "integer"}, " 7"),
    ({"type": "integer"}, "\u0667"),
    ({"type": "integer"}, "9" * 19),
    ({"type": "integer"}, ""),
    ({"type": "number"}, "NaN"),
    ({"type": "number"}, "1e999"),
    ({"type": "boolean"}, "1"),
    ({"type": "boolean"}, "TRUE"),
]


@pytest.mark.parametrize(("schema", "text"), MISTYPED)
def test_text_of_another_type_is_refused(schema: Schema, text: str) -> None:
    """Text that only some readers would take for the declared type is refused."""
    with pytest.raises(Refused) as caught:
        from_text(schema, "x", [text])
    assert reason(caught) == "argument_invalid"


def test_a_repeated_parameter_is_refused_unless_it_is_a_list() -> None:
    """Of two values, one reader takes the first and another the last."""
    with pytest.raises(Refused) as caught:
        from_text({"type": "string"}, "x", ["1", "2"])
    assert reason(caught) == "argument_conflict"


def test_the_definition_changes_with_anything_that_an_approver_would_have_read() -> None:
    """Name, description and schema pin a definition; an equal tool has an equal one."""
    tool = Tool(name="t", description="d")
    pinned = prepare(tool, SCHEMA).definition
    assert pinned == prepare(tool, dict(SCHEMA)).definition
    changed = [
        prepare(Tool(name="u", description="d"), SCHEMA),
        prepare(Tool(name="t", description="e"), SCHEMA),
        prepare(tool, None),
        prepare(tool, {**SCHEMA, "maxProperties": 1e300}),
    ]
    assert pinned not in {one.definition for one in changed}
