"""Rules that would silently mean nothing are found before they are in force."""

import pytest

from policies.bundle import Bundle
from policies.entities import ancestors, catalogue_entities
from policies.lint import find_mistakes
from policies.rules import read_rules
from policies.schema import actions
from tests.fakes.starter_catalogue import STARTER

REFUND = 'forbid (principal, action == Action::"crm/create_refund", resource)\nwhen'
ALL = "forbid (principal, action, resource) when"


def mistakes(text: str) -> list[str]:
    rules, wrong = read_rules(Bundle({"a.cedar": text}), STARTER)
    assert wrong == []
    asked = actions(STARTER)
    return [str(mistake) for mistake in find_mistakes(rules, asked, ancestors(catalogue_entities(STARTER), asked))]


@pytest.mark.parametrize(
    "text",
    [
        "permit (principal, action, resource);",
        'forbid (principal, action in Action::"effect:admin", resource);',
        'permit (principal in Team::"support", action in Action::"effect:read", resource in Service::"crm");',
        f"{REFUND} {{ context.arguments.amount > 100 }};",
        f"{REFUND} {{ !(context.arguments has amount) }};",
        f'{REFUND} {{ context.arguments has note && context.arguments.note like "*x*" }};',
        f'{ALL} {{ context has on_behalf_of && context.on_behalf_of in Team::"support" }};',
        f'{ALL} {{ context.now > datetime("2030-01-01") && context.datasets.isEmpty() }};',
        "forbid (principal is Agent, action, resource) when { principal has owner && !principal.owner.active };",
        'forbid (principal, action, resource is Dataset) when { resource.labels.contains("pii") };',
        'forbid (principal, action, resource) when { action == Action::"crm/create_refund" };',
        'permit (principal, action in [Action::"GET", Action::"HEAD"], resource == Api::"crm");',
        'permit (principal, action in [Action::"connect", Action::"notes/delete_note"], resource == Service::"notes");',
        'permit (principal, action in [Action::"crm/get_customer", Action::"connect"], resource == Service::"notes");',
    ],
)
def test_a_sound_rule_has_no_mistakes(text: str) -> None:
    """Every way of saying things that the documentation teaches."""
    assert mistakes(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'permit (principal == Agent::"suport-bot", action, resource);',
            'a.cedar:1: Agent::"suport-bot": the inventory has no such agent; did you mean `support-bot`?',
        ),
        (
            'permit (\n  principal in Team::"suport",\n  action, resource);',
            'a.cedar:2: Team::"suport": the inventory has no such team; did you mean `support`?',
        ),
        (
            'permit (principal, action == Action::"crm/get_custmer", resource);',
            'a.cedar:1: Action::"crm/get_custmer": the inventory has no such tool, method or group; did you mean `crm',
        ),
        (
            'permit (principal, action, resource) when {\n context.datasets.contains(Dataset::"payroll") };',
            'a.cedar:2: Dataset::"payroll": the inventory has no such dataset; add it there, or correct the name',
        ),
        (
            f'{REFUND} {{\n  context.arguments.customer == "x" &&\n  context.arguments.amuont > 100 }};',
            'a.cedar:4: attribute `arguments.amuont` in context for Action::"crm/create_refund" not found',
        ),
        (
            f"{REFUND} {{ context.arguments has amuont && context.arguments.amuont > 100 }};",
            "a.cedar:2: context.arguments.amuont: nothing that this policy is about has this; did you mean `amount`?",
        ),
        (
            "forbid (principal, action, resource) when { context has on_behalf && context.on_behalf == 1 };",
            "a.cedar:1: context.on_behalf: nothing that this policy is about has this; did you mean `on_behalf_of`?",
        ),
        (
            'forbid (principal, action == Action::"read", resource) when { context has arguments.amount };',
            "a.cedar:1: context.arguments: nothing that this policy is about has this; only a call of a tool has ",
        ),
        (
            "forbid (principal is Agent, action, resource) when { principal has enviroment };",
            "a.cedar:1: principal.enviroment: no principal has this attribute; did you mean `environment`?",
        ),
        (
            f'{REFUND} {{ context.arguments.note == "x" }};',
            "a.cedar:2: unable to guarantee safety of access to optional attribute `arguments.note` in context for ",
        ),
        (
            'forbid (principal, action == Action::"crm/create_refund", resource == Service::"notes");',
            'a.cedar:1: Service::"notes": this can never match: the tools named here belong to `crm`',
        ),
    ],
)
def test_a_rule_about_nothing_is_a_mistake(text: str, expected: str) -> None:
    """With the line of the wrong word, and the nearest right one."""
    assert mistakes(text)[0].startswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        f'{REFUND} {{ context.arguments.amount > "100" }};',
        "forbid (principal, action, resource) when { context.arguments.amount > 100 };",
        "forbid (principal, action, resource) when { principal.owner.active };",
        "permit (principal is Agnt, action, resource);",
        "permit (principal is Team, action, resource);",
        'permit (principal, action == Action::"read", resource is Service);',
        'permit (principal, action == Action::"crm/export_customers", resource) when { context.arguments.all };',
    ],
)
def test_what_the_validator_refuses_is_a_mistake(text: str) -> None:
    """Wrong types, attributes that only some have, types that do not exist, scopes that never apply."""
    assert mistakes(text)


def test_each_mistake_is_at_its_own_rule() -> None:
    """Rules are validated in groups, and the mistakes come back to the right one."""
    good = 'permit (principal, action == Action::"crm/get_customer", resource);'
    bad = 'forbid (principal, action == Action::"crm/get_customer", resource) when { context.arguments.nope };'
    text = f"{good}\n{bad}\n{good}\npermit (principal, action, resource);\n{bad}"
    assert [mistake.split(": ")[0] for mistake in mistakes(text)] == ["a.cedar:2", "a.cedar:5"]


def test_a_mistake_about_many_actions_is_told_once() -> None:
    """The validator repeats itself for every action; a person needs to read it once."""
    (told,) = mistakes(f"{ALL} {{ context.nope }};")
    assert "attribute `nope`" in told
    assert told.endswith("more)")
