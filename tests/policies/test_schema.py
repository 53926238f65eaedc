"""The schema that is generated from a catalogue."""

import pytest

from policies.cedar import Schema
from policies.model import Catalogue, ServiceFacts, ToolFacts
from policies.schema import METHODS, actions, effect_group, schema_text
from tests.fakes.starter_catalogue import STARTER, arguments

TOOL_NAMES = ["a-b", "a.b", "a/b", "a b", 'a"b', "a\\b", "a\nb", "é", "::", "read", "__cedar", "if", "*"]


def test_the_starter_schema_is_cedar() -> None:
    """Cedar accepts it, and it has one action a tool, two for data, one for connecting, one a method."""
    asked = actions(STARTER)
    Schema(schema_text(asked.values()))
    assert {name for name, action in asked.items() if action.service} == {
        "crm/get_customer", "crm/create_refund", "crm/export_customers", "notes/search_notes", "notes/delete_note",
    }  # fmt: skip
    assert set(asked) >= {"read", "write", "connect", *METHODS}


@pytest.mark.parametrize("name", TOOL_NAMES)
def test_a_tool_may_have_any_name(name: str) -> None:
    """So may its arguments; a policy about it validates, one about a missing argument does not."""
    tool = ToolFacts(name, "read", arguments([name], **{name: {"type": "integer"}}))
    asked = actions(Catalogue("v", services=(ServiceFacts("s", "alice", tools=(tool,)),)))
    schema = Schema(schema_text(asked.values()))
    action = asked[f"s/{name}"].text.split(" in [")[0].removeprefix("action ")
    attribute = action.removeprefix('"s/')
    policy = 'permit (principal, action == Action::{}, resource) when {{ context.arguments["{}{} > 1 }};'
    assert schema.mistakes([policy.format(action, attribute, "]")]) == []
    assert len(schema.mistakes([policy.format(action, 'missing"', "]")])) == 1


def test_arguments_without_a_schema_cannot_be_named() -> None:
    """An untyped tool has an empty record of arguments."""
    schema = Schema(schema_text(actions(STARTER).values()))
    policy = 'permit (principal, action == Action::"crm/export_customers", resource) when { context.arguments.all };'
    ((_, text),) = schema.mistakes([policy])
    assert "arguments.all" in text


def test_tools_are_grouped_by_effect() -> None:
    """An effect that we do not know counts as unknown."""
    assert effect_group("read") == "effect:read"
    assert effect_group("harmless") == "effect:unknown"
    assert actions(STARTER)["notes/delete_note"].groups == ("effect:delete",)
