"""What a policy reads. A name that is missed here would be left out of the context, and change an answer."""

import pytest

from policies.cedar import parse
from policies.references import References, references


def of(condition: str, scope: str = "principal, action, resource") -> References:
    return references(parse(f"permit ({scope}) when {{ {condition} }};"))


@pytest.mark.parametrize(
    ("condition", "context", "arguments"),
    [
        ("true", set(), set()),
        ("context.hour > 5 && context.host == context.path", {"hour", "host", "path"}, set()),
        ("context.arguments.amount > 5", {"arguments"}, {"amount"}),
        ('context["arguments"]["a-b"].c.d', {"arguments"}, {"a-b"}),
        ("context has hour", {"hour"}, set()),
        ("context has arguments.amount", {"arguments"}, {"amount"}),
        ("context.arguments has amount", {"arguments"}, {"amount"}),
        ("context.service.owner.active", {"service"}, set()),
        ("context.arguments.from == context.arguments.to", {"arguments"}, {"from", "to"}),
        (
            "if context.lifecycle then context.hour > 1 else !context.chain_complete",
            {"lifecycle", "hour", "chain_complete"},
            set(),
        ),
        ('["a", context.task].contains(context.host)', {"task", "host"}, set()),
        ('{"Var": context.task, ".": {"left": context.host, "attr": 1}}["Var"] == "x"', {"task", "host"}, set()),
        ('context.task like "*x*"', {"task"}, set()),
        ("context.now < datetime(context.task)", {"now", "task"}, set()),
        ("context.on_behalf_of is Person in context.agent", {"on_behalf_of", "agent"}, set()),
        ("context.arguments == context.arguments", {"arguments"}, None),
        ("(if true then context.arguments else context.arguments).amount > 1", {"arguments"}, None),
        ("context == context", None, None),
        ("(if true then context else context).hour > 1", None, None),
        ("[context].isEmpty()", None, None),
        ("{a: context}.a.hour > 1", None, None),
    ],
)
def test_every_part_of_the_context_that_is_read_is_known(
    condition: str, context: set[str] | None, arguments: set[str] | None
) -> None:
    """By name where a name can be told; otherwise anything may be read."""
    found = of(condition)
    assert found.context == (None if context is None else frozenset(context))
    assert found.arguments == (None if arguments is None else frozenset(arguments))


def test_entities_are_found_in_scope_and_conditions() -> None:
    """In every part of the scope, in sets, in `is ... in`, in records."""
    found = of(
        'principal in [Team::"c", Person::"d"] && {x: Agent::"e"}.x in Team::"f" && resource is Dataset in Team::"h"',
        scope='principal is Agent in Team::"a", action in [Action::"x", Action::"y"], resource == Service::"b"',
    )
    names = {f"{kind}:{name}" for kind, name in found.entities}
    assert names == {
        "Team:a", "Action:x", "Action:y", "Service:b", "Team:c", "Person:d", "Agent:e", "Team:f", "Team:h",
    }  # fmt: skip


def test_tests_of_presence_are_kept_apart() -> None:
    """`has` is where a misspelt name is silently false."""
    found = of(
        'context has a && context.arguments has b.c && principal has d && resource has "e f" && context.service has g'
    )
    assert found.tested == {("a",), ("arguments", "b"), ("arguments", "b", "c"), ("service", "g")}
    assert found.attributes == {("principal", "d"), ("resource", "e f")}
